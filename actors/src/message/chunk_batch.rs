//! Chunker to checksum stage: the chunks of a window.

use bytes::Bytes;

use crate::edge::Weigh;
use crate::message::SegmentSlot;

/// Chunks that end in one window, and the segments that end in it.
#[derive(Debug, Default)]
pub struct ChunkBatch {
    /// The chunks.
    pub chunks: Vec<RawChunk>,
    /// The segments that are cut completely.
    pub cuts: Vec<SegmentCut>,
}

/// A chunk as cut.
#[derive(Debug)]
pub struct RawChunk {
    /// Whose chunk.
    pub slot: SegmentSlot,
    /// Its position in the segment.
    pub position: u32,
    /// Its bytes; a slice of the window.
    pub bytes: Bytes,
}

/// A segment of which all chunks are cut.
#[derive(Debug)]
pub struct SegmentCut {
    /// Which segment.
    pub slot: SegmentSlot,
    /// How many chunks it has.
    pub num_chunks: u32,
    /// Its length in bytes.
    pub len: u64,
    /// Its identity as of the end of the read.
    pub identity: Box<[u8]>,
}

impl Weigh for ChunkBatch {
    fn weight(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum()
    }
}
