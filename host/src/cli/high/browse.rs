//! What `cairn ls`, `cairn cat` and `cairn diff` mean.

use cairn_pipeline::SnapshotPath;

use super::Location;

/// A place in a snapshot.
#[derive(Debug)]
pub(crate) struct LookPlan {
    pub(crate) repository: Location,
    pub(crate) label: String,
    pub(crate) path: SnapshotPath,
}

#[derive(Debug)]
pub(crate) struct DiffPlan {
    pub(crate) repository: Location,
    pub(crate) before: String,
    pub(crate) after: String,
}
