//! [`Transport`]: requests out, answers in, over pooled connections, and never for longer than somebody waits.
//!
//! - *Does*: HTTP/1.1 by hyper, TLS by rustls on ring. A connection is used again by whoever comes next.
//! - *Memory*: a body is sent from the pieces of its payload, without a copy; an answer is collected into one buffer.
//! - *Time*: TCP connect has its limit. From then on a request is given up when nothing moves: no byte of the body
//!   taken by the connection or received from it, within `stall` while bytes go out or come in, within `first_byte`
//!   between the last byte of the request and the first of the answer. An endpoint that has never answered gets no
//!   longer than `first_contact` for either.
//! - *On cancel*: a dropped future closes its connection.

use std::error::Error;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};

use super::error::{Failure, NetworkFailure, NetworkFault};
use super::timeouts::S3Timeouts;
use crate::Payload;

/// Servers close idle connections after 20 seconds or more; a connection is not used at its very end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// A link of 100 kB/s takes such a slice within three seconds, so that its progress is seen.
const SLICE_BYTES: usize = 256 << 10;
/// What is allocated on the word of a service before its bytes arrive.
const MAX_PREALLOCATED_BYTES: u64 = 64 << 20;

/// A way to one endpoint.
#[derive(Debug)]
pub(super) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, PayloadBody>,
    endpoint: String,
    timeouts: S3Timeouts,
    /// Whether the endpoint has ever answered. Relaxed: a late sight of it costs a wrong word in one error.
    has_answered: AtomicBool,
}

/// An answer whose body is yet to come.
#[derive(Debug)]
pub(super) struct Response<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    transport: &'a Transport,
}

impl Transport {
    /// A way to `endpoint`, scheme and authority. With TLS the system's certificate authorities are trusted, and those of
    /// `ca_file` besides. Does no network.
    pub(super) fn new(
        endpoint: String,
        ca_file: Option<&Path>,
        timeouts: S3Timeouts,
    ) -> Result<Self, Failure> {
        let tls = tls_config(endpoint.starts_with("https:"), ca_file)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeouts.connect));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { client, endpoint, timeouts, has_answered: AtomicBool::new(false) })
    }

    /// Scheme and authority.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&self, request: Request<Payload>) -> Result<Response<'_>, Failure> {
        let progress = Arc::new(Progress::new());
        let request = request.map(|payload| PayloadBody::new(&payload, Arc::clone(&progress)));
        let answer = self.client.request(request);
        match self.while_moving(&progress, answer).await? {
            Ok(answer) => {
                self.has_answered.store(true, Ordering::Relaxed);
                let (head, body) = answer.into_parts();
                Ok(Response { status: head.status, headers: head.headers, body, transport: self })
            }
            Err(error) => Err(self.failure(self.fault(&error))),
        }
    }

    /// The value of `wait`, unless nothing moves for too long.
    async fn while_moving<T>(
        &self,
        progress: &Progress,
        wait: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let mut wait = std::pin::pin!(wait);
        loop {
            let limit = self.limit(progress);
            let deadline = progress.last() + limit;
            if let Ok(value) = timeout_at(deadline, wait.as_mut()).await {
                return Ok(value);
            }
            if progress.last() + self.limit(progress) <= Instant::now() {
                return Err(self.failure(self.silent(limit)));
            }
        }
    }

    fn limit(&self, progress: &Progress) -> Duration {
        let limit = match progress.is_sent.load(Ordering::Acquire) {
            true => self.timeouts.first_byte,
            false => self.timeouts.stall,
        };
        match self.has_answered.load(Ordering::Relaxed) {
            true => limit,
            false => limit.min(self.timeouts.first_contact),
        }
    }

    fn silent(&self, limit: Duration) -> NetworkFault {
        NetworkFault::Silent { endpoint: self.endpoint.clone(), limit }
    }

    fn failure(&self, fault: NetworkFault) -> Failure {
        let first_contact = !self.has_answered.load(Ordering::Relaxed);
        Failure::Network(NetworkFailure { fault, first_contact })
    }

    /// What an error of the client means.
    fn fault(&self, error: &hyper_util::client::legacy::Error) -> NetworkFault {
        let endpoint = self.endpoint.clone();
        let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
        let tls = causes().find_map(tls_error);
        let cause = causes().last().map_or_else(|| error.to_string(), ToString::to_string);
        match tls {
            Some(rustls::Error::InvalidCertificate(cause)) => {
                NetworkFault::Certificate { endpoint, cause: format!("{cause:?}") }
            }
            Some(rustls::Error::InvalidMessage(_)) => NetworkFault::NotTls { endpoint },
            Some(cause) => NetworkFault::Connect { endpoint, cause: cause.to_string() },
            None if error.is_connect() => NetworkFault::Connect { endpoint, cause },
            None => {
                let http = causes().find_map(|cause| cause.downcast_ref::<hyper::Error>());
                match http {
                    Some(http) if http.is_parse() => NetworkFault::NotHttp { endpoint },
                    _ => NetworkFault::Broken { endpoint, cause },
                }
            }
        }
    }
}

