//! [`SqlServer`]: the warehouse and its MySQL port, beside the HTTP server of `cairn serve`.
//!
//! *Does*: runs on a runtime of its own until it is dropped: then statements get a few seconds to end, and jobs that run stay
//! unfinished in the journal, to begin anew with the next server.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cairn_frontend::mysql::{MysqlConfig, MysqlServer};
use cairn_frontend::{Frontend, FrontendService, Parts};
use cairn_pipeline::Engine;
use cairn_warehouse::Warehouse;
use cairn_warehouse::load::LoadConfig;
use cairn_warehouse::query::QueryConfig;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::HostConfig;

/// How long statements may go on when the server ends.
const GRACE: Duration = Duration::from_secs(5);
/// How often repositories are reached for, partitions of time are made and old jobs are forgotten.
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub(crate) struct SqlServer {
    server: Option<MysqlServer>,
    runtime: Runtime,
}

impl SqlServer {
    /// Opens the warehouse of a data directory and listens.
    pub(crate) fn start(
        engine: &Engine,
        config: &HostConfig,
        data: &Path,
        listen: SocketAddr,
    ) -> anyhow::Result<Self> {
        let frontend_config = config.clone();
        let warehouse =
            Warehouse::open(data).with_context(|| format!("the warehouse {}", data.display()))?;
        let runtime = Builder::new_multi_thread().enable_all().thread_name("cairn-sql").build()?;
        let frontend = Frontend::start(Parts {
            warehouse,
            queries: QueryConfig::default(),
            loads: LoadConfig::default(),
            engine: engine.clone(),
            repository_settings: config.repository.settings()?,
            storage_properties: frontend_config.properties,
            runtime: runtime.handle().clone(),
        })
        .context("the warehouse")?;
        let service = Arc::new(FrontendService(Arc::clone(&frontend)));
        let server = MysqlServer::start(MysqlConfig::new(listen), service, runtime.handle())
            .with_context(|| format!("cannot listen on {listen}"))?;
        runtime.spawn(maintain(frontend));
        Ok(Self { server: Some(server), runtime })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(MysqlServer::address)
    }
}

impl Drop for SqlServer {
    #[expect(clippy::disallowed_methods, reason = "nothing else runs on this thread")]
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.handle().block_on(server.shutdown(GRACE));
        }
    }
}

async fn maintain(frontend: Arc<Frontend>) {
    let mut ticks = interval(MAINTAIN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if let Err(error) = frontend.maintain().await {
            tracing::warn!(%error, "maintenance");
        }
    }
}
