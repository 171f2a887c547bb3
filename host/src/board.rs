//! [`Board`]: the jobs of this process, for the status page.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use cairn_pipeline::{JobEvent, Observer};

/// Jobs that a page can show.
const MAX_JOBS: usize = 100;

/// Remembers the latest state of each of the latest jobs.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The newest last. Guards the list only.
    jobs: Mutex<VecDeque<JobEvent>>,
}

impl Board {
    /// The jobs, the newest first.
    pub(crate) fn jobs(&self) -> Vec<JobEvent> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().rev().cloned().collect()
    }
}

impl Observer for Board {
    fn on_event(&self, event: &JobEvent) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        match jobs.iter_mut().find(|job| job.id == event.id) {
            Some(job) => *job = event.clone(),
            None => jobs.push_back(event.clone()),
        }
        if jobs.len() > MAX_JOBS {
            jobs.pop_front();
        }
    }
}
