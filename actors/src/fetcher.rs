//! Fetcher stage: plans a restore and reads what it needs.
//!
//! # Overview
//! Resolves the scope against the manifest, reserves the targets at the sink, then partition by partition
//! looks up where chunks lie, joins neighbours to spans, and reads spans concurrently.
//!
//! What an earlier run of the same restore has staged before it died is read first: segments of which every chunk is there are
//! adopted and not fetched.
//!
//! # Order
//! Spans arrive in any order; every chunk carries the place where its plaintext belongs.
//!
//! # Memory
//! `max_in_flight` spans of at most [`MAX_SPAN_BYTES`], and the manifest of the partitions of one lookahead.
//!
//! # Retries
//! By the storage's layers.
//!
//! # Cancellation
//! Reads in flight are dropped. The sink's reservation ends with the job.
//!
//! # Consistency
//! Read order is the reverse of the write order: record, index, manifest, chunks. A chunk that no index lists, not even one that is
//! loaded anew because a prune may have moved it, fails the job with the name of its segment before anything is switched.

use std::sync::Arc;

use bytes::Bytes;
use cairn_repository::index::Index;
use cairn_repository::manifest::{ChunkList, DocumentRef, Partition, Tablet, TabletList};
use cairn_repository::pack::ChunkLocation;
use cairn_repository::read_plan::{ReadSpan, coalesce};
use cairn_repository::{ChunkId, Damage, DamagedObject, Fault as ChunkFault, Repository};
use tokio::sync::oneshot;

use crate::edge::Outlet;
use crate::error::{Fault, Stop};
use crate::failpoint::{Failpoint, hit};
use crate::flight::Flight;
use crate::io::IoTasks;
use crate::losses::Losses;
use crate::message::{Fetched, Placement};
use crate::progress::{Phase, Progress};
use crate::report::{ObjectReport, RestoreOutcome};
use crate::scope::{ResolvedObject, RestoreScope, resolve};
use crate::stage::{StageContext, Worker};
use crate::staged::{SegmentOut, SegmentProgress, StagedCell};
use crate::tablet::{RestorePlan, StagedRestore, TabletSink};

/// Longest span: large enough that a request is mostly transfer, small enough for several in flight.
pub const MAX_SPAN_BYTES: u32 = 8 << 20;
/// Unwanted bytes between two chunks that are read rather than paid for with another request.
const MAX_GAP_BYTES: u32 = 256 << 10;
/// Plaintext that is planned at once: neighbours in a pack often belong to different segments.
const LOOKAHEAD_BYTES: u64 = 64 << 20;
/// Manifests that are read in one go.
const PARTITIONS_PER_READ: usize = 32;

/// What the fetcher is given.
#[derive(Debug)]
pub(crate) struct FetcherWorker {
    /// Where chunks come from.
    pub(crate) repository: Repository,
    /// Where they lie.
    pub(crate) index: Arc<Index>,
    /// Where reads run.
    pub(crate) io: IoTasks,
    /// Root of the snapshot.
    pub(crate) root: DocumentRef,
    /// What to restore.
    pub(crate) scope: RestoreScope,
    /// What is to be left out; without, a loss fails the job.
    pub(crate) losses: Option<Losses>,
    /// Unique name of the job.
    pub(crate) job: String,
    /// The database's side.
    pub(crate) sink: Arc<dyn TabletSink>,
    /// Filled with the sink's reservation.
    pub(crate) staged: StagedCell,
    /// Reads that may run at once.
    pub(crate) max_in_flight: usize,
    /// The job's counters.
    pub(crate) progress: Arc<Progress>,
    /// To the verifier.
    pub(crate) outlet: Outlet<Fetched>,
    /// Receives what is restored; it counts only when the job finishes.
    pub(crate) outcome: oneshot::Sender<RestoreOutcome>,
}

