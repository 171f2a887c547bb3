//! Committer stage: index, manifests, record.
//!
//! # Overview
//! Hears from the planner what the snapshot consists of and from the uploader what is durable; writes index runs, the
//! manifest of each partition as it completes, and at the very end the record that makes the snapshot exist.
//!
//! # Consistency
//! R3: an index run lists only packs that the uploader reported durable. R4: the record is put when every chunk that it
//! reaches is listed. R5: the record is the last write, put-if-absent on its label. R8: without the end of both
//! inlets, and without the planner's word that it told everything, no record is written. What a prune is about to take is not counted on
//! when the commit is reported (`DESIGN.md` of the repository, section 9).
//!
//! # Order
//! News in any order, but a plan before the chunks of its segments: the planner sends it first, and this stage
//! drains plans before it looks at chunks.
//!
//! # Memory
//! The plans of partitions that are being read, and 80 bytes per new chunk until the next index run.
//!
//! # Retries
//! By the storage's layers. A repeated put of the record that meets itself is a success.
//!
//! # Cancellation
//! Before the record is put: nothing is visible. A cancel during that put gives it half a second; if it
//! has not ended then, the job fails and says that the snapshot may exist.
//!
//! # Crash consistency
//! At checkpoints, with the first pack after so many bytes or seconds, an index run is written and then an object that lists
//! the segments read so far: what was stored before the last checkpoint is neither stored nor read again by the next
//! backup of the same origin.

use std::sync::Arc;
use std::time::Duration;

use cairn_repository::index::MAX_RUN_ENTRIES;
use cairn_repository::manifest::{Database, DocumentRef, Object, ObjectList, Partition, Root};
use cairn_repository::pack::IndexEntry;
use cairn_repository::record::{Record, RecordStats};
use cairn_repository::retention::Period;
use cairn_repository::{CheckpointId, Label, Repository, Timestamp};
use tokio::sync::oneshot;

use crate::assembly::{Assembly, CompletePartition};
use crate::clock::Stopwatch;
use crate::documents::DocumentWriter;
use crate::edge::{Inlet, Received};
use crate::error::{Fault, Stop};
use crate::failpoint::{Failpoint, hit};
use crate::holdings::Holdings;
use crate::io::IoTasks;
use crate::message::{Plan, Stored};
use crate::progress::{Phase, Progress};
use crate::report::{BackupOutcome, ObjectReport};
use crate::stage::{StageContext, Worker};
use crate::tablet::Skipped;

/// How long a cancelled job waits for the put of its record: within the second that a cancel may take.
const COMMIT_GRACE: Duration = Duration::from_millis(500);

/// What the record will say of the job itself.
#[derive(Debug, Clone)]
pub struct SnapshotHead {
    /// The user's name for the snapshot.
    pub label: Label,
    /// When the job was created.
    pub created: Timestamp,
    /// Where the tablets come from.
    pub origin: String,
    /// Which host made it.
    pub host: String,
    /// How long it is to be kept.
    pub ttl: Option<Period>,
}

/// When an index run is written before the end.
#[derive(Debug, Clone, Copy)]
pub struct Checkpoint {
    /// After so many stored bytes.
    pub bytes: u64,
    /// After so much time, when anything was stored.
    pub interval: Duration,
}

/// What the committer is given.
#[derive(Debug)]
pub struct CommitterWorker {
    /// Where everything goes.
    pub repository: Repository,
    /// What the repository has.
    pub holdings: Arc<Holdings>,
    /// Where puts run.
    pub io: IoTasks,
    /// What to write into the record.
    pub head: SnapshotHead,
    /// When to write index runs.
    pub checkpoint: Checkpoint,
    /// Checkpoints that the commit of this job supersedes.
    pub superseded: Vec<CheckpointId>,
    /// The job's counters.
    pub progress: Arc<Progress>,
    /// From the planner.
    pub plans: Inlet<Plan>,
    /// From the uploader.
    pub stored: Inlet<Stored>,
    /// Receives the outcome when the job is done.
    pub outcome: oneshot::Sender<BackupOutcome>,
}

/// What the planner said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    NotYet,
    Everything,
    Drained,
}

/// State of the job between two pieces of news.
struct Commit {
    started: Stopwatch,
    assembly: Assembly,
    documents: DocumentWriter,
    skipped: Vec<Skipped>,
    told: Told,
    /// Entries of durable packs that no run lists yet, their bytes, and how long they have waited.
    unlisted: Vec<IndexEntry>,
    unlisted_bytes: u64,
    since_checkpoint: Stopwatch,
    /// The checkpoint that lists what was read until now.
    last_checkpoint: Option<CheckpointId>,
}

