//! [`Wire`]: one bucket and who we are there; [`Call`]: one request on it.
//!
//! rusoto builds a request and parses its answer. What happens between is ours: a [`Call`] is the dispatcher of exactly
//! one request. It adds the headers that rusoto does not know (conditions, checksums), sends the payload from its
//! pieces, names the bucket as the service wants it, signs, and judges the answer. Its [`Failure`] is typed, where
//! rusoto would only have a text.
//!
//! A request that is refused for a wrong clock or an expired token is sent once more, when there is a better
//! clock or a newer token.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use hyper::Request;
use rusoto_core::request::{
    DispatchSignedRequest, DispatchSignedRequestFuture, HttpDispatchError, HttpResponse,
};
use rusoto_core::signature::{SignedRequest, SignedRequestPayload};
use rusoto_core::{Client, Region, RusotoError};
use rusoto_s3::S3Client;

use super::answer::Answer;
use super::clock::Clock;
use super::config::S3Config;
use super::credentials::Cached;
use super::error::Failure;
use super::signature::{Signable, Signer, UNSIGNED_PAYLOAD, sha256_hex_of};
use super::transport::Transport;
use crate::Payload;

/// Over plain HTTP a payload up to this length is always signed. It costs a millisecond, and covers what names
/// nothing of its own content: records and configurations. A pack is named by its content, so a forged one is found
/// by whoever reads it, and signing it would halve the speed of an upload.
const ALWAYS_SIGNED_BYTES: u64 = 1 << 20;

/// A bucket, and the way to it.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) config: S3Config,
    transport: Transport,
    credentials: Cached,
    clock: Clock,
}

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    wire: Arc<Wire>,
    answer: Answer,
    headers: Vec<(&'static str, String)>,
    payload: Option<Payload>,
}

impl Wire {
    pub(super) fn new(config: S3Config, clock: Clock) -> Result<Self, Failure> {
        let transport =
            Transport::new(config.endpoint.origin(), config.ca_file.as_deref(), config.timeouts)?;
        let credentials = config.credentials.open(&clock)?;
        Ok(Self { config, transport, credentials, clock })
    }

    /// A request that expects an answer.
    pub(super) fn call(self: &Arc<Self>, answer: Answer) -> Call {
        Call { wire: Arc::clone(self), answer, headers: Vec::new(), payload: None }
    }

    /// Sends a request, a second time when that makes sense.
    async fn exchange(&self, outgoing: &Outgoing) -> Result<HttpResponse, Failure> {
        let mut may_repeat = true;
        loop {
            let credentials = self.credentials.get().await?;
            let signer = Signer {
                terms: self.config.dialect.signing(),
                region: &self.config.region,
                credentials: &credentials,
                now: self.clock.now(),
            };
            let request = self.signed(outgoing, &signer)?;
            let response = self.transport.send(request).await?;
            let now = self.clock.uncorrected();
            let read =
                outgoing.answer.read(response, self.transport.endpoint(), self.config.dialect, now);
            let refusal = match read.await {
                Err(Failure::Refused(refusal)) if may_repeat => refusal,
                read => return read,
            };
            let is_mended = match refusal.clock_ahead_secs {
                Some(ahead) if refusal.is_skewed_clock() => {
                    tracing::warn!(
                        ahead,
                        "the clock differs from the service's and is corrected for it"
                    );
                    self.clock.correct(ahead)
                }
                _ => refusal.may_be_expired_token() && self.credentials.renew(&credentials).await,
            };
            if !is_mended {
                return Err(refusal.into());
            }
            may_repeat = false;
        }
    }

    fn signed(
        &self,
        outgoing: &Outgoing,
        signer: &Signer<'_>,
    ) -> Result<Request<Payload>, Failure> {
        let endpoint = &self.config.endpoint;
        let Outgoing { method, query, payload, .. } = outgoing;
        let path = endpoint.path(&outgoing.path);
        let mut headers = outgoing.headers.clone();
        headers.insert("host".to_owned(), endpoint.host_header());
        let hash = self.payload_hash(payload);
        signer.sign(Signable { method, path, query, headers: &mut headers, payload_hash: &hash });
        let separator = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder()
            .method(method.as_str())
            .uri(format!("{}{path}{separator}{query}", endpoint.origin()));
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        // Nothing of the request is quoted: it holds the keys.
        request.body(payload.clone()).map_err(|_| Failure::Unsendable)
    }