/// A chunk that is wanted, and where.
struct Wanted {
    id: ChunkId,
    location: ChunkLocation,
    segment: Arc<SegmentOut>,
    offset: u64,
}

/// What of a partition is not read.
#[derive(Default)]
struct Adopted {
    segments: u64,
    bytes: u64,
}

/// Segments that are planned but not requested yet.
#[derive(Default)]
struct Lookahead {
    wanted: Vec<Wanted>,
    bytes: u64,
    empty: Vec<Arc<SegmentOut>>,
}

impl Worker for FetcherWorker {
    fn run(self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        let objects =
            resolve(&self.repository, &self.index, &self.root, &self.scope, self.losses.as_ref());
        let objects = self.io.block_on(objects)??;
        for partition in objects.iter().flat_map(|object| &object.partitions) {
            self.progress.segments_total(partition.segments);
            self.progress.bytes_total(partition.bytes);
        }
        let plan = RestorePlan {
            job: self.job.clone(),
            objects: objects.iter().map(|object| object.target.clone()).collect(),
        };
        let staged: Arc<dyn StagedRestore> = self.sink.begin(plan)?.into();
        // Set once: this worker is the only writer.
        let _ = self.staged.set(Arc::clone(&staged));
        hit(Failpoint::FetcherPlanned);
        self.progress.enter(Phase::Moving);
        let mut flight = Flight::new(self.max_in_flight, context);
        let mut lookahead = Lookahead::default();
        let mut reports = Vec::with_capacity(objects.len());
        for (number, object) in (0..).zip(&objects) {
            let sink = (number, staged.as_ref());
            let report = self.plan_object(object, sink, &mut lookahead, &mut flight, context)?;
            reports.push(report);
        }
        self.request(&mut lookahead, &mut flight)?;
        while !flight.is_idle() {
            self.forward(flight.wait()?)?;
        }
        // No receiver means that nobody waits for the job any more.
        let missing = self.losses.as_ref().map(Losses::take_missing).unwrap_or_default();
        let _ = self.outcome.send(RestoreOutcome { objects: reports, missing });
        self.outlet.end();
        Ok(())
    }
}

impl FetcherWorker {
    /// Plans one object; `sink` is its number there and the reservation.
    fn plan_object(
        &self,
        object: &ResolvedObject,
        (number, staged): (u32, &dyn StagedRestore),
        lookahead: &mut Lookahead,
        flight: &mut Flight<Fetched>,
        context: &StageContext,
    ) -> Result<ObjectReport, Stop> {
        let mut report = ObjectReport::new(&object.target.spec.key);
        let mut position = 0;
        for group in object.partitions.chunks(PARTITIONS_PER_READ) {
            for (partition, manifest) in group.iter().zip(self.manifests(object, group)?) {
                let Some(manifest) = manifest else {
                    position += 1;
                    continue;
                };
                let name = |tablet: &Tablet| (tablet.index.clone(), tablet.name.clone());
                let tablets: Vec<_> = manifest.tablets().iter().map(name).collect();
                staged.prepare(number, position, &tablets)?;
                report.partitions += 1;
                report.tablets += tablets.len() as u64;
                report.segments += partition.segments;
                report.bytes += partition.bytes;
                let locate = |id: &ChunkId| self.locate(id);
                let (at, within) = ((number, position), place_of(object, partition));
                let request = |full: &mut Lookahead| self.request(full, flight);
                let (mut adopted, mut left_out) = (Adopted::default(), Adopted::default());
                let needs_no_read = |out: &SegmentOut, ids: &ChunkList| {
                    context.check_cancelled()?;
                    if self.leaves_out(out, ids) {
                        left_out.segments += 1;
                        left_out.bytes += out.len;
                        return Ok(true);
                    }
                    let is_adopted = self.adopts(staged, out, ids)?;
                    adopted.segments += u64::from(is_adopted);
                    adopted.bytes += if is_adopted { out.len } else { 0 };
                    Ok(is_adopted)
                };
                lookahead.add_partition(at, &within, manifest, needs_no_read, locate, request)?;
                report.segments -= left_out.segments;
                report.bytes -= left_out.bytes;
                report.read_segments += partition.segments - adopted.segments - left_out.segments;
                report.read_bytes += partition.bytes - adopted.bytes - left_out.bytes;
                context.check_cancelled()?;
                position += 1;
            }
        }
        Ok(report)
    }

