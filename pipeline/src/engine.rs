//! [`Engine`]: what an embedder starts once and asks for jobs.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cairn_actors::Priority;
use cairn_actors::actor::{ControlPlane, RunningJob, Topology};
use cairn_actors::compute::ComputePool;
use cairn_actors::tablet::{TabletSink, TabletSource};
use cairn_repository::config::RepositorySettings;
use cairn_repository::{ListedSlot, RepositorySecret};
use cairn_storage::layer::SpeedLimits;
use cairn_storage::{Location, OpenMode, Storage};
use futures::FutureExt;
use tokio::sync::oneshot;

use crate::clock::{Clock, SystemClock};
use crate::config::{EngineConfig, ValidConfig, WorkerCounts};
use crate::error::Error;
use crate::job::{
    BackupReport, CheckReport, CopyReport, JobCore, JobHandle, JobKind, PruneReport, RestoreReport,
    Surroundings, log, run_backup, run_check, run_copy, run_prune, run_restore,
};
use crate::metrics;
use crate::observer::{NoObserver, Observer};
use crate::repository::Repository;
use crate::request::{BackupRequest, CheckRequest, PruneRequest, RestoreRequest};
use crate::runtime::{IoRuntime, STOP_TIMEOUT};

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
        let plane = Plane(Arc::new(ControlPlane::start(self.priority)?));
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

/// The control plane, shared by the jobs of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Plane(Arc<ControlPlane>);

