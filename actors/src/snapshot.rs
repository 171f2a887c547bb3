//! Snapshot stage: decides what must be read, holds it, reads it.
//!
//! *Does*: takes a view of the source, compares it with the snapshot before, pins what is new or changed, tells the
//! committer the plan of every partition, reads the segments into windows.
//!
//! *In / Out*: the source -> [`Plan`] to the committer, [`SegmentRead`] to the chunkers. One planner,
//! `lanes` readers; readers take segments from one edge, so a lane that has a large one does not hold up the rest.
//!
//! *Blocks on*: the source's calls, the repository for manifests, full edges, an empty buffer pool.
//!
//! *Order*: a segment's bytes are in order on one lane; segments in any order.
//!
//! *Memory*: per lane the buffers of its pool; the manifests of one partition at a time.
//!
//! *On cancel*: within one read of the source.
//!
//! *On failure*: a segment that is no longer what the view listed before anything was read leads to a new view,
//! a few times; one that changes while it is read fails the job with its name.
//!
//! *Invariants*: R9 (the view outlives every read: each task holds it), and: a segment that is not read has
//! all its chunks in the index.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cairn_repository::manifest::{ChunkList, Partition, Segment, Tablet, TabletList};

use crate::buffer::{BufferPool, PooledBuffer};
use crate::edge::{Inlet, Outlet};
use crate::error::{Fault, Stop};
use crate::failpoint::{Failpoint, hit};
use crate::message::{
    PartitionPlan, Plan, PlannedSegment, PlannedTablet, ReadBatch, ReadTask, SegmentPart,
    SegmentRead, SegmentSlot,
};
use crate::parent::Parent;
use crate::progress::{Phase, Progress};
use crate::stage::{StageContext, Worker};
use crate::tablet::{
    ObjectSpec, SegmentAddress, SegmentReader, SegmentSpec, Selection, TabletError,
    TabletErrorKind, TabletSnapshot, TabletSource, TabletSpec,
};

/// Views taken before the planner gives up on a source that changes faster than it can be pinned.
const MAX_VIEWS: usize = 5;
/// A batch of segments goes to a reader with so many bytes: about a window, so that lanes end together ...
const BATCH_BYTES: u64 = 4 << 20;
/// ... or so many segments.
const BATCH_SEGMENTS: usize = 128;

// ---------------------------------------------------------------- pure core

/// A partition compared with the snapshot before.
#[derive(Debug)]
enum Comparison {
    /// Nothing is to be read and nothing went away.
    Unchanged { num_tablets: u64 },
    /// Something differs.
    Changed { tablets: Vec<PlannedTablet>, reads: Vec<(SegmentAddress, u64)> },
}

/// Compares the tablets of a partition with the manifest of the snapshot before.
///
/// A segment is known when its name, length and (non-empty) identity are the same and `has_chunks` vouches
/// for each of its chunks.
fn compare(
    at: (u32, u32),
    tablets: Vec<TabletSpec>,
    before: &TabletList,
    has_chunks: impl Fn(&ChunkList) -> Result<bool, Stop>,
) -> Result<Comparison, Stop> {
    let (object, partition) = at;
    let mut reads = Vec::new();
    let mut num_matched = 0;
    let before = before.tablets();
    let num_before: usize = before.iter().map(|tablet| tablet.segments.len()).sum();
    let mut same_tablets = tablets.len() == before.len();
    let mut planned = Vec::with_capacity(tablets.len());
    for (position, tablet) in (0..).zip(tablets) {
        let old = find_tablet(before, &tablet);
        same_tablets &= old.is_some();
        let mut segments = Vec::with_capacity(tablet.segments.len());
        for (segment, spec) in (0..).zip(tablet.segments) {
            let known = old.and_then(|old| find_segment(old, &spec)).filter(|old| {
                old.len == spec.len && !spec.identity.is_empty() && *old.identity == *spec.identity
            });
            let mut entry = Segment {
                name: spec.name,
                len: spec.len,
                identity: spec.identity.into(),
                attributes: spec.attributes.into(),
                chunks: ChunkList::default(),
            };
            if let Some(known) = known
                && has_chunks(&known.chunks)?
            {
                num_matched += usize::from(known.attributes == entry.attributes);
                entry.chunks = known.chunks.clone();
                segments.push(PlannedSegment::Known(entry));
                continue;
            }
            if entry.len == 0 {
                // Nothing to read: an empty file, a link, a directory.
                segments.push(PlannedSegment::Known(entry));
            } else {
                let address = SegmentAddress { object, partition, tablet: position, segment };
                reads.push((address, entry.len));
                segments.push(PlannedSegment::Read(entry));
            }
        }
        planned.push(PlannedTablet { index: tablet.index, name: tablet.name, segments });
    }
    let num_segments: usize = planned.iter().map(|tablet| tablet.segments.len()).sum();
    if same_tablets && num_matched == num_before && num_segments == num_before {
        return Ok(Comparison::Unchanged { num_tablets: planned.len() as u64 });
    }
    Ok(Comparison::Changed { tablets: planned, reads })
}

