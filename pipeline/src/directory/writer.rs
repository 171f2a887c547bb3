//! *Does*: writes one staged file.
//!
//! *Invariants*: mode and modification time are set through the descriptor, after the last byte. The
//! set-ID bits come back only for the owner they were given by.
//!
//! *On failure*: the file stays staged and incomplete; the restore that owns it is aborted.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use cairn_actors::tablet::{SegmentWriter, TabletError};
use rustix::fs::{Mode, Timespec, Timestamps, UTIME_OMIT, fchmod, futimens};
use rustix::io::Errno;

use super::attributes::SET_ID;
use super::failure::{failed, invalid};
use super::stamp::{Moment, Stamp};

/// A staged file while it is written.
#[derive(Debug)]
pub(super) struct FileWriter {
    /// The file, empty.
    pub(super) file: File,
    /// The live path, for errors.
    pub(super) shown: String,
    /// How long it becomes.
    pub(super) len: u64,
    /// How much of it was written. The threads that write are joined before `finish`, so that
    /// `Relaxed` suffices.
    pub(super) written: AtomicU64,
    /// Permissions to set; `None` when the file was made with them.
    pub(super) permissions: Option<u32>,
    /// Whom the set-ID bits act for.
    pub(super) owner: Option<(u32, u32)>,
    /// Modification time to set.
    pub(super) mtime: Option<Moment>,
}

impl FileWriter {
    fn set_permissions(&self, permissions: u32) -> Result<(), Errno> {
        let mut allowed = permissions;
        if permissions & SET_ID != 0 && self.owner != Some(Stamp::of_open(&self.file)?.owner) {
            allowed &= !SET_ID;
        }
        fchmod(&self.file, Mode::from_raw_mode(allowed))
    }
}

impl SegmentWriter for FileWriter {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), TabletError> {
        let added = bytes.len() as u64;
        if offset.checked_add(added).is_none_or(|end| end > self.len) {
            return Err(invalid(&self.shown, "more bytes than were announced"));
        }
        self.file.write_all_at(bytes, offset).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            failed("write the file", &self.shown, errno)
        })?;
        self.written.fetch_add(added, Ordering::Relaxed);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), TabletError> {
        if self.written.load(Ordering::Relaxed) != self.len {
            return Err(invalid(&self.shown, "fewer bytes than were announced"));
        }
        if let Some(permissions) = self.permissions {
            let set = self.set_permissions(permissions);
            set.map_err(|e| failed("set the mode of", &self.shown, e))?;
        }
        if let Some(mtime) = self.mtime {
            let set = futimens(&self.file, &timestamps(mtime));
            set.map_err(|e| failed("set the modification time of", &self.shown, e))?;
        }
        Ok(())
    }
}

/// A modification time for the calls that also take an access time.
pub(super) fn timestamps(mtime: Moment) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() },
    }
}

/// Stands for a staged link or directory, which was complete when it was made.
#[derive(Debug)]
pub(super) struct EmptyWriter {
    /// The live path, for errors.
    pub(super) shown: String,
}

impl SegmentWriter for EmptyWriter {
    fn write_at(&self, _offset: u64, bytes: &[u8]) -> Result<(), TabletError> {
        match bytes.is_empty() {
            true => Ok(()),
            false => Err(invalid(&self.shown, "bytes for something that is not a file")),
        }
    }

    fn finish(self: Box<Self>) -> Result<(), TabletError> {
        Ok(())
    }
}
