//! What a stage is, and the one loop that runs it.
//!
//! # Overview
//! A [`Worker`] is the blocking body of a stage: it owns its ends of the edges, takes, works, gives, and returns
//! when its input has ended. It knows no actor and no thread. `spawn` gives it a named thread of its
//! own; the stage's actor ([`crate::actor`]) owns the thread's handle and hears of its exit.
//!
//! # Ownership
//! The thread owns the worker, so whatever way it exits, its edges close and its neighbours notice. The
//! actor owns the join handle and joins before it reports the exit: after a job no thread is left.
//!
//! # Exit
//! Exactly one [`StageExit`] per worker. A worker that stops because a neighbour went away
//! says so and is no cause: the supervisor reports the stage that truly failed.
//!
//! # Panics
//! Caught at the bottom of the thread; the job fails, the process and other jobs go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::cancel::CancelToken;
use crate::clock::Stopwatch;
use crate::error::{Fault, Stop};
use crate::flow::StageFlow;
use crate::metrics::{StageId, StageMetrics};
use crate::trace::Trace;

/// How a worker ended.
#[derive(Debug)]
pub enum StageExit {
    /// It did all its work.
    Finished,
    /// The job was cancelled.
    Cancelled,
    /// The stage behind went away.
    DownstreamClosed,
    /// The stage before went away without an end.
    UpstreamLost,
    /// It failed, or it panicked.
    Failed(Fault),
}

/// The blocking body of a stage.
pub trait Worker: Send + 'static {
    /// Works until the input ends. Edges are owned by the worker and close when it is dropped.
    fn run(self: Box<Self>, context: &StageContext) -> Result<(), Stop>;
}

/// What the loop lends to a worker.
#[derive(Debug, Clone)]
pub struct StageContext {
    stage: StageId,
    cancel: CancelToken,
    metrics: StageMetrics,
    flow: Arc<StageFlow>,
    trace: Trace,
}

impl StageContext {
    /// A context; metric handles are resolved on this thread, whose span the stage's threads enter.
    pub fn new(stage: StageId, cancel: CancelToken) -> Self {
        Self::observed(stage, cancel, Arc::default())
    }

    /// The same for a stage whose numbers are looked at.
    pub(crate) fn observed(stage: StageId, cancel: CancelToken, flow: Arc<StageFlow>) -> Self {
        Self { stage, cancel, metrics: StageMetrics::new(stage), flow, trace: Trace::current() }
    }

    /// Which stage this is.
    pub fn stage(&self) -> StageId {
        self.stage
    }

    /// The job's cancel switch.
    pub fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    /// A worker of the stage has ended.
    pub(crate) fn worker_ended(&self) {
        self.flow.worker_ended();
    }

    /// Stops the worker when the job was cancelled: for loops that touch no edge for long.
    pub fn check_cancelled(&self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// Counts and times one piece of work of `bytes`.
    pub(crate) fn work<T>(&self, bytes: u64, work: impl FnOnce() -> T) -> T {
        let started = Stopwatch::start();
        let result = work();
        self.record(1, bytes, started);
        result
    }

    /// Counts work that was done elsewhere, such as on the compute pool.
    pub(crate) fn record(&self, items: u64, bytes: u64, started: Stopwatch) {
        self.metrics.busy.record(started.elapsed());
        self.metrics.items.increment(items);
        self.metrics.bytes.increment(bytes);
        self.flow.count(items, bytes);
    }
}

/// A running worker.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) thread: JoinHandle<()>,
    /// Resolves when the worker has ended and its edges are closed.
    pub(crate) exit: oneshot::Receiver<StageExit>,
}

/// Starts a worker on a named thread of its own.
pub(crate) fn spawn(
    name: String,
    worker: Box<dyn Worker>,
    context: StageContext,
) -> std::io::Result<Running> {
    let (report, exit) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let work = AssertUnwindSafe(|| context.trace.in_scope(|| worker.run(&context)));
        let outcome = catch_unwind(work);
        let exit = match outcome {
            Ok(Ok(())) => StageExit::Finished,
            Ok(Err(stop)) => stop.into(),
            Err(panic) => StageExit::Failed(Fault::Panicked {
                stage: context.stage.as_str(),
                message: panic_message(panic.as_ref()),
            }),
        };
        if matches!(exit, StageExit::Failed(_)) {
            context.metrics.errors.increment(1);
        }
        // The receiver is gone only when the whole control plane is: nobody is left to tell.
        let _ = report.send(exit);
    })?;
    Ok(Running { thread, exit })
}

impl From<Stop> for StageExit {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::DownstreamClosed => Self::DownstreamClosed,
            Stop::UpstreamLost => Self::UpstreamLost,
            Stop::Failed(fault) => Self::Failed(fault),
        }
    }
}

/// The text of a panic, for the report.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
