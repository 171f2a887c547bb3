//! [`JobHandle`]: a running job, from outside.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cairn_actors::ProgressSnapshot;
use cairn_actors::actor::StageObservation;
use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::error::Error;
use crate::job::{JobCore, JobKind, JobState, JobWatch};

/// A job that an engine runs. Waiting is possible blocking ([`JobHandle::wait`]) and asynchronously (it is a
/// future, for any executor). Dropping the handle does not stop the job.
#[derive(Debug)]
#[must_use = "the job runs on, but its outcome is lost"]
pub struct JobHandle<R> {
    core: Arc<JobCore>,
    report: oneshot::Receiver<Result<R, Error>>,
    /// Keeps the engine's threads while somebody may wait for the job.
    _engine: Engine,
}

impl<R> JobHandle<R> {
    pub(crate) fn new(
        core: Arc<JobCore>,
        report: oneshot::Receiver<Result<R, Error>>,
        engine: Engine,
    ) -> Self {
        Self { core, report, _engine: engine }
    }

    /// Unique name of the job.
    pub fn id(&self) -> &str {
        &self.core.id
    }

    /// What kind of job.
    pub fn kind(&self) -> JobKind {
        self.core.kind
    }

    /// Label of its snapshot; empty for a check, a copy or a prune.
    pub fn label(&self) -> &str {
        &self.core.label
    }

    /// Where it stands.
    pub fn state(&self) -> JobState {
        self.core.state()
    }

    /// What it has done so far.
    pub fn progress(&self) -> ProgressSnapshot {
        self.core.progress.observe()
    }

    /// A look at the job, to be kept elsewhere.
    pub fn watch(&self) -> JobWatch {
        self.core.watch()
    }

    /// A switch that cancels the job, to be kept elsewhere (a signal handler, another thread).
    pub fn canceller(&self) -> Canceller {
        Canceller { core: Arc::clone(&self.core) }
    }

    /// Cancels the job: every stage notices within milliseconds, and nothing of the job becomes visible. A job
    /// that has just committed finishes.
    pub fn cancel(&self) {
        self.core.cancel();
    }

    /// What the stages of the job are doing; nothing before they start and after they end.
    pub async fn observe(&self) -> Vec<StageObservation> {
        match self.core.control() {
            Some(control) => control.observe().await,
            None => Vec::new(),
        }
    }

    /// Asks a backup to end early but in order: what was begun becomes durable and findable, no snapshot is made, and the job
    /// ends as cancelled. Running the backup again stores nothing of it again.
    pub fn drain(&self) {
        self.core.drain();
    }

    /// Blocks this thread until the job has ended.
    #[expect(clippy::disallowed_methods, reason = "blocking is what this method is for")]
    pub fn wait(self) -> Result<R, Error> {
        futures::executor::block_on(self)
    }
}

impl<R> Future for JobHandle<R> {
    type Output = Result<R, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let report = Pin::new(&mut self.report).poll(context);
        report.map(|report| report.unwrap_or_else(|_| Err(Error::engine_closed())))
    }
}

/// Cancels one job, from anywhere.
#[derive(Debug, Clone)]
pub struct Canceller {
    core: Arc<JobCore>,
}

impl Canceller {
    /// As [`JobHandle::cancel`].
    pub fn cancel(&self) {
        self.core.cancel();
    }
}