/// The tablet of the same index and name; manifests are in order.
fn find_tablet<'a>(before: &'a [Tablet], wanted: &TabletSpec) -> Option<&'a Tablet> {
    let wanted = (&wanted.index, &wanted.name);
    let at = before.binary_search_by(|tablet| (&tablet.index, &tablet.name).cmp(&wanted)).ok()?;
    before.get(at)
}

/// The segment of the same name; manifests are in order.
fn find_segment<'a>(before: &'a Tablet, wanted: &SegmentSpec) -> Option<&'a Segment> {
    let at = before.segments.binary_search_by(|segment| segment.name.cmp(&wanted.name)).ok()?;
    before.segments.get(at)
}

// ---------------------------------------------------------------- planner

/// What the planner is given.
#[derive(Debug)]
pub(crate) struct Planner {
    /// The database's side.
    pub(crate) source: Arc<dyn TabletSource>,
    /// What the job is about.
    pub(crate) selection: Selection,
    /// The snapshot before, if any.
    pub(crate) parent: Parent,
    /// Set when the job shall stop early but keep what it has.
    pub(crate) drain: Arc<AtomicBool>,
    /// The job's counters.
    pub(crate) progress: Arc<Progress>,
    /// To the committer.
    pub(crate) plans: Outlet<Plan>,
    /// To the readers.
    pub(crate) tasks: Outlet<ReadBatch>,
}

/// Segments that go to a reader together; they may be of several partitions.
#[derive(Debug, Default)]
struct OpenBatch {
    tasks: Vec<ReadTask>,
    bytes: u64,
}

impl OpenBatch {
    fn push(&mut self, task: ReadTask) {
        self.bytes += task.len;
        self.tasks.push(task);
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.tasks.len() >= BATCH_SEGMENTS
    }
}

/// A view with every segment that must be read pinned.
struct PinnedView {
    view: Arc<dyn TabletSnapshot>,
    /// Entries of partitions that need no new manifest and their number of tablets, by the positions of
    /// object and partition.
    unchanged: HashMap<(u32, u32), (Partition, u64)>,
}

impl Worker for Planner {
    fn run(mut self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        let pinned = self.pin_view(context)?;
        hit(Failpoint::SnapshotPinned);
        let skipped = pinned.view.skipped().to_vec();
        let is_partial = |object: &ObjectSpec| {
            !self.selection.has_whole_object(&object.key.database, &object.key.name)
        };
        let objects = pinned.view.objects().iter();
        let objects = objects.map(|object| (object.clone(), is_partial(object))).collect();
        self.plans.send(Plan::Catalog { objects, skipped })?;
        self.progress.enter(Phase::Moving);
        let complete = self.emit(&pinned, context)?;
        self.plans.send(if complete { Plan::Complete } else { Plan::Drained })?;
        self.plans.end();
        self.tasks.end();
        Ok(())
    }
}

impl Planner {
    /// Takes views until one could be pinned as it was listed.
    fn pin_view(&mut self, context: &StageContext) -> Result<PinnedView, Stop> {
        let mut num_views = 0;
        loop {
            num_views += 1;
            match self.try_pin_view(context) {
                Err(Stop::Failed(Fault::Tablet(error)))
                    if error.kind() == TabletErrorKind::Changed && num_views < MAX_VIEWS =>
                {
                    tracing::debug!(%error, num_views, "the source changed, taking a new view");
                }
                outcome => return outcome,
            }
        }
    }

    fn try_pin_view(&mut self, context: &StageContext) -> Result<PinnedView, Stop> {
        let view: Arc<dyn TabletSnapshot> = self.source.snapshot(&self.selection)?.into();
        let mut unchanged = HashMap::new();
        for (object, spec) in (0..).zip(view.objects()) {
            for (partition, name) in (0..).zip(&spec.partitions) {
                context.check_cancelled()?;
                match self.compare(view.as_ref(), spec, (object, partition))? {
                    (Comparison::Unchanged { num_tablets }, Some(entry)) => {
                        unchanged.insert((object, partition), (entry, num_tablets));
                    }
                    (Comparison::Unchanged { .. }, None) => {}
                    (Comparison::Changed { reads, .. }, _) => {
                        let addresses: Vec<_> = reads.iter().map(|(address, _)| *address).collect();
                        tracing::trace!(object = %spec.key, name, reads = addresses.len(), "pinning");
                        view.pin(&addresses)?;
                    }
                }
            }
        }
        Ok(PinnedView { view, unchanged })
    }

