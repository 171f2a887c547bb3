//! Segments: immutable Parquet files of one tablet, and the owner of their directory.
//!
//! A file has a name only when it is durable (W1): it is written to `.part`, fsynced, renamed, and its directory fsynced.
//! It is unlinked when no row names it and the last [`Arc`] of its segment goes (W2). Whether a row names it is known to
//! the store alone, which says so at each commit; a segment that was published and never committed has no row and goes.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use crate::catalog::id::Id;
use crate::{Error, Result};

mod sweep;

#[cfg(test)]
mod tests;

/// One file of a tablet. As a part of a row it is its numbers; two with the same number are equal.
#[derive(Serialize, Deserialize)]
pub struct Segment {
    /// Unique in the data directory: what has this number never changes. With the epoch it is unique in all copies of it.
    pub number: u64,
    /// That of [`SegmentFiles`] when it was written: a directory that was put back from a copy gives out its numbers
    /// again, and what it writes must not be taken for what was written before. 0 was written by an earlier version.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub epoch: u64,
    /// Its tablet.
    pub tablet: Id,
    /// Rows in it.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
    /// CRC-32C of the file, by which a backup finds what rotted on the disk. What an earlier version wrote has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u32>,
    /// Whose file it is; none before it was adopted.
    #[serde(skip)]
    files: OnceLock<Arc<SegmentFiles>>,
    /// Whether a row names it. Relaxed: set by the commit that has the only other reference it races with, the drop.
    #[serde(skip)]
    named: AtomicBool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Segment {
    /// Whether its file belongs to a data directory of this process.
    pub(crate) fn is_adopted(&self) -> bool {
        self.files.get().is_some()
    }

    /// Says whether a row names it.
    pub(crate) fn set_named(&self, named: bool) {
        self.named.store(named, Ordering::Relaxed);
    }
}

impl PartialEq for Segment {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Segment {}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Segment({}/{}, {} rows, {} bytes)",
            self.tablet, self.number, self.rows, self.bytes
        )
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if !*self.named.get_mut()
            && let Some(files) = self.files.get()
        {
            files.unlink(self.tablet, &file_name(self.number));
        }
    }
}

/// The directory of all tablets.
#[derive(Debug)]
pub struct SegmentFiles {
    root: PathBuf,
    /// Chosen at random when the directory was opened; never 0.
    epoch: u64,
    /// Tablets whose directory is known to be durable. Held while a file is made in one or one is removed, so that
    /// neither finds the other half done.
    durable: Mutex<HashSet<Id>>,
}

impl SegmentFiles {
    /// The directory `root`, which is made durably if it is missing.
    pub fn open(root: &Path) -> Result<Arc<Self>> {
        make_directory(root)?;
        if let Some(parent) = root.parent() {
            sync_directory(parent)?;
        }
        // The seed of a hasher is the randomness that the standard library gives out.
        let epoch = RandomState::new().hash_one(root).max(1);
        Ok(Arc::new(Self { root: root.to_owned(), epoch, durable: Mutex::default() }))
    }

    /// The directory of all tablets.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file of a segment is.
    pub fn path(&self, segment: &Segment) -> PathBuf {
        self.directory(segment.tablet).join(file_name(segment.number))
    }

    /// Begins the file of segment `number`, which must be unused: see [`crate::Warehouse::next_id`].
    pub fn create(self: &Arc<Self>, tablet: Id, number: u64) -> Result<SegmentWriter> {
        let part = self.directory(tablet).join(part_name(number));
        let file = {
            let _guard = self.lock();
            make_directory(&self.directory(tablet))?;
            OpenOptions::new().write(true).create_new(true).open(&part)
        };
        let file = file.map_err(|error| Error::io("create", &part, error))?;
        Ok(SegmentWriter {
            files: Arc::clone(self),
            tablet,
            number,
            part,
            file,
            is_published: false,
        })
    }

    /// Takes a segment that came from a row: its file is that of `self`, and named.
    pub(crate) fn adopt(self: &Arc<Self>, segment: &Segment) {
        segment.set_named(true);
        segment.files.get_or_init(|| Arc::clone(self));
    }

    fn directory(&self, tablet: Id) -> PathBuf {
        self.root.join(tablet.to_string())
    }

    /// What it guards is a cache: a thread that died left it as it was.
    fn lock(&self) -> MutexGuard<'_, HashSet<Id>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the entries of a tablet's directory durable, and its own entry.
    fn sync(&self, tablet: Id) -> Result<()> {
        sync_directory(&self.directory(tablet))?;
        if !self.lock().contains(&tablet) {
            sync_directory(&self.root)?;
            self.lock().insert(tablet);
        }
        Ok(())
    }

    /// Removes a file, and the tablet's directory when that was its last. What cannot be removed now is swept at the
    /// next start.
    fn unlink(&self, tablet: Id, name: &str) {
        let directory = self.directory(tablet);
        let mut durable = self.lock();
        if let Err(error) = fs::remove_file(directory.join(name)) {
            tracing::warn!(tablet, name, %error, "a segment that nothing names could not be removed");
        }
        if fs::remove_dir(&directory).is_ok() {
            durable.remove(&tablet);
        }
    }
}

/// A segment being written; dropped before it is published, its file is removed.
#[derive(Debug)]
pub struct SegmentWriter {
    files: Arc<SegmentFiles>,
    tablet: Id,
    number: u64,
    part: PathBuf,
    file: File,
    is_published: bool,
}

impl SegmentWriter {
    /// The name of its file until it is durable.
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// Where its bytes go.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes the file, with these rows and this CRC-32C, durable under its name. It stays when a transaction puts the segment
    /// into a row before the last [`Arc`] of it goes.
    pub fn publish(mut self, rows: u64, checksum: Option<u32>) -> Result<Arc<Segment>> {
        self.file.sync_all().map_err(|error| Error::io("make durable", &self.part, error))?;
        let bytes =
            self.file.metadata().map_err(|error| Error::io("measure", &self.part, error))?.len();
        let segment = Segment {
            number: self.number,
            epoch: self.files.epoch,
            tablet: self.tablet,
            rows,
            bytes,
            checksum,
            files: OnceLock::new(),
            named: AtomicBool::new(false),
        };
        fs::rename(&self.part, self.files.path(&segment))
            .map_err(|error| Error::io("rename", &self.part, error))?;
        self.is_published = true;
        // From here on the drop of the segment removes the file.
        segment.files.get_or_init(|| Arc::clone(&self.files));
        self.files.sync(self.tablet)?;
        Ok(Arc::new(segment))
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if !self.is_published {
            self.files.unlink(self.tablet, &part_name(self.number));
        }
    }
}

fn file_name(number: u64) -> String {
    format!("{number}.parquet")
}

fn part_name(number: u64) -> String {
    format!("{number}.parquet.part")
}

/// Makes a directory unless it is there.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|error| Error::io("create", path, error)),
    }
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    match synced {
        // How a file system without syncable directories (some FUSE and network ones) says so.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced.map_err(|error| Error::io("make durable", path, error)),
    }
}
