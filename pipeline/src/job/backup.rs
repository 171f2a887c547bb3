//! Backup jobs: what comes before and after the pipeline.

use std::collections::HashMap;
use std::sync::Arc;

use cairn_actors::BackupOutcome;
use cairn_actors::committer::{Checkpoint, SnapshotHead};
use cairn_actors::parent::Parent;
use cairn_actors::tablet::{ObjectKey, TabletSource};
use cairn_actors::topology::{self, BackupParts};
use cairn_repository::index::Index;
use cairn_repository::manifest::{Object, ObjectList, Root};
use cairn_repository::record::Record;
use cairn_repository::{ErrorKind, Repository};
use futures::StreamExt;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::job::{BackupReport, JobCore, Surroundings};
use crate::request::BackupRequest;

/// Earlier snapshots of an origin in which a table is looked for: enough for a rotation of partial
/// backups, few enough to be read in one breath.
const MAX_PARENTS: usize = 16;
/// Records that are looked through for those.
const MAX_RECORDS: usize = 64;

/// Runs a backup.
pub(crate) async fn run(
    core: &JobCore,
    around: &Surroundings,
    repository: Repository,
    source: Arc<dyn TabletSource>,
    request: BackupRequest,
) -> Result<BackupReport, Error> {
    // Early and cheap; the commit decides again, atomically.
    core.cancellable(refuse_taken_label(&repository, &request)).await?;
    let budget = around.config.index_memory_bytes;
    let index = repository.load_index(budget, around.runtime.clone());
    let index = Arc::new(core.cancellable(index).await?);
    let origin = source.origin();
    let objects = match request.rescan {
        true => HashMap::new(),
        false => core.cancellable(latest_objects(&repository, &index, &origin)).await?,
    };
    let job = core.parts(around, &repository, &index);
    let io = job.io.clone();
    let parent = Parent::new(repository, index, io.clone(), objects);
    let (outcome, committed) = oneshot::channel();
    let parts = BackupParts {
        source,
        selection: request.selection,
        parent,
        head: SnapshotHead {
            label: request.label,
            created: around.timestamps.next(around.clock.as_ref()),
            origin,
            host: host_name(),
        },
        checkpoint: Checkpoint {
            bytes: around.config.checkpoint_bytes,
            interval: around.config.checkpoint_interval,
        },
        outcome,
    };
    core.run_topology(around, topology::backup(job, parts), io).await?;
    match committed.await {
        Ok(BackupOutcome::Committed { record, objects, skipped }) => Ok(BackupReport {
            label: record.label.to_string(),
            timestamp: record.timestamp.to_string(),
            objects,
            skipped: skipped.into_iter().map(Into::into).collect(),
            progress: core.progress.observe(),
            duration: core.started.elapsed(),
            record: *record,
        }),
        Ok(BackupOutcome::Drained) | Err(_) => Err(Error::cancelled()),
    }
}

async fn refuse_taken_label(repository: &Repository, request: &BackupRequest) -> Result<(), Error> {
    match repository.record(&request.label).await {
        Ok(record) => Err(Error::label_exists(&record)),
        Err(error) if error.kind() == ErrorKind::NoSuchSnapshot => Ok(()),
        // A damaged record holds its label too.
        Err(error) => Err(error.into()),
    }
}

/// The latest entry of each object among the snapshots of an origin.
async fn latest_objects(
    repository: &Repository,
    index: &Index,
    origin: &str,
) -> Result<HashMap<ObjectKey, Object>, Error> {
    let mut objects = HashMap::new();
    let mut num_parents = 0;
    let mut records = std::pin::pin!(repository.recent_records(MAX_RECORDS).await?);
    while let Some(listed) = records.next().await {
        // A damaged record is the check's business; here it only costs time.
        let Ok(record) = listed.record else { continue };
        if record.origin != origin {
            continue;
        }
        match add_objects(repository, index, &record, &mut objects).await {
            Ok(added) if added == 0 && num_parents > 0 => break,
            Ok(_) => {}
            Err(error) if error.damage().is_some() => {
                tracing::warn!(label = %record.label, %error, "not used as a parent");
            }
            Err(error) => return Err(error.into()),
        }
        num_parents += 1;
        if num_parents == MAX_PARENTS {
            break;
        }
    }
    Ok(objects)
}

/// Adds the objects of a snapshot that are not known yet; says how many.
async fn add_objects(
    repository: &Repository,
    index: &Index,
    record: &Record,
    objects: &mut HashMap<ObjectKey, Object>,
) -> Result<usize, cairn_repository::Error> {
    let num_before = objects.len();
    let root: Root = repository.read_document(index, &record.root).await?;
    let references: Vec<_> =
        root.databases().iter().map(|database| database.objects.clone()).collect();
    let lists = repository.read_documents::<ObjectList>(index, &references).await?;
    for (database, list) in root.databases().iter().zip(lists) {
        for object in list.into_objects() {
            let key = ObjectKey {
                database: database.name.as_str().into(),
                kind: object.kind.as_str().into(),
                name: object.name.as_str().into(),
            };
            objects.entry(key).or_insert(object);
        }
    }
    Ok(objects.len() - num_before)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
