//! Uploader to committer stage: what a segment consists of, and what is durable.

use cairn_repository::ChunkId;
use cairn_repository::pack::IndexEntry;

use crate::edge::Weigh;
use crate::message::{SegmentCut, SegmentSlot};

/// News for the committer.
#[derive(Debug)]
pub enum Stored {
    /// Chunks with their places; durable at the latest when the edge ends.
    Chunks {
        /// The chunks.
        chunks: Vec<PlacedChunk>,
        /// Segments that were cut.
        cuts: Vec<SegmentCut>,
    },
    /// A pack is durable.
    Pack {
        /// Its chunks.
        entries: Vec<IndexEntry>,
        /// Length of the pack object in bytes.
        bytes: u64,
    },
}

/// A chunk of a segment.
#[derive(Debug, Clone, Copy)]
pub struct PlacedChunk {
    /// Whose chunk.
    pub slot: SegmentSlot,
    /// Its position in the segment.
    pub position: u32,
    /// Its id.
    pub id: ChunkId,
}

impl Weigh for Stored {
    fn weight(&self) -> u64 {
        0
    }
}
