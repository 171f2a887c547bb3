//! [`Frontend`]: what all sessions of a server share.

use std::path::PathBuf;
use std::sync::Arc;

use cairn_pipeline::storage::Properties;
use cairn_pipeline::{
    Engine, Owner, Repository, RepositorySecret, RepositorySettings, TabletSource,
};
use cairn_warehouse::catalog::Catalog;
use cairn_warehouse::catalog::model::{PasswordProofs, UserRow};
use cairn_warehouse::load::{LoadConfig, Loader};
use cairn_warehouse::query::{QueryConfig, QueryEngine};
use cairn_warehouse::{Warehouse, WarehouseSource};
use tokio::runtime::Handle;

use crate::blocking::blocking;
use crate::connections::Connections;
use crate::job::Jobs;
use crate::mysql::{SqlError, Throttle};
use crate::refresh::Refreshes;
use crate::repository::{LocalPlaces, Repositories};
use crate::settings::{JobSettings, Settings};
use crate::{account, clock, refusal};

/// What a server is made of.
#[derive(Debug)]
pub struct Parts {
    /// The data.
    pub warehouse: Warehouse,
    /// What queries may use.
    pub queries: QueryConfig,
    /// What loads may use.
    pub loads: LoadConfig,
    /// What runs jobs.
    pub engine: Engine,
    /// How jobs are run that do not say it themselves.
    pub job_settings: JobSettings,
    /// How repositories are made.
    pub repository_settings: RepositorySettings,
    /// What opens encrypted repositories, and makes new ones encrypted, where no statement names another.
    pub repository_secret: Option<RepositorySecret>,
    /// What every storage is told besides the properties of its repository.
    pub storage_properties: Properties,
    /// Directories of this machine below which repositories may lie.
    pub local_repositories: Vec<PathBuf>,
    /// Where tasks run.
    pub runtime: Handle,
}

/// A server: its warehouse, its repositories, its jobs, its settings.
#[derive(Debug)]
pub struct Frontend {
    pub(crate) warehouse: Warehouse,
    pub(crate) queries: QueryEngine,
    pub(crate) loader: Loader,
    pub(crate) refreshes: Refreshes,
    pub(crate) runtime: Handle,
    pub(crate) repositories: Arc<Repositories>,
    pub(crate) jobs: Jobs,
    pub(crate) settings: Arc<Settings>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) throttle: Arc<Throttle>,
}

impl Frontend {
    /// Starts a server on a warehouse: accounts are made where there are none, unfinished jobs begin anew.
    pub fn start(parts: Parts) -> Result<Arc<Self>, SqlError> {
        let Parts { warehouse, engine, repository_settings, storage_properties, runtime, .. } =
            parts;
        let places = LocalPlaces::new(&parts.local_repositories, warehouse.data_dir());
        account::ensure_root(&warehouse)?;
        let settings = Settings::load(warehouse.clone(), engine.clone(), parts.job_settings)?;
        let repositories = Arc::new(Repositories::load(
            warehouse.clone(),
            engine.clone(),
            repository_settings,
            parts.repository_secret,
            storage_properties,
            places,
        )?);
        let queries = QueryEngine::new(&warehouse, parts.queries).map_err(refusal::of_warehouse)?;
        let loader = Loader::new(warehouse.clone(), queries.clone(), parts.loads);
        let refreshes =
            Refreshes::new(warehouse.clone(), loader.clone(), queries.clone(), runtime.clone());
        let jobs = Jobs::load(
            warehouse.clone(),
            engine,
            Arc::clone(&repositories),
            refreshes.clone(),
            runtime.clone(),
        )?;
        jobs.resume()?;
        let connections = Arc::new(Connections::new());
        Ok(Arc::new(Self {
            warehouse,
            queries,
            loader,
            refreshes,
            runtime,
            repositories,
            jobs,
            settings: Arc::new(settings),
            connections,
            throttle: Arc::default(),
        }))
    }

    /// What must be done from time to time: reaching for repositories, sweeping the journal and the labels of loads, partitions
    /// of time, views whose time has come. None of it waits for a repository, and none is left out because another failed; the
    /// first failure is the answer.
    pub async fn maintain(self: &Arc<Self>) -> Result<(), SqlError> {
        self.repositories.ping(&self.runtime);
        let frontend = Arc::clone(self);
        let swept = blocking(move || {
            let swept = frontend.jobs.sweep(clock::now_millis());
            let forgotten = frontend.warehouse.forget_labels(clock::timestamp());
            swept.and(forgotten.map_err(refusal::of_warehouse))
        });
        let swept = swept.await;
        let done = self.warehouse.maintain(clock::timestamp()).await;
        self.refreshes.catch_up(clock::now_millis());
        swept?;
        done.map(drop).map_err(refusal::of_warehouse)
    }

    /// Waits until no materialized view is refreshed in the background: a host that ends may want to.
    pub async fn refreshed(&self) {
        self.refreshes.idle().await;
    }

    /// Whether everybody who reaches the server is its root: that of a new warehouse has no password.
    pub fn is_root_open(&self) -> bool {
        let catalog = self.warehouse.catalog();
        let is_open = |user: &Arc<UserRow>| {
            user.name == account::ROOT_USER && user.proofs == PasswordProofs::default()
        };
        catalog.users().any(is_open)
    }

    /// The catalog as it is now, for a host that completes names.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.warehouse.catalog()
    }

    /// The names of the repositories that were told to this server.
    pub fn repository_names(&self) -> Vec<String> {
        self.repositories.list().into_iter().map(|repository| repository.name).collect()
    }

    /// One of them. Blocks while it is opened for the first time.
    pub fn open_repository(&self, name: &str) -> Result<Arc<Repository>, SqlError> {
        Ok(self.repositories.open(name)?)
    }

    /// Whose snapshots this server answers for: those of its warehouse.
    pub fn owner(&self) -> Owner {
        Owner::Origin(WarehouseSource::new(self.warehouse.clone(), Vec::new()).origin())
    }

    /// What wrong passwords cost at any door of this server.
    pub fn throttle(&self) -> Arc<Throttle> {
        Arc::clone(&self.throttle)
    }

    /// The jobs, for a host that waits for them.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }
}
