//! *Does*: makes, finds and removes what Cairn keeps in `<warehouse>/.cairn`.
//!
//! *Invariants*: a job directory belongs to whoever holds its file `lock`. It is removed from the inside
//! out, `lock` last but for the directory itself, so that what a crash leaves can always be told from
//! what is in use. `.cairn` disappears with its last content.
//!
//! *On failure*: making reports an error; removing logs one and leaves the rest to the next `open`.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cairn_actors::tablet::TabletError;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, chmodat, fchmod, fstat, mkdirat, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::entries::{Entries, below, open_directory};
use super::failure::failed;
use super::file_lock::{Contention, FileLock};
use super::root::Root;
use super::stamp::{Moment, Stamp};

/// Name of the hidden directory.
pub(super) const HIDDEN: &str = ".cairn";
/// Name of the lock file of a job directory.
const LOCK: &str = "lock";
/// Name of the file that says that what is staged may be live already.
const INSTALLING: &str = "installing";
/// Nobody else may look into staged data.
const PRIVATE: u32 = 0o700;
/// More than the removals that can meet one creation.
const MAX_ATTEMPTS: u32 = 100;

/// The parts of the hidden directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    /// Hard links of pinned segments.
    Pins,
    /// Staged restores.
    Restore,
    /// Lock files.
    Locks,
}

impl Area {
    /// Its path from the warehouse.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Pins => ".cairn/pins",
            Self::Restore => ".cairn/restore",
            Self::Locks => ".cairn/locks",
        }
    }

    /// Opens it, after making it where it does not exist.
    pub(super) fn make(self, root: &Root) -> Result<OwnedFd, TabletError> {
        self.try_make(root).map_err(|e| failed("make the directory", root.shown(self.path()), e))
    }

    fn try_make(self, root: &Root) -> Result<OwnedFd, Errno> {
        let mut last = Errno::NOENT;
        for _ in 0..MAX_ATTEMPTS {
            for path in [HIDDEN, self.path()] {
                match mkdirat(root.fd(), path, Mode::from_raw_mode(PRIVATE)) {
                    // Another job may tidy `.cairn` away right now.
                    Ok(()) | Err(Errno::EXIST | Errno::NOENT) => {}
                    Err(errno) => return Err(errno),
                }
            }
            match root.open_directory(self.path().as_bytes()) {
                Err(Errno::NOENT) => last = Errno::NOENT,
                other => return other,
            }
        }
        Err(last)
    }

    /// The names of the job directories in it.
    pub(super) fn jobs(self, root: &Root) -> Result<Vec<String>, TabletError> {
        let shown = || root.shown(self.path());
        let directory = match root.open_directory(self.path().as_bytes()) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            other => other.map_err(|e| failed("open the directory", shown(), e))?,
        };
        names_in(directory.as_fd()).map_err(|e| failed("list the directory", shown(), e))
    }
}

/// The names in an open directory. One that another job has tidied away since it was opened has none: it was empty.
fn names_in(directory: BorrowedFd<'_>) -> Result<Vec<String>, Errno> {
    let entries = match Entries::default().of(directory) {
        Err(Errno::NOENT) => return Ok(Vec::new()),
        entries => entries?,
    };
    Ok(entries.iter().filter_map(|(name, _)| name.to_str().ok().map(str::to_owned)).collect())
}

/// A directory of one job, locked. Dropping it removes it, unless it is to be kept.
#[derive(Debug)]
pub(super) struct JobDirectory {
    root: Arc<Root>,
    path: String,
    fd: OwnedFd,
    /// Set when it was removed, or is to stay for a recovery; only the owner of the job sets it, so
    /// that `Relaxed` suffices.
    settled: AtomicBool,
    _lock: FileLock,
}

