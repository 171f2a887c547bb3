//! [`JobWatch`]: a job as it is looked at from anywhere, also after it has ended.

use std::sync::Arc;
use std::time::Duration;

use cairn_actors::{FlowSnapshot, Progress, ProgressSnapshot};
use cairn_storage::layer::{Bandwidth, SpeedLimitWaits};
use tokio::sync::watch;

use crate::clock::Stopwatch;
use crate::job::{JobKind, JobState};

/// Shows what a job does. It keeps neither the job nor its engine alive.
#[derive(Debug, Clone)]
pub struct JobWatch {
    pub(crate) id: Arc<str>,
    pub(crate) kind: JobKind,
    pub(crate) label: Arc<str>,
    pub(crate) started: Stopwatch,
    pub(crate) progress: Arc<Progress>,
    pub(crate) state: watch::Receiver<JobState>,
    pub(crate) bandwidth: Bandwidth,
}

impl JobWatch {
    /// Unique name of the job.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What kind of job.
    pub fn kind(&self) -> JobKind {
        self.kind
    }

    /// Label of its snapshot; empty for a check, a copy or a prune.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Where it stands.
    pub fn state(&self) -> JobState {
        *self.state.borrow()
    }

    /// Time since it was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// What it has done so far.
    pub fn progress(&self) -> ProgressSnapshot {
        self.progress.observe()
    }

    /// What its stages have done and how its edges are filled; nothing before a pipeline runs, and for jobs that have none.
    pub fn flow(&self) -> FlowSnapshot {
        self.progress.observe_flow()
    }

    /// How long the jobs of its engine, this one among them, have waited for the speed limits that they share.
    pub fn speed_limit_waits(&self) -> SpeedLimitWaits {
        self.bandwidth.waits()
    }
}
