//! *Does*: the locks in `.cairn/locks`: of the targets of a running restore, and of the switch.
//!
//! *Invariants*: those of [`FileLock`]. The file of a lock goes with it; what a dead process left is swept by the next.
//!
//! *On failure*: a contended target is `None`; a lock that cannot be had names its file, that of the switch the warehouse. A
//! sweep gives the raw error.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use cairn_actors::tablet::TabletError;
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::entries::Entries;
use super::failure::failed;
use super::file_lock::{Contention, FileLock};
use super::hidden::{Area, tidy};
use super::root::Root;

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
