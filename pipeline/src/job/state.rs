//! States of a job and the steps between them. Pure.

use cairn_actors::Phase;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobState {
    /// Accepted; the repository is being looked at. A check of the structure stays here until it ends.
    Pending,
    /// Listing and pinning (backup), reading manifests (restore, check, prune), or listing (copy).
    Snapshotting,
    /// Segments (backup), objects (copy) or what is kept of packs that go (prune) are on their way to the repository.
    Uploading,
    /// Chunks are on their way from the repository.
    Downloading,
    /// The last writes: the record, the switch, or the records.
    Committing,
    /// Done.
    Finished,
    /// Cancelled; nothing visible was changed.
    Cancelled,
    /// Failed; nothing visible was changed, unless the error says that the snapshot may exist (CAIRN-A005).
    Failed,
}

/// What kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobKind {
    /// A backup.
    Backup,
    /// A restore.
    Restore,
    /// A check.
    Check,
    /// A copy of a repository.
    Copy,
    /// A prune of a repository.
    Prune,
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Backup, Self::Restore, Self::Check, Self::Copy, Self::Prune];

    /// Label value and word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Check => "check",
            Self::Copy => "copy",
            Self::Prune => "prune",
        }
    }
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Snapshotting,
        Self::Uploading,
        Self::Downloading,
        Self::Committing,
        Self::Finished,
        Self::Cancelled,
        Self::Failed,
    ];

    /// Label value and word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Snapshotting => "snapshotting",
            Self::Uploading => "uploading",
            Self::Downloading => "downloading",
            Self::Committing => "committing",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing comes after it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled | Self::Failed)
    }

    /// Whether a job may go from this state to another: forward only, skipping is allowed, and from any
    /// state that is not final to a final one.
    pub fn may_become(self, next: Self) -> bool {
        let rank = |state| match state {
            Self::Pending => 0,
            Self::Snapshotting => 1,
            Self::Uploading | Self::Downloading => 2,
            Self::Committing => 3,
            Self::Finished | Self::Cancelled | Self::Failed => 4,
        };
        rank(self) < rank(next)
    }

    /// The state of a job of a kind whose stages are in a phase.
    pub(crate) fn of_phase(kind: JobKind, phase: Phase) -> Self {
        match (phase, kind) {
            (Phase::Planning, _) => Self::Snapshotting,
            (Phase::Moving, JobKind::Backup) => Self::Uploading,
            (Phase::Moving, _) => Self::Downloading,
            (Phase::Committing, _) => Self::Committing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_go_forward_and_end_once() {
        assert!(JobState::Pending.may_become(JobState::Uploading));
        assert!(!JobState::Committing.may_become(JobState::Uploading));
        assert!(!JobState::Uploading.may_become(JobState::Downloading));
        for last in JobState::ALL.into_iter().filter(|state| state.is_final()) {
            assert!(JobState::ALL.into_iter().all(|next| !last.may_become(next)));
            assert!(JobState::Snapshotting.may_become(last));
        }
    }
}
