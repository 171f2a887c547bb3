//! Staging: where an object is written before it has a name.
//!
//! A staged file lives in `<root>/.staging~/`, a name outside the alphabet of [`crate::ObjectPath`]: no
//! object can be there and no list goes there. Its writer holds an exclusive lock on it. Whoever gets that
//! lock knows that the writer is dead, and may remove the file; [`sweep`] does so when a storage is opened.
//!
//! Between creating a file and locking it a writer can lose it to a sweep. It waits for the lock, sees that
//! its file has no name any more, and begins again.

use std::fs::{File, TryLockError};
use std::io::{self, IoSlice, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RenameFlags, linkat, mkdirat, openat, renameat, renameat_with,
    unlinkat,
};
use rustix::io::Errno;

use super::blocking::Cancelled;
use super::error::LocalError;
use super::tree::Tree;
use crate::{Payload, PutMode};

/// The directory below the root; `~` keeps it out of every object path.
pub(super) const STAGING: &str = ".staging~";

/// Bytes between two looks at the cancel flag: half a millisecond of a fast disk, and large enough that
/// the system call costs nothing beside the copy.
const WRITE_BYTES: usize = 1 << 20;

/// Slices of one vectored write; the kernel takes 1024, and beyond a hundred nothing is gained.
const WRITE_SLICES: usize = 256;

/// A sweep takes a new file away at most once in its short life; more often is somebody's mischief.
const MAX_ATTEMPTS: usize = 8;

/// A file being written. It is removed when it is dropped before it is published.
#[derive(Debug)]
pub(super) struct StagedFile {
    directory: OwnedFd,
    name: String,
    file: File,
    is_published: bool,
}

impl StagedFile {
    /// A new, empty, locked file.
    pub(super) fn create(tree: &Tree) -> Result<Self, LocalError> {
        let directory = make_directory(tree)?;
        for _ in 0..MAX_ATTEMPTS {
            let name = unique_name();
            let flags =
                OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(&directory, &name, flags, Mode::from_raw_mode(0o666))
                .map_err(LocalError::io("create a staging file"))?;
            let directory = directory
                .try_clone()
                .map_err(LocalError::io("duplicate the handle of the staging directory"))?;
            let staged = Self { directory, name, file: File::from(file), is_published: false };
            // A file system without locks has no sweep either: it never gets a lock.
            drop(staged.file.lock());
            let links = staged.file.metadata().map(|metadata| metadata.nlink());
            if links.map_err(LocalError::io("read the attributes of a staging file"))? > 0 {
                return Ok(staged);
            }
        }
        Err(LocalError::Swept)
    }

    /// Appends the bytes of `payload`.
    pub(super) fn write(
        &mut self,
        payload: &Payload,
        cancelled: &Cancelled,
    ) -> Result<(), LocalError> {
        let mut slices: Vec<IoSlice<'_>> = payload.pieces().iter().flat_map(slices_of).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            cancelled.check()?;
            let batch = rest.get(..batch_len(rest)).unwrap_or(rest);
            let written = match self.file.write_vectored(batch) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                written => written,
            };
            let written = written.map_err(LocalError::io("write the staging file"))?;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    /// Makes the bytes durable.
    pub(super) fn sync(&self, tree: &Tree) -> Result<(), LocalError> {
        tree.fsync().file(&self.file).map_err(LocalError::io("make the staging file durable"))
    }

    /// Gives the file its name, atomically.
    pub(super) fn publish(
        mut self,
        parent: &OwnedFd,
        name: &str,
        mode: PutMode,
    ) -> Result<(), LocalError> {
        let renamed = match mode {
            PutMode::Overwrite => renameat(&self.directory, &self.name, parent, name),
            PutMode::Create => {
                renameat_with(&self.directory, &self.name, parent, name, RenameFlags::NOREPLACE)
            }
        };
        match renamed {
            Ok(()) => {
                self.is_published = true;
                Ok(())
            }
            // The file system knows no exclusive rename.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if mode == PutMode::Create => {
                self.publish_by_link(parent, name)
            }
            Err(errno) => Err(publish_error(errno)),
        }
    }
}

impl StagedFile {
    /// Gives the file a second name, which a link never takes from another file. The drop of this guard
    /// removes the first.
    pub(super) fn publish_by_link(self, parent: &OwnedFd, name: &str) -> Result<(), LocalError> {
        linkat(&self.directory, &self.name, parent, name, AtFlags::empty()).map_err(publish_error)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.is_published {
            // What cannot be removed now is removed by the next sweep.
            let _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// Removes the staged files of dead writers and returns how many there were.
pub(super) fn sweep(tree: &Tree) -> Result<usize, LocalError> {
    let directory = match open_directory(tree) {
        Err(Errno::NOENT) => return Ok(0),
        directory => directory.map_err(LocalError::io("open the staging directory"))?,
    };
    let mut removed = 0;
    for entry in Dir::read_from(&directory).map_err(LocalError::io("read the staging directory"))? {
        let entry = entry.map_err(LocalError::io("read the staging directory"))?;
        // Locks over NFS are only for who may write.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = openat(&directory, entry.file_name(), flags, Mode::empty()) else {
            // A directory, or published or removed by its writer meanwhile.
            continue;
        };
        let file = File::from(file);
        match file.try_lock() {
            // The lock is held until the name is gone, which is what a waiting writer relies on.
            Ok(()) => {
                if unlinkat(&directory, entry.file_name(), AtFlags::empty()).is_ok() {
                    removed += 1;
                }
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
    Ok(removed)
}

fn open_directory(tree: &Tree) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(tree.root(), STAGING, flags, Mode::empty())
}

/// The staging directory need not survive a crash: nothing in it is worth it.
fn make_directory(tree: &Tree) -> Result<OwnedFd, LocalError> {
    match open_directory(tree) {
        Err(Errno::NOENT) => {}
        opened => return opened.map_err(LocalError::io("open the staging directory")),
    }
    match mkdirat(tree.root(), STAGING, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(LocalError::io("make the staging directory")(errno)),
    }
    open_directory(tree).map_err(LocalError::io("open the staging directory"))
}

/// A name no other writer of any process or machine uses.
fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    // Relaxed: the numbers must differ, their order means nothing.
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{}-{count}-{:016x}", std::process::id(), rand::random::<u64>())
}

fn slices_of(piece: &Bytes) -> impl Iterator<Item = IoSlice<'_>> {
    piece.chunks(WRITE_BYTES).map(IoSlice::new)
}

/// How many of the slices go into the next write: at least one, about [`WRITE_BYTES`].
fn batch_len(slices: &[IoSlice<'_>]) -> usize {
    let mut bytes = 0;
    slices
        .iter()
        .take(WRITE_SLICES)
        .take_while(|slice| {
            let fits = bytes == 0 || bytes + slice.len() <= WRITE_BYTES;
            bytes += slice.len();
            fits
        })
        .count()
}

fn publish_error(errno: Errno) -> LocalError {
    match errno {
        Errno::NOENT => LocalError::Swept,
        errno => LocalError::io("give the object its name")(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_about_a_mebibyte() {
        let (small, large) = (vec![0; 10], vec![0; WRITE_BYTES]);
        let many: Vec<_> = (0..1000).map(|_| IoSlice::new(&small)).collect();
        assert_eq!(batch_len(&many), WRITE_SLICES);
        let mixed = [IoSlice::new(&small), IoSlice::new(&large), IoSlice::new(&small)];
        assert_eq!(batch_len(&mixed), 1);
        assert_eq!(batch_len(&mixed[1..]), 1);
    }
}
