//! *Does*: holds one restore beside the live data, and installs it.
//!
//! # Durability
//! `install` makes everything staged durable first: by `fsync` of each file and directory when they are
//! few, else by one `syncfs` of the file system. Then the [switch](super::switch) is committed, carried
//! out and made durable; then its record is removed, and the replaced data with it.
//!
//! # What a crash leaves
//! Before the commit record: the old state. After it: for each moved directory or loose file the old or
//! the new content, and the new state of all of them once the warehouse is opened again.
//!
//! # Concurrency
//! Segments are made and written by several threads. One installation at a time moves things in a
//! warehouse.
//!
//! *Invariants*: R10. Every directory of the staged tree is in `made` and was made by this restore; no
//! path of a segment leads through anything else, a link above all.
//!
//! *On failure*: `abort`, or dropping, removes everything staged. Only a switch that could neither be
//! finished nor taken back stays, for the next `open`.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use cairn_actors::tablet::{Leftover, SegmentTarget, SegmentWriter, StagedRestore, TabletError};
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, chmodat, fsync, mkdirat, openat, renameat_with, symlinkat,
    syncfs, utimensat,
};
use rustix::io::Errno;

use super::attributes::{Attributes, USUAL_DIRECTORY};
use super::failure::{failed, invalid};
use super::hidden::{Area, HIDDEN, JobDirectory};
use super::leftover::{self, FilePlace, LeftoverFile};
use super::lock::NamedLock;
use super::moves::{NEW, OWNER_WRITE, check_loose, moves_of};
use super::root::{Root, join};
use super::stamp::Moment;
use super::switch::{Move, Switch, sync_directory};
use super::target::Target;
use super::writer::{EmptyWriter, FileWriter, timestamps};
use super::{SwitchHook, SwitchPoint};

/// Up to so many files, and as many directories, are synced one by one: more cost about as much as
/// writing back the whole file system.
const FEW: usize = 32;

/// How far a restore has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Segments are being made.
    Staged,
    /// Being installed, nothing committed.
    Installing,
    /// The commit record may exist: only a recovery may touch the job directory.
    Committed,
    /// Installed or aborted.
    Ended,
}

/// One restore beside the live data.
pub(super) struct Staging {
    root: Arc<Root>,
    /// Declared before the locks: it goes first.
    job: JobDirectory,
    /// What dead restores of these targets have staged: removed with this one.
    leftovers: Vec<JobDirectory>,
    targets: Vec<Target>,
    _locks: Vec<NamedLock>,
    hook: Option<SwitchHook>,
    umask: u32,
    /// The directories of the staged tree by their paths from the warehouse. Locked for writing while
    /// one is made, so that two threads do not make the same.
    made: RwLock<HashSet<String>>,
    /// Guards the final modes of directories, by path, where they are not usual.
    modes: Mutex<BTreeMap<String, u32>>,
    /// Guards the paths of the first files: at [`FEW`] they are no longer few, and no more are kept.
    first_files: Mutex<Vec<String>>,
    phase: Mutex<Phase>,
}

impl std::fmt::Debug for Staging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staging").field("job", &self.job).finish_non_exhaustive()
    }
}

impl Staging {
    /// An empty staging place with the directories that the plan names.
    pub(super) fn new(
        root: Arc<Root>,
        job: JobDirectory,
        leftovers: Vec<JobDirectory>,
        targets: Vec<Target>,
        locks: Vec<NamedLock>,
        hook: Option<SwitchHook>,
    ) -> Result<Self, TabletError> {
        let staging = Self {
            root,
            job,
            leftovers,
            targets,
            _locks: locks,
            hook,
            umask: umask(),
            made: RwLock::default(),
            modes: Mutex::default(),
            first_files: Mutex::default(),
            phase: Mutex::new(Phase::Staged),
        };
        staging.make_directory("", None)?;
        for target in &staging.targets {
            staging.make_directory(&target.database, target.modes[0])?;
            staging.make_directory(&target.path(), target.modes[1])?;
            for partition in &target.partitions {
                let path = join(&[&target.path(), partition]);
                staging.make_directory(&path, target.mode(partition, ""))?;
            }
        }
        Ok(staging)
    }

