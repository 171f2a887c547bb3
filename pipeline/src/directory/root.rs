//! *Does*: holds the warehouse directory open; every path of this module is relative to it.
//!
//! *Invariants*: the descriptor stays with the directory even when that is renamed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_actors::tablet::TabletError;
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use super::entries::open_directory;
use super::failure::{failed, invalid};
use super::stamp::Stamp;

/// The open warehouse directory.
#[derive(Debug)]
pub(super) struct Root {
    fd: OwnedFd,
    path: PathBuf,
    device: u64,
}

impl Root {
    /// Opens an existing directory.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, TabletError> {
        let shown = path.display().to_string();
        let canonical = path.canonicalize().map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            failed("open the warehouse directory", shown.clone(), errno)
        })?;
        let fd = match open_directory(rustix::fs::CWD, &canonical) {
            Err(Errno::NOTDIR) => return Err(invalid(shown, "is not a directory")),
            other => other.map_err(|e| failed("open the warehouse directory", &shown, e))?,
        };
        let stamp = Stamp::of_open(&fd).map_err(|e| failed("examine the directory", &shown, e))?;
        Ok(Arc::new(Self { fd, path: canonical, device: stamp.device }))
    }

    /// The descriptor that relative paths start from.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The canonical path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The device of the warehouse's file system.
    pub(super) fn device(&self) -> u64 {
        self.device
    }

    /// A relative path as a person would find it.
    pub(super) fn shown(&self, relative: impl AsRef<[u8]>) -> String {
        let relative = String::from_utf8_lossy(relative.as_ref());
        match relative.is_empty() {
            true => self.path.display().to_string(),
            false => format!("{}/{relative}", self.path.display()),
        }
    }

    /// What is at a relative path, links not followed; `None` when nothing is.
    pub(super) fn stamp(&self, relative: &[u8]) -> Result<Option<Stamp>, TabletError> {
        match statat(&self.fd, relative, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stamp::from(stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(failed("examine the file", self.shown(relative), errno)),
        }
    }

    /// Opens a directory by its relative path; "" is the warehouse itself.
    pub(super) fn open_directory(&self, relative: &[u8]) -> Result<OwnedFd, Errno> {
        open_directory(&self.fd, if relative.is_empty() { b"." } else { relative })
    }
}

/// Joins the levels that are not empty.
pub(super) fn join(levels: &[&str]) -> String {
    let mut path = String::with_capacity(levels.iter().map(|level| level.len() + 1).sum());
    for level in levels.iter().filter(|level| !level.is_empty()) {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(level);
    }
    path
}
