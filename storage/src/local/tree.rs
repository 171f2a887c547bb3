//! [`Tree`]: the directories below a root, reached without following a symbolic link.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, mkdirat, openat, statat};
use rustix::io::Errno;

use super::blocking::Cancelled;
use super::error::LocalError;
use super::fsync::Fsync;
use crate::{ObjectMeta, ObjectPath};

/// More directories than any layout has; beyond it the memory of what is durable starts anew, which
/// costs a sync each and nothing else.
const MAX_SETTLED: usize = 65_536;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A root directory, held open: a root that is renamed stays the same storage.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    path: PathBuf,
    fsync: Arc<dyn Fsync>,
    /// Guards the directories whose own entry this tree has made durable. That a directory is there
    /// does not say that its entry would survive a crash: another process may just have made it.
    settled: Mutex<HashSet<Box<str>>>,
}

/// Files and directories in a directory, each sorted by name.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) files: Vec<ObjectMeta>,
    pub(super) directories: Vec<ObjectPath>,
}

impl Tree {
    /// Opens the root, which must be a directory.
    pub(super) fn open(path: PathBuf, fsync: Arc<dyn Fsync>) -> Result<Self, LocalError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(LocalError::io("open the root directory"))?;
        Ok(Self { root, path, fsync, settled: Mutex::default() })
    }

    /// Where the root was when it was opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    pub(super) fn fsync(&self) -> &dyn Fsync {
        &*self.fsync
    }

    /// The directory that holds `path`.
    pub(super) fn parent(&self, path: &ObjectPath) -> Result<OwnedFd, LocalError> {
        self.directory(parent_of(path))
    }

    /// The directory that holds `path`, made when it is not there. Its entry and those of all its
    /// ancestors are durable.
    pub(super) fn make_parent(&self, path: &ObjectPath) -> Result<OwnedFd, LocalError> {
        let parent = parent_of(path);
        let mut directory = self.start()?;
        let mut above = "";
        for (here, segment) in ancestors(parent) {
            let (next, made) = self.enter_or_make(&directory, segment)?;
            if made || !self.is_settled(here) {
                self.fsync
                    .directory(directory.as_fd(), above)
                    .map_err(LocalError::io("make a directory durable"))?;
                self.settle(here);
            }
            directory = next;
            above = here;
        }
        Ok(directory)
    }

    /// Makes the entries of the directory that holds `path` durable.
    pub(super) fn sync_parent(
        &self,
        directory: &OwnedFd,
        path: &ObjectPath,
    ) -> Result<(), LocalError> {
        self.fsync
            .directory(directory.as_fd(), parent_of(path))
            .map_err(LocalError::io("make the directory entry durable"))
    }

    /// The directory, held open, and what may be objects or directories in it by their names, sorted; nothing when it is not
    /// there. Names that are no object paths (the staging directory has one) are not ours and left out.
    pub(super) fn names(
        &self,
        directory: &ObjectPath,
        cancelled: &Cancelled,
    ) -> Result<Option<(OwnedFd, Vec<ObjectPath>)>, LocalError> {
        let handle = match self.directory(directory.as_str()) {
            Err(error) if error.is_absence() => return Ok(None),
            handle => handle?,
        };
        let read_error = LocalError::io::<Errno>("read a directory");
        let mut paths = Vec::new();
        for entry in Dir::read_from(&handle).map_err(&read_error)? {
            cancelled.check()?;
            let entry = entry.map_err(&read_error)?;
            paths.extend(object_path(directory, entry.file_name().to_bytes()));
        }
        paths.sort_unstable();
        Ok(Some((handle, paths)))
    }

    /// What lies in a directory by these names, in their order; what is neither file nor directory is left out.
    pub(super) fn look(
        &self,
        directory: &OwnedFd,
        paths: Vec<ObjectPath>,
        cancelled: &Cancelled,
    ) -> Result<Entries, LocalError> {
        let mut entries = Entries { files: Vec::with_capacity(paths.len()), ..Entries::default() };
        for path in paths {
            cancelled.check()?;
            let stat = match statat(directory, path.name(), AtFlags::SYMLINK_NOFOLLOW) {
                // Deleted since the directory was read.
                Err(Errno::NOENT) => continue,
                stat => stat.map_err(LocalError::io("read the attributes of a file"))?,
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => entries.files.push(meta(path, &stat)),
                FileType::Directory => entries.directories.push(path),
                _ => {}
            }
        }
        Ok(entries)
    }

    fn directory(&self, path: &str) -> Result<OwnedFd, LocalError> {
        let mut directory = self.start()?;
        for (_, segment) in ancestors(path) {
            directory = self.enter(&directory, segment)?;
        }
        Ok(directory)
    }

    fn start(&self) -> Result<OwnedFd, LocalError> {
        openat(&self.root, ".", DIRECTORY, Mode::empty())
            .map_err(LocalError::io("open the root directory"))
    }

    fn enter(&self, directory: &OwnedFd, segment: &str) -> Result<OwnedFd, LocalError> {
        openat(directory, segment, DIRECTORY, Mode::empty()).map_err(|errno| {
            let errno = match errno {
                // The kernel says the same of a file, where nothing can be, and of a link, where
                // something may be.
                Errno::NOTDIR if is_link(directory, segment) => Errno::LOOP,
                errno => errno,
            };
            LocalError::io("open a directory")(errno)
        })
    }

    fn enter_or_make(
        &self,
        directory: &OwnedFd,
        segment: &str,
    ) -> Result<(OwnedFd, bool), LocalError> {
        match self.enter(directory, segment) {
            Err(error) if error.is_absence() => {}
            entered => return Ok((entered?, false)),
        }
        let made = match mkdirat(directory, segment, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(LocalError::io("make a directory")(errno)),
        };
        Ok((self.enter(directory, segment)?, made))
    }

    fn is_settled(&self, directory: &str) -> bool {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).contains(directory)
    }

    fn settle(&self, directory: &str) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if settled.len() >= MAX_SETTLED {
            settled.clear();
        }
        settled.insert(directory.into());
    }
}

