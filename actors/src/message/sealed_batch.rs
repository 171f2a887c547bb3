//! Checksum to uploader stage: chunks with their ids.

use bytes::Bytes;
use cairn_repository::ChunkId;
use cairn_repository::codec::Codec;

use crate::edge::Weigh;
use crate::message::{SegmentCut, SegmentSlot};

/// Sealed chunks of one task, and the segments that were cut.
#[derive(Debug, Default)]
pub struct SealedBatch {
    /// The chunks.
    pub chunks: Vec<SealedChunk>,
    /// The segments that are cut completely; their chunks may travel in other batches.
    pub cuts: Vec<SegmentCut>,
}

/// A chunk with its id and, when the repository lacks it, its stored form.
#[derive(Debug)]
pub struct SealedChunk {
    /// Whose chunk.
    pub slot: SegmentSlot,
    /// Its position in the segment.
    pub position: u32,
    /// BLAKE3 of its plaintext.
    pub id: ChunkId,
    /// Length of its plaintext.
    pub raw_len: u32,
    /// What to store; `None` when the chunk is known.
    pub stored: Option<StoredForm>,
}

/// A chunk in the form in which a pack holds it.
#[derive(Debug)]
pub struct StoredForm {
    /// How it is encoded.
    pub codec: Codec,
    /// The encoded bytes.
    pub bytes: Bytes,
}

impl Weigh for SealedBatch {
    fn weight(&self) -> u64 {
        self.chunks
            .iter()
            .filter_map(|chunk| chunk.stored.as_ref())
            .map(|stored| stored.bytes.len() as u64)
            .sum()
    }
}
