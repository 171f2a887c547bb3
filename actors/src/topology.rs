//! The wiring: which stage feeds which, over which edge, with which bounds. The only place that knows two stages.
//!
//! ```text
//! backup    planner ─tasks─> reader ═> chunker ─> checksum ─> uploader ─> committer
//!              └───────────────────── plans ──────────────────────────────────^
//! restore   fetcher ─> verifier ─> installer (x n)
//! check     pack fetcher ─> verifier ─> tally
//! ```
//! `═>` is one edge per lane; the other edges carry everything. Every edge has its bound and its reason below.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cairn_repository::chunking::Chunker;
use cairn_repository::index::Index;
use cairn_repository::manifest::DocumentRef;
use cairn_repository::{CheckpointId, PackId, Repository};
use tokio::sync::oneshot;

use crate::actor::{StageSpec, Topology};
use crate::cancel::CancelToken;
use crate::checksum::{Dedupe, Seal};
use crate::chunker::{ChunkerWorker, WindowCutter};
use crate::committer::{Checkpoint, CommitterWorker, SnapshotHead};
use crate::compute::{ComputePool, ComputeWorker};
use crate::edge::{EdgeLimits, Inlet, Outlet, Weigh, observed_edge};
use crate::fetcher::FetcherWorker;
use crate::holdings::Holdings;
use crate::installer::{InstallerWorker, Switch};
use crate::io::IoTasks;
use crate::losses::Losses;
use crate::metrics::{EdgeId, StageId};
use crate::parent::Parent;
use crate::progress::Progress;
use crate::report::{BackupOutcome, RestoreOutcome};
use crate::scope::RestoreScope;
use crate::snapshot::{Planner, SegmentReaderWorker};
use crate::stage::Worker;
use crate::tablet::{Selection, TabletSink, TabletSource};
use crate::tally::{CheckTally, PackFetcherWorker, TallyWorker};
use crate::verifier::Verify;

/// How wide a pipeline is.
#[derive(Debug, Clone, Copy)]
pub struct Width {
    /// Readers, each with a chunker.
    pub lanes: usize,
    /// Bytes of a window.
    pub window_bytes: usize,
    /// Packs that may be on their way to the repository.
    pub uploads: usize,
    /// Reads from the repository that may be on their way.
    pub downloads: usize,
    /// Workers of the installer.
    pub installers: usize,
}

/// What every job is given.
#[derive(Debug)]
pub struct JobParts {
    /// The repository.
    pub repository: Repository,
    /// Its chunks as of the start of the job.
    pub index: Arc<Index>,
    /// Threads for hashing and (de)compression.
    pub pool: ComputePool,
    /// Where I/O runs.
    pub io: IoTasks,
    /// The job's cancel switch.
    pub cancel: CancelToken,
    /// The job's counters.
    pub progress: Arc<Progress>,
    /// How wide to build it.
    pub width: Width,
}

/// What a backup is given besides.
#[derive(Debug)]
pub struct BackupParts {
    /// The database's side.
    pub source: Arc<dyn TabletSource>,
    /// What to back up.
    pub selection: Selection,
    /// The snapshot before.
    pub parent: Parent,
    /// What the repository has.
    pub holdings: Arc<Holdings>,
    /// What to write into the record.
    pub head: SnapshotHead,
    /// When to write index runs.
    pub checkpoint: Checkpoint,
    /// Checkpoints that the commit of this job supersedes.
    pub superseded: Vec<CheckpointId>,
    /// Receives the outcome.
    pub outcome: oneshot::Sender<BackupOutcome>,
}

/// What a restore is given besides.
#[derive(Debug)]
pub struct RestoreParts {
    /// The database's side.
    pub sink: Arc<dyn TabletSink>,
    /// Root of the snapshot.
    pub root: DocumentRef,
    /// What to restore.
    pub scope: RestoreScope,
    /// What is to be left out; without, a loss fails the job.
    pub losses: Option<Losses>,
    /// Unique name of the job, safe as a file name.
    pub job: String,
    /// Receives what is restored; it counts only when the job finishes.
    pub outcome: oneshot::Sender<RestoreOutcome>,
}