    /// What the signature says of the payload. TLS guards it as well as a hash of it would, and the checksum in a signed
    /// header has the service compare what arrived.
    fn payload_hash(&self, payload: &Payload) -> String {
        let may_go_unsigned = payload.len() > ALWAYS_SIGNED_BYTES && !self.config.sign_payload;
        if !payload.is_empty() && (self.config.endpoint.is_https() || may_go_unsigned) {
            UNSIGNED_PAYLOAD.to_owned()
        } else {
            sha256_hex_of(payload.pieces())
        }
    }
}

impl Call {
    /// Adds a header that rusoto does not know.
    #[must_use]
    pub(super) fn header(mut self, (name, value): (&'static str, impl Into<String>)) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same, if there is one.
    #[must_use]
    pub(super) fn maybe_header(self, header: Option<(&'static str, &str)>) -> Self {
        match header {
            Some(header) => self.header(header),
            None => self,
        }
    }

    /// Sends these bytes in the place of a body by rusoto.
    #[must_use]
    pub(super) fn payload(mut self, payload: Payload) -> Self {
        self.payload = Some(payload);
        self
    }

    /// Sends the request that `ask` makes of rusoto's client.
    pub(super) async fn send<T, E, F>(self, ask: impl FnOnce(S3Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, RusotoError<E>>>,
    {
        let endpoint = self.wire.transport.endpoint().to_owned();
        // Not the region's own rules: the address is made in `endpoint.rs`, the signature in `signature.rs`.
        let region =
            Region::Custom { name: self.wire.config.region.clone(), endpoint: endpoint.clone() };
        let failure = Arc::default();
        let dispatcher = OneCall { call: Mutex::new(Some(self)), failure: Arc::clone(&failure) };
        let client = S3Client::new_with_client(Client::new_not_signing(dispatcher), region);
        let unreadable =
            || Failure::NotS3 { endpoint, what: "its answer cannot be read".to_owned() };
        // rusoto unwraps what it parses. Nothing of ours is left half done by a panic there.
        match AssertUnwindSafe(ask(client)).catch_unwind().await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(_)) => {
                let told = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
                Err(told.unwrap_or_else(unreadable))
            }
            Err(_panic) => Err(unreadable()),
        }
    }
}

/// A request as it is sent, but for the signature.
#[derive(Debug)]
struct Outgoing {
    method: String,
    /// In path style, encoded.
    path: String,
    /// Encoded and sorted.
    query: String,
    headers: BTreeMap<String, String>,
    payload: Payload,
    answer: Answer,
}

impl Outgoing {
    fn new(call: Call, request: SignedRequest) -> Self {
        let payload = call.payload.unwrap_or_else(|| match request.payload {
            Some(SignedRequestPayload::Buffer(bytes)) => bytes.into(),
            // A stream is never given to rusoto.
            Some(SignedRequestPayload::Stream(_)) | None => Payload::default(),
        });
        let mut headers: BTreeMap<String, String> = request
            .headers
            .into_iter()
            .filter_map(|(name, values)| {
                Some((name, String::from_utf8(values.into_iter().next()?).ok()?))
            })
            .collect();
        headers.extend(call.headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
        headers.insert("content-length".to_owned(), payload.len().to_string());
        Self {
            method: request.method,
            path: request.canonical_uri,
            query: request.canonical_query_string,
            headers,
            payload,
            answer: call.answer,
        }
    }
}

/// The dispatcher of one request.
struct OneCall {
    /// Taken by the dispatch.
    call: Mutex<Option<Call>>,
    /// Left for the caller, whom rusoto would tell less.
    failure: Arc<Mutex<Option<Failure>>>,
}

impl DispatchSignedRequest for OneCall {
    fn dispatch(&self, request: SignedRequest, _: Option<Duration>) -> DispatchSignedRequestFuture {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner).take();
        let told = Arc::clone(&self.failure);
        async move {
            let refuse = |text: &str| HttpDispatchError::new(text.to_owned());
            let call = call.ok_or_else(|| refuse("a call is sent once"))?;
            let wire = Arc::clone(&call.wire);
            wire.exchange(&Outgoing::new(call, request)).await.map_err(|failure| {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                refuse("see the failure of the call")
            })
        }
        .boxed()
    }
}