/// Makes the directory at `path` and its missing ancestors, each durable.
pub(super) fn make_root(path: &Path, fsync: &dyn Fsync) -> io::Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|ancestor| {
            !ancestor.as_os_str().is_empty() && std::fs::metadata(ancestor).is_err()
        })
        .collect();
    for directory in missing.into_iter().rev() {
        match std::fs::create_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        if let Some(parent) = directory.parent() {
            let handle = std::fs::File::open(parent)?;
            fsync.directory(handle.as_fd(), &parent.to_string_lossy())?;
        }
    }
    Ok(())
}

/// The attributes of an object. A time before 1970 is 1970.
pub(super) fn meta(path: ObjectPath, stat: &Stat) -> ObjectMeta {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let modified = SystemTime::UNIX_EPOCH
        .checked_add(
            Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())),
        )
        .unwrap_or(SystemTime::UNIX_EPOCH);
    ObjectMeta::new(path, u64::try_from(stat.st_size).unwrap_or(0), modified)
}

fn object_path(directory: &ObjectPath, name: &[u8]) -> Option<ObjectPath> {
    directory.join(std::str::from_utf8(name).ok()?).ok()
}

fn is_link(directory: &OwnedFd, segment: &str) -> bool {
    statat(directory, segment, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// The text of the path that holds `path`; empty for the root.
fn parent_of(path: &ObjectPath) -> &str {
    path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Each path from the first segment down to `path`, with its last segment.
fn ancestors(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut start = 0;
    path.split('/').filter(|segment| !segment.is_empty()).map(move |segment| {
        let end = start + segment.len();
        start = end + 1;
        (path.get(..end).unwrap_or(path), segment)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_go_from_the_root_down() {
        let all: Vec<_> = ancestors("a/bc/d").collect();
        assert_eq!(all, [("a", "a"), ("a/bc", "bc"), ("a/bc/d", "d")]);
        assert_eq!(ancestors("").count(), 0);
    }
}
