//! [`WatchedJob`]: a job as somebody sees it who looks at all of them again and again. What that costs does not grow with the jobs
//! that are remembered, nor with their objects.

use std::time::Duration;

use cairn_pipeline::JobWatch;

use super::{Entry, JobView, Jobs};
use crate::clock::{Millis, now_millis, shown};

/// A job, how long it has taken, and a look at what it does.
#[derive(Debug, Clone)]
pub struct WatchedJob {
    /// What it is.
    pub view: JobView,
    /// The repository.
    pub repository: String,
    /// When it was asked for, such as `2026-01-31 13:00:00`, in UTC.
    pub since: String,
    /// How long it has taken.
    pub took: Duration,
    /// How long ago it ended.
    pub ended_ago: Option<Duration>,
    /// Whether it was told to end.
    pub is_cancelled: bool,
    /// Of a job that runs on the engine.
    pub watch: Option<JobWatch>,
}

impl Jobs {
    /// All jobs that run and the latest of those that have ended, the newest first.
    pub fn latest(&self, max_ended: usize) -> Vec<WatchedJob> {
        let now = now_millis();
        let table = self.lock();
        let mut num_ended = 0;
        let is_wanted = |entry: &&Entry| {
            let is_over = entry.row.state.is_final();
            num_ended += usize::from(is_over);
            !is_over || num_ended <= max_ended
        };
        table.values().rev().filter(is_wanted).map(|entry| watched(entry, now)).collect()
    }
}

fn watched(entry: &Entry, now: Millis) -> WatchedJob {
    let row = &entry.row;
    let between = |from: Millis, to: Millis| {
        Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or_default())
    };
    WatchedJob {
        view: JobView::of(row),
        repository: row.repository.clone(),
        since: shown(row.created_at),
        took: between(row.created_at, row.finished_at.unwrap_or(now)),
        ended_ago: row.finished_at.map(|at| between(at, now)),
        is_cancelled: row.is_cancelled,
        watch: entry.live.as_ref().and_then(|live| live.watch()),
    }
}