/// What a check is given besides.
#[derive(Debug)]
pub struct CheckParts {
    /// The packs to read, with their sizes.
    pub packs: Vec<(PackId, u32)>,
    /// Receives the tally.
    pub outcome: oneshot::Sender<CheckTally>,
}

/// Batches of segments to read: the planner runs ahead by few, since each may keep the plans of whole partitions open.
const TASKS: EdgeLimits = EdgeLimits { items: 4, bytes: u64::MAX };
/// Plans and news are small: enough that neither side ever waits for the other's last step.
const SMALL_ITEMS: EdgeLimits = EdgeLimits { items: 256, bytes: u64::MAX };
/// Windows on one lane: the buffer pool bounds them already; one waits while one is cut.
const WINDOWS: EdgeLimits = EdgeLimits { items: 1, bytes: u64::MAX };
/// Chunks as cut: slices of windows, so the pools bound their bytes. One batch waits per lane.
const CUT_ITEMS_PER_LANE: usize = 1;
/// Sealed chunks: what compressors produce while the uploader waits for a permit.
const SEALED: EdgeLimits = EdgeLimits { items: 64, bytes: 16 << 20 };
/// Spans: what is read ahead of the verifier.
const FETCHED: EdgeLimits = EdgeLimits { items: 16, bytes: 32 << 20 };
/// Plaintext: what is decoded ahead of the installers.
const VERIFIED: EdgeLimits = EdgeLimits { items: 64, bytes: 32 << 20 };

impl JobParts {
    fn edge<T: Weigh>(&self, id: EdgeId, limits: EdgeLimits) -> (Outlet<T>, Inlet<T>) {
        let flow = self.progress.flow().edge(id, limits.items, limits.bytes);
        observed_edge(id, limits, &self.cancel, flow)
    }

    fn topology(self, stages: Vec<StageSpec>) -> Topology {
        Topology { cancel: self.cancel, progress: self.progress, stages }
    }
}

fn stage(stage: StageId, workers: Vec<Box<dyn Worker>>) -> StageSpec {
    StageSpec { stage, workers, drain: None }
}

/// A backup.
pub fn backup(job: JobParts, parts: BackupParts) -> Topology {
    let chunking = job.repository.config().chunking;
    let drain = Arc::new(AtomicBool::new(false));
    let (plans, planned) = job.edge(EdgeId::SnapshotCommitter, SMALL_ITEMS);
    let (tasks, to_read) = job.edge(EdgeId::SnapshotReader, TASKS);
    let cut_items = job.width.lanes * CUT_ITEMS_PER_LANE;
    let cut_limits = EdgeLimits { items: cut_items, bytes: u64::MAX };
    let (cut, to_seal) = job.edge(EdgeId::ChunkerChecksum, cut_limits);
    let (sealed, to_store) = job.edge(EdgeId::ChecksumUploader, SEALED);
    let (stored, to_commit) = job.edge(EdgeId::UploaderCommitter, SMALL_ITEMS);

    let mut snapshot: Vec<Box<dyn Worker>> = vec![Box::new(Planner {
        source: parts.source,
        selection: parts.selection,
        parent: parts.parent,
        drain: Arc::clone(&drain),
        progress: Arc::clone(&job.progress),
        plans,
        tasks,
    })];
    let mut chunker: Vec<Box<dyn Worker>> = Vec::new();
    for _ in 0..job.width.lanes {
        let (windows, to_cut) = job.edge(EdgeId::SnapshotChunker, WINDOWS);
        snapshot.push(Box::new(SegmentReaderWorker {
            tasks: to_read.clone(),
            windows,
            headroom: chunking.max() as usize,
            window_bytes: job.width.window_bytes,
            progress: Arc::clone(&job.progress),
        }));
        chunker.push(Box::new(ChunkerWorker {
            cutter: WindowCutter::new(Chunker::new(chunking)),
            inlet: to_cut,
            outlet: cut.clone(),
        }));
    }
    cut.end();
    let dedupe = Arc::new(Dedupe::new(Arc::clone(&parts.holdings), job.io.clone()));
    let (sealer, compression) =
        (job.repository.sealer().clone(), job.repository.config().compression);
    let checksum = ComputeWorker {
        compute: Arc::new(Seal::new(dedupe, sealer, compression, Arc::clone(&job.progress))),
        pool: job.pool.clone(),
        inlet: to_seal,
        outlet: sealed,
    };
    let uploader = crate::uploader::UploaderWorker {
        repository: job.repository.clone(),
        io: job.io.clone(),
        max_in_flight: job.width.uploads,
        progress: Arc::clone(&job.progress),
        inlet: to_store,
        outlet: stored,
    };
    let committer = CommitterWorker {
        repository: job.repository.clone(),
        holdings: parts.holdings,
        io: job.io.clone(),
        head: parts.head,
        checkpoint: parts.checkpoint,
        superseded: parts.superseded,
        progress: Arc::clone(&job.progress),
        plans: planned,
        stored: to_commit,
        outcome: parts.outcome,
    };
    job.topology(vec![
        StageSpec { stage: StageId::Snapshot, workers: snapshot, drain: Some(drain) },
        stage(StageId::Chunker, chunker),
        stage(StageId::Checksum, vec![Box::new(checksum)]),
        stage(StageId::Uploader, vec![Box::new(uploader)]),
        stage(StageId::Committer, vec![Box::new(committer)]),
    ])
}

