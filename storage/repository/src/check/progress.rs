//! How far a check is.

/// What a check is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckPhase {
    /// Verifying index runs, and what they say of packs.
    Runs,
    /// Walking the manifests of snapshots.
    Snapshots,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// What it is doing.
    pub phase: CheckPhase,
    /// Runs or snapshots done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Who is told of the progress: called often, from the task that checks.
pub type OnProgress<'a> = &'a (dyn Fn(CheckProgress) + Send + Sync);
