//! *Does*: finds what a restore that died has staged, for the one that is asked for again.
//!
//! *Invariants*: nothing is taken on trust. A file keeps its place in the staged tree, so it is found by that; whoever adopts
//! it has read every byte of it and compared. It is moved, never linked, so that no file is in two trees. Once an
//! installation has begun a staged tree may hold what it replaced: it is no leftover any more.
//!
//! *On failure*: what cannot be opened counts as not there.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cairn_actors::tablet::{Leftover, SegmentWriter, TabletError};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::failure::failed;
use super::hidden::{Area, JobDirectory};
use super::moves::NEW;
use super::recovery::{LEFTOVERS, has_switch};
use super::root::{Root, join};
use super::stamp::{Moment, Stamp};
use super::target::Target;
use super::writer::FileWriter;

/// The directories of dead restores that have staged something of these targets.
pub(super) fn leftovers_of(
    root: &Arc<Root>,
    targets: &[Target],
) -> Result<Vec<JobDirectory>, TabletError> {
    let mut leftovers = Vec::new();
    for job in Area::Restore.jobs(root)? {
        let staged = |target: &Target| {
            let path = join(&[Area::Restore.path(), &job, NEW, &target.path()]);
            statat(root.fd(), path, AtFlags::SYMLINK_NOFOLLOW).is_ok()
        };
        if has_switch(root, &job)? || !targets.iter().any(staged) {
            continue;
        }
        if let Some(directory) = JobDirectory::adopt(root, Area::Restore, &job)?
            && directory.is_leftover_within(LEFTOVERS)?
        {
            leftovers.push(directory);
        }
    }
    Ok(leftovers)
}

/// A regular file of this length that a dead restore has staged at this path.
pub(super) fn find<'a>(
    leftovers: &'a [JobDirectory],
    path: &str,
    len: u64,
) -> Option<(&'a JobDirectory, File)> {
    let staged = join(&[NEW, path]);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    leftovers.iter().find_map(|job| {
        let file = openat(job.fd(), &staged, flags, Mode::empty()).ok()?;
        let stamp = Stamp::of_open(&file).ok()?;
        let is_file = FileType::from_raw_mode(stamp.mode) == FileType::RegularFile;
        (is_file && stamp.len == len).then(|| (job, File::from(file)))
    })
}

/// A staged file: where it is, and how it is to be.
#[derive(Debug)]
pub(super) struct FilePlace {
    /// Its path from the warehouse.
    pub(super) path: String,
    /// The live path, for errors.
    pub(super) shown: String,
    /// Its length in bytes.
    pub(super) len: u64,
    /// Its permissions.
    pub(super) permissions: u32,
    /// Whom the set-ID bits act for.
    pub(super) owner: Option<(u32, u32)>,
    /// Its modification time.
    pub(super) mtime: Option<Moment>,
}

/// A file of a dead restore.
pub(super) struct LeftoverFile<'a> {
    pub(super) file: File,
    pub(super) place: FilePlace,
    /// Moves it to its place in the restore that goes on.
    pub(super) take_over: TakeOver<'a>,
}

type TakeOver<'a> = Box<dyn FnOnce(&FilePlace) -> Result<(), TabletError> + Send + 'a>;

impl Leftover for LeftoverFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TabletError> {
        let mut len = 0;
        while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
            match self.file.read(rest) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                    return Err(failed("read the file", &self.place.shown, errno));
                }
            }
        }
        Ok(len)
    }

    fn adopt(self: Box<Self>) -> Result<(), TabletError> {
        let Self { file, place, take_over } = *self;
        take_over(&place)?;
        let FilePlace { shown, len, permissions, owner, mtime, .. } = place;
        let writer = FileWriter {
            file,
            shown,
            len,
            written: AtomicU64::new(len),
            permissions: Some(permissions),
            owner,
            mtime,
        };
        Box::new(writer).finish()
    }
}