/// A restore.
pub fn restore(job: JobParts, parts: RestoreParts) -> Topology {
    let (fetched, to_verify) = job.edge(EdgeId::FetcherVerifier, FETCHED);
    let (verified, to_install) = job.edge(EdgeId::VerifierInstaller, VERIFIED);
    let staged = Arc::default();
    let fetcher = FetcherWorker {
        repository: job.repository.clone(),
        index: Arc::clone(&job.index),
        io: job.io.clone(),
        root: parts.root,
        scope: parts.scope,
        losses: parts.losses,
        job: parts.job,
        sink: parts.sink,
        staged: Arc::clone(&staged),
        max_in_flight: job.width.downloads,
        progress: Arc::clone(&job.progress),
        outlet: fetched,
        outcome: parts.outcome,
    };
    let verifier = ComputeWorker {
        compute: Arc::new(Verify::new(job.repository.sealer())),
        pool: job.pool.clone(),
        inlet: to_verify,
        outlet: verified,
    };
    let switch = Arc::new(Switch::new(job.width.installers));
    let installers = (0..job.width.installers)
        .map(|_| {
            let (staged, switch) = (Arc::clone(&staged), Arc::clone(&switch));
            let worker = InstallerWorker {
                staged,
                switch,
                repository: job.repository.clone(),
                index: Arc::clone(&job.index),
                io: job.io.clone(),
                progress: Arc::clone(&job.progress),
                inlet: to_install.clone(),
            };
            Box::new(worker) as Box<dyn Worker>
        })
        .collect();
    job.topology(vec![
        stage(StageId::Fetcher, vec![Box::new(fetcher)]),
        stage(StageId::Verifier, vec![Box::new(verifier)]),
        stage(StageId::Installer, installers),
    ])
}

/// A check of every byte.
pub fn check(job: JobParts, parts: CheckParts) -> Topology {
    let (fetched, to_verify) = job.edge(EdgeId::FetcherVerifier, FETCHED);
    let (verified, to_count) = job.edge(EdgeId::VerifierTally, VERIFIED);
    let fetcher = PackFetcherWorker {
        repository: job.repository.clone(),
        io: job.io.clone(),
        packs: parts.packs,
        max_in_flight: job.width.downloads,
        progress: Arc::clone(&job.progress),
        outlet: fetched,
    };
    let verifier = ComputeWorker {
        compute: Arc::new(Verify::new(job.repository.sealer())),
        pool: job.pool.clone(),
        inlet: to_verify,
        outlet: verified,
    };
    let tally = TallyWorker { inlet: to_count, outcome: parts.outcome };
    job.topology(vec![
        stage(StageId::Fetcher, vec![Box::new(fetcher)]),
        stage(StageId::Verifier, vec![Box::new(verifier)]),
        stage(StageId::Tally, vec![Box::new(tally)]),
    ])
}
