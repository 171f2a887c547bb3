//! What was typed of `cairn ls`, `cairn cat` and `cairn diff`.

use cairn_pipeline::SnapshotPath;
use clap::Args;

use super::Repository;

#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) repository: Repository,
    /// The snapshot.
    pub(crate) label: String,
    /// Where to look: database/table/partition/tablet/segment, or a beginning of it.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) path: SnapshotPath,
}

#[derive(Debug, Args)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) repository: Repository,
    /// The snapshot.
    pub(crate) label: String,
    /// The segment: database/table/partition/tablet/segment.
    pub(crate) path: SnapshotPath,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) repository: Repository,
    /// The snapshot to begin from.
    pub(crate) before: String,
    /// The snapshot to compare it with.
    pub(crate) after: String,
}
