//! Prune jobs: what no snapshot needs goes.

use cairn_repository::Repository;
use cairn_repository::prune::{PruneOptions, PrunePhase, PruneProgress, prune};

use crate::error::Error;
use crate::job::{JobCore, JobState, PruneReport, Surroundings};
use crate::request::PruneRequest;

/// Runs a prune. One that is cancelled is gone on with by the next.
pub(crate) async fn run(
    core: &JobCore,
    around: &Surroundings,
    repository: Repository,
    request: PruneRequest,
) -> Result<PruneReport, Error> {
    let repository = core.cancellable(repository.refreshed()).await?;
    let PruneRequest { grace, max_unused, accept_loss, dry_run } = request;
    let options = PruneOptions { grace, max_unused, accept_loss, dry_run };
    let watch = |progress: PruneProgress| {
        core.become_state(match progress.phase {
            // Deletes come first: they finish what an older prune has begun.
            PrunePhase::Deleting | PrunePhase::Index | PrunePhase::Snapshots => {
                JobState::Snapshotting
            }
            PrunePhase::Merging | PrunePhase::Copying => JobState::Uploading,
        });
    };
    let pruning = prune(&repository, around.runtime.clone(), &options, &watch);
    let pruned = core.cancellable(pruning).await?;
    core.progress.stored_bytes(pruned.copied_bytes);
    if !dry_run {
        core.metrics.count_prune(&pruned);
    }
    Ok(PruneReport { pruned, progress: core.progress.observe(), duration: core.started.elapsed() })
}
