//! [`Session`]: an engine with what a verb needs around it; [`Session::follow`] sees a job through.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use cairn_pipeline::storage::{Location, OpenMode, Properties, Storage};
use cairn_pipeline::{
    Engine, JobEvent, JobHandle, JobWatch, Observer, Repository, RepositorySecret,
    RepositorySettings,
};
use tokio::time::{MissedTickBehavior, interval};

use crate::board::Board;
use crate::config::HostConfig;
use crate::exit::{self, Refusal};
use crate::http::{HttpServer, Served};
use crate::recorder;
use crate::secret::SecretSource;
use crate::signals::Signals;
use crate::ui::{Announcer, LOOK_INTERVAL, Meter, Ui};

/// Codes of errors that say that there is no repository yet: none there, no such directory.
const NO_REPOSITORY: [&str; 2] = ["CAIRN-R001", "CAIRN-S001"];
/// What the first key slot says of itself.
const FIRST: &str = "made with the repository";
/// There is one already.
const ALREADY_A_REPOSITORY: &str = "CAIRN-R002";

/// What a verb works with.
pub(crate) struct Session {
    pub(crate) ui: Ui,
    pub(crate) signals: Signals,
    pub(crate) engine: Engine,
    /// What is said of storages.
    properties: Properties,
    /// What opens encrypted repositories.
    secret: Option<SecretSource>,
    /// Serves `/metrics` while a job runs, when that was asked for.
    _http: Option<HttpServer>,
}

/// Tells everybody who listens.
#[derive(Debug)]
struct Both(Arc<dyn Observer>, Arc<dyn Observer>);

impl Observer for Both {
    fn on_start(&self, job: &JobWatch) {
        self.0.on_start(job);
        self.1.on_start(job);
    }

    fn on_event(&self, event: &JobEvent) {
        self.0.on_event(event);
        self.1.on_event(event);
    }
}

impl Session {
    /// Starts an engine, and a server where `listen` asks for one.
    pub(crate) fn start(
        ui: Ui,
        signals: Signals,
        config: &HostConfig,
        listen: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let board = Arc::new(Board::default());
        // First of all: handles of metrics are resolved against what is installed.
        let metrics = listen.map(|_| recorder::install()).transpose()?;
        let announcer = Announcer::new(ui.clone());
        let observer = Both(announcer, Arc::<Board>::clone(&board));
        let engine = Engine::builder()
            .config(config.engine.clone())
            .observer(Arc::new(observer))
            .start()
            .context("the configuration [engine]")?;
        let http = match listen.zip(metrics) {
            Some((listen, metrics)) => {
                let (repositories, names) = (Vec::new(), config.http.names.clone());
                let served = Served { metrics, board, repositories, desk: None, names };
                Some(HttpServer::start(listen, served)?)
            }
            None => None,
        };
        if let Some(http) = &http {
            ui.note(format!("serving http://{}/metrics", http.address()));
        }
        let mut properties = config.properties.clone();
        let secret = SecretSource::take(&mut properties)?;
        Ok(Self { ui, signals, engine, properties, secret, _http: http })
    }

    /// The same with what another configuration file says of storages and keys.
    pub(crate) fn with_properties_of(&self, file: &Path) -> anyhow::Result<Self> {
        let mut properties = HostConfig::read(Some(file))?.properties;
        let secret = SecretSource::take(&mut properties)?;
        let (ui, signals, engine) = (self.ui.clone(), self.signals.clone(), self.engine.clone());
        Ok(Self { ui, signals, engine, properties, secret, _http: None })
    }