impl Worker for CommitterWorker {
    fn run(self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        let documents = DocumentWriter::new(
            self.repository.clone(),
            Arc::clone(&self.holdings),
            self.io.clone(),
            Arc::clone(&self.progress),
        )?;
        let mut commit = Commit {
            started: Stopwatch::start(),
            assembly: Assembly::default(),
            documents,
            skipped: Vec::new(),
            told: Told::NotYet,
            unlisted: Vec::new(),
            unlisted_bytes: 0,
            since_checkpoint: Stopwatch::start(),
            last_checkpoint: None,
        };
        loop {
            match self.stored.recv_or(self.plans.channel())? {
                Received::Other(plan) => context.work(0, || self.take_plan(&mut commit, plan))?,
                Received::Item(news) => {
                    // Plans that were sent since the look at their edge: one of them may be of these chunks.
                    while let Ok(plan) = self.plans.channel().try_recv() {
                        context.work(0, || self.take_plan(&mut commit, plan))?;
                    }
                    context.work(0, || self.take_stored(&mut commit, news))?;
                }
                Received::End => break,
            }
        }
        while let Some(plan) = self.plans.recv()? {
            self.take_plan(&mut commit, plan)?;
        }
        let outcome = match commit.told {
            Told::NotYet => return Err(Stop::UpstreamLost),
            Told::Drained => {
                self.write_checkpoint(&mut commit)?;
                BackupOutcome::Drained
            }
            Told::Everything => self.commit(commit, context)?,
        };
        // No receiver means that nobody waits for the job any more.
        let _ = self.outcome.send(outcome);
        Ok(())
    }
}

impl CommitterWorker {
    fn take_plan(&self, commit: &mut Commit, plan: Plan) -> Result<(), Stop> {
        match plan {
            Plan::Catalog { objects, skipped } => {
                commit.assembly.add_catalog(objects);
                commit.skipped = skipped;
            }
            Plan::Unchanged { object, partition, num_tablets } => {
                commit.assembly.add_unchanged(object, partition, num_tablets)?;
            }
            Plan::Changed(plan) => {
                if let Some(complete) = commit.assembly.add_plan(plan)? {
                    self.write_partition(commit, complete)?;
                }
            }
            Plan::Complete => commit.told = Told::Everything,
            Plan::Drained => commit.told = Told::Drained,
        }
        Ok(())
    }

    fn take_stored(&self, commit: &mut Commit, news: Stored) -> Result<(), Stop> {
        match news {
            Stored::Chunks { chunks, cuts } => {
                self.progress.segments_done(cuts.len() as u64);
                self.progress.bytes_done(cuts.iter().map(|cut| cut.len).sum());
                for complete in commit.assembly.add_chunks(chunks, cuts)? {
                    self.write_partition(commit, complete)?;
                }
            }
            Stored::Pack { entries, bytes } => {
                commit.unlisted.extend(entries);
                commit.unlisted_bytes += bytes;
                if commit.unlisted_bytes >= self.checkpoint.bytes
                    || commit.since_checkpoint.elapsed() >= self.checkpoint.interval
                {
                    self.write_checkpoint(commit)?;
                }
            }
        }
        Ok(())
    }

    /// Stores the manifest of a complete partition.
    fn write_partition(
        &self,
        commit: &mut Commit,
        complete: CompletePartition,
    ) -> Result<(), Stop> {
        let object = complete.object;
        let entry = self.partition_entry(commit, complete)?;
        Ok(commit.assembly.add_partition(object, entry)?)
    }

    fn partition_entry(
        &self,
        commit: &mut Commit,
        partition: CompletePartition,
    ) -> Result<Partition, Stop> {
        let CompletePartition { name, manifest, .. } = partition;
        let segments = manifest.tablets().iter().flat_map(|tablet| &tablet.segments);
        let (num_segments, bytes) =
            segments.fold((0, 0), |(num, bytes), segment| (num + 1, bytes + segment.len));
        let tablets = commit.documents.write(&manifest)?;
        Ok(Partition { name, tablets, segments: num_segments, bytes })
    }

