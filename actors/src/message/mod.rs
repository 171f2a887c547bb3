//! What travels on the edges: one file per message.
//!
//! A segment is known along the pipeline by its [`SegmentSlot`], two numbers; names stay with the stages at
//! both ends. Every message carries its place, so no stage relies on the order of arrival.

mod chunk_batch;
mod fetched;
mod partition_plan;
mod sealed_batch;
mod segment_read;
mod stored;
mod verified;

pub use chunk_batch::{ChunkBatch, RawChunk, SegmentCut};
pub use fetched::{Fetched, Placement};
pub use partition_plan::{PartitionPlan, Plan, PlannedSegment, PlannedTablet};
pub use sealed_batch::{SealedBatch, SealedChunk, StoredForm};
pub use segment_read::{ReadBatch, ReadTask, SegmentPart, SegmentRead};
pub use stored::{PlacedChunk, Stored};
pub use verified::{Piece, Verified};

/// A segment within a job: the number of its partition's plan and its position there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentSlot {
    /// Number of the [`PartitionPlan`].
    pub plan: u32,
    /// Position among the segments of the plan that are to be read.
    pub position: u32,
}
