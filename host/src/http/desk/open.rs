//! The desk of a server of SQL.

use std::net::IpAddr;
use std::sync::Arc;

use cairn_frontend::{Frontend, LoginRefused, WatchedJob};
use cairn_pipeline::ListedSnapshot;

use super::super::job::{End, Job};
use super::{Known, Refused};

pub(crate) use cairn_frontend::Operator;

/// Asks the frontend.
#[derive(Debug, Clone)]
pub(crate) struct Desk(pub(crate) Arc<Frontend>);

impl Desk {
    /// All jobs that run and the latest others, the newest first.
    pub(crate) fn jobs(&self, max_ended: usize) -> Vec<Job> {
        self.0.jobs().latest(max_ended).into_iter().map(Job::from).collect()
    }

    pub(crate) fn repositories(&self) -> Vec<Known> {
        let watched = self.0.watched_repositories().into_iter();
        let known = watched.map(|watched| Known {
            name: watched.name,
            location: watched.location,
            error: watched.error,
        });
        known.collect()
    }

    /// Blocks.
    pub(crate) fn snapshots(&self, repository: &str) -> Result<Vec<ListedSnapshot>, String> {
        self.0.snapshots(repository).map_err(|error| error.to_string())
    }

    pub(crate) async fn log_in(
        &self,
        user: &str,
        password: &str,
        peer: IpAddr,
    ) -> Result<Operator, Refused> {
        let admitted = self.0.log_in(user, password, peer).await;
        admitted.map_err(|refused| Refused {
            is_crowded: refused == LoginRefused::Crowded,
            why: refused.to_string(),
        })
    }

    /// Whether the account is still what it was at the login.
    pub(crate) fn knows(&self, operator: &Operator) -> bool {
        self.0.knows(operator)
    }

    /// Whether somebody may see everything, and cancel jobs.
    pub(crate) fn may_operate(&self, operator: &Operator) -> bool {
        self.0.may_operate(operator)
    }

    pub(crate) async fn cancel(&self, operator: &Operator, job: u64) -> Result<(), String> {
        self.0.cancel_job(operator, job).await.map_err(|error| error.to_string())
    }
}

impl From<WatchedJob> for Job {
    fn from(job: WatchedJob) -> Self {
        let WatchedJob { view, since, took, ended_ago, is_cancelled, watch, .. } = job;
        let end = match (view.is_over, &view.failure) {
            (false, _) => None,
            (true, None) => Some(End::Finished),
            (true, Some(_)) if is_cancelled => Some(End::Cancelled),
            (true, Some(_)) => Some(End::Failed),
        };
        let state = match (end, &watch) {
            (Some(End::Finished), _) => "finished",
            (Some(End::Cancelled), _) => "cancelled",
            (Some(End::Failed), _) => "failed",
            // Between the end of the engine's job and that of this one there is the journal.
            (None, Some(watch)) if !watch.state().is_final() => watch.state().as_str(),
            (None, Some(_)) => "ending",
            (None, None) => "pending",
        };
        Self {
            id: view.id.to_string(),
            has_cancel: true,
            kind: view.kind.to_ascii_lowercase(),
            label: view.label,
            database: Some(view.database).filter(|name| !name.is_empty()),
            state: state.to_owned(),
            end,
            failure: view.failure.filter(|_| end == Some(End::Failed)),
            since: Some(since),
            took,
            ended_ago,
            is_ending: is_cancelled && end.is_none(),
            watch,
        }
    }
}
