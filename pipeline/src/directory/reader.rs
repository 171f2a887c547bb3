//! *Does*: reads one pinned segment and vouches that it did not change.
//!
//! # What `finish` guarantees
//! Reading starts only when the file's modification time is older than a tick, so that every `write`
//! after that moment moves the modification time. After the last byte, length, inode and modification
//! time must still be the listed ones. So a segment that was written, truncated or extended through
//! `write` and its kin at any time between listing and `finish` fails as `Changed`.
//!
//! # What it does not
//! - Stores through a shared memory mapping reach the modification time only when the page was clean.
//! - A writer that sets the modification time back is seen only in the change time, which renaming and
//!   removing the live name also move. Such a segment passes, but without an identity: it is read again
//!   next time. Only when write and setting back both fall between the last check and the release of
//!   the hold, some microseconds, or into one tick of the clock with it, the identity is kept.
//! - A clock that is set back may repeat a modification time.
//!
//! # The identity that `finish` returns
//! Linking and unlinking the pin move the change time, so the identity is taken after both. It is empty
//! when the modification time is recent, when the change time moved between pinning and the end of
//! reading, or when the file changed after it.

use std::os::fd::OwnedFd;

use cairn_actors::tablet::{SegmentReader, TabletError};
use rustix::fs::{Advice, fadvise};
use rustix::io::Errno;

use super::failure::{changed, failed, invalid};
use super::listing::Listed;
use super::pin::{HandlePermit, LinkedPin, OpenedPin};
use super::stamp::{Moment, Stamp};

/// Below this the default read-ahead covers the file anyway.
const SEQUENTIAL_FROM_BYTES: u64 = 256 * 1024;

/// Reads a regular file.
#[derive(Debug)]
pub(super) struct FileReader {
    file: OwnedFd,
    shown: String,
    listed: Listed,
    position: u64,
    /// Change time as of the hold.
    ctime: Moment,
    link: Option<LinkedPin>,
    _permit: Option<HandlePermit>,
}

impl FileReader {
    /// Reads what a pin holds; `shown` names it in errors.
    pub(super) fn new(pin: OpenedPin, listed: Listed, shown: String) -> Self {
        let OpenedPin { file, stamp, ctime, link, permit } = pin;
        stamp.settle();
        if listed.len >= SEQUENTIAL_FROM_BYTES {
            // Advice only: a file system that does not take it reads as well without.
            let _ = fadvise(&file, 0, None, Advice::Sequential);
        }
        Self { file, shown, listed, position: 0, ctime, link, _permit: permit }
    }

    fn read_some(&self, buffer: &mut [u8]) -> Result<usize, TabletError> {
        loop {
            match rustix::io::read(&self.file, &mut *buffer) {
                Err(Errno::INTR) => {}
                other => return other.map_err(|e| failed("read the file", &self.shown, e)),
            }
        }
    }

    fn stamp(&self) -> Result<Stamp, TabletError> {
        Stamp::of_open(&self.file).map_err(|e| failed("examine the file", &self.shown, e))
    }

    fn changed(&self, problem: &str) -> TabletError {
        changed(&self.shown, problem)
    }

    /// The last check of the content.
    fn check(&self) -> Result<Stamp, TabletError> {
        if self.position != self.listed.len {
            return Err(invalid(&self.shown, "was not read to its end"));
        }
        if self.read_some(&mut [0])? != 0 {
            return Err(self.changed("grew while it was read"));
        }
        let stamp = self.stamp()?;
        match self.listed.is_still(&stamp) {
            true => Ok(stamp),
            false => Err(self.changed("changed while it was read")),
        }
    }
}

impl SegmentReader for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TabletError> {
        let rest = usize::try_from(self.listed.len - self.position).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(rest);
        let mut filled = 0;
        while filled < wanted {
            match self.read_some(&mut buffer[filled..wanted])? {
                0 => return Err(self.changed("shrank while it was read")),
                count => filled += count,
            }
        }
        // `usize` is at most 64 bits wide on every Linux.
        self.position += filled as u64;
        Ok(filled)
    }

    fn finish(self: Box<Self>) -> Result<Box<[u8]>, TabletError> {
        let checked = self.check()?;
        let is_untouched = checked.ctime == self.ctime;
        let now = Moment::now();
        let (last, is_racy) = match &self.link {
            None => (checked, checked.is_racy(now)),
            Some(link) => {
                if let Err(error) = link.release() {
                    tracing::warn!(path = self.shown, %error, "a pin could not be released");
                }
                let last = self.stamp()?;
                (last, last.has_recent_mtime(now))
            }
        };
        match is_untouched && !is_racy && self.listed.is_still(&last) {
            true => Ok(last.identity()),
            false => Ok(Box::default()),
        }
    }
}

/// Stands for a link or a directory, which have no bytes.
#[derive(Debug)]
pub(super) struct EmptyReader {
    /// The identity that the view listed.
    pub(super) identity: Box<[u8]>,
}

impl SegmentReader for EmptyReader {
    fn read(&mut self, _buffer: &mut [u8]) -> Result<usize, TabletError> {
        Ok(0)
    }

    fn finish(self: Box<Self>) -> Result<Box<[u8]>, TabletError> {
        Ok(self.identity)
    }
}
