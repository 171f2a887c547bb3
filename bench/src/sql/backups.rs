//! Backups of everything, one after the other, until they are told to end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};
use cairn_actors::Priority;

use super::place::{DATABASE, Place};

/// Runs `work` while backups run, where they are wanted. Gives what it gives, and how many backups ended meanwhile.
///
/// Each goes to a new repository: all is read, hashed, compressed and written again.
pub(super) fn beside<T>(
    place: &Place,
    is_wanted: bool,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, Option<u32>)> {
    if !is_wanted {
        return Ok((work()?, None));
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let backups = scope.spawn(|| run(place, &is_over));
        let done = work();
        // Release is not needed: the flag carries nothing.
        is_over.store(true, Ordering::Relaxed);
        let mut client = place.server.connect()?;
        // Refused where the last one has just ended.
        let _ = client.run(&format!("CANCEL BACKUP FROM {DATABASE}"));
        let backups = backups.join().map_err(|_| anyhow!("the backups panicked"))?;
        Ok((done?, Some(backups.context("backups beside the load")?)))
    })
}

fn run(place: &Place, is_over: &AtomicBool) -> Result<u32> {
    // Removing repositories is no part of what is measured.
    Priority::Idle.apply();
    let mut client = place.server.connect()?;
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        let repository = format!("again{number}");
        place.create_repository(&mut client, &repository)?;
        client.run(&format!("BACKUP SNAPSHOT {DATABASE}.again TO {repository}"))?;
        if client.job_finished("BACKUP", DATABASE)? && !is_over.load(Ordering::Relaxed) {
            number += 1;
        }
        place.drop_repository(&mut client, &repository)?;
    }
    Ok(number)
}