impl Plane {
    pub(crate) async fn launch(&self, topology: Topology) -> Result<RunningJob, Error> {
        Ok(self.0.launch(topology).await?)
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
    fn surroundings(&self) -> Surroundings {
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

    /// Whether a storage holds nothing: making a repository there litters nobody's place.
    pub fn is_vacant(&self, storage: &Arc<dyn Storage>) -> Result<bool, Error> {
        let storage = Arc::clone(storage);
        let looked = self.block_on(async move {
            cairn_repository::Repository::is_vacant(storage.as_ref()).await
        })?;
        Ok(looked?)
    }

    /// Makes a repository at a location, such as `/backup`, `file:///backup`, `s3://bucket/backup` or
    /// `hdfs://namenode:8020/backup`. What is said of the place beside its name is in the [`Location`].
    pub fn create_repository(
        &self,
        location: impl Into<Location>,
        settings: RepositorySettings,
    ) -> Result<Repository, Error> {
        let storage = self.open_storage(location, OpenMode::Create)?;
        self.create_repository_on(storage, settings)
    }

    /// Makes a repository on a storage of the embedder's.
    pub fn create_repository_on(
        &self,
        storage: Arc<dyn Storage>,
        settings: RepositorySettings,
    ) -> Result<Repository, Error> {
        let made = self.block_on(async move {
            cairn_repository::Repository::create(storage, &settings).await
        })?;
        Ok(Repository::new(self.clone(), made?))
    }

    /// Makes a repository on a storage of the embedder's of which everything is encrypted, for ever. `secret` opens it; what
    /// `note` says is readable by who can list the storage.
    pub fn create_encrypted_repository_on(
        &self,
        storage: Arc<dyn Storage>,
        settings: RepositorySettings,
        secret: &RepositorySecret,
        note: &str,
    ) -> Result<Repository, Error> {
        let (secret, note) = (secret.clone(), note.to_owned());
        let made = self.block_on(async move {
            let made =
                cairn_repository::Repository::create_encrypted(storage, &settings, &secret, &note);
            made.await
        })?;
        Ok(Repository::new(self.clone(), made?))
    }

    /// Opens an encrypted repository on a storage. One that is not encrypted is refused, so that nothing which was to be
    /// encrypted is ever stored in clear.
    pub fn unlock_repository_on(
        &self,
        storage: Arc<dyn Storage>,
        secret: &RepositorySecret,
    ) -> Result<Repository, Error> {
        let secret = secret.clone();
        let opened =
            self.block_on(
                async move { cairn_repository::Repository::unlock(storage, &secret).await },
            )?;
        Ok(Repository::new(self.clone(), opened?))
    }

    /// Opens a repository that has lost its config, with its secret if it is encrypted: what it was created with is put back from its packs. One that
    /// has its config is opened as ever. What else was lost is put back by a check: [`CheckRequest::recover`].
    pub fn recover_repository_on(
        &self,
        storage: Arc<dyn Storage>,
        secret: Option<&RepositorySecret>,
    ) -> Result<Repository, Error> {
        let secret = secret.cloned();
        let opened = self.block_on(async move {
            cairn_repository::Repository::recover(storage, secret.as_ref()).await
        })?;
        Ok(Repository::new(self.clone(), opened?))
    }

    /// The key slots of the encrypted repository on a storage; needs no secret.
    pub fn key_slots(&self, storage: &Arc<dyn Storage>) -> Result<Vec<ListedSlot>, Error> {
        let storage = Arc::clone(storage);
        let listed = self.block_on(async move {
            cairn_repository::Repository::key_slots(storage.as_ref()).await
        })?;
        Ok(listed?)
    }

    /// Opens a repository.
    pub fn open_repository(&self, location: impl Into<Location>) -> Result<Repository, Error> {
        let storage = self.open_storage(location, OpenMode::Existing)?;
        self.open_repository_on(storage)
    }

    /// Opens a repository on which nothing may be changed.
    pub fn open_repository_read_only(
        &self,
        location: impl Into<Location>,
    ) -> Result<Repository, Error> {
        let storage = self.open_storage(location, OpenMode::ReadOnly)?;
        self.open_repository_on(storage)
    }

    /// Opens a repository on a storage of the embedder's.
    pub fn open_repository_on(&self, storage: Arc<dyn Storage>) -> Result<Repository, Error> {
        let opened = self.block_on(cairn_repository::Repository::open(storage))?;
        Ok(Repository::new(self.clone(), opened?))
    }

    /// Starts a backup. Everything that can go wrong later is the handle's to tell.
    pub fn backup(
        &self,
        repository: &Repository,
        source: Arc<dyn TabletSource>,
        request: BackupRequest,
    ) -> JobHandle<BackupReport> {
        let label = request.label.to_string();
        let repository = repository.inner().clone();
        self.run(JobKind::Backup, label, move |core, around| async move {
            run_backup(&core, &around, repository, source, request).await
        })
    }

    /// Starts a restore.
    pub fn restore(
        &self,
        repository: &Repository,
        sink: Arc<dyn TabletSink>,
        request: RestoreRequest,
    ) -> JobHandle<RestoreReport> {
        let label = request.label.to_string();
        let repository = repository.inner().clone();
        self.run(JobKind::Restore, label, move |core, around| async move {
            run_restore(&core, &around, repository, sink, request).await
        })
    }

    /// Starts a check.
    pub fn check(&self, repository: &Repository, request: CheckRequest) -> JobHandle<CheckReport> {
        let repository = repository.inner().clone();
        self.run(JobKind::Check, String::new(), move |core, around| async move {
            run_check(&core, &around, repository, request).await
        })
    }

    /// Starts a copy of a repository to a storage that holds nothing, or an unfinished or older copy of it. What is
    /// there is not copied again.
    pub fn copy(&self, from: &Repository, to: Arc<dyn Storage>) -> JobHandle<CopyReport> {
        let from = from.inner().clone();
        self.run(JobKind::Copy, String::new(), move |core, around| async move {
            run_copy(&core, &around, from, to).await
        })
    }

    /// Starts a prune: what no snapshot needs goes, in two steps a grace apart, while anybody uses the repository.
    pub fn prune(&self, repository: &Repository, request: PruneRequest) -> JobHandle<PruneReport> {
        let repository = repository.inner().clone();
        self.run(JobKind::Prune, String::new(), move |core, around| async move {
            run_prune(&core, &around, repository, request).await
        })
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

    fn run<R, F>(
        &self,
        kind: JobKind,
        label: String,
        job: impl FnOnce(Arc<JobCore>, Surroundings) -> F,
    ) -> JobHandle<R>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Error>> + Send + 'static,
    {
        let around = self.surroundings();
        // Relaxed: only uniqueness matters.
        let number = self.shared.num_jobs.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{}-{number}", around.clock.now(), std::process::id());
        let trace = log::trace(&id, kind, &label);
        let core = JobCore::new(id, kind, label, &around);
        self.remember(&core);
        let work = AssertUnwindSafe(job(Arc::clone(&core), around)).catch_unwind();
        let (report, reported) = oneshot::channel();
        let running = Arc::clone(&core);
        let life = async move {
            log::began();
            // Stages report their panics themselves; this is one of a storage or a source before there are any.
            let outcome =
                work.await.unwrap_or_else(|panic| Err(Error::panicked(kind, panic.as_ref())));
            log::ended(&running, &outcome);
            running.end(&outcome);
            // No receiver means that nobody waits for the job any more.
            let _ = report.send(outcome);
        };
        self.shared.runtime.handle().spawn(trace.follow(life));
        JobHandle::new(core, reported, self.clone())
    }

    fn remember(&self, core: &Arc<JobCore>) {
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
