//! Snapshot to committer stage: what the new snapshot consists of.

use cairn_repository::manifest::{Partition, Segment};

use crate::edge::Weigh;
use crate::tablet::{ObjectSpec, Skipped};

/// News from the planner: first the catalog, then each partition, then one of the last two.
#[derive(Debug)]
pub enum Plan {
    /// The objects of the view.
    Catalog {
        /// The objects, each with whether only some of its partitions are selected; others refer to them by
        /// position.
        objects: Vec<(ObjectSpec, bool)>,
        /// What the source left out.
        skipped: Vec<Skipped>,
    },
    /// As it was in the snapshot before: its manifest is used again.
    Unchanged {
        /// Position of its object in the view.
        object: u32,
        /// The entry of the snapshot before.
        partition: Partition,
        /// Its number of tablets.
        num_tablets: u64,
    },
    /// Something is to be read, or something went away: it gets a new manifest.
    Changed(PartitionPlan),
    /// Every partition was told.
    Complete,
    /// The job was asked to stop early: what was told becomes durable, no snapshot is made.
    Drained,
}

/// A partition that gets a new manifest.
#[derive(Debug)]
pub struct PartitionPlan {
    /// Number of this plan in the job; segments refer to it.
    pub number: u32,
    /// Position of its object in the view.
    pub object: u32,
    /// Name of the partition.
    pub name: String,
    /// Its tablets in the order of the view.
    pub tablets: Vec<PlannedTablet>,
    /// Segments among them that are read.
    pub num_reads: u32,
}

/// A tablet of a plan.
#[derive(Debug)]
pub struct PlannedTablet {
    /// Index it belongs to.
    pub index: String,
    /// Its name.
    pub name: String,
    /// Its segments.
    pub segments: Vec<PlannedSegment>,
}

/// A segment of a plan.
#[derive(Debug)]
pub enum PlannedSegment {
    /// Unchanged: the entry of the snapshot before.
    Known(Segment),
    /// To be read: the entry without chunks, identity and length yet. Reads are numbered in the order of the plan.
    Read(Segment),
}

impl Weigh for Plan {
    fn weight(&self) -> u64 {
        0
    }
}