impl JobDirectory {
    /// Makes a directory of this name; `None` when there is one already.
    pub(super) fn create(
        root: &Arc<Root>,
        area: Area,
        name: &str,
    ) -> Result<Option<Self>, TabletError> {
        let path = format!("{}/{name}", area.path());
        let unmade = |errno| failed("make the directory", root.shown(&path), errno);
        for _ in 0..MAX_ATTEMPTS {
            let parent = area.make(root)?;
            match mkdirat(&parent, name, Mode::from_raw_mode(PRIVATE)) {
                Ok(()) => {}
                Err(Errno::NOENT) => continue,
                Err(Errno::EXIST) => return Ok(None),
                Err(errno) => return Err(unmade(errno)),
            }
            // A sweep may take the new directory for a dead one before it is locked: then again.
            if let Some(directory) = Self::take(root, path.clone()).map_err(unmade)? {
                return Ok(Some(directory));
            }
        }
        Err(unmade(Errno::AGAIN))
    }

    /// Takes over the directory of a dead process; `None` when it is in use or gone.
    pub(super) fn adopt(
        root: &Arc<Root>,
        area: Area,
        name: &str,
    ) -> Result<Option<Self>, TabletError> {
        let path = format!("{}/{name}", area.path());
        let shown = root.shown(&path);
        Self::take(root, path).map_err(|e| failed("take over the directory", shown, e))
    }

