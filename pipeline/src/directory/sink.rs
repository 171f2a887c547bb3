//! *Does*: reserves the targets of a restore and opens its staging place.
//!
//! *Invariants*: nothing live is touched before [`install`](StagedRestore::install). Two restores never
//! have the same table, in one process or in several.
//!
//! *On failure*: everything that was begun is removed again.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cairn_actors::tablet::{RestorePlan, StagedRestore, TabletError, TabletErrorKind, TabletSink};
use rustix::fs::{AtFlags, Mode, RenameFlags, mkdirat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::SwitchHook;
use super::failure::{busy, failed};
use super::hidden::{Area, JobDirectory};
use super::leftover::leftovers_of;
use super::lock::NamedLock;
use super::moves::{OLD, check_directory};
use super::recovery::recover;
use super::root::{Root, join};
use super::staging::Staging;
use super::target::{Target, targets_of};

/// Restores into a directory tree: see the [module](super) for the convention.
#[derive(Clone)]
pub struct DirectorySink {
    root: Arc<Root>,
    hook: Option<SwitchHook>,
}

impl fmt::Debug for DirectorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectorySink").field("root", &self.root).finish_non_exhaustive()
    }
}

impl DirectorySink {
    /// Opens a warehouse, which is made with its parents where it does not exist, finishes the switch
    /// of a restore that a crash interrupted, and removes what other dead jobs left.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, TabletError> {
        let path = root.as_ref();
        if let Err(error) = fs::create_dir_all(path)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            return Err(failed("make the warehouse directory", path.display().to_string(), errno));
        }
        let root = Root::open(path)?;
        recover(&root)?;
        Ok(Self { root, hook: None })
    }

    /// Calls `hook` at each point of every installation: for tests that end the process there.
    #[must_use]
    pub fn with_switch_hook(mut self, hook: SwitchHook) -> Self {
        self.hook = Some(hook);
        self
    }

    fn lock(&self, target: &Target) -> Result<NamedLock, TabletError> {
        let lock = NamedLock::of_table(&self.root, &target.database, &target.table)?;
        lock.ok_or_else(|| busy(target.shown(), "is being restored by another job"))
    }
}

impl TabletSink for DirectorySink {
    fn begin(&self, plan: RestorePlan) -> Result<Box<dyn StagedRestore>, TabletError> {
        let targets = targets_of(&plan)?;
        recover(&self.root)?;
        let locks = targets.iter().map(|target| self.lock(target)).collect::<Result<_, _>>()?;
        for target in &targets {
            check_live(&self.root, target)?;
        }
        let leftovers = leftovers_of(&self.root, &targets)?;
        let job = JobDirectory::create(&self.root, Area::Restore, &free_name(&plan, &leftovers))?;
        let job = job.ok_or_else(|| busy(format!("restore {}", plan.job), "is running already"))?;
        probe_exchange(&self.root, &job)?;
        let hook = self.hook.clone();
        Ok(Box::new(Staging::new(Arc::clone(&self.root), job, leftovers, targets, locks, hook)?))
    }
}

/// The name of the job, or one behind it where a dead restore had that.
fn free_name(plan: &RestorePlan, leftovers: &[JobDirectory]) -> String {
    let mut name = plan.job.clone();
    while leftovers.iter().any(|leftover| leftover.name() == name) {
        name.push('+');
    }
    name
}

/// Refuses a target whose directories have something else in their place.
fn check_live(root: &Root, target: &Target) -> Result<(), TabletError> {
    let path = target.path();
    for directory in [&target.database, &path].into_iter().filter(|path| !path.is_empty()) {
        check_directory(root, directory)?;
    }
    for partition in target.partitions.iter().filter(|partition| !partition.is_empty()) {
        // A whole table is exchanged with whatever is in it.
        if !target.is_whole {
            check_directory(root, &join(&[&path, partition]))?;
        }
    }
    Ok(())
}

/// Tries the exchange that the switch is made of, and leaves the directory for removed files behind.
fn probe_exchange(root: &Root, job: &JobDirectory) -> Result<(), TabletError> {
    const PROBE: &str = "probe";
    let probe = || {
        let mode = Mode::from_raw_mode(0o700);
        mkdirat(job.fd(), OLD, mode)?;
        mkdirat(job.fd(), PROBE, mode)?;
        renameat_with(job.fd(), OLD, job.fd(), PROBE, RenameFlags::EXCHANGE)?;
        unlinkat(job.fd(), PROBE, AtFlags::REMOVEDIR)
    };
    match probe() {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(TabletError::new(
            TabletErrorKind::Unsupported,
            root.shown(""),
            "its file system cannot exchange two directories atomically",
        )),
        other => other.map_err(|e| failed("make the staging place in", root.shown(job.path()), e)),
    }
}
