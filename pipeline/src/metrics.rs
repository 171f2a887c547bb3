//! The metrics of jobs, and the table of all metrics of the libraries.

use std::time::Duration;

use cairn_storage::metrics::{MetricKind, MetricSpec};
use metrics::{counter, gauge, histogram};

use crate::job::{JobKind, JobState};

/// Jobs that are running, by kind and state.
pub const JOBS_RUNNING: &str = "cairn_jobs_running";
/// Jobs that ended, by kind and outcome.
pub const JOBS: &str = "cairn_jobs_total";
/// How long jobs took, by kind and outcome.
pub const JOB_SECONDS: &str = "cairn_job_seconds";
/// Sizes of the repositories' resident chunk index.
pub const INDEX_ENTRIES: &str = "cairn_index_entries";
/// Snapshots that were forgotten, by why.
pub const SNAPSHOTS_FORGOTTEN: &str = "cairn_snapshots_forgotten_total";
/// Sweeps of repositories, by outcome.
pub const SWEEPS: &str = "cairn_sweeps_total";

/// The metrics of this crate.
pub const ALL: &[MetricSpec] = &[
    MetricSpec {
        name: JOBS_RUNNING,
        kind: MetricKind::Gauge,
        labels: &["kind", "state"],
        help: "Jobs that are running.",
    },
    MetricSpec {
        name: JOBS,
        kind: MetricKind::Counter,
        labels: &["kind", "outcome"],
        help: "Jobs that ended: finished, cancelled, failed.",
    },
    MetricSpec {
        name: JOB_SECONDS,
        kind: MetricKind::Histogram,
        labels: &["kind", "outcome"],
        help: "How long jobs took.",
    },
    MetricSpec {
        name: INDEX_ENTRIES,
        kind: MetricKind::Gauge,
        labels: &[],
        help: "Chunks that the index of the repository of the latest job lists.",
    },
    MetricSpec {
        name: SNAPSHOTS_FORGOTTEN,
        kind: MetricKind::Counter,
        labels: &["why"],
        help: "Snapshots that were forgotten: named, ttl, rule.",
    },
    MetricSpec {
        name: SWEEPS,
        kind: MetricKind::Counter,
        labels: &["outcome"],
        help: "Sweeps of repositories: ok, error.",
    },
];

/// Every metric of the libraries, for a host that documents or describes them.
pub fn all() -> impl Iterator<Item = &'static MetricSpec> {
    cairn_storage::metrics::ALL.iter().chain(cairn_actors::metrics::ALL).chain(ALL)
}

/// Tells the recorder kind and help of every metric.
pub fn describe() {
    all().for_each(MetricSpec::describe);
}

/// A snapshot was forgotten.
pub(crate) fn count_forgotten(why: &'static str) {
    counter!(SNAPSHOTS_FORGOTTEN, "why" => why).increment(1);
}

/// A sweep ended.
pub(crate) fn count_sweep(is_ok: bool) {
    counter!(SWEEPS, "outcome" => if is_ok { "ok" } else { "error" }).increment(1);
}

/// Handles of one job; resolved on the thread that starts it.
pub(crate) struct JobMetrics {
    kind: JobKind,
    running: Vec<(JobState, metrics::Gauge)>,
    ended: Vec<(JobState, metrics::Counter, metrics::Histogram)>,
    pub(crate) index_entries: metrics::Gauge,
}

impl JobMetrics {
    pub(crate) fn new(kind: JobKind) -> Self {
        let (ended, running): (Vec<JobState>, Vec<JobState>) =
            JobState::ALL.into_iter().partition(|state| state.is_final());
        let name = kind.as_str();
        let gauge_of = |state: JobState| {
            (state, gauge!(JOBS_RUNNING, "kind" => name, "state" => state.as_str()))
        };
        let ended_of = |state: JobState| {
            let outcome = state.as_str();
            let count = counter!(JOBS, "kind" => name, "outcome" => outcome);
            (state, count, histogram!(JOB_SECONDS, "kind" => name, "outcome" => outcome))
        };
        Self {
            kind,
            running: running.into_iter().map(gauge_of).collect(),
            ended: ended.into_iter().map(ended_of).collect(),
            index_entries: gauge!(INDEX_ENTRIES),
        }
    }

    /// A job went from one state to another; `took` is its age.
    pub(crate) fn moved(&self, from: Option<JobState>, to: JobState, took: Duration) {
        for (state, gauge) in &self.running {
            if Some(*state) == from {
                gauge.decrement(1.0);
            }
            if *state == to {
                gauge.increment(1.0);
            }
        }
        for (state, count, seconds) in &self.ended {
            if *state == to {
                count.increment(1);
                seconds.record(took);
            }
        }
    }
}

impl std::fmt::Debug for JobMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JobMetrics({:?})", self.kind)
    }
}