    /// The manifests of some partitions; none for what is left out.
    fn manifests(
        &self,
        object: &ResolvedObject,
        group: &[Partition],
    ) -> Result<Vec<Option<TabletList>>, Stop> {
        let documents: Vec<DocumentRef> =
            group.iter().map(|partition| partition.tablets.clone()).collect();
        let Some(losses) = &self.losses else {
            let read = self.repository.read_documents(&self.index, &documents);
            return Ok(self.io.block_on(read)??.into_iter().map(Some).collect());
        };
        let mut manifests = Vec::with_capacity(group.len());
        for (partition, document) in group.iter().zip(&documents) {
            let read = losses.read(&self.repository, &self.index, document);
            manifests.push(match self.io.block_on(read)?? {
                Ok(manifest) => Some(manifest),
                Err(reason) => {
                    let place = place_of(object, partition).to_string();
                    losses.note(place, Some(partition.segments), reason);
                    None
                }
            });
        }
        Ok(manifests)
    }

    /// Whether a segment is left out because some of it is lost.
    fn leaves_out(&self, out: &SegmentOut, ids: &ChunkList) -> bool {
        let Some(losses) = self.losses.as_ref().filter(|losses| losses.strike(ids)) else {
            return false;
        };
        losses.note(out.place(), Some(1), "some of its chunks are lost".to_owned());
        true
    }

    /// Takes a segment that was staged before, if every byte of it is right.
    fn adopts(
        &self,
        staged: &dyn StagedRestore,
        out: &SegmentOut,
        ids: &ChunkList,
    ) -> Result<bool, Stop> {
        let Some(mut leftover) = staged.leftover(out.target())? else { return Ok(false) };
        let mut buffer = Vec::new();
        for id in ids.iter() {
            let Some(location) = self.locate(&id)? else { return Ok(false) };
            buffer.resize(location.raw_len as usize, 0);
            if leftover.read(&mut buffer)? < buffer.len()
                || self.repository.sealer().chunk_id(&buffer) != id
            {
                return Ok(false);
            }
        }
        if leftover.read(&mut [0])? > 0 {
            return Ok(false);
        }
        leftover.adopt()?;
        self.progress.segments_done(1);
        self.progress.bytes_done(out.len);
        Ok(true)
    }

    fn locate(&self, id: &ChunkId) -> Result<Option<ChunkLocation>, Stop> {
        if let Some(location) = self.io.locate(&self.index, id)? {
            return Ok(Some(location));
        }
        match self.io.block_on(self.repository.renewed(&self.index))?? {
            Some(renewed) => self.io.locate(renewed, id),
            None => Ok(None),
        }
    }

    /// Launches the reads of everything planned.
    fn request(&self, lookahead: &mut Lookahead, flight: &mut Flight<Fetched>) -> Result<(), Stop> {
        let Lookahead { wanted, empty, .. } = std::mem::take(lookahead);
        if !empty.is_empty() {
            let (bytes, placements) = (Bytes::new(), Vec::new());
            self.outlet.send(Fetched { offset: 0, bytes, placements, empty, damage: None })?;
        }
        let located =
            wanted.iter().enumerate().map(|(position, want)| (position, want.id, want.location));
        for span in coalesce(located, MAX_GAP_BYTES, MAX_SPAN_BYTES) {
            if flight.is_full() {
                self.forward(flight.wait()?)?;
            }
            self.launch(span, &wanted, flight);
        }
        Ok(())
    }