    fn take(root: &Arc<Root>, path: String) -> Result<Option<Self>, Errno> {
        let fd = match root.open_directory(path.as_bytes()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        match FileLock::acquire(fd.as_fd(), LOCK, Contention::Refuse) {
            Err(Errno::NOENT) | Ok(None) => Ok(None),
            Err(errno) => Err(errno),
            Ok(Some(_lock)) => {
                let settled = AtomicBool::new(false);
                Ok(Some(Self { root: Arc::clone(root), path, fd, settled, _lock }))
            }
        }
    }

    /// The descriptor that paths within it start from.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Its path from the warehouse.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Its name in its area.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Says that what is staged here is about to become live, and will be exchanged for what it replaces.
    pub(super) fn begin_install(&self) -> Result<(), TabletError> {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        let made = openat(self.fd(), INSTALLING, flags, Mode::from_raw_mode(0o600));
        made.map(drop).map_err(|e| failed("begin to install", self.root.shown(&self.path), e))
    }

    /// Whether what is staged here, if anything, is what the snapshot held, and was begun at most this long ago.
    pub(super) fn is_leftover_within(&self, age: Duration) -> Result<bool, TabletError> {
        if statat(self.fd(), INSTALLING, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(false);
        }
        let made = Stamp::of_open(&self.fd);
        let made =
            made.map_err(|e| failed("examine the directory", self.root.shown(&self.path), e))?;
        let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        Ok(Moment::now().saturating_sub(made.mtime.as_nanos()) < age)
    }

    /// Whether anything but directories is below a directory in it. What cannot be looked into counts.
    pub(super) fn has_files(&self, path: &str) -> bool {
        let mut entries = Entries::default();
        let mut pending = vec![path.as_bytes().to_vec()];
        while let Some(path) = pending.pop() {
            let opened = open_directory(self.fd(), &path);
            let found = match opened.and_then(|opened| entries.of(opened.as_fd())) {
                Ok(found) => found,
                Err(Errno::NOENT) => continue,
                Err(_) => return true,
            };
            for (name, kind) in found {
                if kind != FileType::Directory {
                    return true;
                }
                pending.push(below(&path, &name));
            }
        }
        false
    }

    /// Leaves it in place for a recovery, or for the next restore, when it is dropped.
    pub(super) fn keep(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Removes it with everything in it; again without effect.
    pub(super) fn remove(&self) {
        if self.settled.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.try_remove() {
            let path = self.root.shown(&self.path);
            tracing::warn!(path, %error, "a job directory could not be removed; the next open will");
        }
        tidy(&self.root);
    }

    fn try_remove(&self) -> Result<(), Errno> {
        remove_contents(self.fd(), LOCK)?;
        unlinkat(&self.fd, LOCK, AtFlags::empty())?;
        unlinkat(self.root.fd(), &self.path, AtFlags::REMOVEDIR)
    }
}

impl Drop for JobDirectory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes the hidden directory as far as nothing is in it.
pub(super) fn tidy(root: &Root) {
    for path in [Area::Pins.path(), Area::Restore.path(), Area::Locks.path(), HIDDEN] {
        // Not empty, or gone already: both are fine.
        let _ = unlinkat(root.fd(), path, AtFlags::REMOVEDIR);
    }
}

/// Removes everything in a directory but one file. Links are removed, not followed; a directory whose
/// mode forbids its removal gets another mode first.
fn remove_contents(directory: BorrowedFd<'_>, spared: &str) -> Result<(), Errno> {
    let mut entries = Entries::default();
    let mut pending = vec![(Vec::new(), false)];
    while let Some((path, is_empty)) = pending.pop() {
        if is_empty {
            unlinkat(directory, path.as_slice(), AtFlags::REMOVEDIR)?;
            continue;
        }
        let opened = open_writable(directory, &path)?;
        let found = entries.of(opened.as_fd())?;
        let is_top = path.is_empty();
        if !is_top {
            pending.push((path.clone(), true));
        }
        for (name, kind) in found {
            if is_top && name.to_bytes() == spared.as_bytes() {
                continue;
            }
            if kind == FileType::Directory || !unlink_file(opened.as_fd(), &name)? {
                pending.push((below(&path, &name), false));
            }
        }
    }
    Ok(())
}

/// Removes a file; `false` when it turns out to be a directory.
fn unlink_file(directory: BorrowedFd<'_>, name: &CStr) -> Result<bool, Errno> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => Ok(false),
        Err(Errno::NOENT) | Ok(()) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// Opens a directory of a tree that is to be removed, whatever its mode.
fn open_writable(base: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let opened = match open_directory(base, path) {
        Err(Errno::ACCESS) => {
            chmodat(base, path, Mode::from_raw_mode(PRIVATE), AtFlags::empty())?;
            open_directory(base, path)?
        }
        other => other?,
    };
    if fstat(&opened)?.st_mode & PRIVATE != PRIVATE {
        fchmod(&opened, Mode::from_raw_mode(PRIVATE))?;
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn directory_that_goes_while_it_is_listed_has_no_jobs() {
        let place = tempfile::tempdir().unwrap();
        let root = Root::open(place.path()).unwrap();
        drop(JobDirectory::create(&root, Area::Restore, "j").unwrap().unwrap());
        Area::Restore.make(&root).unwrap();
        let directory = root.open_directory(Area::Restore.path().as_bytes()).unwrap();
        tidy(&root);
        assert_eq!(Entries::default().of(directory.as_fd()), Err(Errno::NOENT));
        assert_eq!(names_in(directory.as_fd()), Ok(Vec::new()));
    }

    #[test]
    fn dropped_job_directory_takes_everything_along() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("precious"), "x").unwrap();
        let root = Root::open(directory.path()).unwrap();
        let job = JobDirectory::create(&root, Area::Pins, "j").unwrap().unwrap();
        assert!(JobDirectory::create(&root, Area::Pins, "j").unwrap().is_none());
        assert!(JobDirectory::adopt(&root, Area::Pins, "j").unwrap().is_none());
        let inside = directory.path().join(".cairn/pins/j");
        fs::create_dir_all(inside.join("a/b/c")).unwrap();
        fs::write(inside.join("a/b/f"), "x").unwrap();
        symlink(directory.path(), inside.join("a/out")).unwrap();
        drop(job);
        assert!(!directory.path().join(".cairn").try_exists().unwrap());
        assert!(directory.path().join("precious").try_exists().unwrap());
    }

    #[test]
    fn kept_job_directory_can_be_adopted_once_its_owner_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let job = JobDirectory::create(&root, Area::Restore, "j").unwrap().unwrap();
        job.keep();
        drop(job);
        assert_eq!(Area::Restore.jobs(&root).unwrap(), ["j"]);
        drop(JobDirectory::adopt(&root, Area::Restore, "j").unwrap().unwrap());
        assert!(!directory.path().join(".cairn").try_exists().unwrap());
    }

    #[test]
    fn directory_of_a_crash_before_its_lock_is_adopted() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join(".cairn/pins/j")).unwrap();
        let root = Root::open(directory.path()).unwrap();
        drop(JobDirectory::adopt(&root, Area::Pins, "j").unwrap().unwrap());
        assert!(!directory.path().join(".cairn").try_exists().unwrap());
    }
}
