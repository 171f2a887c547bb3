//! [`Survey`]: what is there and what is reached, read once and kept small.
//!
//! *Order*: votes, records, marks, runs, packs. What a record reaches was listed before it was put, and is in the lists that
//! follow; a vote becomes a record before it goes; a mark that was taken away names nothing that the lists after it show.
//!
//! *On failure*: something damaged or missing is an error: nobody may conclude from half a survey.

use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

use cairn_storage::{ObjectMeta, ObjectPath, StorageExt, is_trace_of_probe};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use super::ledger::{Ledger, LedgerBuilder, LedgerPack};
use super::report::{PrunePhase, Watch};
use crate::bounded::at_most;
use crate::error::DamagedObject;
use crate::index::{Index, ListedRun, TableBuilder};
use crate::manifest::{Document, DocumentRef, ObjectList, Root, TabletList};
use crate::mark::{Mark, Marks, Named};
use crate::pack::{ChunkKind, MAX_PACK_BYTES};
use crate::record::{MAX_RECORD_BYTES, Record};
use crate::repository::document_batches;
use crate::{
    ChunkId, Damage, Error, Fault, IndexId, Label, Malformed, MarkId, Repository, Result, layout,
};

/// Runs in memory at once.
pub(super) const MAX_RUNS: usize = 4;

/// Records read at once.
const MAX_READS: usize = 16;

/// Bytes of documents that are read at once.
const BATCH_BYTES: u64 = 8 << 20;

/// Roots that are walked from together.
const MAX_ROOTS: usize = 64;

/// Surveys before one gives up in which runs went meanwhile: other prunes are that busy.
const MAX_SURVEYS: usize = 5;

/// Traces of probes that a prune takes away; more are left to the next.
const MAX_TRACES: usize = 1000;

/// A run that no mark names.
#[derive(Debug)]
pub(super) struct SurveyedRun {
    pub(super) id: IndexId,
    pub(super) size: u64,
    /// Positions of the packs that it lists chunks of.
    pub(super) packs: Vec<u32>,
    /// Entries whose packs are not there.
    pub(super) num_gone: u32,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) marks: Marks,
    pub(super) ledger: Ledger,
    pub(super) runs: Vec<SurveyedRun>,
    /// Runs that a mark names.
    superseded: HashSet<IndexId>,
    /// What was walked from.
    pub(super) roots: Roots,
    /// Marks that were listed before those.
    pub(super) marks_before: BTreeSet<MarkId>,
    /// Chunks of segments that are reached and have no place; one counts for each document that names it.
    pub(super) lost_chunks: u64,
    /// What probes left, and when.
    pub(super) traces: Vec<(ObjectPath, SystemTime)>,
    /// Where documents lie.
    documents: Index,
}

impl Survey {
    /// Looks at everything but records.
    pub(super) async fn of(
        repository: &Repository,
        runtime: &Handle,
        watch: Watch<'_>,
    ) -> Result<Self> {
        for _ in 0..MAX_SURVEYS {
            if let Some(survey) = Self::try_of(repository, runtime, watch).await? {
                return Ok(survey);
            }
        }
        Err(Error::invalid("other prunes are too busy with the index: prune again"))
    }

    /// `None` when a run went meanwhile: what it listed may be in one that came since.
    async fn try_of(
        repository: &Repository,
        runtime: &Handle,
        watch: Watch<'_>,
    ) -> Result<Option<Self>> {
        let marks = repository.marks().await?;
        let named = marks.named();
        let listed = repository.runs().await?;
        let (packs, traces) = list_packs(repository, &named).await?;
        let num_entries = listed.iter().map(ListedRun::max_entries).sum();
        let mut builder = LedgerBuilder::new(packs, num_entries);
        let mut documents = TableBuilder::default();
        let (mut runs, total) = (Vec::with_capacity(listed.len()), listed.len() as u64);
        let superseded = listed.iter().map(|run| run.id).filter(|id| named.runs.contains(id));
        let superseded = superseded.collect();
        let reads = stream::iter(listed)
            .map(async |run| Ok::<_, Error>((run, repository.read_run(&run).await?)));
        let mut reads = std::pin::pin!(reads.buffer_unordered(MAX_RUNS));
        while let Some((ListedRun { id, size }, run)) = reads.try_next().await? {
            watch.tell(PrunePhase::Index, runs.len() as u64, total);
            let Some(run) = run else { return Ok(None) };
            let is_superseded = named.runs.contains(&id);
            let run = match run {
                Ok(run) => run,
                // A repair has listed anew what it listed; if not, something that is reached is not listed.
                Err(_) if is_superseded => continue,
                Err(malformed) => {
                    return Err(Damage::new(DamagedObject::IndexRun(id), malformed).into());
                }
            };
            let (packs, num_gone) = builder.add(&run, is_superseded);
            if !documents.add(&run, |kind, _| kind == Some(ChunkKind::Document)) {
                return Err(Error::invalid("documents of more than 2^32 chunks"));
            }
            if !is_superseded {
                runs.push(SurveyedRun { id, size, packs, num_gone });
            }
        }
        let storage = std::sync::Arc::clone(repository.storage());
        let documents = Index::of(storage, documents, runtime.clone());
        Ok(Some(Self {
            marks,
            ledger: builder.build(),
            runs,
            superseded,
            roots: Roots::default(),
            marks_before: BTreeSet::new(),
            lost_chunks: 0,
            traces,
            documents,
        }))
    }

