//! Fetcher to verifier stage: a span of a pack and what it is for.

use std::sync::Arc;

use bytes::Bytes;
use cairn_repository::pack::ChunkLocation;
use cairn_repository::{ChunkId, Damage};

use crate::edge::Weigh;
use crate::staged::SegmentOut;

/// Bytes of a pack that hold whole chunks.
#[derive(Debug)]
pub struct Fetched {
    /// Offset of `bytes` in the pack.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
    /// The chunks wanted of them.
    pub placements: Vec<Placement>,
    /// Segments that have no bytes at all: to be made without any chunk.
    pub empty: Vec<Arc<SegmentOut>>,
    /// What was found damaged instead of being read; only a check goes on with it.
    pub damage: Option<Damage>,
}

/// A chunk in a span, and where its plaintext belongs.
#[derive(Debug)]
pub struct Placement {
    /// The chunk.
    pub id: ChunkId,
    /// Where it lies.
    pub location: ChunkLocation,
    /// The segment and the offset in it; `None` when the chunk is only checked.
    pub target: Option<(Arc<SegmentOut>, u64)>,
}

impl Weigh for Fetched {
    fn weight(&self) -> u64 {
        self.bytes.len() as u64
    }
}
