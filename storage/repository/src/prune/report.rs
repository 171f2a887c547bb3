//! What a prune did, and how far it is.

use std::fmt;
use std::time::Duration;

/// What a prune did, or on a dry run would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PruneReport {
    /// Snapshots that were walked, and those that may yet come to be.
    pub num_snapshots: u64,
    /// Distinct documents that they reach.
    pub num_documents: u64,
    /// Chunks of segments that they need and that are lost; one that several documents name counts for each.
    pub lost_chunks: u64,
    /// Packs that were there when the mark was made.
    pub num_packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Bytes of chunks that no snapshot reaches, in packs that stay; those of backups that run are among them.
    pub unused_bytes: u64,
    /// Packs that were deleted.
    pub freed_packs: u64,
    /// Their bytes.
    pub freed_bytes: u64,
    /// Index runs that were deleted.
    pub freed_runs: u64,
    /// Packs that are condemned from now on.
    pub condemned_packs: u64,
    /// Their bytes.
    pub condemned_bytes: u64,
    /// Index runs that are superseded from now on.
    pub superseded_runs: u64,
    /// Index runs that took their place.
    pub written_runs: u64,
    /// Chunks that were copied out of packs that go.
    pub copied_chunks: u64,
    /// Their bytes as they are stored.
    pub copied_bytes: u64,
    /// Packs that wait for a grace to be over.
    pub waiting_packs: u64,
    /// Index runs that do.
    pub waiting_runs: u64,
    /// When a prune with the same grace can delete some of it; `None` when nothing waits.
    pub next_sweep: Option<Duration>,
}

/// What a prune is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrunePhase {
    /// Reading index runs.
    Index,
    /// Walking the manifests of snapshots.
    Snapshots,
    /// Writing runs that take the place of others.
    Merging,
    /// Copying chunks out of packs that go.
    Copying,
    /// Deleting what is left of older marks.
    Deleting,
}

/// How far it is with that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneProgress {
    /// What it is at. The first three come again for each mark that is swept and made.
    pub phase: PrunePhase,
    /// Runs, snapshots, packs or objects done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Who is told of the progress: called often, from the task that prunes.
pub type OnProgress<'a> = &'a (dyn Fn(PruneProgress) + Send + Sync);

/// Tells of the progress.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a>(OnProgress<'a>);

impl<'a> Watch<'a> {
    pub(super) fn new(on_progress: OnProgress<'a>) -> Self {
        Self(on_progress)
    }

    pub(super) fn tell(self, phase: PrunePhase, done: u64, total: u64) {
        (self.0)(PruneProgress { phase, done, total });
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
