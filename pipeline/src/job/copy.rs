//! Copy jobs: the same repository in another place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cairn_repository::Repository;
use cairn_repository::copy::{CopyProgress, CopyStage, copy};
use cairn_storage::Storage;

use crate::error::Error;
use crate::job::{CopyReport, JobCore, JobState, Surroundings};

/// Runs a copy. Damaged objects are what the report says; an error means that the copy could not go on.
pub(crate) async fn run(
    core: &JobCore,
    around: &Surroundings,
    from: Repository,
    to: Arc<dyn Storage>,
) -> Result<CopyReport, Error> {
    let from = core.cancellable(from.refreshed()).await?;
    let in_flight = around.config.uploads.max(around.config.downloads);
    let told = Told::default();
    let watch = |progress: CopyProgress| told.tell(core, &progress);
    let copied = core.cancellable(copy(&from, to, in_flight, &watch)).await?;
    Ok(CopyReport {
        copied: copied.progress,
        num_snapshots: copied.num_snapshots,
        damages: copied.damages,
        progress: core.progress.observe(),
        duration: core.started.elapsed(),
    })
}

/// How much of each number the job's counters have been told: they only take more.
///
/// Relaxed: a copy is one task, and so one teller.
#[derive(Default)]
struct Told {
    total: AtomicU64,
    copied: AtomicU64,
    objects: AtomicU64,
    done: AtomicU64,
}

impl Told {
    fn tell(&self, core: &JobCore, progress: &CopyProgress) {
        let more =
            |told: &AtomicU64, now: u64| now.saturating_sub(told.swap(now, Ordering::Relaxed));
        let copied = more(&self.copied, progress.bytes_copied);
        core.progress.bytes_total(more(&self.total, progress.bytes_total));
        core.progress.bytes_read(copied);
        core.progress.stored_bytes(copied);
        core.progress.stored_objects(more(&self.objects, progress.objects_copied));
        let done = progress.bytes_copied + progress.bytes_present;
        core.progress.bytes_done(more(&self.done, done));
        core.become_state(match progress.stage {
            CopyStage::Listing => JobState::Snapshotting,
            CopyStage::Moving => JobState::Uploading,
            CopyStage::Committing => JobState::Committing,
        });
    }
}