    /// Notes everything that these roots reach, and says how many documents that are. Chunks of segments that have no place are counted if `accept_loss`, and an
    /// error if not; a document that has none always is, for nobody knows what it reaches.
    pub(super) async fn reach(
        &mut self,
        repository: &Repository,
        roots: Roots,
        accept_loss: bool,
        watch: Watch<'_>,
    ) -> Result<u64> {
        self.roots = roots;
        let roots = &self.roots.roots;
        let mut walk = Walk { repository, documents: &self.documents, walked: HashSet::new() };
        let (ledger, mut lost_chunks) = (&mut self.ledger, 0);
        let mut visit = |id: &ChunkId, kind| {
            let is_lost = !ledger.reach(id);
            let is_accepted = is_lost && accept_loss && kind == ChunkKind::Segment;
            lost_chunks += u64::from(is_accepted);
            !is_lost || is_accepted
        };
        let mut done = 0;
        for together in roots.chunks(MAX_ROOTS) {
            watch.tell(PrunePhase::Snapshots, done, roots.len() as u64);
            done += together.len() as u64;
            if let Some(missing) = walk.walk(together, &mut visit).await? {
                let damage = Damage::of_chunk(DamagedObject::Index, missing, Fault::NotListed);
                return Err(damage.into());
            }
        }
        watch.tell(PrunePhase::Snapshots, roots.len() as u64, roots.len() as u64);
        let documents = walk.walked.len() as u64;
        for copy in &self.roots.copies {
            // A backup that stored no document made none.
            self.ledger.reach(copy);
        }
        self.lost_chunks = lost_chunks;
        Ok(documents)
    }

    /// Marks of which nothing is there that they name.
    pub(super) fn empty_marks(&self) -> BTreeSet<MarkId> {
        let is_there = |mark: &Mark| {
            mark.packs.iter().any(|pack| self.ledger.position(pack).is_some())
                || mark.runs.iter().any(|run| self.superseded.contains(run))
        };
        let empty = self.marks.seen().filter(|(_, seen)| !is_there(&seen.mark));
        empty.map(|(id, _)| *id).collect()
    }

    /// Whether a mark names a pack.
    pub(super) fn goes(&self, pack: u32) -> bool {
        self.ledger.packs().get(pack as usize).is_none_or(|pack| pack.is_condemned)
    }

    /// Whether everything that a root reaches is firm.
    pub(super) async fn is_firm(
        &self,
        repository: &Repository,
        root: &DocumentRef,
    ) -> Result<bool> {
        let mut walk = Walk { repository, documents: &self.documents, walked: HashSet::new() };
        Ok(walk
            .walk(std::slice::from_ref(root), &mut |id, _| self.ledger.is_firm(id))
            .await?
            .is_none())
    }
}

/// The packs, and what probes left: that lies beside everything else, so that only a list of all objects shows it.
async fn list_packs(
    repository: &Repository,
    named: &Named,
) -> Result<(Vec<LedgerPack>, Vec<(ObjectPath, SystemTime)>)> {
    let everything = ObjectPath::root();
    let mut objects = repository.storage().list(&everything);
    let (mut packs, mut traces) = (Vec::new(), Vec::new());
    while let Some(ObjectMeta { path, size, modified, .. }) = objects.try_next().await? {
        if let Some(id) = layout::parse_pack_path(&path) {
            let size = u32::try_from(size).unwrap_or(MAX_PACK_BYTES);
            packs.push(LedgerPack { id, size, modified, is_condemned: named.packs.contains(&id) });
        } else if is_trace_of_probe(&path) && traces.len() < MAX_TRACES {
            traces.push((path, modified));
        }
    }
    Ok((packs, traces))
}

/// The roots of all snapshots, and of those that may yet come to be.
#[derive(Debug, Default)]
pub(super) struct Roots {
    listed: HashSet<Listed>,
    pub(super) roots: Vec<DocumentRef>,
    /// The copies of their records.
    copies: Vec<ChunkId>,
}

/// A record or a vote as a listing shows it: one that is shown alike is the same.
type Listed = (ObjectPath, u64, SystemTime, Option<String>);

impl Roots {
    pub(super) async fn read(repository: &Repository) -> Result<Self> {
        let listed = list(repository).await?;
        let paths: Vec<ObjectPath> = listed.iter().map(|(path, ..)| path.clone()).collect();
        let reads = stream::iter(paths).map(async |path| read_record(repository, &path).await);
        let mut reads = std::pin::pin!(reads.buffered(MAX_READS));
        let (mut roots, mut copies) = (Vec::new(), Vec::new());
        while let Some(record) = reads.try_next().await? {
            let Some(record) = record else { continue };
            copies.push(repository.record_copy_id(&record));
            roots.push(record.root);
        }
        Ok(Self { listed, roots, copies })
    }

