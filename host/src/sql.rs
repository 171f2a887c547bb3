//! The warehouse of a data directory, opened for statements, and [`SqlServer`]: its MySQL port beside the HTTP server of
//! `cairn serve`.
//!
//! *Does*: runs on a runtime of its own until it is dropped: then statements get a few seconds to end, and jobs that run stay
//! unfinished in the journal, to begin anew with the next server.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cairn_frontend::mysql::{MysqlConfig, MysqlServer, server_config};
use cairn_frontend::{Frontend, FrontendService, JobSettings, Parts, SweepRule, Sweeps};
use cairn_pipeline::Engine;
use cairn_warehouse::Warehouse;
use cairn_warehouse::load::LoadConfig;
use cairn_warehouse::query::QueryConfig;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{HostConfig, SqlConfig};
use crate::exit::Refusal;
use crate::http::Desk;
use crate::secret::SecretSource;

/// How long statements may go on when the server ends.
const GRACE: Duration = Duration::from_secs(5);
/// How often repositories are reached for, partitions of time are made and old jobs are forgotten.
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);
/// A chain of ten thousand words makes a tree that some walk link by link, without optimisation in 42 MiB. Pages that nobody
/// touches cost nothing.
const STACK_BYTES: usize = 64 << 20;

/// A running server.
#[derive(Debug)]
pub(crate) struct SqlServer {
    server: Option<MysqlServer>,
    /// Connections, and what is done at once.
    runtime: Runtime,
    /// Queries compute here, so that no connection waits for those of others. Taken by the drop.
    queries: Option<Runtime>,
    sweeps: Arc<Sweeps>,
    frontend: Arc<Frontend>,
}

impl SqlServer {
    /// Opens the warehouse of a data directory and listens.
    pub(crate) fn start(
        engine: &Engine,
        config: &HostConfig,
        data: &Path,
        listen: SocketAddr,
    ) -> anyhow::Result<Self> {
        // What is wrong with the configuration is said before anything is made.
        config.sql.validate()?;
        let (rules, sweep_interval) =
            (config.retention.rules()?, config.retention.sweep_interval()?);
        let rules = rules.into_iter().map(|(repository, rule)| SweepRule { repository, rule });
        let rules = rules.collect();
        let mysql = mysql_config(&config.sql, listen)?;
        let (runtime, computing) = (threads("cairn-sql")?, threads("cairn-query")?);
        let queries = query_config(&config.sql, computing.handle());
        let frontend = open(engine, config, data, queries, runtime.handle())?;
        if !listen.ip().is_loopback() && frontend.is_root_open() {
            return Err(Refusal::usage(format!(
                "root has no password, so {listen} would give the warehouse and the keys of its repositories to everybody: \
                 listen on 127.0.0.1 first and run SET PASSWORD = PASSWORD('...')"
            )));
        }
        let mysql = MysqlConfig { throttle: frontend.throttle(), ..mysql };
        let service = Arc::new(FrontendService(Arc::clone(&frontend)));
        let server = MysqlServer::start(mysql, service, runtime.handle())
            .with_context(|| format!("cannot listen on {listen}"))?;
        let sweeps = Sweeps::new(Arc::clone(&frontend), rules);
        if let Some(every) = sweep_interval {
            runtime.spawn(Arc::clone(&sweeps).run(every));
        }
        runtime.spawn(maintain(Arc::clone(&frontend)));
        Ok(Self { server: Some(server), runtime, queries: Some(computing), sweeps, frontend })
    }

    /// What its sessions share.
    pub(crate) fn frontend(&self) -> Arc<Frontend> {
        Arc::clone(&self.frontend)
    }

    /// Who answers the status page.
    pub(crate) fn desk(&self) -> Desk {
        Desk(Arc::clone(&self.frontend))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(MysqlServer::address)
    }
}

impl Drop for SqlServer {
    #[expect(clippy::disallowed_methods, reason = "nothing else runs on this thread")]
    fn drop(&mut self) {
        self.sweeps.stop();
        if let Some(server) = self.server.take() {
            self.runtime.handle().block_on(server.shutdown(GRACE));
        }
        if let Some(queries) = self.queries.take() {
            queries.shutdown_background();
        }
    }
}

/// Opens the warehouse of a data directory with everything that statements need.
pub(crate) fn open(
    engine: &Engine,
    config: &HostConfig,
    data: &Path,
    queries: QueryConfig,
    runtime: &Handle,
) -> anyhow::Result<Arc<Frontend>> {
    let default_ttl = config.retention.default_ttl()?;
    let warehouse = Warehouse::open(data);
    let warehouse = warehouse.with_context(|| format!("the warehouse {}", data.display()))?;
    let mut storage_properties = config.properties.clone();
    let secret = SecretSource::take(&mut storage_properties)?;
    let repository_secret = secret.map(|source| source.fetch()).transpose()?;
    Frontend::start(Parts {
        warehouse,
        queries,
        loads: LoadConfig::default(),
        engine: engine.clone(),
        job_settings: JobSettings { default_ttl, ..config.sql.job_settings() },
        repository_settings: config.repository.settings()?,
        repository_secret,
        storage_properties,
        local_repositories: config.sql.repositories.clone(),
        runtime: runtime.clone(),
    })
    .context("the warehouse")
}

/// A runtime that plans what is deep.
pub(crate) fn threads(name: &str) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .thread_name(name)
        .thread_stack_size(STACK_BYTES)
        .build()
}

/// How the port behaves.
fn mysql_config(config: &SqlConfig, listen: SocketAddr) -> anyhow::Result<MysqlConfig> {
    let tls = config.tls()?.map(|(certificate, key)| server_config(certificate, key));
    let tls = tls.transpose().map_err(|error| Refusal::usage(error.to_string()))?;
    Ok(MysqlConfig {
        tls,
        require_tls: config.require_tls,
        max_connections: config.max_connections,
        max_connections_per_user: config.max_user_connections,
        idle_timeout: config.idle_timeout.into(),
        max_allowed_packet: usize::try_from(config.max_allowed_packet.as_u64())?,
        ..MysqlConfig::new(listen)
    })
}

/// What queries may use.
fn query_config(config: &SqlConfig, threads: &Handle) -> QueryConfig {
    let memory_bytes = usize::try_from(config.query_memory_limit.as_u64()).unwrap_or(usize::MAX);
    let (allowed_paths, threads) = (config.files.clone(), Some(threads.clone()));
    QueryConfig { memory_bytes, allowed_paths, threads, ..QueryConfig::default() }
}

/// What must be done from time to time, for as long as it is let.
pub(crate) async fn maintain(frontend: Arc<Frontend>) {
    let mut ticks = interval(MAINTAIN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if let Err(error) = frontend.maintain().await {
            tracing::warn!(%error, "maintenance");
        }
    }
}