    fn launch(&self, span: ReadSpan, wanted: &[Wanted], flight: &mut Flight<Fetched>) {
        let placements: Vec<Placement> = span
            .chunks
            .iter()
            .map(|(position, id, location)| {
                let want = &wanted[*position];
                let target = Some((Arc::clone(&want.segment), want.offset));
                Placement { id: *id, location: *location, target }
            })
            .collect();
        let (landing, repository) = (flight.launch(), self.repository.clone());
        self.io.spawn(landing.land_from(async move {
            let (offset, empty) = (span.offset.into(), Vec::new());
            match repository.read_pack(&span.pack, span.offset, span.length).await {
                Ok(bytes) => Ok(Fetched { offset, bytes, placements, empty, damage: None }),
                // The verifier finds each chunk missing, and the installer looks for it elsewhere.
                Err(error) if error.damage().is_some() => {
                    let bytes = Bytes::new();
                    Ok(Fetched { offset, bytes, placements, empty, damage: None })
                }
                Err(error) => Err(error.into()),
            }
        }));
    }

    fn forward(&self, fetched: Fetched) -> Result<(), Stop> {
        self.progress.bytes_read(fetched.bytes.len() as u64);
        Ok(self.outlet.send(fetched)?)
    }
}

impl Lookahead {
    /// Adds the segments of a partition that have to be read, and calls `request` whenever enough is planned. Pure but for these.
    fn add_partition(
        &mut self,
        (object, partition): (u32, u32),
        within: &Arc<str>,
        manifest: TabletList,
        mut needs_no_read: impl FnMut(&SegmentOut, &ChunkList) -> Result<bool, Stop>,
        locate: impl Fn(&ChunkId) -> Result<Option<ChunkLocation>, Stop>,
        mut request: impl FnMut(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        for tablet in manifest.into_tablets() {
            let (index, name): (Arc<str>, Arc<str>) = (tablet.index.into(), tablet.name.into());
            for segment in tablet.segments {
                let out = Arc::new(SegmentOut {
                    within: Arc::clone(within),
                    object,
                    partition,
                    index: Arc::clone(&index),
                    tablet: Arc::clone(&name),
                    name: segment.name.into(),
                    len: segment.len,
                    attributes: segment.attributes.into(),
                    progress: SegmentProgress::new(segment.len),
                });
                if out.len == 0 {
                    self.empty.push(out);
                    continue;
                }
                if needs_no_read(&out, &segment.chunks)? {
                    continue;
                }
                self.add_chunks(&out, segment.chunks.iter(), &locate, &mut request)?;
            }
        }
        Ok(())
    }

    fn add_chunks(
        &mut self,
        out: &Arc<SegmentOut>,
        ids: impl Iterator<Item = ChunkId>,
        locate: impl Fn(&ChunkId) -> Result<Option<ChunkLocation>, Stop>,
        request: &mut impl FnMut(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut offset = 0;
        for id in ids {
            let Some(location) = locate(&id)? else {
                let damage = Damage::of_chunk(DamagedObject::Index, id, ChunkFault::NotListed);
                return Err(Fault::segment_damaged(out.place(), damage).into());
            };
            self.wanted.push(Wanted { id, location, segment: Arc::clone(out), offset });
            offset += u64::from(location.raw_len);
            self.bytes += u64::from(location.raw_len);
            if self.bytes >= LOOKAHEAD_BYTES {
                request(self)?;
            }
        }
        if offset == out.len {
            return Ok(());
        }
        let fault = ChunkFault::Length { expected: out.len, actual: offset };
        let damage = Damage::new(DamagedObject::Index, fault);
        Err(Fault::segment_damaged(out.place(), damage).into())
    }
}

/// Names of an object and of a partition of it; a partition may have none.
fn place_of(object: &ResolvedObject, partition: &Partition) -> Arc<str> {
    match partition.name.as_str() {
        "" => object.source.to_string().into(),
        name => format!("{}/{name}", object.source).into(),
    }
}
