//! *Does*: a locked file: a lock that ends with its holder, also when it is killed.
//!
//! *Invariants*: `flock` belongs to one open file description, so that two restores in one process
//! exclude each other like two processes do. A lock counts only while its file is still in place:
//! whoever removes the file does so under the lock, and whoever waited then starts over.
//!
//! *On failure*: the raw error; the caller knows the path.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, fstat, openat, statat};
use rustix::io::Errno;

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
