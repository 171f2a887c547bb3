//! Restore jobs: what comes before and after the pipeline.

use std::sync::Arc;

use cairn_actors::tablet::TabletSink;
use cairn_actors::topology::{self, RestoreParts};
use cairn_repository::Repository;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::job::{JobCore, RestoreReport, Surroundings};
use crate::request::RestoreRequest;

/// Runs a restore.
pub(crate) async fn run(
    core: &JobCore,
    around: &Surroundings,
    repository: Repository,
    sink: Arc<dyn TabletSink>,
    request: RestoreRequest,
) -> Result<RestoreReport, Error> {
    let repository = core.cancellable(repository.refreshed()).await?;
    let record = core.cancellable(repository.record(&request.label)).await?;
    if let Some(wanted) = request.timestamp.filter(|wanted| *wanted != record.timestamp) {
        return Err(Error::other_snapshot(&record, wanted));
    }
    let budget = around.config.index_memory_bytes;
    let index = repository.load_index(budget, around.runtime.clone());
    let index = Arc::new(core.cancellable(index).await?);
    let losses = match request.partial {
        false => None,
        true => {
            let reads = around.config.downloads;
            let losses = request.scope.find_losses(&repository, &index, &record.root, reads);
            Some(core.cancellable(losses).await?)
        }
    };
    let (outcome, restored) = oneshot::channel();
    let parts = RestoreParts {
        sink,
        root: record.root,
        scope: request.scope,
        losses,
        job: core.id.clone(),
        outcome,
    };
    let job = core.parts(around, &repository, &index);
    let io = job.io.clone();
    core.run_topology(around, topology::restore(job, parts), io).await?;
    let restored = restored.await.map_err(|_| Error::cancelled())?;
    Ok(RestoreReport {
        label: record.label.to_string(),
        timestamp: record.timestamp.to_string(),
        objects: restored.objects,
        missing: restored.missing,
        progress: core.progress.observe(),
        duration: core.started.elapsed(),
    })
}
