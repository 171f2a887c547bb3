//! [`Assembly`]: puts the manifest of a snapshot together from news in any order. Pure.
//!
//! Invariant: a partition is complete when every chunk of every segment of its plan has arrived; nothing of a
//! partition is given out before.

use std::collections::HashMap;

use cairn_repository::ChunkId;
use cairn_repository::manifest::{ChunkList, Object, Partition, Segment, Tablet, TabletList};

use crate::error::Fault;
use crate::message::{PartitionPlan, PlacedChunk, PlannedSegment, SegmentCut, SegmentSlot};
use crate::metrics::StageId;
use crate::report::ObjectReport;
use crate::tablet::ObjectSpec;

/// A partition of which every segment is complete.
#[derive(Debug)]
pub(crate) struct CompletePartition {
    /// Position of its object in the catalog.
    pub(crate) object: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its manifest.
    pub(crate) manifest: TabletList,
}

/// A snapshot that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    objects: Vec<AssembledObject>,
    open: HashMap<u32, OpenPlan>,
}

#[derive(Debug)]
struct AssembledObject {
    spec: ObjectSpec,
    is_partial: bool,
    partitions: Vec<Partition>,
    report: ObjectReport,
}

#[derive(Debug)]
struct OpenPlan {
    plan: PartitionPlan,
    reads: Vec<OpenRead>,
    num_open: usize,
}

/// A segment of which chunks are still to come.
#[derive(Debug, Default)]
struct OpenRead {
    /// By position; positions arrive in any order.
    chunks: Vec<Option<ChunkId>>,
    num_received: usize,
    cut: Option<SegmentCut>,
}

impl OpenRead {
    fn is_complete(&self) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut.num_chunks as usize == self.num_received)
    }

    /// The planned segment with what was read of it; none when that is not all, or its source does not vouch for it.
    fn finished(&self, entry: &Segment) -> Option<Segment> {
        let cut = self.cut.as_ref().filter(|cut| self.is_complete() && cut.len == entry.len)?;
        let chunks = self.chunks.iter().copied().collect::<Option<ChunkList>>()?;
        Some(Segment { identity: cut.identity.clone().into(), chunks, ..entry.clone() })
    }
}

fn defect(what: &str) -> Fault {
    Fault::defect(StageId::Committer, what)
}

impl Assembly {
    /// Takes the objects of the view.
    pub(crate) fn add_catalog(&mut self, objects: Vec<(ObjectSpec, bool)>) {
        self.objects = objects
            .into_iter()
            .map(|(spec, is_partial)| AssembledObject {
                partitions: Vec::with_capacity(spec.partitions.len()),
                report: ObjectReport::new(&spec.key),
                spec,
                is_partial,
            })
            .collect();
    }

    /// Takes a partition that keeps its manifest.
    pub(crate) fn add_unchanged(
        &mut self,
        object: u32,
        partition: Partition,
        num_tablets: u64,
    ) -> Result<(), Fault> {
        let entry = self.object(object)?;
        entry.report.partitions += 1;
        entry.report.tablets += num_tablets;
        entry.report.segments += partition.segments;
        entry.report.bytes += partition.bytes;
        entry.partitions.push(partition);
        Ok(())
    }

    /// Takes the plan of a changed partition; gives it back at once when nothing of it is read.
    pub(crate) fn add_plan(
        &mut self,
        plan: PartitionPlan,
    ) -> Result<Option<CompletePartition>, Fault> {
        let num_open = plan.num_reads as usize;
        let mut reads = Vec::new();
        reads.resize_with(num_open, OpenRead::default);
        let open = OpenPlan { plan, reads, num_open };
        if num_open == 0 {
            return self.complete(open).map(Some);
        }
        self.open.insert(open.plan.number, open);
        Ok(None)
    }

    /// Takes chunks and ends of segments; gives the partitions that they complete.
    pub(crate) fn add_chunks(
        &mut self,
        chunks: Vec<PlacedChunk>,
        cuts: Vec<SegmentCut>,
    ) -> Result<Vec<CompletePartition>, Fault> {
        let mut complete = Vec::new();
        for chunk in chunks {
            let read = self.read(chunk.slot)?;
            let at = chunk.position as usize;
            if read.chunks.len() <= at {
                read.chunks.resize(at + 1, None);
            }
            if read.chunks[at].replace(chunk.id).is_some() {
                return Err(defect("a chunk arrived twice"));
            }
            read.num_received += 1;
            self.close_if_complete(chunk.slot, &mut complete)?;
        }
        for cut in cuts {
            let slot = cut.slot;
            if self.read(slot)?.cut.replace(cut).is_some() {
                return Err(defect("a segment ended twice"));
            }
            self.close_if_complete(slot, &mut complete)?;
        }
        Ok(complete)
    }

    /// Takes the entry of a partition whose manifest was written.
    pub(crate) fn add_partition(&mut self, object: u32, partition: Partition) -> Result<(), Fault> {
        self.object(object)?.partitions.push(partition);
        Ok(())
    }

    /// What is known of the partitions that are not complete: their manifests without the segments that are still read.
    pub(crate) fn open_manifests(&self) -> Result<Vec<CompletePartition>, Fault> {
        let manifest = |open: &OpenPlan| {
            let mut reads = open.reads.iter();
            let tablets = open.plan.tablets.iter().map(|tablet| Tablet {
                index: tablet.index.clone(),
                name: tablet.name.clone(),
                segments: tablet
                    .segments
                    .iter()
                    .filter_map(|planned| match planned {
                        PlannedSegment::Known(segment) => Some(segment.clone()),
                        PlannedSegment::Read(entry) => reads.next()?.finished(entry),
                    })
                    .collect(),
            });
            TabletList::new(tablets.collect())
        };
        let complete = |open: &OpenPlan| {
            let (object, name) = (open.plan.object, open.plan.name.clone());
            Ok(CompletePartition { object, name, manifest: manifest(open)? })
        };
        self.open.values().map(complete).collect()
    }

