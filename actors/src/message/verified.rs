//! Verifier to installer (or tally) stage: plaintext that is what its id says.

use std::sync::Arc;

use bytes::Bytes;
use cairn_repository::{ChunkId, Damage};

use crate::edge::Weigh;
use crate::staged::SegmentOut;

/// Verified pieces of segments.
#[derive(Debug, Default)]
pub struct Verified {
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// Segments without bytes.
    pub empty: Vec<Arc<SegmentOut>>,
    /// What could not even be taken apart; only a check goes on with it.
    pub damage: Option<Damage>,
}

/// A chunk that was verified, or found damaged.
#[derive(Debug)]
pub struct Piece {
    /// The chunk.
    pub id: ChunkId,
    /// Its plaintext, or what is wrong with it.
    pub bytes: Result<Bytes, Damage>,
    /// Where it belongs; `None` when it is only checked.
    pub target: Option<(Arc<SegmentOut>, u64)>,
}

impl Weigh for Verified {
    fn weight(&self) -> u64 {
        self.pieces
            .iter()
            .filter_map(|piece| piece.bytes.as_ref().ok())
            .map(|bytes| bytes.len() as u64)
            .sum()
    }
}