    fn compare(
        &mut self,
        view: &dyn TabletSnapshot,
        spec: &ObjectSpec,
        at: (u32, u32),
    ) -> Result<(Comparison, Option<Partition>), Stop> {
        let (object, partition) = at;
        let name = spec.partitions.get(partition as usize).map_or("", String::as_str);
        let tablets = view.tablets(object, partition)?;
        let (entry, before) = self.parent.partition(&spec.key, name)?;
        let has_chunks = |chunks: &ChunkList| {
            for id in chunks.iter() {
                if !self.parent.has(&id)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let comparison = match &entry {
            Some(_) => compare(at, tablets, &before, has_chunks)?,
            None => {
                let nothing = TabletList::default();
                match compare(at, tablets, &nothing, has_chunks)? {
                    // An empty partition that no manifest has yet still needs one.
                    Comparison::Unchanged { .. } => {
                        Comparison::Changed { tablets: Vec::new(), reads: Vec::new() }
                    }
                    changed => changed,
                }
            }
        };
        Ok((comparison, entry))
    }

    /// Tells plans and tasks, partition by partition; `false` when drained.
    fn emit(&mut self, pinned: &PinnedView, context: &StageContext) -> Result<bool, Stop> {
        let mut batch = OpenBatch::default();
        let complete = self.emit_partitions(pinned, &mut batch, context)?;
        self.send(&mut batch, pinned)?;
        Ok(complete)
    }

    fn emit_partitions(
        &mut self,
        pinned: &PinnedView,
        batch: &mut OpenBatch,
        context: &StageContext,
    ) -> Result<bool, Stop> {
        let mut number = 0;
        for (object, spec) in (0..).zip(pinned.view.objects()) {
            for (partition, name) in (0..).zip(&spec.partitions) {
                // Relaxed: a plain flag; nothing else is published with it.
                if self.drain.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                context.check_cancelled()?;
                if let Some((entry, tablets)) = pinned.unchanged.get(&(object, partition)) {
                    self.count(entry.segments, entry.bytes);
                    self.progress.segments_done(entry.segments);
                    self.progress.bytes_done(entry.bytes);
                    let (partition, num_tablets) = (entry.clone(), *tablets);
                    self.plans.send(Plan::Unchanged { object, partition, num_tablets })?;
                    continue;
                }
                let view = pinned.view.as_ref();
                let (comparison, _) = self.compare(view, spec, (object, partition))?;
                let Comparison::Changed { tablets, reads } = comparison else {
                    return Err(Fault::defect(context.stage(), "a comparison changed").into());
                };
                let plan = PartitionPlan {
                    number,
                    object,
                    name: name.clone(),
                    tablets,
                    num_reads: u32::try_from(reads.len())
                        .map_err(|_| Fault::defect(context.stage(), "too many segments"))?,
                };
                self.count_plan(&plan);
                self.plans.send(Plan::Changed(plan))?;
                for (position, (address, len)) in (0..).zip(reads) {
                    let slot = SegmentSlot { plan: number, position };
                    batch.push(ReadTask { slot, address, len });
                    if batch.is_full() {
                        self.send(batch, pinned)?;
                    }
                }
                number += 1;
            }
        }
        Ok(true)
    }

    fn send(&self, batch: &mut OpenBatch, pinned: &PinnedView) -> Result<(), Stop> {
        let OpenBatch { tasks, .. } = std::mem::take(batch);
        if tasks.is_empty() {
            return Ok(());
        }
        Ok(self.tasks.send(ReadBatch { tasks, view: Arc::clone(&pinned.view) })?)
    }

    fn count(&self, segments: u64, bytes: u64) {
        self.progress.segments_total(segments);
        self.progress.bytes_total(bytes);
    }

    fn count_plan(&self, plan: &PartitionPlan) {
        for segment in plan.tablets.iter().flat_map(|tablet| &tablet.segments) {
            match segment {
                PlannedSegment::Known(known) => {
                    self.count(1, known.len);
                    self.progress.segments_done(1);
                    self.progress.bytes_done(known.len);
                }
                PlannedSegment::Read(read) => self.count(1, read.len),
            }
        }
    }
}

// ---------------------------------------------------------------- readers

/// Reads segments into windows, on a lane of its own.
#[derive(Debug)]
pub(crate) struct SegmentReaderWorker {
    /// Segments to read, shared by all lanes.
    pub(crate) tasks: Inlet<ReadBatch>,
    /// To the chunker of this lane.
    pub(crate) windows: Outlet<SegmentRead>,
    /// Bytes at the start of each buffer that the chunker may fill: the longest chunk.
    pub(crate) headroom: usize,
    /// Bytes of a window behind the headroom.
    pub(crate) window_bytes: usize,
    /// The job's counters.
    pub(crate) progress: Arc<Progress>,
}

/// Windows of one lane: one being filled, one being cut, one of which chunks are on their way.
const BUFFERS_PER_LANE: usize = 3;

/// A window that is being filled.
struct OpenWindow {
    buffer: PooledBuffer,
    cursor: usize,
    parts: Vec<SegmentPart>,
}

impl Worker for SegmentReaderWorker {
    fn run(self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        let pool = BufferPool::new(BUFFERS_PER_LANE, self.headroom + self.window_bytes);
        let mut window = self.open_window(&pool, context)?;
        while let Some(ReadBatch { tasks, view }) = self.tasks.recv()? {
            for task in tasks {
                context.check_cancelled()?;
                window = self.read_segment(&task, view.as_ref(), window, &pool, context)?;
            }
        }
        if !window.parts.is_empty() {
            self.windows.send(SegmentRead { buffer: window.buffer, parts: window.parts })?;
        }
        self.windows.end();
        Ok(())
    }
}

impl SegmentReaderWorker {
    fn open_window(&self, pool: &BufferPool, context: &StageContext) -> Result<OpenWindow, Stop> {
        let buffer = pool.take(context.cancel()).ok_or(Stop::Cancelled)?;
        Ok(OpenWindow { buffer, cursor: self.headroom, parts: Vec::new() })
    }

    /// Reads one segment behind what the window holds already; gives full windows away.
    fn read_segment(
        &self,
        task: &ReadTask,
        view: &dyn TabletSnapshot,
        mut window: OpenWindow,
        pool: &BufferPool,
        context: &StageContext,
    ) -> Result<OpenWindow, Stop> {
        let mut reader = context.work(0, || view.open(task.address))?;
        let mut left = task.len;
        loop {
            let start = window.cursor;
            let room = window.buffer.as_ref().len() - start;
            let want = usize::try_from(left).map_or(room, |left| left.min(room));
            let space = &mut window.buffer.as_mut()[start..start + want];
            let len = context.work(want as u64, || fill(reader.as_mut(), space))?;
            window.cursor += len;
            left -= len as u64;
            self.progress.bytes_read(len as u64);
            let ends_early = len < want;
            if left == 0 || ends_early {
                let identity = context.work(0, || reader.finish())?;
                if ends_early {
                    return Err(ended_early(task, view, left).into());
                }
                self.progress.segments_read(1);
                let end = Some(identity);
                window.parts.push(SegmentPart { slot: task.slot, start, len, end });
                hit(Failpoint::SnapshotSegmentRead);
                return Ok(window);
            }
            window.parts.push(SegmentPart { slot: task.slot, start, len, end: None });
            if window.cursor == window.buffer.as_ref().len() {
                self.windows.send(SegmentRead { buffer: window.buffer, parts: window.parts })?;
                window = self.open_window(pool, context)?;
            }
        }
    }
}

/// Reads until the buffer is full or the segment ends, however small the pieces are that the source gives.
fn fill(reader: &mut dyn SegmentReader, buffer: &mut [u8]) -> Result<usize, TabletError> {
    let mut len = 0;
    while len < buffer.len() {
        match reader.read(&mut buffer[len..])? {
            0 => break,
            more => len += more,
        }
    }
    Ok(len)
}

/// A segment that its source vouches for and that is shorter than it listed.
fn ended_early(task: &ReadTask, view: &dyn TabletSnapshot, left: u64) -> TabletError {
    let SegmentAddress { object, partition, tablet, segment } = task.address;
    let spec = view.objects().get(object as usize);
    let tablets = view.tablets(object, partition).unwrap_or_default();
    let segments = tablets.get(tablet as usize).map(|tablet| &tablet.segments);
    let name = segments.and_then(|segments| segments.get(segment as usize)).map(|it| &it.name);
    let what = match (spec, name) {
        (Some(spec), Some(name)) => format!("segment {name} of {}", spec.key),
        _ => "a segment".to_owned(),
    };
    let problem = format!("the source ended it {left} bytes before the length that it listed");
    TabletError::new(TabletErrorKind::Invalid, what, problem)
}

#[cfg(test)]
mod tests;
