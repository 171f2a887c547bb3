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
use super::staging::{FilePlace, Staging};
use super::stamp::Stamp;
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

/// A file of a dead restore.
pub(super) struct LeftoverFile<'a> {
    pub(super) staging: &'a Staging,
    pub(super) job: &'a JobDirectory,
    pub(super) file: File,
    pub(super) place: FilePlace,
}

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
        let Self { staging, job, file, place } = *self;
        staging.take_over(job, &place)?;
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