    /// The objects of which partitions are complete or in `open`, by database.
    pub(crate) fn so_far(&self, open: Vec<(u32, Partition)>) -> Vec<(String, Vec<Object>)> {
        let mut objects: Vec<_> = self
            .objects
            .iter()
            .map(|object| (&object.spec, object.is_partial, object.partitions.clone()))
            .collect();
        for (object, partition) in open {
            if let Some((_, _, partitions)) = objects.get_mut(object as usize) {
                partitions.push(partition);
            }
        }
        objects.retain(|(_, _, partitions)| !partitions.is_empty());
        let entry = |(spec, is_partial, partitions): (&ObjectSpec, _, _)| {
            (spec.clone(), is_partial, partitions)
        };
        by_database(objects.into_iter().map(entry).collect())
    }

    /// All objects by database, and what happened to each; refuses when something is still open (R8).
    #[expect(clippy::type_complexity, reason = "two plain lists, taken apart at the only call")]
    pub(crate) fn finish(self) -> Result<(Vec<(String, Vec<Object>)>, Vec<ObjectReport>), Fault> {
        if !self.open.is_empty() {
            return Err(defect("the input ended before every segment was complete"));
        }
        let mut reports = Vec::with_capacity(self.objects.len());
        let mut objects = Vec::with_capacity(self.objects.len());
        let mut assembled = self.objects;
        assembled.sort_by(|a, b| a.spec.key.cmp(&b.spec.key));
        for AssembledObject { spec, is_partial, partitions, report } in assembled {
            if partitions.len() != spec.partitions.len() {
                return Err(defect("a partition is missing"));
            }
            objects.push((spec, is_partial, partitions));
            reports.push(report);
        }
        Ok((by_database(objects), reports))
    }

    fn object(&mut self, object: u32) -> Result<&mut AssembledObject, Fault> {
        self.objects.get_mut(object as usize).ok_or_else(|| defect("an unknown object"))
    }

    fn read(&mut self, slot: SegmentSlot) -> Result<&mut OpenRead, Fault> {
        self.open
            .get_mut(&slot.plan)
            .and_then(|open| open.reads.get_mut(slot.position as usize))
            .ok_or_else(|| defect("a chunk of an unknown segment"))
    }

    fn close_if_complete(
        &mut self,
        slot: SegmentSlot,
        complete: &mut Vec<CompletePartition>,
    ) -> Result<(), Fault> {
        if !self.read(slot)?.is_complete() {
            return Ok(());
        }
        let Some(open) = self.open.get_mut(&slot.plan) else {
            return Ok(());
        };
        open.num_open -= 1;
        if open.num_open == 0
            && let Some(open) = self.open.remove(&slot.plan)
        {
            complete.push(self.complete(open)?);
        }
        Ok(())
    }

    fn complete(&mut self, open: OpenPlan) -> Result<CompletePartition, Fault> {
        let PartitionPlan { object, name, tablets, .. } = open.plan;
        let report = &mut self.object(object)?.report;
        report.partitions += 1;
        report.tablets += tablets.len() as u64;
        let mut reads = open.reads.into_iter();
        let mut list = Vec::with_capacity(tablets.len());
        for tablet in tablets {
            let mut segments = Vec::with_capacity(tablet.segments.len());
            for planned in tablet.segments {
                let segment = match planned {
                    PlannedSegment::Known(segment) => segment,
                    PlannedSegment::Read(entry) => {
                        report.read_segments += 1;
                        report.read_bytes += entry.len;
                        let read = reads.next().ok_or_else(|| defect("a read is missing"))?;
                        finished_segment(entry, read)?
                    }
                };
                report.segments += 1;
                report.bytes += segment.len;
                segments.push(segment);
            }
            list.push(Tablet { index: tablet.index, name: tablet.name, segments });
        }
        Ok(CompletePartition { object, name, manifest: TabletList::new(list)? })
    }
}

/// Objects in the order of a manifest.
fn by_database(mut objects: Vec<(ObjectSpec, bool, Vec<Partition>)>) -> Vec<(String, Vec<Object>)> {
    objects.sort_by(|(a, ..), (b, ..)| a.key.cmp(&b.key));
    let mut databases: Vec<(String, Vec<Object>)> = Vec::new();
    for (spec, is_partial, partitions) in objects {
        let object = Object {
            kind: spec.key.kind.to_string(),
            name: spec.key.name.to_string(),
            depends_on: spec.depends_on,
            fingerprint: spec.fingerprint,
            definition: spec.definition,
            partitions,
            is_partial,
        };
        match databases.last_mut() {
            Some((name, list)) if **name == *spec.key.database => list.push(object),
            _ => databases.push((spec.key.database.to_string(), vec![object])),
        }
    }
    databases
}

/// A planned segment with what was read of it.
fn finished_segment(entry: Segment, read: OpenRead) -> Result<Segment, Fault> {
    let cut = read.cut.ok_or_else(|| defect("a segment has no end"))?;
    if cut.len != entry.len {
        return Err(defect("a segment has another length than was planned"));
    }
    let chunks: Option<ChunkList> = read.chunks.into_iter().collect();
    let chunks = chunks.ok_or_else(|| defect("a chunk is missing"))?;
    Ok(Segment { identity: cut.identity.into(), chunks, ..entry })
}

#[cfg(test)]
mod tests;
