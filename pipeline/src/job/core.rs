//! [`JobCore`]: what every job has, whatever its kind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_actors::actor::{JobControl, JobExit, RunningJob, Topology};
use cairn_actors::cancel::CancelToken;
use cairn_actors::compute::ComputePool;
use cairn_actors::io::IoTasks;
use cairn_actors::topology::{JobParts, Width};
use cairn_actors::{Phase, Progress};
use cairn_repository::Repository;
use cairn_repository::index::Index;
use cairn_storage::layer::Bandwidth;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::{Clock, Stopwatch, Timestamps};
use crate::config::ValidConfig;
use crate::error::{Error, with_causes};
use crate::job::{JobKind, JobState, JobWatch};
use crate::metrics::JobMetrics;
use crate::observer::{JobEvent, Observer};
use crate::runtime::Plane;

/// How often a job that runs shows in metrics how far it has come: as often as anybody scrapes.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// What a job is given by its engine.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) config: Arc<ValidConfig>,
    pub(crate) pool: ComputePool,
    pub(crate) plane: Plane,
    pub(crate) runtime: Handle,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timestamps: Arc<Timestamps>,
}

/// A job: its name, its switch, its state.
#[derive(Debug)]
pub(crate) struct JobCore {
    pub(crate) id: String,
    pub(crate) kind: JobKind,
    pub(crate) label: String,
    /// The switch of what runs now: a pipeline that fails uses it too. Guards the exchange only.
    switch: Mutex<CancelToken>,
    /// Whether the job was told to end, whatever its switches say.
    is_cancelled: AtomicBool,
    pub(crate) progress: Arc<Progress>,
    pub(crate) started: Stopwatch,
    bandwidth: Bandwidth,
    state: watch::Sender<JobState>,
    pub(crate) metrics: JobMetrics,
    observer: Arc<dyn Observer>,
    /// The running pipeline, while there is one. Guards handing it over.
    control: Mutex<Option<JobControl>>,
    /// Whether the job was asked to end early, before or while its pipeline runs.
    is_draining: AtomicBool,
}

impl JobCore {
    /// A job that is pending. Metric handles are resolved on this thread.
    pub(crate) fn new(
        id: String,
        kind: JobKind,
        label: String,
        around: &Surroundings,
    ) -> Arc<Self> {
        let core = Self {
            id,
            kind,
            label,
            bandwidth: around.config.storage.bandwidth.clone(),
            switch: Mutex::default(),
            is_cancelled: AtomicBool::new(false),
            progress: Arc::default(),
            started: Stopwatch::start(),
            state: watch::Sender::new(JobState::Pending),
            metrics: JobMetrics::new(kind),
            observer: Arc::clone(&around.observer),
            control: Mutex::new(None),
            is_draining: AtomicBool::new(false),
        };
        core.metrics.moved(None, JobState::Pending, Duration::ZERO);
        core.call_observer(|observer| observer.on_start(&core.watch()));
        core.tell(JobState::Pending, None);
        Arc::new(core)
    }

    pub(crate) fn state(&self) -> JobState {
        *self.state.borrow()
    }

    /// Cancels the job through its supervisor or, before and after there is one, by its switch.
    pub(crate) fn cancel(&self) {
        // SeqCst: before the switch is looked for, so that who exchanges it sees the one or is seen.
        self.is_cancelled.store(true, Ordering::SeqCst);
        if !self.control().is_some_and(|control| control.cancel()) {
            self.switch().cancel();
        }
    }

