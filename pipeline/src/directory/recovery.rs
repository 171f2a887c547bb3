//! *Does*: finishes or removes what dead processes left in `.cairn`.
//!
//! *Invariants*: R10: a restore whose commit record is whole is rolled forward, any other has touched nothing live. What it
//! staged, if it staged any file, stays for a week, for the restore that is asked for again, and is removed then. What a living process
//! holds is left alone.
//!
//! *On failure*: a switch that cannot be finished is an error, since the warehouse may show some tables
//! of the old and some of the new state. Litter that cannot be removed is logged.

use std::sync::Arc;
use std::time::Duration;

use cairn_actors::tablet::TabletError;
use rustix::io::Errno;

use super::hidden::{Area, HIDDEN, JobDirectory, tidy};
use super::lock::{NamedLock, sweep_locks};
use super::moves::NEW;
use super::root::Root;
use super::switch::{SWITCH, Switch};

/// How long what a dead restore has staged waits for the next one.
pub(super) const LEFTOVERS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Finishes committed restores and removes everything else that belongs to no living process, but for what was staged
/// lately.
pub(super) fn recover(root: &Arc<Root>) -> Result<(), TabletError> {
    if root.stamp(HIDDEN.as_bytes())?.is_none() {
        return Ok(());
    }
    for job in Area::Restore.jobs(root)? {
        match JobDirectory::adopt(root, Area::Restore, &job) {
            Ok(None) => {}
            Ok(Some(directory)) => finish(root, &directory)?,
            // Not writable, perhaps: harmless while nothing was committed.
            Err(error) if has_switch(root, &job)? => return Err(error),
            Err(error) => tracing::warn!(%error, "a dead restore could not be removed"),
        }
    }
    for job in Area::Pins.jobs(root)? {
        match JobDirectory::adopt(root, Area::Pins, &job) {
            Ok(directory) => drop(directory),
            Err(error) => tracing::warn!(%error, "the pins of a dead job could not be removed"),
        }
    }
    match sweep_locks(root) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => tracing::warn!(%error, "the locks of a dead job could not be removed"),
    }
    tidy(root);
    Ok(())
}

/// The name of a job whose switch has begun and not ended.
pub(super) fn pending_switch(root: &Root) -> Result<Option<String>, TabletError> {
    for job in Area::Restore.jobs(root)? {
        if has_switch(root, &job)? {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

pub(super) fn has_switch(root: &Root, job: &str) -> Result<bool, TabletError> {
    let path = format!("{}/{job}/{SWITCH}", Area::Restore.path());
    Ok(root.stamp(path.as_bytes())?.is_some())
}

fn finish(root: &Arc<Root>, directory: &JobDirectory) -> Result<(), TabletError> {
    let finished = roll_forward(root, directory);
    if finished.is_err() {
        directory.keep();
    }
    finished
}

fn roll_forward(root: &Arc<Root>, directory: &JobDirectory) -> Result<(), TabletError> {
    let Some(switch) = Switch::read(root, directory)? else {
        if directory.is_leftover_within(LEFTOVERS)? && directory.has_files(NEW) {
            directory.keep();
        }
        return Ok(());
    };
    let _turn = NamedLock::of_switch(root)?;
    switch.carry_out(|_| ())?;
    switch.sync()?;
    switch.erase()?;
    tracing::info!(job = directory.path(), "an interrupted restore was installed");
    Ok(())
}
