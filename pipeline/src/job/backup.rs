//! Backup jobs: what comes before and after the pipeline.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::Arc;

use cairn_actors::BackupOutcome;
use cairn_actors::committer::{Checkpoint, SnapshotHead};
use cairn_actors::holdings::Holdings;
use cairn_actors::parent::Parent;
use cairn_actors::tablet::{ObjectKey, TabletSource};
use cairn_actors::topology::{self, BackupParts};
use cairn_repository::index::Index;
use cairn_repository::manifest::{Document, DocumentRef, Object, ObjectList, Partition, Root};
use cairn_repository::record::Record;
use cairn_repository::{CheckpointId, ErrorKind, FoundCheckpoint, Label, Repository};
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

/// Times that a backup is begun in all when prunes take what it counted on.
const MAX_BEGINS: usize = 3;

/// Runs a backup.
pub(crate) async fn run(
    core: &JobCore,
    around: &Surroundings,
    repository: Repository,
    source: Arc<dyn TabletSource>,
    request: BackupRequest,
) -> Result<BackupReport, Error> {
    for _ in 1..MAX_BEGINS {
        let (repository, source) = (repository.clone(), Arc::clone(&source));
        match run_once(core, around, repository, source, request.clone()).await {
            Err(error) if error.is_pruned() => tracing::info!(%error, "the backup begins again"),
            outcome => return outcome,
        }
        core.begin_again()?;
    }
    run_once(core, around, repository, source, request).await
}

