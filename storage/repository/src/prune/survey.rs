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
use crate::{
    ChunkId, Damage, Error, Fault, IndexId, Label, Malformed, MarkId, Repository, Result, layout,
};

/// Runs in memory at once.
const MAX_RUNS: usize = 4;

/// Records, or documents, read at once.
const MAX_READS: usize = 16;

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
        for (done, root) in (0..).zip(roots) {
            watch.tell(PrunePhase::Snapshots, done, roots.len() as u64);
            if let Some(missing) = walk.walk(root, &mut visit).await? {
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
        Ok(walk.walk(root, &mut |id, _| self.ledger.is_firm(id)).await?.is_none())
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

/// Goes down from roots; a document is read once.
struct Walk<'a> {
    repository: &'a Repository,
    documents: &'a Index,
    walked: HashSet<u128>,
}

/// Told of each chunk before anything in it is read; whether the walk may go on.
type Visit<'a> = &'a mut (dyn FnMut(&ChunkId, ChunkKind) -> bool + Send);

impl Walk<'_> {
    /// Visits every chunk below a root: the first at which the walk had to end, if it had to.
    async fn walk(&mut self, root: &DocumentRef, visit: Visit<'_>) -> Result<Option<ChunkId>> {
        let Some(root) = self.enter(root, visit) else { return Ok(None) };
        let root: Root = match root {
            Ok(reference) => self.read(reference).await?,
            Err(stop) => return Ok(Some(stop)),
        };
        for database in root.databases() {
            let objects: ObjectList = match self.enter(&database.objects, visit) {
                None => continue,
                Some(Ok(reference)) => self.read(reference).await?,
                Some(Err(stop)) => return Ok(Some(stop)),
            };
            let partitions = objects.objects().iter().flat_map(|object| &object.partitions);
            let mut unknown = Vec::new();
            for partition in partitions {
                match self.enter(&partition.tablets, visit) {
                    None => {}
                    Some(Ok(reference)) => unknown.push(reference),
                    Some(Err(stop)) => return Ok(Some(stop)),
                }
            }
            if let Some(stop) = self.segments(&unknown, visit).await? {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// The reference if it is new, once its chunks were visited, or the chunk at which to end.
    fn enter<'r>(
        &mut self,
        reference: &'r DocumentRef,
        visit: Visit<'_>,
    ) -> Option<Result<&'r DocumentRef, ChunkId>> {
        if !self.walked.insert(reference.key()) {
            return None;
        }
        match reference.chunks.iter().find(|id| !visit(id, ChunkKind::Document)) {
            Some(stop) => Some(Err(stop)),
            None => Some(Ok(reference)),
        }
    }

    async fn segments(
        &self,
        references: &[&DocumentRef],
        visit: Visit<'_>,
    ) -> Result<Option<ChunkId>> {
        let reads = references.iter().map(|reference| self.read::<TabletList>(reference));
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(MAX_READS);
        while let Some(tablets) = reads.try_next().await? {
            let segments = tablets.tablets().iter().flat_map(|tablet| &tablet.segments);
            let mut chunks = segments.flat_map(|segment| segment.chunks.iter());
            let stop = chunks.find(|id| !visit(id, ChunkKind::Segment));
            if stop.is_some() {
                return Ok(stop);
            }
        }
        Ok(None)
    }

    async fn read<D: Document>(&self, reference: &DocumentRef) -> Result<D> {
        self.repository.read_document(self.documents, reference).await
    }
}
