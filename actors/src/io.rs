//! [`IoTasks`]: the asynchronous work of one job on the engine's I/O runtime.

use std::future::Future;
use std::time::Duration;

use cairn_repository::ChunkId;
use cairn_repository::index::Index;
use cairn_repository::pack::ChunkLocation;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::cancel::CancelToken;
use crate::error::Stop;
use crate::trace::Trace;

/// Spawns futures that end with the job: cancelled with it, and waited for at its end.
#[derive(Debug, Clone)]
pub struct IoTasks {
    runtime: Handle,
    cancel: CancelToken,
    tracker: TaskTracker,
    trace: Trace,
}

impl IoTasks {
    /// Tasks of a job on a runtime, which log to the span that this thread is in.
    pub fn new(runtime: Handle, cancel: CancelToken) -> Self {
        Self { runtime, cancel, tracker: TaskTracker::new(), trace: Trace::current() }
    }

    /// Runs `task` until it ends or the job is cancelled; then it is dropped where it waits.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        let task = async move {
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = task => {}
            }
        };
        self.tracker.spawn_on(self.trace.follow(task), &self.runtime);
    }

    /// Runs `task` on this thread until it ends or the job is cancelled. Only for threads of stages.
    #[expect(clippy::disallowed_methods, reason = "stage threads are no runtime threads")]
    pub(crate) fn block_on<T>(&self, task: impl Future<Output = T>) -> Result<T, Stop> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => Err(Stop::Cancelled),
                outcome = task => Ok(outcome),
            }
        })
    }

    /// Runs `task` on this thread until it ends or, once the job is cancelled, `grace` has passed: then it is
    /// dropped where it waits and the answer is `None`.
    #[expect(clippy::disallowed_methods, reason = "stage threads are no runtime threads")]
    pub(crate) fn block_on_with_grace<T>(
        &self,
        task: impl Future<Output = T>,
        grace: Duration,
    ) -> Option<T> {
        let given_up = async {
            self.cancel.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                outcome = task => Some(outcome),
                () = given_up => None,
            }
        })
    }

    /// A place of a chunk, also when pages of the index must be read for it.
    pub(crate) fn locate(
        &self,
        index: &Index,
        id: &ChunkId,
    ) -> Result<Option<ChunkLocation>, Stop> {
        match index.num_paged_runs() {
            // Never blocks, and costs no visit to the runtime.
            0 => Ok(index.locate(id)?),
            _ => Ok(self.block_on(index.find(id))??),
        }
    }

    /// Waits until no task is left. To be called once no stage spawns any more.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
