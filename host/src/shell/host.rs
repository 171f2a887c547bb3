//! [`Host`]: the warehouse of a data directory in this process, without a port.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cairn_frontend::Frontend;
use cairn_pipeline::Engine;
use cairn_warehouse::query::QueryConfig;
use tokio::runtime::Runtime;

use crate::config::HostConfig;
use crate::sql;

/// How long tasks may go on when everything ends.
const GRACE: Duration = Duration::from_secs(5);

/// An open data directory.
#[derive(Debug)]
pub(crate) struct Host {
    frontend: Arc<Frontend>,
    runtime: Runtime,
}

impl Host {
    /// Opens it. `FILES()` may read what this process may: whoever starts it could as well copy the files.
    pub(crate) fn open(engine: &Engine, config: &HostConfig, data: &Path) -> anyhow::Result<Self> {
        let runtime = sql::threads("cairn-sql")?;
        let (allowed_paths, threads) = (vec![PathBuf::from("/")], Some(runtime.handle().clone()));
        let queries = QueryConfig { allowed_paths, threads, ..QueryConfig::default() };
        let frontend = sql::open(engine, config, data, queries, runtime.handle());
        let frontend = frontend.with_context(|| format!("cannot open {}", data.display()))?;
        Ok(Self { frontend, runtime })
    }

    pub(crate) fn frontend(&self) -> &Arc<Frontend> {
        &self.frontend
    }

    /// Runs a task on this thread.
    pub(crate) fn block_on<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.block_on(task)
    }

    /// Does what a server does from time to time, until the end.
    pub(crate) fn maintain(&self) {
        self.runtime.spawn(sql::maintain(Arc::clone(&self.frontend)));
    }

    /// Ends it. Jobs that still run stay in the journal and begin anew with whoever opens the directory next.
    pub(crate) fn close(self) {
        self.runtime.shutdown_timeout(GRACE);
    }
}
