//! The engine's own threads, hidden from the embedder: [`IoRuntime`], its asynchronous runtime, and [`Plane`], its actors.

use std::future::Future;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_actors::Priority;
use cairn_actors::actor::{ControlPlane, RunningJob, Topology};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::Error;

/// Threads that drive network and file I/O. They wait most of the time: two keep one busy store fed
/// while the other polls timers.
const IO_THREADS: usize = 2;
/// How long a stopping engine waits for a job, and then its runtime for a file operation, that cannot be
/// interrupted.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The control plane, shared by the jobs of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Plane(Arc<ControlPlane>);

impl Plane {
    /// Starts its thread.
    pub(crate) fn start(priority: Priority) -> Result<Self, Error> {
        Ok(Self(Arc::new(ControlPlane::start(priority)?)))
    }

    /// Starts the pipeline of a job.
    pub(crate) async fn launch(&self, topology: Topology) -> Result<RunningJob, Error> {
        Ok(self.0.launch(topology).await?)
    }
}

/// A runtime on threads of its own. It is built, and dropped, on a thread of its own too: dropping
/// a runtime on a thread of an embedder's runtime would panic.
#[derive(Debug)]
pub(crate) struct IoRuntime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl IoRuntime {
    /// Starts the threads with this priority.
    pub(crate) fn start(priority: Priority) -> Result<Self, Error> {
        let failed = |source| {
            let what = "starting the I/O runtime".to_owned();
            Error::from(cairn_actors::Fault::System { what, source })
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("cairn-io")
            .on_thread_start(move || priority.apply())
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let keeper = std::thread::Builder::new()
            .name("cairn-io-keeper".to_owned())
            .spawn(move || {
                // Resolves also when the sender is dropped.
                let _ = stopped.blocking_recv();
                runtime.shutdown_timeout(STOP_TIMEOUT);
            })
            .map_err(failed)?;
        Ok(Self { handle, stop: Some(stop), keeper: Some(keeper) })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a task on the runtime and blocks this thread, whosever it is, until it has ended.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // No receiver means that the caller is gone.
            let _ = answer.send(task.await);
        });
        answered.recv().map_err(|_| Error::engine_closed())
    }
}

impl Drop for IoRuntime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            // A panic of the keeper has nobody left to tell.
            let _ = keeper.join();
        }
    }
}
