//! [`Job`]: a job as the page shows it, whoever runs it. Pure.

use std::time::Duration;

use cairn_pipeline::{JobState, JobWatch};

use crate::board::Posted;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Finished,
    Cancelled,
    Failed,
}

/// A job.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// Its own among all that are shown.
    pub(crate) id: String,
    /// Whether a cancel can name it.
    pub(crate) has_cancel: bool,
    pub(crate) kind: String,
    pub(crate) label: String,
    /// The database that it is about, where that is known and may be told.
    pub(crate) database: Option<String>,
    pub(crate) state: String,
    /// None while it runs.
    pub(crate) end: Option<End>,
    /// Why it did not finish, where that may be told.
    pub(crate) failure: Option<String>,
    /// When it was asked for, where a clock of the day was asked.
    pub(crate) since: Option<String>,
    pub(crate) took: Duration,
    pub(crate) ended_ago: Option<Duration>,
    /// Whether it was told to end and has not yet.
    pub(crate) is_ending: bool,
    pub(crate) watch: Option<JobWatch>,
}

impl Job {
    pub(crate) fn runs(&self) -> bool {
        self.end.is_none()
    }

    /// How long ago it began.
    pub(crate) fn age(&self) -> Duration {
        self.took.saturating_add(self.ended_ago.unwrap_or_default())
    }

    /// Without what only those may know who may SHOW it.
    pub(crate) fn for_anybody(self) -> Self {
        Self { database: None, failure: None, ..self }
    }
}

impl From<Posted> for Job {
    fn from(posted: Posted) -> Self {
        let Posted { watch, state, failure, ended } = posted;
        Self {
            // Those of a desk are numbers.
            id: format!("engine-{}", watch.id()),
            has_cancel: false,
            kind: watch.kind().as_str().to_owned(),
            label: watch.label().to_owned(),
            database: None,
            state: state.as_str().to_owned(),
            end: match state {
                JobState::Finished => Some(End::Finished),
                JobState::Cancelled => Some(End::Cancelled),
                JobState::Failed => Some(End::Failed),
                _ => None,
            },
            failure,
            since: None,
            took: ended.map_or_else(|| watch.age(), |(_, took)| took),
            ended_ago: ended.map(|(at, _)| at.elapsed()),
            is_ending: false,
            watch: Some(watch),
        }
    }
}
