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

/// Which job is forgotten first, of the oldest first and whether each has ended: the oldest that has, and where all run the oldest.
fn dispensable(mut have_ended: impl Iterator<Item = bool>) -> usize {
    have_ended.position(|has_ended| has_ended).unwrap_or_default()
}

impl Observer for Board {
    fn on_start(&self, watch: &JobWatch) {
        let (watch, state) = (watch.clone(), watch.state());
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.push_back(Posted { watch, state, failure: None, ended: None });
        if jobs.len() > MAX_JOBS {
            let dispensable = dispensable(jobs.iter().map(|job| job.ended.is_some()));
            jobs.remove(dispensable);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_remembered_longer_than_what_has_ended() {
        assert_eq!(dispensable([false, true, true].into_iter()), 1);
        assert_eq!(dispensable([true, false].into_iter()), 0);
        assert_eq!(dispensable([false, false].into_iter()), 0);
    }
}