    /// Lists every durable chunk, and then the segments that were read, whose chunks are nearly all among those.
    fn write_checkpoint(&self, commit: &mut Commit) -> Result<(), Stop> {
        let mut open = Vec::new();
        for partition in commit.assembly.open_manifests()? {
            let object = partition.object;
            open.push((object, self.partition_entry(commit, partition)?));
        }
        let databases = commit.assembly.so_far(open);
        let root = self.write_root(commit, databases)?;
        commit.unlisted.extend(commit.documents.flush()?);
        self.write_run(commit)?;
        let record = self.record(root, &[], commit.started);
        let put = self.io.block_on(self.repository.put_checkpoint(&record))??;
        if let Some(last) = commit.last_checkpoint.replace(put) {
            self.io.block_on(self.repository.remove_checkpoint(&last))?;
        }
        Ok(())
    }

    fn write_root(
        &self,
        commit: &mut Commit,
        databases: Vec<(String, Vec<Object>)>,
    ) -> Result<DocumentRef, Stop> {
        let mut entries = Vec::with_capacity(databases.len());
        for (name, objects) in databases {
            let objects = commit.documents.write(&ObjectList::new(objects)?)?;
            entries.push(Database { name, objects });
        }
        commit.documents.write(&Root::new(entries)?)
    }

    /// Lists every durable chunk (R3).
    fn write_run(&self, commit: &mut Commit) -> Result<(), Stop> {
        commit.unlisted_bytes = 0;
        commit.since_checkpoint = Stopwatch::start();
        let mut entries = std::mem::take(&mut commit.unlisted);
        if entries.is_empty() {
            return Ok(());
        }
        hit(Failpoint::CommitterBeforeIndex);
        while !entries.is_empty() {
            let rest = entries.split_off(MAX_RUN_ENTRIES.min(entries.len()));
            let run = std::mem::replace(&mut entries, rest);
            self.io.block_on(self.repository.put_index_run(run))??;
            self.progress.stored_objects(1);
        }
        hit(Failpoint::CommitterAfterIndex);
        Ok(())
    }

    /// The last writes: manifests, their run, the record.
    fn commit(&self, mut commit: Commit, context: &StageContext) -> Result<BackupOutcome, Stop> {
        self.progress.enter(Phase::Committing);
        let assembly = std::mem::take(&mut commit.assembly);
        let (databases, objects) = assembly.finish()?;
        let root = self.write_root(&mut commit, databases)?;
        let copied = self.record(root.clone(), &objects, commit.started);
        commit.documents.write_copy(&copied)?;
        commit.unlisted.extend(commit.documents.flush()?);
        hit(Failpoint::CommitterAfterDocuments);
        self.write_run(&mut commit)?;
        let record = self.record(root, &objects, commit.started);
        context.check_cancelled()?;
        hit(Failpoint::CommitterBeforeRecord);
        self.put_record(&record)?;
        hit(Failpoint::CommitterAfterRecord);
        for superseded in self.superseded.iter().chain(&commit.last_checkpoint) {
            // The snapshot is there: a cancel that comes now only leaves what nobody needs.
            let _ = self.io.block_on(self.repository.remove_checkpoint(superseded));
        }
        self.progress.stored_bytes(self.repository.stored_record(&record).len() as u64);
        self.progress.stored_objects(1);
        let record = Box::new(record);
        Ok(BackupOutcome::Committed { record, objects, skipped: commit.skipped })
    }

    /// Puts the record. A cancel that comes now leaves it a moment to end; after that nobody knows whether the
    /// snapshot exists, and the error says so.
    fn put_record(&self, record: &Record) -> Result<(), Fault> {
        let commit = self.repository.commit_counting_on(record, self.holdings.index());
        let put = self.io.block_on_with_grace(commit, COMMIT_GRACE);
        match put {
            Some(outcome) => Ok(outcome?),
            None => Err(Fault::UnknownCommit { label: record.label.to_string() }),
        }
    }

    fn record(&self, root: DocumentRef, objects: &[ObjectReport], started: Stopwatch) -> Record {
        let sum = |of: fn(&ObjectReport) -> u64| objects.iter().map(of).sum();
        let done = self.progress.observe();
        let databases = objects.iter().map(|object| object.database.as_str());
        Record {
            label: self.head.label.clone(),
            timestamp: self.head.created,
            origin: self.head.origin.clone(),
            host: self.head.host.clone(),
            root,
            stats: RecordStats {
                objects: objects.len() as u64,
                partitions: sum(|object| object.partitions),
                tablets: sum(|object| object.tablets),
                segments: sum(|object| object.segments),
                raw_bytes: sum(|object| object.bytes),
                read_bytes: sum(|object| object.read_bytes),
                new_chunks: done.new_chunks,
                new_raw_bytes: done.new_raw_bytes,
                stored_bytes: done.stored_bytes,
                duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
            ttl: self.head.ttl,
            databases: Record::databases_of(databases),
        }
    }
}