async fn run_once(
    core: &JobCore,
    around: &Surroundings,
    repository: Repository,
    source: Arc<dyn TabletSource>,
    request: BackupRequest,
) -> Result<BackupReport, Error> {
    let repository = core.cancellable(repository.refreshed()).await?;
    // Early and cheap; the commit decides again, atomically.
    core.cancellable(refuse_taken_label(&repository, &request)).await?;
    let budget = around.config.index_memory_bytes;
    let index = repository.load_index_to_count_on(budget, around.runtime.clone());
    let index = Arc::new(core.cancellable(index).await?);
    let (source, origin) = origin_of(around, source).await?;
    let (holdings, before) = match request.rescan {
        true => (present_packs(core, &repository, index).await?, Before::default()),
        false => {
            let holdings = Holdings::new(index, None);
            let before = before(&repository, &holdings, &origin);
            let before = core.cancellable(before).await?;
            (holdings, before)
        }
    };
    // One of another label may be that of a job that is running.
    let mut superseded = before.checkpoints;
    superseded.retain(|(_, label)| *label == request.label);
    let holdings = Arc::new(holdings);
    let job = core.parts(around, &repository, holdings.index());
    let io = job.io.clone();
    let parent = Parent::new(repository, Arc::clone(&holdings), io.clone(), before.objects);
    let now = || (around.timestamps.next(around.clock.as_ref()), host_name());
    let (created, host) = request.taken.unwrap_or_else(now);
    let (outcome, committed) = oneshot::channel();
    let parts = BackupParts {
        source,
        selection: request.selection,
        parent,
        holdings,
        head: SnapshotHead { label: request.label, created, origin, host, ttl: request.ttl },
        checkpoint: Checkpoint {
            bytes: around.config.checkpoint_bytes,
            interval: around.config.checkpoint_interval,
        },
        superseded: superseded.into_iter().map(|(id, _)| id).collect(),
        outcome,
    };
    core.run_topology(around, topology::backup(job, parts), io).await?;
    match committed.await {
        Ok(BackupOutcome::Committed { record, objects, skipped }) => {
            let progress = core.progress.observe();
            core.metrics.count_backup(&progress);
            Ok(BackupReport {
                label: record.label.to_string(),
                timestamp: record.timestamp.to_string(),
                objects,
                skipped: skipped.into_iter().map(Into::into).collect(),
                progress,
                duration: core.started.elapsed(),
                record: *record,
            })
        }
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

/// The origin of a source, asked on a thread that may block.
async fn origin_of(
    around: &Surroundings,
    source: Arc<dyn TabletSource>,
) -> Result<(Arc<dyn TabletSource>, String), Error> {
    let asked = around.runtime.spawn_blocking(move || {
        let origin = source.origin();
        (source, origin)
    });
    match asked.await {
        Ok(answer) => Ok(answer),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(Error::engine_closed()),
    }
}

/// A rescan trusts nobody: what the index lists counts only as far as its pack is there.
async fn present_packs(
    core: &JobCore,
    repository: &Repository,
    index: Arc<Index>,
) -> Result<Holdings, Error> {
    let packs = core.cancellable(repository.packs()).await?;
    Ok(Holdings::new(index, Some(packs.into_iter().map(|(pack, _)| pack).collect())))
}

/// What earlier backups of an origin have stored.
#[derive(Default)]
struct Before {
    /// The latest entry of each partition of each object.
    objects: HashMap<ObjectKey, Object>,
    /// Every checkpoint among that, with the label that its job was to make.
    checkpoints: Vec<(CheckpointId, Label)>,
}

/// Looks through the snapshots and checkpoints of an origin, the newest first.
async fn before(
    repository: &Repository,
    holdings: &Holdings,
    origin: &str,
) -> Result<Before, Error> {
    let mut before = Before::default();
    let mut checkpoints = repository.checkpoints(origin).await?.into_iter().peekable();
    let mut num_parents = 0;
    let mut records = std::pin::pin!(repository.recent_records(MAX_RECORDS).await?);
    while let Some(listed) = records.next().await {
        let record = match listed.record {
            Ok(record) if record.origin == origin => record,
            Ok(_) => continue,
            // A damaged record is the check's business; here it only costs time.
            Err(error) if error.damage().is_some() => continue,
            Err(error) => return Err(error.into()),
        };
        while let Some(newer) = checkpoints.next_if(|it| it.modified >= listed.modified) {
            before.add_checkpoint(repository, holdings, newer).await?;
        }
        if add_objects(repository, holdings, &record, &mut before.objects).await? {
            num_parents += 1;
        }
        if num_parents == MAX_PARENTS {
            return Ok(before);
        }
    }
    for rest in checkpoints {
        before.add_checkpoint(repository, holdings, rest).await?;
    }
    Ok(before)
}

impl Before {
    async fn add_checkpoint(
        &mut self,
        repository: &Repository,
        holdings: &Holdings,
        found: FoundCheckpoint,
    ) -> Result<(), Error> {
        let label = found.record.label.clone();
        if add_objects(repository, holdings, &found.record, &mut self.objects).await? {
            tracing::info!(%label, "going on from the checkpoint of a backup that did not end");
        }
        self.checkpoints.push((found.id, label));
        Ok(())
    }
}

/// Adds what a snapshot has and no later one had; says whether that was anything. Documents that cannot be read count as
/// lost, so that this backup stores them again.
async fn add_objects(
    repository: &Repository,
    holdings: &Holdings,
    record: &Record,
    objects: &mut HashMap<ObjectKey, Object>,
) -> Result<bool, Error> {
    let mut has_added = false;
    let Some(root) = read_or_distrust::<Root>(repository, holdings, &record.root).await? else {
        return Ok(false);
    };
    for database in root.into_databases() {
        let reference = &database.objects;
        let Some(list) = read_or_distrust::<ObjectList>(repository, holdings, reference).await?
        else {
            continue;
        };
        for object in list.into_objects() {
            let key = ObjectKey {
                database: database.name.as_str().into(),
                kind: object.kind.as_str().into(),
                name: object.name.as_str().into(),
            };
            has_added |= merge(objects, key, object);
        }
    }
    Ok(has_added)
}

/// Adds the partitions that are not there yet; says whether there were any.
fn merge(objects: &mut HashMap<ObjectKey, Object>, key: ObjectKey, older: Object) -> bool {
    match objects.entry(key) {
        Entry::Vacant(vacant) => {
            vacant.insert(older);
            true
        }
        Entry::Occupied(mut newer) => {
            let partitions = &mut newer.get_mut().partitions;
            let num_before = partitions.len();
            let known: HashSet<String> =
                partitions.iter().map(|partition| partition.name.clone()).collect();
            let is_new = |partition: &Partition| !known.contains(&partition.name);
            partitions.extend(older.partitions.into_iter().filter(is_new));
            partitions.sort_by(|a, b| a.name.cmp(&b.name));
            partitions.len() > num_before
        }
    }
}

async fn read_or_distrust<D: Document>(
    repository: &Repository,
    holdings: &Holdings,
    reference: &DocumentRef,
) -> Result<Option<D>, Error> {
    match repository.read_document::<D>(holdings.index(), reference).await {
        Ok(document) => Ok(Some(document)),
        Err(error) if error.damage().is_some() => {
            tracing::warn!(%error, "a manifest is lost and will be stored again");
            holdings.distrust(reference.chunks.iter());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// What this machine is called.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
