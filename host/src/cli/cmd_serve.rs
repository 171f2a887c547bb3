//! `cairn serve`

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
#[cfg(feature = "sql")]
use std::thread::available_parallelism;

#[cfg(feature = "sql")]
use cairn_pipeline::Priority;
use cairn_pipeline::{Engine, EngineBuilder};
use serde_json::json;

use super::high::ServePlan;
use crate::board::Board;
use crate::config::HostConfig;
use crate::exit::Exit;
use crate::http::{HttpServer, Served};
use crate::recorder;
use crate::session::open_read_only;
use crate::signals::Signals;
#[cfg(feature = "sql")]
use crate::sql::SqlServer;
use crate::ui::Ui;
use crate::watch::{Watched, Watcher};

/// The engine. Beside statements it stands back, and unless told otherwise it computes on half of the processors: the
/// other half keeps warm caches for them.
#[cfg(feature = "sql")]
fn engine(config: &HostConfig, plan: &ServePlan) -> EngineBuilder {
    let (mut engine, has_statements) = (config.engine.clone(), plan.sql.is_some());
    if has_statements && engine.compute_threads == 0 {
        engine.compute_threads = available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    }
    Engine::builder().config(engine).priority(match has_statements {
        true => config.sql.job_priority,
        false => Priority::Normal,
    })
}

#[cfg(not(feature = "sql"))]
fn engine(config: &HostConfig, _plan: &ServePlan) -> EngineBuilder {
    Engine::builder().config(config.engine.clone())
}

/// Serves until the first signal, which is the way to end it and no failure.
pub(super) fn run(
    ui: &Ui,
    signals: &Signals,
    config: &HostConfig,
    plan: &ServePlan,
) -> anyhow::Result<Exit> {
    // What is wrong with the configuration is said before anything is made.
    config.watch.intervals()?;
    config.watch.targets()?;
    // First of all: handles of metrics are resolved against what is installed.
    let metrics = recorder::install()?;
    let board = Arc::new(Board::default());
    let observer = Arc::<Board>::clone(&board);
    let engine = engine(config, plan).observer(observer).start()?;
    let mut repositories = Vec::new();
    for location in &plan.repositories {
        let repository = open_read_only(&engine, location, &config.properties)?;
        repositories.push((location.clone(), repository));
    }
    // A signal is one message; a second one kills.
    let (stop, stopped) = sync_channel(1);
    let watch = signals.watch(move || {
        let _ = stop.try_send(());
    });
    #[cfg(feature = "sql")]
    let sql = match &plan.sql {
        Some((data, listen)) => Some(SqlServer::start(&engine, config, data, *listen)?),
        None => None,
    };
    let watched = Watched {
        by_location: repositories.clone(),
        #[cfg(feature = "sql")]
        warehouse: sql.as_ref().map(SqlServer::frontend),
    };
    let watcher = Watcher::start(&engine, &config.watch, watched)?;
    #[cfg(feature = "sql")]
    let desk = sql.as_ref().map(SqlServer::desk);
    #[cfg(not(feature = "sql"))]
    let desk = None;
    let names = config.http.names.clone();
    let served = Served { metrics, board, repositories, desk, names };
    let server = HttpServer::start(plan.listen, served)?;
    let address = server.address();
    ui.show(format!("serving http://{address}/ (metrics at /metrics, health at /healthz)"))?;
    ui.event(&json!({ "event": "serving", "address": address.to_string() }));
    #[cfg(feature = "sql")]
    if let Some(address) = sql.as_ref().and_then(SqlServer::address) {
        ui.show(format!(
            "serving SQL on {address} (mysql -h {} -P {} -u root)",
            address.ip(),
            address.port()
        ))?;
        ui.event(&json!({ "event": "serving_sql", "address": address.to_string() }));
    }
    // An error would mean that nobody can send any more.
    let _ = stopped.recv();
    ui.note("stopping");
    drop((watcher, server, watch));
    #[cfg(feature = "sql")]
    drop(sql);
    ui.document(&json!({ "verb": "serve", "address": address.to_string() }))?;
    Ok(Exit::Ok)
}
