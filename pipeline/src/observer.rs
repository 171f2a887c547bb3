//! [`Observer`]: an embedder that wants to be told rather than to ask.

use std::fmt::Debug;

use crate::job::{JobKind, JobState, JobWatch};

/// A job entered a state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobEvent {
    /// Unique name of the job.
    pub id: String,
    /// What kind of job.
    pub kind: JobKind,
    /// Label of its snapshot; empty for a check or a copy.
    pub label: String,
    /// The state.
    pub state: JobState,
    /// Why it failed, where it did: the error with its causes, in one line.
    pub failure: Option<String>,
}

/// Hears of every state of every job of an engine.
pub trait Observer: Debug + Send + Sync + 'static {
    /// Called once for each job, before its first state, on the thread that starts it; must not block. What it is given tells the
    /// progress of the job for as long as it is kept.
    fn on_start(&self, job: &JobWatch) {
        let _ = job;
    }

    /// Called on the thread that starts the job, then on threads of the engine; must not block.
    fn on_event(&self, event: &JobEvent) {
        let _ = event;
    }
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}
