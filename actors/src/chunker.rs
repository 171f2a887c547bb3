//! Chunker stage: cuts windows into chunks.
//!
//! *Does*: finds the content-defined boundaries of each segment.
//!
//! *In / Out*: [`SegmentRead`] of one lane -> [`ChunkBatch`] for all lanes. One worker per lane.
//!
//! *Blocks on*: its inlet, a full outlet.
//!
//! *Order*: within a segment, by the lane; every chunk carries its position.
//!
//! *Memory*: the unfinished chunk of the last window, as a slice of it.
//!
//! *On cancel*: within one window.
//!
//! *Invariants*: the chunks of a segment joined are the segment; the cuts do not depend on where windows end.

use bytes::Bytes;
use cairn_repository::chunking::Chunker;

use crate::buffer::PooledBuffer;
use crate::edge::{Inlet, Outlet};
use crate::error::Stop;
use crate::message::{ChunkBatch, RawChunk, SegmentCut, SegmentPart, SegmentRead, SegmentSlot};
use crate::stage::{StageContext, Worker};

// ---------------------------------------------------------------- pure core

/// Cuts the windows of one lane.
#[derive(Debug)]
pub(crate) struct WindowCutter {
    chunker: Chunker,
    open: Option<OpenSegment>,
}

/// A segment that goes on in the next window.
#[derive(Debug)]
struct OpenSegment {
    slot: SegmentSlot,
    /// Chunks cut so far.
    num_chunks: u32,
    /// Bytes of those.
    cut_bytes: u64,
    /// Bytes behind the last cut: shorter than the longest chunk.
    tail: Bytes,
}

impl WindowCutter {
    pub(crate) fn new(chunker: Chunker) -> Self {
        Self { chunker, open: None }
    }

    /// Cuts one window. The headroom of its buffer receives the tail of the window before.
    pub(crate) fn cut(&mut self, mut read: SegmentRead) -> ChunkBatch {
        let mut batch = ChunkBatch::default();
        let mut open = self.open.take();
        if let (Some(open), Some(first)) = (&open, read.parts.first_mut()) {
            adopt_tail(&mut read.buffer, first, &open.tail);
        }
        let bytes = Bytes::from_owner(read.buffer);
        for part in read.parts {
            let mut segment = open.take().unwrap_or(OpenSegment {
                slot: part.slot,
                num_chunks: 0,
                cut_bytes: 0,
                tail: Bytes::new(),
            });
            let rest = bytes.slice(part.start..part.start + part.len);
            segment.tail = self.cut_part(&mut segment, rest, part.end.is_some(), &mut batch);
            match part.end {
                Some(identity) => batch.cuts.push(SegmentCut {
                    slot: segment.slot,
                    num_chunks: segment.num_chunks,
                    len: segment.cut_bytes,
                    identity,
                }),
                None => open = Some(segment),
            }
        }
        self.open = open;
        batch
    }

    /// Cuts as far as it can be told; returns what is left.
    fn cut_part(
        &self,
        segment: &mut OpenSegment,
        mut rest: Bytes,
        end_of_segment: bool,
        batch: &mut ChunkBatch,
    ) -> Bytes {
        while !rest.is_empty() {
            let Some(len) = self.chunker.next_cut(&rest, end_of_segment) else {
                break;
            };
            let bytes = rest.split_to(len);
            segment.cut_bytes += bytes.len() as u64;
            let position = segment.num_chunks;
            batch.chunks.push(RawChunk { slot: segment.slot, position, bytes });
            segment.num_chunks += 1;
        }
        rest
    }
}

/// Copies `tail` in front of the first part, so that both are contiguous.
fn adopt_tail(buffer: &mut PooledBuffer, first: &mut SegmentPart, tail: &Bytes) {
    let start = first.start - tail.len();
    buffer.as_mut()[start..first.start].copy_from_slice(tail);
    first.start = start;
    first.len += tail.len();
}

// ---------------------------------------------------------------- worker

/// The worker of one lane.
#[derive(Debug)]
pub(crate) struct ChunkerWorker {
    pub(crate) cutter: WindowCutter,
    pub(crate) inlet: Inlet<SegmentRead>,
    pub(crate) outlet: Outlet<ChunkBatch>,
}

impl Worker for ChunkerWorker {
    fn run(mut self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        while let Some(read) = self.inlet.recv()? {
            let bytes = read.parts.iter().map(|part| part.len as u64).sum();
            let batch = context.work(bytes, || self.cutter.cut(read));
            if !batch.chunks.is_empty() || !batch.cuts.is_empty() {
                self.outlet.send(batch)?;
            }
        }
        self.outlet.end();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