    /// Whether nothing has come since: what is less does no harm.
    pub(super) async fn are_all(&self, repository: &Repository) -> Result<bool> {
        Ok(list(repository).await?.is_subset(&self.listed))
    }
}

/// Votes, then records: a vote becomes a record before it goes.
async fn list(repository: &Repository) -> Result<HashSet<Listed>> {
    let [arbitration, ..] = layout::passing_prefixes();
    let mut listed = HashSet::new();
    for prefix in [arbitration, layout::snapshots_prefix()] {
        let mut objects = repository.storage().list(&prefix);
        while let Some(ObjectMeta { path, size, modified, version, .. }) =
            objects.try_next().await?
        {
            if label_at(&path).is_some() {
                listed.insert((path, size, modified, version));
            }
        }
    }
    Ok(listed)
}

/// The label that a record or a vote is about.
fn label_at(path: &ObjectPath) -> Option<Label> {
    layout::parse_snapshot_path(path).or_else(|| layout::parse_vote_path(path))
}

/// A record, or the one that a vote is for; `None` when it has gone since.
async fn read_record(repository: &Repository, path: &ObjectPath) -> Result<Option<Record>> {
    let Some(label) = label_at(path) else { return Ok(None) };
    let bytes = match repository.storage().get(path, at_most(MAX_RECORD_BYTES)).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match repository.open_record(&label, &bytes) {
        Ok(record) => Ok(Some(record)),
        // Nobody carries such a vote through.
        Err(Error::Damaged(Damage { fault, .. }))
            if layout::parse_vote_path(path).is_some()
                && fault != Malformed::UNKNOWN_KEY.into() =>
        {
            tracing::warn!(%path, "a vote that cannot be read is passed over");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Goes down from roots, level by level, so that documents which lie near each other are read together; each is read once.
struct Walk<'a> {
    repository: &'a Repository,
    documents: &'a Index,
    walked: HashSet<u128>,
}

/// Told of each chunk before anything in it is read; whether the walk may go on.
type Visit<'a> = &'a mut (dyn FnMut(&ChunkId, ChunkKind) -> bool + Send);

/// Why a walk ends early.
enum Halt {
    /// It may not go on at this chunk.
    At(ChunkId),
    Error(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Walk<'_> {
    /// Visits every chunk below these roots: the first at which the walk had to end, if it had to. Holds a batch of
    /// documents of each of the three levels.
    async fn walk(&mut self, roots: &[DocumentRef], visit: Visit<'_>) -> Result<Option<ChunkId>> {
        match self.walk_below(roots, visit).await {
            Ok(()) => Ok(None),
            Err(Halt::At(chunk)) => Ok(Some(chunk)),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    async fn walk_below(&mut self, roots: &[DocumentRef], visit: Visit<'_>) -> Result<(), Halt> {
        for roots in document_batches(&self.enter(roots, visit)?, BATCH_BYTES) {
            let roots: Vec<Root> = self.read(roots).await?;
            let lists = roots.iter().flat_map(Root::databases).map(|database| &database.objects);
            for lists in document_batches(&self.enter(lists, visit)?, BATCH_BYTES) {
                let lists: Vec<ObjectList> = self.read(lists).await?;
                let objects = lists.iter().flat_map(ObjectList::objects);
                let partitions = objects.flat_map(|object| &object.partitions);
                let tablets = partitions.map(|partition| &partition.tablets);
                for tablets in document_batches(&self.enter(tablets, visit)?, BATCH_BYTES) {
                    self.segments(tablets, visit).await?;
                }
            }
        }
        Ok(())
    }

    /// The references that are new, once their chunks were visited.
    fn enter<'r>(
        &mut self,
        references: impl IntoIterator<Item = &'r DocumentRef>,
        visit: Visit<'_>,
    ) -> Result<Vec<DocumentRef>, Halt> {
        let mut new = Vec::new();
        for reference in references {
            if self.walked.insert(reference.key()) {
                match reference.chunks.iter().find(|id| !visit(id, ChunkKind::Document)) {
                    Some(chunk) => return Err(Halt::At(chunk)),
                    None => new.push(reference.clone()),
                }
            }
        }
        Ok(new)
    }

    async fn segments(&self, tablets: &[DocumentRef], visit: Visit<'_>) -> Result<(), Halt> {
        let lists: Vec<TabletList> = self.read(tablets).await?;
        let tablets = lists.iter().flat_map(TabletList::tablets);
        let segments = tablets.flat_map(|tablet| &tablet.segments);
        let mut chunks = segments.flat_map(|segment| segment.chunks.iter());
        match chunks.find(|id| !visit(id, ChunkKind::Segment)) {
            Some(chunk) => Err(Halt::At(chunk)),
            None => Ok(()),
        }
    }

    async fn read<D: Document>(&self, references: &[DocumentRef]) -> Result<Vec<D>> {
        self.repository.read_documents(self.documents, references).await
    }
}
