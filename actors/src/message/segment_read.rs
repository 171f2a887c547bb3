//! Snapshot stage: from the planner to the readers, and from a reader to its chunker.

use std::sync::Arc;

use crate::buffer::PooledBuffer;
use crate::edge::Weigh;
use crate::message::SegmentSlot;
use crate::tablet::{SegmentAddress, TabletSnapshot};

/// Segments that one reader shall read, one behind the other: a hand-over costs as much as the read of a small file.
#[derive(Debug)]
pub struct ReadBatch {
    /// The segments.
    pub tasks: Vec<ReadTask>,
    /// The view; held until the segments are read (R9).
    pub view: Arc<dyn TabletSnapshot>,
}

/// A segment that a reader shall read.
#[derive(Debug)]
pub struct ReadTask {
    /// Where it is in the job.
    pub slot: SegmentSlot,
    /// Where it is in the view.
    pub address: SegmentAddress,
    /// Its length as listed.
    pub len: u64,
}

impl Weigh for ReadBatch {
    fn weight(&self) -> u64 {
        0
    }
}

/// A window: a buffer with pieces of one or many segments, one behind the other.
///
/// The buffer starts with headroom, into which the chunker copies the unfinished chunk of the window
/// before; so every chunk is contiguous without a copy of the rest.
#[derive(Debug)]
pub struct SegmentRead {
    pub(crate) buffer: PooledBuffer,
    pub(crate) parts: Vec<SegmentPart>,
}

/// Bytes of one segment in a window.
#[derive(Debug)]
pub struct SegmentPart {
    /// Whose bytes.
    pub slot: SegmentSlot,
    /// First byte in the buffer.
    pub start: usize,
    /// Number of bytes.
    pub len: usize,
    /// Set on the last part of a segment: its identity as of the end of the read.
    pub end: Option<Box<[u8]>>,
}

impl Weigh for SegmentRead {
    fn weight(&self) -> u64 {
        self.parts.iter().map(|part| part.len as u64).sum()
    }
}
