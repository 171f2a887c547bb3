//! Tablets that are staged: files are written into them, and no row names them yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::model::Id;
use crate::segment::Segment;

/// Name of the index in the snapshot, and the bucket.
pub(super) type TabletKey = (String, usize);

/// Tablets of one partition.
pub(super) type StagedTablets = BTreeMap<TabletKey, StagedTablet>;

/// A tablet that no row names yet.
#[derive(Debug)]
pub(super) struct StagedTablet {
    pub(super) id: Id,
    /// By the number that each had in the snapshot: the order of loading.
    pub(super) segments: BTreeMap<u64, Arc<Segment>>,
}
