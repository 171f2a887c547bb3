//! [`QueryEngine`]: what all queries of a process share.
//!
//! One pool of memory; what does not fit is spilled into a directory of the warehouse or fails.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::prelude::SessionConfig;
use tokio::runtime::Handle;

use super::apart;
use super::failure::query_error;
use super::functions;
use super::planner::{MySqlOperators, MySqlTypes};
use super::scan::SEGMENTS_URL;
use crate::{Error, ErrorKind, Result, Warehouse};

/// Where queries spill, below the data directory.
const SPILL_DIRECTORY: &str = "spill";

/// What queries may use.
#[derive(Debug, Clone)]
pub struct QueryConfig {
    /// Memory of all queries together, in bytes.
    pub memory_bytes: usize,
    /// Bytes that they may spill to disk together.
    pub spill_bytes: u64,
    /// Parts that a query is computed in at a time.
    pub parallelism: usize,
    /// Directories below which `FILES()` may read.
    pub allowed_paths: Vec<PathBuf>,
    /// Where they compute; none is on the threads of whoever asks.
    pub threads: Option<Handle>,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            spill_bytes: 100 << 30,
            parallelism: std::thread::available_parallelism().map_or(1, usize::from),
            allowed_paths: Vec::new(),
            threads: None,
        }
    }
}

/// Plans and runs queries; a clone is the same one.
#[derive(Debug, Clone)]
pub struct QueryEngine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// What all plans begin with: settings, functions, memory.
    state: SessionState,
    /// The same for plans of one part, which keep the order of rows.
    single: SessionState,
    allowed_paths: Vec<PathBuf>,
    threads: Option<Handle>,
}

impl QueryEngine {
    /// An engine over the files of a warehouse. What an earlier process spilled is removed.
    pub fn new(warehouse: &Warehouse, config: QueryConfig) -> Result<Self> {
        let runtime = runtime(warehouse, &config)?;
        let mut state = SessionStateBuilder::new()
            .with_config(session_config(&config))
            .with_runtime_env(runtime)
            .with_expr_planners(vec![Arc::new(MySqlOperators)])
            .with_type_planner(Arc::new(MySqlTypes))
            .with_default_features()
            .build();
        for function in functions::all() {
            state.register_udf(function).map_err(query_error)?;
        }
        let mut single = state.clone();
        single.config_mut().options_mut().execution.target_partitions = 1;
        let allowed = config.allowed_paths.iter().filter_map(|path| path.canonicalize().ok());
        let allowed_paths = allowed.collect();
        let threads = config.threads;
        Ok(Self { shared: Arc::new(Shared { state, single, allowed_paths, threads }) })
    }

    /// Does work where queries compute.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match self.threads() {
            Some(threads) => apart::run(threads, work).await,
            None => work.await,
        }
    }

    /// The state that plans begin with.
    pub(super) fn state(&self) -> &SessionState {
        &self.shared.state
    }

    /// The same for plans of one part, which keep the order of rows.
    pub(super) fn single(&self) -> &SessionState {
        &self.shared.single
    }

    /// Where queries compute; none is on the threads of whoever asks.
    pub(super) fn threads(&self) -> Option<&Handle> {
        self.shared.threads.as_ref()
    }

    /// Directories below which `FILES()` may read.
    pub(super) fn allowed_paths(&self) -> &[PathBuf] {
        &self.shared.allowed_paths
    }
}

fn session_config(config: &QueryConfig) -> SessionConfig {
    let mut session = SessionConfig::new()
        .with_target_partitions(config.parallelism.max(1))
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    let options = session.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    session
}

fn runtime(warehouse: &Warehouse, config: &QueryConfig) -> Result<Arc<RuntimeEnv>> {
    let spill = warehouse.data_dir().join(SPILL_DIRECTORY);
    // The lock of the store says that no other process spills here.
    if let Err(error) = std::fs::remove_dir_all(&spill)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(Error::io("remove", &spill, error));
    }
    std::fs::create_dir_all(&spill).map_err(|error| Error::io("create", &spill, error))?;
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![spill]))
        .with_max_temp_directory_size(config.spill_bytes);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(config.memory_bytes)))
        .with_disk_manager_builder(disk)
        // FILES() reads a directory as it is now.
        .with_object_list_cache_limit(0)
        .build_arc()
        .map_err(query_error)?;
    let tablets = warehouse.files().root();
    let store = LocalFileSystem::new_with_prefix(tablets).map_err(|error| {
        let message = format!("cannot read {}: {error}", tablets.display());
        Error::new(ErrorKind::Io, message)
    })?;
    let url = ObjectStoreUrl::parse(SEGMENTS_URL).map_err(query_error)?;
    runtime.register_object_store(url.as_ref(), Arc::new(store));
    Ok(runtime)
}
