//! [`HttpServer`]: `/metrics`, `/healthz` and the status page.
//!
//! *Does*: serves on a thread of its own with a runtime of its own, until it is dropped.
//!
//! *Memory*: a bounded number of connections, bodies, sessions and lists.
//!
//! *On failure*: a connection that breaks is its client's business; where none can be taken, that is tried again each second.
//! A repository that cannot be read is shown so.

mod desk;
mod job;
mod login;
mod pace;
mod page;
mod picture;
mod route;
mod shelf;
mod verdict;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use cairn_pipeline::Repository;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::board::Board;
use crate::config::HostName;
pub(crate) use desk::Desk;
use route::Site;

/// A scraper, a health check and a few people.
const MAX_CONNECTIONS: usize = 64;
/// A client that takes longer to send its headers is none.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two rounds in which the recorder tidies its histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What is served.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) metrics: PrometheusHandle,
    pub(crate) board: Arc<Board>,
    /// By the locations that the user gave.
    pub(crate) repositories: Vec<(String, Repository)>,
    /// Of a warehouse.
    pub(crate) desk: Option<Desk>,
    /// What the server is called, beside its addresses.
    pub(crate) names: Vec<HostName>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Binds the address; `:0` chooses a port.
    pub(crate) fn start(listen: SocketAddr, served: Served) -> anyhow::Result<Self> {
        let about = || format!("cannot listen on {listen}");
        let listener = TcpListener::bind(listen).with_context(about)?;
        listener.set_nonblocking(true).with_context(about)?;
        let address = listener.local_addr().with_context(about)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let site = Arc::new(Site::new(served, address.port()));
            runtime.block_on(async move {
                if let Err(error) = accept(listener, site, stopped).await {
                    tracing::error!(%error, "the HTTP server has ended");
                }
            });
            // A repository that does not answer keeps nobody from ending.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("cairn-http".to_owned()).spawn(serve)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed by its thread.
            let _ = thread.join();
        }
    }
}

async fn accept(
    listener: TcpListener,
    site: Arc<Site>,
    mut stopped: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (mut upkeep, mut looks) = (interval(UPKEEP_INTERVAL), interval(pace::LOOK_EVERY));
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // Where descriptors have run out, asking at once again would only keep a processor busy.
    let (mut rests, mut has_warned) = (false, false);
    loop {
        let connection = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        tokio::select! {
            biased;
            _ = &mut stopped => return Ok(()),
            _ = upkeep.tick() => site.served.metrics.run_upkeep(),
            _ = looks.tick() => {
                rests = false;
                site.look();
            }
            (permit, accepted) = connection, if !rests => {
                let (stream, peer) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        if !has_warned {
                            tracing::warn!(%error, "no HTTP connection is taken until this is over");
                        }
                        (rests, has_warned) = (true, true);
                        continue;
                    }
                };
                has_warned = false;
                let site = Arc::clone(&site);
                tokio::spawn(async move {
                    let respond = service_fn(|request| {
                        let site = Arc::clone(&site);
                        async move { Ok::<_, Infallible>(site.respond(peer, request).await) }
                    });
                    let mut http = http1::Builder::new();
                    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
                    // How a client leaves is not ours to judge.
                    let _ = http.serve_connection(TokioIo::new(stream), respond).await;
                    drop(permit);
                });
            }
        }
    }
}