    fn target(&self, object: u32) -> Result<&Target, TabletError> {
        let target = usize::try_from(object).ok().and_then(|at| self.targets.get(at));
        target.ok_or_else(|| invalid(format!("object {object}"), "unplanned"))
    }

    /// Makes a directory of the staged tree; one that this restore made before is left as it is.
    fn make_directory(&self, path: &str, mode: Option<u32>) -> Result<(), TabletError> {
        let shown = || self.root.shown(path);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        if made.contains(path) {
            return Ok(());
        }
        let staged = join(&[NEW, path]);
        match mkdirat(self.job.fd(), &staged, Mode::from_raw_mode(USUAL_DIRECTORY)) {
            Err(Errno::EXIST) => return Err(invalid(shown(), "is both directory and file")),
            other => other.map_err(|e| failed("make the directory", shown(), e))?,
        }
        if self.umask & USUAL_DIRECTORY != 0 {
            self.set_mode(path, USUAL_DIRECTORY)?;
        }
        made.insert(path.to_owned());
        drop(made);
        if let Some(mode) = mode {
            lock(&self.modes).insert(path.to_owned(), mode);
        }
        Ok(())
    }

    fn set_mode(&self, path: &str, mode: u32) -> Result<(), TabletError> {
        let staged = join(&[NEW, path]);
        let set = chmodat(self.job.fd(), staged, Mode::from_raw_mode(mode), AtFlags::empty());
        set.map_err(|e| failed("set the mode of", self.root.shown(path), e))
    }

    /// Makes the directories between a tablet's and a segment's.
    fn make_parents(&self, directory: &str, segment: &str) -> Result<(), TabletError> {
        let known =
            |path: &str| self.made.read().unwrap_or_else(PoisonError::into_inner).contains(path);
        if !known(directory) {
            return Err(invalid(self.root.shown(directory), "was not prepared"));
        }
        if let Some((parent, _)) = segment.rsplit_once('/')
            && !known(&join(&[directory, parent]))
        {
            for (slash, _) in segment.match_indices('/') {
                self.make_directory(&join(&[directory, &segment[..slash]]), None)?;
            }
        }
        Ok(())
    }

    /// The directory and the path of a segment, and the path as a person would find it.
    fn path_of(
        &self,
        segment: &SegmentTarget<'_>,
    ) -> Result<(String, String, String), TabletError> {
        let target = self.target(segment.object)?;
        let directory = target.tablet_path(segment.partition, segment.index, segment.tablet)?;
        target.check_segment(segment)?;
        let path = join(&[&directory, segment.segment]);
        let shown = self.root.shown(&path);
        Ok((directory, path, shown))
    }

    /// Makes the directories that lead to a segment.
    fn make_way(
        &self,
        segment: &SegmentTarget<'_>,
        directory: &str,
        path: &str,
    ) -> Result<(), TabletError> {
        self.make_parents(directory, segment.segment)?;
        if self.target(segment.object)?.moves_loose(segment.partition) {
            check_loose(&self.root, path.as_bytes())?;
        }
        Ok(())
    }

    /// Moves a file of a dead restore to its place in this one.
    fn take_over(&self, job: &JobDirectory, place: &FilePlace) -> Result<(), TabletError> {
        let staged = join(&[NEW, &place.path]);
        renameat_with(job.fd(), &staged, self.job.fd(), &staged, RenameFlags::NOREPLACE)
            .map_err(|e| creation_error("take over the file", &place.shown, e))?;
        self.note_file(staged);
        Ok(())
    }

    fn note_file(&self, staged: String) {
        let mut first_files = lock(&self.first_files);
        if first_files.len() <= FEW {
            first_files.push(staged);
        }
    }

