//! [`Board`]: the jobs of this process, for the status page.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_pipeline::{JobEvent, JobState, JobWatch, Observer};
use tokio::time::Instant;

/// Jobs that are remembered.
const MAX_JOBS: usize = 100;

/// Remembers the latest jobs, what they came to, and how they are looked at.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The newest last. Guards the list only.
    jobs: Mutex<VecDeque<Posted>>,
}

/// A job.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) watch: JobWatch,
    pub(crate) state: JobState,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// When it ended, and how long it took until then.
    pub(crate) ended: Option<(Instant, Duration)>,
}

impl Board {
    /// The jobs, the newest first.
    pub(crate) fn jobs(&self) -> Vec<Posted> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().rev().cloned().collect()
    }
}

impl Observer for Board {
    fn on_start(&self, watch: &JobWatch) {
        let (watch, state) = (watch.clone(), watch.state());
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.push_back(Posted { watch, state, failure: None, ended: None });
        if jobs.len() > MAX_JOBS {
            jobs.pop_front();
        }
    }

    fn on_event(&self, event: &JobEvent) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = jobs.iter_mut().find(|job| job.watch.id() == event.id) {
            job.state = event.state;
            job.failure.clone_from(&event.failure);
            job.ended = event.state.is_final().then(|| (Instant::now(), job.watch.age()));
        }
    }
}
