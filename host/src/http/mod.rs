//! [`HttpServer`]: `/metrics`, `/healthz` and a status page.
//!
//! *Does*: serves on a thread of its own with a runtime of its own, until it is dropped.
//!
//! *Memory*: a bounded number of connections; requests have no bodies that are read.
//!
//! *On failure*: a connection that breaks is its client's business. A repository that cannot be read is shown so.

mod page;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use cairn_pipeline::Repository;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Semaphore, oneshot};

use crate::board::Board;

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
            runtime.block_on(async move {
                if let Err(error) = accept(listener, Arc::new(served), stopped).await {
                    tracing::error!(%error, "the HTTP server has ended");
                }
            });
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
    served: Arc<Served>,
    mut stopped: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut upkeep = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        let connection = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        tokio::select! {
            biased;
            _ = &mut stopped => return Ok(()),
            _ = upkeep.tick() => served.metrics.run_upkeep(),
            (permit, accepted) = connection => {
                let Ok((stream, _)) = accepted else { continue };
                let served = Arc::clone(&served);
                tokio::spawn(async move {
                    let respond = service_fn(|request| respond(Arc::clone(&served), request));
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

async fn respond(
    served: Arc<Served>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    const TEXT: &str = "text/plain; charset=utf-8";
    const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
    const HTML: &str = "text/html; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    Ok(match request.uri().path() {
        "/metrics" => response(StatusCode::OK, PROMETHEUS, served.metrics.render()),
        "/healthz" => response(StatusCode::OK, TEXT, "ok\n"),
        "/" => match page::render(&served).await {
            Ok(page) => response(StatusCode::OK, HTML, page),
            Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        _ => response(StatusCode::NOT_FOUND, TEXT, "there are /, /metrics and /healthz\n"),
    })
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