    fn switch(&self) -> CancelToken {
        self.switch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the job begin again after its pipeline failed; not one that was told to end.
    pub(crate) fn begin_again(&self) -> Result<(), Error> {
        *self.switch.lock().unwrap_or_else(PoisonError::into_inner) = CancelToken::new();
        match self.is_cancelled.load(Ordering::SeqCst) {
            true => Err(Error::cancelled()),
            false => Ok(()),
        }
    }

    /// Drains the job, also one that has no pipeline yet.
    pub(crate) fn drain(&self) {
        // Relaxed: the lock of `control` orders it. Either this call sees the pipeline, or who starts it
        // sees the flag behind that lock.
        self.is_draining.store(true, Ordering::Relaxed);
        if let Some(control) = self.control() {
            control.drain();
        }
    }

    /// Resolves when the job is in its last state.
    pub(crate) async fn ended(&self) {
        // The sender is `self`: it cannot be gone.
        let _ = self.state.subscribe().wait_for(|state| state.is_final()).await;
    }

    pub(crate) fn control(&self) -> Option<JobControl> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn watch(&self) -> JobWatch {
        JobWatch {
            id: self.id.as_str().into(),
            kind: self.kind,
            label: self.label.as_str().into(),
            started: self.started,
            progress: Arc::clone(&self.progress),
            state: self.state.subscribe(),
            bandwidth: self.bandwidth.clone(),
        }
    }

    /// Goes forward to a state; what would be a step back is nothing.
    pub(crate) fn become_state(&self, next: JobState) {
        self.step(next, None);
    }

    fn step(&self, next: JobState, failure: Option<String>) {
        let from = self.state();
        if !from.may_become(next) {
            return;
        }
        self.state.send_replace(next);
        self.metrics.moved(Some(from), next, self.started.elapsed());
        self.tell(next, failure);
    }

    fn tell(&self, state: JobState, failure: Option<String>) {
        let (id, label) = (self.id.clone(), self.label.clone());
        let event = JobEvent { id, kind: self.kind, label, state, failure };
        self.call_observer(|observer| observer.on_event(&event));
    }

    /// A panic of the observer is its own affair: the job goes on.
    fn call_observer(&self, call: impl FnOnce(&dyn Observer)) {
        if catch_unwind(AssertUnwindSafe(|| call(self.observer.as_ref()))).is_err() {
            tracing::error!(job = self.id, "the observer panicked");
        }
    }

    /// What the stages of this job are given.
    pub(crate) fn parts(
        &self,
        around: &Surroundings,
        repository: &Repository,
        index: &Arc<Index>,
    ) -> JobParts {
        self.metrics.index_entries.set(index.num_entries() as f64);
        let cancel = self.switch();
        self.progress.begin_pipeline();
        JobParts {
            repository: repository.clone(),
            index: Arc::clone(index),
            pool: around.pool.clone(),
            io: IoTasks::new(around.runtime.clone(), cancel.clone()),
            cancel,
            progress: Arc::clone(&self.progress),
            width: Width {
                lanes: around.config.readers,
                window_bytes: around.config.window_bytes,
                uploads: around.config.uploads,
                downloads: around.config.downloads,
                installers: around.config.installers,
            },
        }
    }

    /// Runs a pipeline to its end: no thread and no task of it is left when this returns.
    pub(crate) async fn run_topology(
        &self,
        around: &Surroundings,
        topology: Topology,
        io: IoTasks,
    ) -> Result<(), Error> {
        if self.kind == JobKind::Backup && self.is_draining.load(Ordering::Relaxed) {
            // Nothing was begun that could be kept.
            return Err(Error::cancelled());
        }
        let RunningJob { control, exit, .. } = around.plane.launch(topology).await?;
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(control.clone());
        if self.is_draining.load(Ordering::Relaxed) {
            control.drain();
        }
        let mut phases = self.progress.phase();
        // Stages may have entered a phase before there was anybody to tell.
        phases.mark_changed();
        let mut shows = interval(SHOW_EVERY);
        shows.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut exit = std::pin::pin!(exit);
        let exit = loop {
            tokio::select! {
                biased;
                exit = &mut exit => break exit,
                Ok(()) = phases.changed() => {
                    let phase: Phase = *phases.borrow_and_update();
                    self.become_state(JobState::of_phase(self.kind, phase));
                }
                _ = shows.tick() => {
                    let progress = self.progress.observe();
                    self.metrics.progressed(progress.bytes_total, progress.bytes_done);
                }
            }
        };
        self.control.lock().unwrap_or_else(PoisonError::into_inner).take();
        io.finished().await;
        match exit {
            Ok(JobExit::Finished) => Ok(()),
            Ok(JobExit::Cancelled) => Err(Error::cancelled()),
            Ok(JobExit::Failed(fault)) => Err(fault.into()),
            Err(_) => Err(Error::engine_closed()),
        }
    }

    /// Runs a step before the pipeline, so that a cancel ends it too.
    pub(crate) async fn cancellable<T, E: Into<Error>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        let cancel = self.switch();
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::cancelled()),
            outcome = step => outcome.map_err(Into::into),
        }
    }

    /// The last state of a job with this outcome.
    pub(crate) fn end<T>(&self, outcome: &Result<T, Error>) {
        match outcome {
            Ok(_) => self.step(JobState::Finished, None),
            Err(error) if error.is_cancelled() => self.step(JobState::Cancelled, None),
            Err(error) => self.step(JobState::Failed, Some(with_causes(error))),
        }
    }
}