impl Response<'_> {
    /// The body, which has as many bytes as the answer announced and at most `most`.
    pub(super) async fn collect(self, most: u64) -> Result<Bytes, Failure> {
        let Self { headers, mut body, transport, .. } = self;
        let announced = content_length(&headers);
        if announced.is_some_and(|length| length > most) {
            return Err(Failure::Damaged(format!(
                "{announced:?} bytes, at most {most} were asked for"
            )));
        }
        let mut collected = Collected::default();
        let progress = Progress::new();
        loop {
            let frame = match transport.while_moving(&progress, body.frame()).await? {
                None => break,
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    let cause =
                        error.source().map_or_else(|| error.to_string(), ToString::to_string);
                    let endpoint = transport.endpoint.clone();
                    return Err(transport.failure(NetworkFault::Broken { endpoint, cause }));
                }
            };
            progress.moved();
            let Ok(bytes) = frame.into_data() else { continue };
            collected.push(bytes, announced);
            if collected.len() > most {
                return Err(Failure::Damaged(format!(
                    "more than the {most} bytes that were asked for"
                )));
            }
        }
        if announced.is_some_and(|length| length != collected.len()) {
            let got = collected.len();
            return Err(Failure::Damaged(format!("{got} bytes instead of {announced:?}")));
        }
        Ok(collected.freeze())
    }
}

/// The length that an answer announces; one that is no number is none.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(hyper::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The bytes of an answer: the only frame as it is, several in one buffer.
#[derive(Debug, Default)]
struct Collected {
    first: Bytes,
    all: BytesMut,
}

impl Collected {
    fn push(&mut self, bytes: Bytes, announced: Option<u64>) {
        if self.len() == 0 {
            self.first = bytes;
            return;
        }
        if self.all.is_empty() {
            let length = announced.unwrap_or(0).min(MAX_PREALLOCATED_BYTES);
            self.all.reserve(usize::try_from(length).unwrap_or(0));
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&bytes);
    }

    fn len(&self) -> u64 {
        self.first.len().max(self.all.len()) as u64
    }

    fn freeze(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// When a request last moved.
#[derive(Debug)]
struct Progress {
    begun: Instant,
    /// Milliseconds from `begun`. Relaxed: a look that comes late only waits once more.
    last_millis: AtomicU64,
    /// Whether the connection has taken the whole body. Release after the last `moved`.
    is_sent: AtomicBool,
}

impl Progress {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            last_millis: AtomicU64::new(0),
            is_sent: AtomicBool::new(false),
        }
    }

    fn moved(&self) {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(millis, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.begun + Duration::from_millis(self.last_millis.load(Ordering::Relaxed))
    }
}

/// A payload on its way: slices of its pieces, so that each shows that something moves.
#[derive(Debug)]
struct PayloadBody {
    pieces: std::vec::IntoIter<Bytes>,
    current: Bytes,
    left: u64,
    progress: Arc<Progress>,
}

impl PayloadBody {
    fn new(payload: &Payload, progress: Arc<Progress>) -> Self {
        if payload.is_empty() {
            progress.is_sent.store(true, Ordering::Release);
        }
        let pieces = payload.pieces().to_vec().into_iter();
        Self { pieces, current: Bytes::new(), left: payload.len(), progress }
    }
}

impl Body for PayloadBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.progress.moved();
        while self.current.is_empty() {
            match self.pieces.next() {
                Some(piece) => self.current = piece,
                None => return Poll::Ready(None),
            }
        }
        let length = self.current.len().min(SLICE_BYTES);
        let slice = self.current.split_to(length);
        self.left -= slice.len() as u64;
        if self.left == 0 {
            self.progress.is_sent.store(true, Ordering::Release);
        }
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The error of TLS that an error is or wraps. An `io::Error` does not show what it wraps as its source.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = |error: &'a io::Error| tls_error(error.get_ref()?);
    error.downcast_ref().or_else(|| error.downcast_ref().and_then(wrapped))
}

/// What is trusted. Without TLS nothing is, and nothing is read.
fn tls_config(is_used: bool, ca_file: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    if is_used {
        // What cannot be read of the system's store is missing from it: a certificate that needs it is refused.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(path) = ca_file {
        let refuse = |cause: &dyn std::fmt::Display| {
            Failure::Tls(format!("the file of certificates {}: {cause}", path.display()))
        };
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| refuse(&error))? {
            let certificate = certificate.map_err(|error| refuse(&error))?;
            roots.add(certificate).map_err(|error| refuse(&error))?;
        }
        if roots.len() == before {
            return Err(refuse(&"it holds none"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_joined_and_a_single_one_is_not_copied() {
        let one = Bytes::from_static(b"abc");
        let mut single = Collected::default();
        single.push(one.clone(), Some(3));
        assert_eq!(single.freeze().as_ptr(), one.as_ptr());
        let mut several = Collected::default();
        for part in ["ab", "", "c", "de"] {
            several.push(Bytes::from_static(part.as_bytes()), Some(u64::MAX));
        }
        assert_eq!(several.freeze(), "abcde");
    }
}