    /// Sees a job through: shows its progress, cancels it on the first signal.
    pub(crate) fn follow<R>(&self, mut job: JobHandle<R>) -> anyhow::Result<R> {
        let (canceller, ui) = (job.canceller(), self.ui.clone());
        let watch = self.signals.watch(move || {
            canceller.cancel();
            ui.note("cancelling; once more kills");
        });
        let mut meter = Meter::new(&self.ui, job.kind(), job.label());
        let follow = async {
            let mut looks = interval(LOOK_INTERVAL);
            looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    biased;
                    report = &mut job => break report,
                    _ = looks.tick() => meter.look(job.state(), &job.progress()),
                }
            }
        };
        let report = on_runtime(follow);
        drop((meter, watch));
        Ok(report??)
    }

    /// A place with what is said of storages.
    fn at(&self, location: &str) -> Location {
        at(location, &self.properties)
    }

    /// Opens a repository from which will only be read.
    pub(crate) fn open(&self, location: &str) -> anyhow::Result<Repository> {
        self.open_as(location, OpenMode::ReadOnly)
    }

    /// Whether a key was given.
    pub(crate) fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// The storage of a repository that is there.
    pub(crate) fn storage_of(&self, location: &str) -> anyhow::Result<Arc<dyn Storage>> {
        let at = self.at(location);
        let about = cannot_open(&at);
        self.engine.open_storage(at, OpenMode::Existing).context(about)
    }

    fn open_as(&self, location: &str, mode: OpenMode) -> anyhow::Result<Repository> {
        let secret = self.secret.as_ref().map(SecretSource::fetch).transpose()?;
        open(&self.engine, self.at(location), mode, secret.as_ref())
    }

    /// Opens a repository in which something will be changed.
    pub(crate) fn open_to_change(&self, location: &str) -> anyhow::Result<Repository> {
        self.open_as(location, OpenMode::Existing)
    }

    /// Opens a repository that may have lost its config, which is put back then.
    pub(crate) fn recover(&self, location: &str) -> anyhow::Result<Repository> {
        let secret = self.secret.as_ref().map(SecretSource::fetch).transpose()?;
        let storage = self.storage_of(location)?;
        let recovered = self.engine.recover_repository_on(storage, secret.as_ref());
        recovered.context(cannot_open(&self.at(location)))
    }

    /// Opens a repository to which something will be added, and makes one when there is nothing at its place.
    pub(crate) fn open_or_create(
        &self,
        location: &str,
        settings: RepositorySettings,
    ) -> anyhow::Result<Repository> {
        match self.open_to_change(location) {
            Err(error) if exit::code_of(&error).is_some_and(|it| NO_REPOSITORY.contains(&it)) => {}
            opened => return opened,
        }
        match self.create(location, settings) {
            // Another process made it in between.
            Err(error) if exit::code_of(&error) == Some(ALREADY_A_REPOSITORY) => {
                self.open_to_change(location)
            }
            Err(error) => {
                let at = self.at(location);
                Err(error.context(format!("cannot make a repository at {at}")))
            }
            Ok(repository) => {
                let what = if repository.is_encrypted() { "an encrypted" } else { "a" };
                self.ui.note(format!("made {what} repository at {location}"));
                Ok(repository)
            }
        }
    }

    /// Makes a repository at a place where there is nothing yet.
    pub(crate) fn create(
        &self,
        location: &str,
        settings: RepositorySettings,
    ) -> anyhow::Result<Repository> {
        let secret = self.secret.as_ref().map(SecretSource::fetch).transpose()?;
        let storage = self.open_for_repository(location)?;
        Ok(match secret {
            Some(secret) => {
                self.engine.create_encrypted_repository_on(storage, settings, &secret, FIRST)?
            }
            None => self.engine.create_repository_on(storage, settings)?,
        })
    }

    /// Opens a storage that holds a repository or nothing yet: a mistyped location is not littered.
    pub(crate) fn open_for_repository(&self, location: &str) -> anyhow::Result<Arc<dyn Storage>> {
        let storage = self.engine.open_storage(self.at(location), OpenMode::Create)?;
        let is_vacant = self.engine.is_vacant(&storage)?;
        let opened = self.engine.open_repository_on(Arc::clone(&storage));
        match opened.map_err(|error| error.code()) {
            Err(code) if code == NO_REPOSITORY[0] && !is_vacant => {
                Err(Refusal::usage(format!("{location} holds something else than a repository")))
            }
            _ => Ok(storage),
        }
    }
}

/// Runs a task on this thread.
pub(crate) fn on_runtime<T>(task: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(task))
}

/// Opens a repository from which will only be read, with the secret that the properties name.
pub(crate) fn open_read_only(
    engine: &Engine,
    location: &str,
    properties: &Properties,
) -> anyhow::Result<Repository> {
    let mut properties = properties.clone();
    let secret = SecretSource::take(&mut properties)?.map(|source| source.fetch()).transpose()?;
    open(engine, at(location, &properties), OpenMode::ReadOnly, secret.as_ref())
}

fn open(
    engine: &Engine,
    location: Location,
    mode: OpenMode,
    secret: Option<&RepositorySecret>,
) -> anyhow::Result<Repository> {
    let about = cannot_open(&location);
    let storage = engine.open_storage(location, mode);
    let opened = storage.and_then(|storage| match secret {
        Some(secret) => engine.unlock_repository_on(storage, secret),
        None => engine.open_repository_on(storage),
    });
    opened.context(about)
}

/// A place with what is said of storages.
pub(crate) fn at(location: &str, properties: &Properties) -> Location {
    Location::new(location).with_properties(properties.clone())
}

fn cannot_open(location: &Location) -> String {
    format!("cannot open the repository {location}")
}
