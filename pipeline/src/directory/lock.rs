//! *Does*: locks that end with their holder, also when it is killed.
//!
//! *Invariants*: `flock` belongs to one open file description, so that two restores in one process
//! exclude each other like two processes do. A lock counts only while its file is still in place:
//! whoever removes the file does so under the lock, and whoever waited then starts over.
//!
//! *On failure*: the raw error; the caller knows the path.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use cairn_actors::tablet::TabletError;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::entries::Entries;
use super::failure::failed;
use super::hidden::{Area, tidy};
use super::root::Root;

/// What to do when another has the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contention {
    /// Give up.
    Refuse,
    /// Wait.
    Wait,
}

/// A locked file; dropping it releases the lock and leaves the file.
#[derive(Debug)]
pub(super) struct FileLock {
    file: OwnedFd,
}

impl Drop for FileLock {
    /// Closing alone would not do: a process that is just being spawned has the descriptor too, until
    /// it runs its own program.
    fn drop(&mut self) {
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::warn!(%error, "a lock file could not be unlocked");
        }
    }
}

impl FileLock {
    /// Locks a file, which is made when it does not exist. `None` when another has it.
    pub(super) fn acquire(
        directory: BorrowedFd<'_>,
        name: &str,
        contention: Contention,
    ) -> Result<Option<Self>, Errno> {
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let operation = match contention {
            Contention::Refuse => FlockOperation::NonBlockingLockExclusive,
            Contention::Wait => FlockOperation::LockExclusive,
        };
        loop {
            let file = openat(directory, name, flags, Mode::from_raw_mode(0o600))?;
            match flock(&file, operation) {
                Ok(()) => {}
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(errno) => return Err(errno),
            }
            match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) if found.st_ino == fstat(&file)?.st_ino => {
                    return Ok(Some(Self { file }));
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// A lock in `.cairn/locks`; dropping it removes the file.
#[derive(Debug)]
pub(super) struct NamedLock {
    root: Arc<Root>,
    directory: OwnedFd,
    name: CString,
    lock: Option<FileLock>,
}

impl NamedLock {
    /// The reservation of a table. `None` when another restore has it.
    pub(super) fn of_table(
        root: &Arc<Root>,
        database: &str,
        table: &str,
    ) -> Result<Option<Self>, TabletError> {
        let name = format!("{:032x}.lock", fnv128(format!("{database}\0{table}").as_bytes()));
        Self::acquire(root, name, Contention::Refuse)
    }

    /// The right to move things in the warehouse: taken for the time of one switch.
    pub(super) fn of_switch(root: &Arc<Root>) -> Result<Self, TabletError> {
        let taken = Self::acquire(root, "switch".to_owned(), Contention::Wait)?;
        taken.ok_or_else(|| failed("lock the switch of", root.shown(""), Errno::WOULDBLOCK))
    }

    fn acquire(
        root: &Arc<Root>,
        name: String,
        contention: Contention,
    ) -> Result<Option<Self>, TabletError> {
        let shown = root.shown(format!("{}/{name}", Area::Locks.path()));
        let unlockable = |errno| failed("lock", &shown, errno);
        loop {
            let directory = Area::Locks.make(root)?;
            match FileLock::acquire(directory.as_fd(), &name, contention) {
                // Another one tidied the directory away in between.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(unlockable(errno)),
                Ok(None) => return Ok(None),
                Ok(lock) => {
                    let root = Arc::clone(root);
                    let name = CString::new(name).map_err(|_| unlockable(Errno::INVAL))?;
                    return Ok(Some(Self { root, directory, name, lock }));
                }
            }
        }
    }
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        if let Err(error) = unlinkat(&self.directory, &self.name, AtFlags::empty()) {
            tracing::warn!(name = ?self.name, %error, "a lock file could not be removed");
        }
        drop(self.lock.take());
        tidy(&self.root);
    }
}

/// Removes the lock files of dead processes.
pub(super) fn sweep_locks(root: &Root) -> Result<(), Errno> {
    let directory = root.open_directory(Area::Locks.path().as_bytes())?;
    for (name, _) in Entries::default().of(directory.as_fd())? {
        let Ok(shown) = name.to_str() else { continue };
        if let Some(lock) = FileLock::acquire(directory.as_fd(), shown, Contention::Refuse)? {
            unlinkat(&directory, &name, AtFlags::empty())?;
            drop(lock);
        }
    }
    Ok(())
}

/// The 128-bit FNV-1a hash: names lock files, and tells a torn commit record from a whole one. It
/// guards against accidents, not against forgery.
pub(super) fn fnv128(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv128_agrees_with_the_published_vectors() {
        assert_eq!(fnv128(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv128(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(fnv128(b"foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn lock_excludes_within_one_process_and_ends_with_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let held = NamedLock::of_table(&root, "db", "t").unwrap().unwrap();
        assert!(NamedLock::of_table(&root, "db", "t").unwrap().is_none());
        assert!(NamedLock::of_table(&root, "db", "u").unwrap().is_some());
        sweep_locks(&root).unwrap();
        assert!(NamedLock::of_table(&root, "db", "t").unwrap().is_none());
        drop(held);
        assert!(NamedLock::of_table(&root, "db", "t").unwrap().is_some());
        assert!(!directory.path().join(".cairn").try_exists().unwrap());
    }
}
