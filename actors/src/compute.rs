//! CPU work of a stage on a rayon pool of our own.
//!
//! *Does*: takes items from an edge, splits them into tasks, runs the tasks on the pool, gives the results to
//! the next edge. Two stages are instances: `checksum` and `verifier`.
//!
//! *Blocks on*: its inlet, its outlet, and results when all permits are out. A pool thread never
//! blocks on an edge: results go into a channel with room for one per permit. (It waits for the repository
//! where the index is too large for memory; a cancel ends that wait.) So a job that waits for a slow
//! store holds no pool thread, and a second job of the same engine goes on.
//!
//! *Order*: none; items carry their place.
//!
//! *Memory*: at most `permits` tasks in flight.
//!
//! *On failure*: the first failed or panicked task fails the stage.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::clock::Stopwatch;
use crate::edge::{Inlet, Outlet, Received, Weigh};
use crate::error::{Fault, Stop};
use crate::flight::{Flight, Landing};
use crate::priority::Priority;
use crate::stage::{StageContext, Worker, panic_message};

/// Threads for hashing and (de)compression, shared by the jobs of one engine; never rayon's global
/// pool, which belongs to the embedder.
#[derive(Debug, Clone)]
pub struct ComputePool {
    pool: Arc<ThreadPool>,
}

impl ComputePool {
    /// A pool of `threads` threads of this priority.
    pub fn new(threads: usize, priority: Priority) -> Result<Self, Fault> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("cairn-compute-{index}"))
            .start_handler(move |_| priority.apply())
            .build()
            .map_err(|error| Fault::System {
                what: "starting the compute pool".to_owned(),
                source: std::io::Error::other(error),
            })?;
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Number of threads.
    pub fn num_threads(&self) -> usize {
        self.pool.current_num_threads()
    }
}

/// The CPU work of a stage: from an item to tasks, from a task to a result.
pub(crate) trait Compute: Send + Sync + 'static {
    /// What comes in.
    type In: Weigh + Send + 'static;
    /// What one thread does at a time.
    type Task: Send + 'static;
    /// What goes out.
    type Out: Weigh + Send + 'static;

    /// Splits an item into tasks of roughly equal cost.
    fn split(&self, item: Self::In, tasks: &mut Vec<Self::Task>);

    /// Plaintext bytes of a task, for the metrics.
    fn bytes(task: &Self::Task) -> u64;

    /// Does one task. Runs on a pool thread and must not block on an edge.
    fn run(&self, task: Self::Task) -> Result<Self::Out, Stop>;
}

/// The worker that drives a [`Compute`].
pub(crate) struct ComputeWorker<C: Compute> {
    pub(crate) compute: Arc<C>,
    pub(crate) pool: ComputePool,
    pub(crate) inlet: Inlet<C::In>,
    pub(crate) outlet: Outlet<C::Out>,
}

impl<C: Compute> Worker for ComputeWorker<C> {
    fn run(self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        // Two tasks per thread: one running, one waiting, so that no thread idles while this one forwards.
        let mut flight = Flight::new(2 * self.pool.num_threads(), context);
        let ended = (*self).forward(&mut flight, context);
        flight.settle();
        ended
    }
}

impl<C: Compute> ComputeWorker<C> {
    /// Its edges are closed when this returns.
    fn forward(self, flight: &mut Flight<C::Out>, context: &StageContext) -> Result<(), Stop> {
        let mut tasks = Vec::new();
        loop {
            match self.inlet.recv_or(flight.results())? {
                Received::Other(result) => self.outlet.send(flight.landed(result)?)?,
                Received::End => break,
                Received::Item(item) => {
                    self.compute.split(item, &mut tasks);
                    for task in tasks.drain(..) {
                        if flight.is_full() {
                            self.outlet.send(flight.wait()?)?;
                        }
                        self.launch(flight.launch(), task, context);
                    }
                }
            }
        }
        while !flight.is_idle() {
            self.outlet.send(flight.wait()?)?;
        }
        self.outlet.end();
        Ok(())
    }

    fn launch(&self, landing: Landing<C::Out>, task: C::Task, context: &StageContext) {
        let (compute, context) = (Arc::clone(&self.compute), context.clone());
        self.pool.pool.spawn(move || {
            let started = Stopwatch::start();
            let bytes = C::bytes(&task);
            let result = catch_unwind(AssertUnwindSafe(|| compute.run(task)));
            let result = result.unwrap_or_else(|panic| {
                let message = panic_message(panic.as_ref());
                Err(Fault::Panicked { stage: context.stage().as_str(), message }.into())
            });
            context.record(1, bytes, started);
            landing.land(result);
        });
    }
}
