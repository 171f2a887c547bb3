//! [`Engine`]: what an embedder starts once: its threads and settings, and the jobs that it must end.
//!
//! Repositories are opened in [`crate::opening`], jobs started in [`crate::launch`].

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cairn_actors::Priority;
use cairn_actors::compute::ComputePool;
use cairn_storage::layer::SpeedLimits;
use cairn_storage::{Location, OpenMode, Storage};

use crate::clock::{Clock, SystemClock};
use crate::config::{EngineConfig, ValidConfig, WorkerCounts};
use crate::error::Error;
use crate::job::{JobCore, Surroundings};
use crate::metrics;
use crate::observer::{NoObserver, Observer};
use crate::runtime::{IoRuntime, Plane, STOP_TIMEOUT};

/// Builds an [`Engine`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it starts an engine"]
pub struct EngineBuilder {
    config: EngineConfig,
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
    priority: Priority,
}

impl EngineBuilder {
    /// Settings other than the defaults.
    pub fn config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// Somebody to tell of jobs.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Another clock for timestamps.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How far the engine's threads stand back for the others of this process. Only Linux knows it for threads.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Starts the engine's threads. Settings that make no sense are [`crate::ErrorKind::Config`].
    pub fn start(self) -> Result<Engine, Error> {
        let config = Arc::new(self.config.validate()?);
        metrics::begin();
        let runtime = IoRuntime::start(self.priority)?;
        let plane = Plane::start(self.priority)?;
        let surroundings = Surroundings {
            pool: ComputePool::new(config.compute_threads, self.priority)?,
            config,
            plane,
            runtime: runtime.handle().clone(),
            observer: self.observer,
            clock: self.clock,
            timestamps: Arc::default(),
        };
        let shared = Shared {
            jobs: Mutex::default(),
            num_jobs: AtomicU64::new(0),
            config: Mutex::new(Arc::clone(&surroundings.config)),
            around: surroundings,
            runtime,
        };
        Ok(Engine { shared: Arc::new(shared) })
    }
}

/// A backup engine: its threads, its settings, its jobs.
///
/// Cheap to clone; clones are the same engine. It needs no runtime, no actor system and no metrics recorder of the
/// process, and takes none. When the last clone and the last job handle are gone its jobs are cancelled and its threads
/// joined. Several engines in one process do not meet.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Jobs that may be running, to cancel them at the end. Guards the list only.
    jobs: Mutex<Vec<Weak<JobCore>>>,
    num_jobs: AtomicU64,
    /// The settings for what starts from now on. Guards the exchange only.
    config: Mutex<Arc<ValidConfig>>,
    around: Surroundings,
    /// Dropped last: the control plane's jobs use it.
    runtime: IoRuntime,
}

impl Engine {
    /// An engine with default settings.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// An engine with other settings.
    pub fn builder() -> EngineBuilder {
        EngineBuilder {
            config: EngineConfig::default(),
            observer: Arc::new(NoObserver),
            clock: Arc::new(SystemClock),
            priority: Priority::default(),
        }
    }

    /// How many requests the jobs that start from now on may have on their way.
    pub fn worker_counts(&self) -> WorkerCounts {
        self.config().worker_counts()
    }

    /// Changes how many requests a job may have on their way; jobs that run keep what they began with. A count that makes
    /// no sense is [`crate::ErrorKind::Config`], and nothing is changed.
    pub fn set_worker_counts(&self, counts: WorkerCounts) -> Result<(), Error> {
        let mut config = self.shared.config.lock().unwrap_or_else(PoisonError::into_inner);
        *config = Arc::new(config.with_worker_counts(counts)?);
        Ok(())
    }

    /// The settings in force.
    pub(crate) fn config(&self) -> Arc<ValidConfig> {
        Arc::clone(&self.shared.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a job that starts now is given.
    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings { config: self.config(), ..self.shared.around.clone() }
    }

    /// How fast the jobs of this engine may put and get.
    pub fn speed_limits(&self) -> SpeedLimits {
        self.config().storage.bandwidth.limits()
    }

    /// Changes how fast the jobs of this engine may put and get, those that run too: all of them together, on every
    /// storage that this engine opened.
    pub fn set_speed_limits(&self, limits: SpeedLimits) {
        self.config().storage.bandwidth.set(limits);
    }

    /// Opens a storage in the layers of this engine: its retry, its limits, its timeouts.
    pub fn open_storage(
        &self,
        location: impl Into<Location>,
        mode: OpenMode,
    ) -> Result<Arc<dyn Storage>, Error> {
        let at = location.into();
        let config = self.config();
        Ok(cairn_storage::open(&at.url()?, mode, at.properties(), &config.storage)?)
    }

    /// Runs a task on the engine's runtime and blocks this thread until it has ended.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        self.shared.runtime.run(task)
    }

    /// Tells the time of day.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.around.clock)
    }

    /// Where the engine's futures run.
    pub(crate) fn runtime(&self) -> &tokio::runtime::Handle {
        self.shared.runtime.handle()
    }

    /// Another number at every call.
    pub(crate) fn next_job_number(&self) -> u64 {
        // Relaxed: only uniqueness matters.
        self.shared.num_jobs.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes note of a job that starts: the end of the engine ends it.
    pub(crate) fn remember(&self, core: &Arc<JobCore>) {
        let mut jobs = self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|job| job.strong_count() > 0);
        jobs.push(Arc::downgrade(core));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let jobs = std::mem::take(self.jobs.get_mut().unwrap_or_else(PoisonError::into_inner));
        let running: Vec<_> = jobs.iter().filter_map(Weak::upgrade).collect();
        for job in &running {
            job.cancel();
        }
        let ended = async move {
            for job in running {
                job.ended().await;
            }
        };
        // A job that does not end is in a call of the embedder's that nobody can interrupt.
        let _ = self.runtime.run(async { tokio::time::timeout(STOP_TIMEOUT, ended).await });
    }
}