    fn create_file(&self, path: &str, shown: &str, mode: u32) -> Result<File, TabletError> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let staged = join(&[NEW, path]);
        let file = openat(self.job.fd(), &staged, flags, Mode::from_raw_mode(mode));
        let file = file.map_err(|e| creation_error("make the file", shown, e))?;
        self.note_file(staged);
        Ok(File::from(file))
    }

    fn create_link(
        &self,
        path: &str,
        shown: &str,
        target: &[u8],
        mtime: Option<Moment>,
    ) -> Result<(), TabletError> {
        let staged = join(&[NEW, path]);
        let made = symlinkat(target, self.job.fd(), &staged);
        made.map_err(|e| creation_error("make the link", shown, e))?;
        if let Some(mtime) = mtime {
            let times = timestamps(mtime);
            let set = utimensat(self.job.fd(), staged, &times, AtFlags::SYMLINK_NOFOLLOW);
            set.map_err(|e| failed("set the modification time of", shown, e))?;
        }
        Ok(())
    }

    /// Gives the staged directories that will move their modes, the deepest first. Those that only
    /// lead to what moves stay as they are: moving out of them takes write permission.
    fn apply_modes(&self, moves: &[Move]) -> Result<(), TabletError> {
        for (path, mode) in lock(&self.modes).iter().rev() {
            let mover = moves.iter().find(|item| item.carries(path));
            match mover {
                Some(item) if item.live == path.as_bytes() && item.mode.is_some() => {
                    self.set_mode(path, mode | OWNER_WRITE)?;
                }
                Some(_) => self.set_mode(path, *mode)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Makes everything staged durable, with the way from the warehouse to it.
    fn sync(&self) -> Result<(), TabletError> {
        let files = lock(&self.first_files);
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        let synced = match files.len() <= FEW && made.len() <= FEW {
            true => self.sync_each(&files, &made),
            false => Err(Errno::ACCESS),
        };
        match synced {
            // Too many, or with modes that keep even their owner from opening them.
            Err(Errno::ACCESS) => syncfs(self.job.fd()),
            other => other,
        }
        .map_err(|e| failed("sync the restored data in", self.root.shown(self.job.path()), e))
    }

    fn sync_each(&self, files: &[String], made: &HashSet<String>) -> Result<(), Errno> {
        for path in files {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            fsync(openat(self.job.fd(), path, flags, Mode::empty())?)?;
        }
        for path in made {
            sync_directory(self.job.fd(), join(&[NEW, path]).as_bytes())?;
        }
        for path in [self.job.path(), Area::Restore.path(), HIDDEN, ""] {
            sync_directory(self.root.fd(), path.as_bytes())?;
        }
        Ok(())
    }

    fn switch(&self) -> Result<(), TabletError> {
        let _turn = NamedLock::of_switch(&self.root)?;
        let modes = lock(&self.modes).clone();
        let moves = moves_of(&self.root, &self.job, &self.targets, &modes)?;
        self.apply_modes(&moves)?;
        self.sync()?;
        let switch = Switch::new(&self.root, &self.job, moves);
        self.hit(SwitchPoint::BeforeSwitchFile);
        self.job.begin_install()?;
        *lock(&self.phase) = Phase::Committed;
        if let Err(error) = switch.commit() {
            return Err(self.fall_back(&switch, error));
        }
        self.hit(SwitchPoint::AfterSwitchFile);
        let carried_out = switch.carry_out(|done| {
            if done == 1 {
                self.hit(SwitchPoint::AfterFirstMove);
            }
        });
        let durable = carried_out.and_then(|()| {
            self.hit(SwitchPoint::AfterMoves);
            switch.sync()
        });
        if let Err(error) = durable {
            return Err(self.fall_back(&switch, error));
        }
        if let Err(error) = switch.erase() {
            // The new data serves; the next open finds every move done and only tidies up.
            tracing::warn!(%error, "the record of a finished switch stays until the next open");
        }
        self.hit(SwitchPoint::AfterSwitchFileRemoved);
        Ok(())
    }

    /// Returns to the old state after a failure; gives the error that the caller is to see.
    fn fall_back(&self, switch: &Switch<'_>, error: TabletError) -> TabletError {
        match switch.take_back().and_then(|()| switch.erase()) {
            Ok(()) => {
                *lock(&self.phase) = Phase::Installing;
                error
            }
            Err(second) => {
                tracing::error!(%error, %second, "a switch is half done; the next open finishes it");
                error
            }
        }
    }

    fn hit(&self, point: SwitchPoint) {
        if let Some(hook) = &self.hook {
            hook(point);
        }
    }
}

impl StagedRestore for Staging {
    fn prepare(
        &self,
        object: u32,
        partition: u32,
        tablets: &[(String, String)],
    ) -> Result<(), TabletError> {
        let target = self.target(object)?;
        for (index, tablet) in tablets {
            let path = target.tablet_path(partition, index, tablet)?;
            let mode = target.tablet_mode(partition, tablet);
            self.make_directory(&path, mode)?;
        }
        Ok(())
    }

    fn create(&self, segment: SegmentTarget<'_>) -> Result<Box<dyn SegmentWriter>, TabletError> {
        let (directory, path, shown) = self.path_of(&segment)?;
        let attributes = Attributes::decode(segment.attributes, &shown)?;
        self.make_way(&segment, &directory, &path)?;
        match attributes {
            Attributes::File { permissions, mtime, owner } => {
                let is_made_with_mode = permissions & (self.umask | 0o7000) == 0;
                let mode = if is_made_with_mode { permissions } else { 0o600 };
                let file = self.create_file(&path, &shown, mode)?;
                return Ok(Box::new(FileWriter {
                    file,
                    shown,
                    len: segment.len,
                    written: AtomicU64::new(0),
                    permissions: (!is_made_with_mode).then_some(permissions),
                    owner,
                    mtime,
                }));
            }
            Attributes::Link { target, mtime } => self.create_link(&path, &shown, target, mtime)?,
            Attributes::Directory { .. } if segment.tablet.is_empty() => {
                return Err(invalid(shown, "a directory among loose files"));
            }
            Attributes::Directory { permissions } => {
                self.make_directory(&path, None)?;
                lock(&self.modes).insert(path.clone(), permissions);
            }
        }
        Ok(Box::new(EmptyWriter { shown }))
    }

    fn leftover<'a>(
        &'a self,
        segment: SegmentTarget<'_>,
    ) -> Result<Option<Box<dyn Leftover + 'a>>, TabletError> {
        if self.leftovers.is_empty() {
            return Ok(None);
        }
        let (directory, path, shown) = self.path_of(&segment)?;
        let attributes = Attributes::decode(segment.attributes, &shown)?;
        let Attributes::File { permissions, mtime, owner } = attributes else { return Ok(None) };
        let Some((job, file)) = leftover::find(&self.leftovers, &path, segment.len) else {
            return Ok(None);
        };
        self.make_way(&segment, &directory, &path)?;
        let place = FilePlace { path, shown, len: segment.len, permissions, owner, mtime };
        let take_over = Box::new(|place: &FilePlace| self.take_over(job, place));
        Ok(Some(Box::new(LeftoverFile { file, place, take_over })))
    }

    fn install(&self) -> Result<(), TabletError> {
        {
            let mut phase = lock(&self.phase);
            if *phase != Phase::Staged {
                let shown = self.root.shown(self.job.path());
                return Err(invalid(shown, "was installed or aborted before"));
            }
            *phase = Phase::Installing;
        }
        let switched = self.switch();
        let mut phase = lock(&self.phase);
        match (&switched, *phase) {
            (Ok(()), _) => *phase = Phase::Ended,
            (Err(_), Phase::Installing) => *phase = Phase::Staged,
            (Err(_), _) => {}
        }
        drop(phase);
        if switched.is_ok() {
            self.job.remove();
        }
        switched
    }

    fn abort(&self) {
        let mut phase = lock(&self.phase);
        if *phase == Phase::Staged {
            *phase = Phase::Ended;
            self.job.remove();
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        match *lock(&self.phase) {
            Phase::Committed => self.job.keep(),
            Phase::Staged | Phase::Installing | Phase::Ended => self.job.remove(),
        }
    }
}

/// A hook that panics may poison a lock; what it guards is changed whole or not at all.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn creation_error(operation: &str, shown: &str, errno: Errno) -> TabletError {
    match errno {
        Errno::EXIST => invalid(shown, "is twice in the snapshot"),
        _ => failed(operation, shown, errno),
    }
}

/// The permissions that this process withholds from new files; all, when that cannot be told.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok()).unwrap_or(0o777)
}
