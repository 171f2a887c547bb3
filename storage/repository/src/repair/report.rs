//! What a repair did, and how far it is.

use std::fmt;

use crate::{Label, Timestamp};

/// What a repair did. What is still lost, a check says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// Damaged packs that go, a grace later, with a prune.
    pub condemned_packs: u64,
    /// Packs that runs list and that are not there.
    pub missing_packs: u64,
    /// Sound chunks that were copied out of damaged packs.
    pub salvaged_chunks: u64,
    /// Their bytes as they are stored.
    pub salvaged_bytes: u64,
    /// Chunks that damaged packs do not give and missing packs did. Some may lie elsewhere too.
    pub lost_chunks: u64,
    /// Index runs that go: damaged ones, and those that list what is not there.
    pub superseded_runs: u64,
    /// Chunks that no intact run listed and that are listed now.
    pub listed_chunks: u64,
    /// Marks of prunes that were damaged and name nothing now.
    pub replaced_marks: u64,
    /// Records that were put back.
    pub records: Vec<RepairedRecord>,
    /// Damaged records that stay so: no pack has a copy whose root can be read, or packs have several and nothing tells which.
    pub lost_records: Vec<Label>,
    /// Snapshots that are not put back because their label is busy: repair again.
    pub busy_records: Vec<Label>,
}

impl RepairReport {
    /// Whether there was nothing to do.
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }
}

/// A record that was put back from its copy in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairedRecord {
    /// Of which snapshot.
    pub label: Label,
    /// When that was taken.
    pub timestamp: Timestamp,
}

/// What a repair is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairPhase {
    /// Reading index runs.
    Runs,
    /// Reading packs that may be damaged.
    Packs,
    /// Reading directories of the others.
    Directories,
    /// Putting records back.
    Records,
}

/// How far it is with that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairProgress {
    /// What it is at.
    pub phase: RepairPhase,
    /// Runs, packs or records done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Who is told of the progress: called often, from the task that repairs.
pub type OnProgress<'a> = &'a (dyn Fn(RepairProgress) + Send + Sync);

/// Tells of the progress.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a>(OnProgress<'a>);

impl<'a> Watch<'a> {
    pub(super) fn new(on_progress: OnProgress<'a>) -> Self {
        Self(on_progress)
    }

    pub(super) fn tell(self, phase: RepairPhase, done: u64, total: u64) {
        (self.0)(RepairProgress { phase, done, total });
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
