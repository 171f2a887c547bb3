//! The metrics of jobs, and the table of all metrics of the libraries.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_actors::ProgressSnapshot;
use cairn_repository::DamagedObject;
use cairn_repository::check::Finding;
use cairn_repository::prune::PruneReport as Pruned;
use cairn_storage::metrics::{MetricKind, MetricSpec};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::job::{JobKind, JobState};

macro_rules! names {
    ($($(#[$doc:meta])* $id:ident = $name:literal;)*) => { $($(#[$doc])* pub const $id: &str = $name;)* };
}

names! {
    /// Jobs that are running, by kind and state.
    JOBS_RUNNING = "cairn_jobs_running";
    /// Jobs that ended, by kind and outcome.
    JOBS = "cairn_jobs_total";
    /// How long jobs took, by kind and outcome.
    JOB_SECONDS = "cairn_job_seconds";
    /// Bytes that running jobs are about.
    JOBS_PLANNED_BYTES = "cairn_jobs_planned_bytes";
    /// Bytes of those that are done.
    JOBS_DONE_BYTES = "cairn_jobs_done_bytes";
    /// Bytes that backups were about, by what became of them.
    BACKUP_BYTES = "cairn_backup_bytes_total";
    /// What checks found damaged, by kind of object.
    CHECK_FINDINGS = "cairn_check_findings_total";
    /// Bytes of packs, by what prunes did with them.
    PRUNE_BYTES = "cairn_prune_bytes_total";
    /// Sizes of the repositories' resident chunk index.
    INDEX_ENTRIES = "cairn_index_entries";
    /// Snapshots that were forgotten, by why.
    SNAPSHOTS_FORGOTTEN = "cairn_snapshots_forgotten_total";
    /// Sweeps of repositories, by outcome.
    SWEEPS = "cairn_sweeps_total";
    /// Whether the last look at a repository succeeded.
    REPOSITORY_REACHABLE = "cairn_repository_reachable";
    /// When a look at a repository last succeeded.
    REPOSITORY_REACHED = "cairn_repository_reached_timestamp_seconds";
    /// Snapshots in a repository.
    REPOSITORY_SNAPSHOTS = "cairn_repository_snapshots";
    /// Bytes that the snapshots of a repository would be if each lay there by itself.
    REPOSITORY_SNAPSHOT_BYTES = "cairn_repository_snapshot_bytes";
    /// Bytes of the packs of a repository.
    REPOSITORY_STORED_BYTES = "cairn_repository_stored_bytes";
    /// When the newest snapshot of a repository was taken.
    REPOSITORY_NEWEST = "cairn_repository_newest_snapshot_timestamp_seconds";
    /// What the last check of a repository by its host found damaged.
    REPOSITORY_DAMAGES = "cairn_repository_damages";
    /// When that check ended.
    REPOSITORY_CHECKED = "cairn_repository_checked_timestamp_seconds";
    /// When the newest snapshot of a target was taken.
    TARGET_NEWEST = "cairn_target_newest_snapshot_timestamp_seconds";
    /// How old it may be.
    TARGET_MAX_AGE = "cairn_target_max_age_seconds";
}

const OF_REPOSITORY: &[&str] = &["repository"];
const OF_TARGET: &[&str] = &["target", "repository", "database"];

/// The metrics of this crate.
pub const ALL: &[MetricSpec] = &[
    gauge_of(JOBS_RUNNING, &["kind", "state"], "Jobs that are running."),
    counter_of(JOBS, &["kind", "outcome"], "Jobs that ended: finished, cancelled, failed."),
    MetricSpec {
        name: JOB_SECONDS,
        kind: MetricKind::Histogram,
        labels: &["kind", "outcome"],
        help: "How long jobs took.",
    },
    gauge_of(
        JOBS_PLANNED_BYTES,
        &["kind"],
        "Bytes that running jobs are about, as far as they are listed.",
    ),
    gauge_of(JOBS_DONE_BYTES, &["kind"], "Bytes of running jobs that are done, read or not."),
    counter_of(
        BACKUP_BYTES,
        &["outcome"],
        "Bytes of finished backups: unchanged and not read, known to the repository, new to it.",
    ),
    counter_of(CHECK_FINDINGS, &["object"], "What checks found damaged, by kind of object."),
    counter_of(
        PRUNE_BYTES,
        &["outcome"],
        "Bytes of packs that prunes freed, condemned, or copied for it.",
    ),
    gauge_of(
        INDEX_ENTRIES,
        &[],
        "Chunks that the index of the repository of the latest job lists.",
    ),
    counter_of(SNAPSHOTS_FORGOTTEN, &["why"], "Snapshots that were forgotten: named, ttl, rule."),
    counter_of(SWEEPS, &["outcome"], "Sweeps of repositories: ok, error."),
    gauge_of(
        REPOSITORY_REACHABLE,
        OF_REPOSITORY,
        "Whether the last look at a repository succeeded: 1 or 0.",
    ),
    gauge_of(REPOSITORY_REACHED, OF_REPOSITORY, "When a look at a repository last succeeded."),
    gauge_of(REPOSITORY_SNAPSHOTS, OF_REPOSITORY, "Snapshots in a repository."),
    gauge_of(
        REPOSITORY_SNAPSHOT_BYTES,
        OF_REPOSITORY,
        "Bytes of all snapshots of a repository, as if each lay there by itself.",
    ),
    gauge_of(REPOSITORY_STORED_BYTES, OF_REPOSITORY, "Bytes of the packs of a repository."),
    gauge_of(
        REPOSITORY_NEWEST,
        OF_REPOSITORY,
        "When the newest snapshot of a repository was taken, by anybody.",
    ),
    gauge_of(
        REPOSITORY_DAMAGES,
        OF_REPOSITORY,
        "What the last check of a repository by its host found damaged.",
    ),
    gauge_of(REPOSITORY_CHECKED, OF_REPOSITORY, "When that check ended."),
    gauge_of(
        TARGET_NEWEST,
        OF_TARGET,
        "When the newest snapshot of a target was taken; 0 where there is none.",
    ),
    gauge_of(TARGET_MAX_AGE, OF_TARGET, "How old the newest snapshot of a target may be."),
];

const fn gauge_of(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricSpec {
    MetricSpec { name, kind: MetricKind::Gauge, labels, help }
}

const fn counter_of(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricSpec {
    MetricSpec { name, kind: MetricKind::Counter, labels, help }
}

/// Every metric of the libraries, for a host that documents or describes them.
pub fn all() -> impl Iterator<Item = &'static MetricSpec> {
    cairn_storage::metrics::ALL.iter().chain(cairn_actors::metrics::ALL).chain(ALL)
}

/// Tells the recorder kind and help of every metric.
pub fn describe() {
    all().for_each(MetricSpec::describe);
}

/// Shows what happens seldom as not having happened yet: of a counter that begins with 1 nobody can tell that it grew.
pub(crate) fn begin() {
    for kind in JobKind::ALL {
        drop(JobMetrics::new(kind));
    }
}

/// A host gave a job up that never reached an engine, such as one whose repository could not be opened.
pub fn count_unstarted(kind: JobKind, outcome: JobState) {
    counter!(JOBS, "kind" => kind.as_str(), "outcome" => outcome.as_str()).increment(1);
}

/// Handles of one repository.
#[derive(Clone)]
pub(crate) struct RepositoryMetrics {
    pub(crate) reachable: Gauge,
    pub(crate) reached: Gauge,
    pub(crate) num_snapshots: Gauge,
    pub(crate) snapshot_bytes: Gauge,
    pub(crate) stored_bytes: Gauge,
    pub(crate) newest: Gauge,
    pub(crate) damages: Gauge,
    pub(crate) checked: Gauge,
}

impl RepositoryMetrics {
    /// Nothing is known yet.
    pub(crate) fn new(name: &str) -> Self {
        let handle = |metric: &'static str| gauge!(metric, "repository" => name.to_owned());
        let metrics = Self {
            reachable: handle(REPOSITORY_REACHABLE),
            reached: handle(REPOSITORY_REACHED),
            num_snapshots: handle(REPOSITORY_SNAPSHOTS),
            snapshot_bytes: handle(REPOSITORY_SNAPSHOT_BYTES),
            stored_bytes: handle(REPOSITORY_STORED_BYTES),
            newest: handle(REPOSITORY_NEWEST),
            damages: handle(REPOSITORY_DAMAGES),
            checked: handle(REPOSITORY_CHECKED),
        };
        metrics.show_nothing();
        metrics
    }

    /// Of a series that cannot be taken back: no comparison holds for it.
    pub(crate) fn show_nothing(&self) {
        let Self { reachable, reached, num_snapshots, snapshot_bytes, .. } = self;
        let Self { stored_bytes, newest, damages, checked, .. } = self;
        let first = [reachable, reached, num_snapshots, snapshot_bytes];
        let second = [stored_bytes, newest, damages, checked];
        first.into_iter().chain(second).for_each(|gauge| gauge.set(f64::NAN));
    }
}

impl std::fmt::Debug for RepositoryMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RepositoryMetrics")
    }
}

/// Handles of one target.
pub(crate) struct TargetMetrics {
    pub(crate) newest: Gauge,
    pub(crate) max_age: Gauge,
}

impl TargetMetrics {
    /// What is not named is an empty label.
    pub(crate) fn new(name: &str, repository: Option<&str>, database: Option<&str>) -> Self {
        let handle = |metric: &'static str| {
            let repository = repository.unwrap_or_default().to_owned();
            let database = database.unwrap_or_default().to_owned();
            let target = name.to_owned();
            gauge!(metric, "target" => target, "repository" => repository, "database" => database)
        };
        let newest = handle(TARGET_NEWEST);
        newest.set(f64::NAN);
        Self { newest, max_age: handle(TARGET_MAX_AGE) }
    }
}

impl std::fmt::Debug for TargetMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TargetMetrics")
    }
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
    running: Vec<(JobState, Gauge)>,
    ended: Vec<(JobState, Counter, Histogram)>,
    planned_bytes: Gauge,
    done_bytes: Gauge,
    /// What this job has added to those two.
    added: Mutex<(u64, u64)>,
    unchanged_bytes: Counter,
    known_bytes: Counter,
    new_bytes: Counter,
    findings: BTreeMap<&'static str, Counter>,
    freed_bytes: Counter,
    condemned_bytes: Counter,
    copied_bytes: Counter,
    pub(crate) index_entries: Gauge,
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
        let findings_of = |object| (object, counter!(CHECK_FINDINGS, "object" => object));
        Self {
            kind,
            running: running.into_iter().map(gauge_of).collect(),
            ended: ended.into_iter().map(ended_of).collect(),
            planned_bytes: gauge!(JOBS_PLANNED_BYTES, "kind" => name),
            done_bytes: gauge!(JOBS_DONE_BYTES, "kind" => name),
            added: Mutex::default(),
            unchanged_bytes: counter!(BACKUP_BYTES, "outcome" => "unchanged"),
            known_bytes: counter!(BACKUP_BYTES, "outcome" => "known"),
            new_bytes: counter!(BACKUP_BYTES, "outcome" => "new"),
            findings: DamagedObject::KINDS.into_iter().map(findings_of).collect(),
            freed_bytes: counter!(PRUNE_BYTES, "outcome" => "freed"),
            condemned_bytes: counter!(PRUNE_BYTES, "outcome" => "condemned"),
            copied_bytes: counter!(PRUNE_BYTES, "outcome" => "copied"),
            index_entries: gauge!(INDEX_ENTRIES),
        }
    }

    /// Shows how far a job that runs has come. Several of a kind add up.
    pub(crate) fn progressed(&self, planned_bytes: u64, done_bytes: u64) {
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        let (old_planned, old_done) = std::mem::replace(&mut *added, (planned_bytes, done_bytes));
        self.planned_bytes.increment(planned_bytes as f64 - old_planned as f64);
        self.done_bytes.increment(done_bytes as f64 - old_done as f64);
    }

    /// A backup finished: what became of the bytes that it was about.
    pub(crate) fn count_backup(&self, progress: &ProgressSnapshot) {
        let ProgressSnapshot { bytes_total, bytes_read, new_raw_bytes, .. } = *progress;
        // Manifests are new, too, and no segments: they may make more new bytes than were read.
        let new = new_raw_bytes.min(bytes_read);
        self.unchanged_bytes.increment(bytes_total.saturating_sub(bytes_read));
        self.known_bytes.increment(bytes_read - new);
        self.new_bytes.increment(new);
    }

    /// A check ended with these findings.
    pub(crate) fn count_findings<'a>(&self, findings: impl Iterator<Item = &'a Finding>) {
        for finding in findings {
            if let Some(count) = self.findings.get(finding.damage.object.kind()) {
                count.increment(1);
            }
        }
    }

    /// A prune ended that changed something.
    pub(crate) fn count_prune(&self, pruned: &Pruned) {
        self.freed_bytes.increment(pruned.freed_bytes);
        self.condemned_bytes.increment(pruned.condemned_bytes);
        self.copied_bytes.increment(pruned.copied_bytes);
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
                self.progressed(0, 0);
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
