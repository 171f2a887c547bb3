//! [`Timeout`]: gives a call up that takes too long.
//!
//! - *Does*: drops the inner future when its time is over.
//! - *On failure*: a read or a list that is given up is [`ErrorKind::Transient`]; a put or a delete is
//!   [`ErrorKind::UnknownOutcome`], for it may have happened.
//! - *Long objects* have more time: what is known to be long is not given up while it moves.
//! - *List*: each wait for a page has the whole time, not the listing as a whole.
//!
//! It is the last resort, which holds for every backend and knows nothing of connections. What can be told sooner
//! belongs to the backend, which sees it happen: a connection that is not answered, a first byte that does not
//! come, bytes that stop. A backend gives up each of those within a few seconds, well before this layer does, as
//! [`ErrorKind::Transient`] (or [`ErrorKind::UnknownOutcome`] once a put was sent whole), so that the next
//! attempt begins early and on another connection.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

use crate::layer::duration_text;
use crate::{
    ByteRange, Capabilities, Error, ErrorKind, ObjectMeta, ObjectPath, Operation, PageStream,
    Payload, PutMode, Result, Storage,
};

/// How long one attempt may take, whatever it waits for: name resolution, connection, answer, bytes. Waits of
/// other layers (for a permit, for bandwidth, between attempts) do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TimeoutConfig {
    /// For a put or a get, which move bytes, of up to 16 MiB; longer ones have as much more as they are longer. A get of
    /// a whole object, whose length is not known before, counts as short.
    #[serde(with = "duration_text")]
    pub transfer: Duration,
    /// For a head, a delete or the next page of a list.
    #[serde(with = "duration_text")]
    pub request: Duration,
}

impl TimeoutConfig {
    /// [`LONG_BYTES`] over a link of 2.3 Mbit/s.
    const TRANSFER: Duration = Duration::from_secs(60);
    /// Far beyond the slowest healthy answer of a cloud service.
    const REQUEST: Duration = Duration::from_secs(20);
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self { transfer: Self::TRANSFER, request: Self::REQUEST }
    }
}

/// What moves within [`TimeoutConfig::transfer`]: a pack of the default size.
const LONG_BYTES: u64 = 16 << 20;

/// A storage whose calls end in time.
#[derive(Debug)]
pub struct Timeout {
    inner: Arc<dyn Storage>,
    config: TimeoutConfig,
}

impl Timeout {
    /// Bounds the calls of `inner`.
    pub fn new(inner: Arc<dyn Storage>, config: TimeoutConfig) -> Self {
        Self { inner, config }
    }

    async fn bounded<T>(
        &self,
        operation: Operation,
        path: &ObjectPath,
        limit: Duration,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result,
            Err(_elapsed) => Err(self.given_up(operation, path, limit)),
        }
    }

    /// For a transfer of so many bytes.
    fn transfer(&self, bytes: u64) -> Duration {
        let lengths = bytes.div_ceil(LONG_BYTES).max(1);
        self.config.transfer.saturating_mul(u32::try_from(lengths).unwrap_or(u32::MAX))
    }

    fn given_up(&self, operation: Operation, path: &ObjectPath, limit: Duration) -> Error {
        let kind = match operation {
            Operation::Put | Operation::Delete => ErrorKind::UnknownOutcome,
            Operation::Get | Operation::Head | Operation::List | Operation::Open => {
                ErrorKind::Transient
            }
        };
        let limit = humantime::format_duration(limit);
        Error::new(kind, operation, self.inner.backend(), path)
            .with_source(format!("no answer within {limit}"))
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => write!(f, "timeout({:#})", self.inner),
            false => fmt::Display::fmt(&self.inner, f),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for Timeout {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        let limit = self.transfer(payload.len());
        self.bounded(Operation::Put, path, limit, self.inner.put(path, payload, mode)).await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let limit = self.transfer(match range {
            ByteRange::Span { length, .. } | ByteRange::Suffix { length } => length,
            ByteRange::Full => 0,
        });
        self.bounded(Operation::Get, path, limit, self.inner.get(path, range)).await
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.bounded(Operation::Head, path, self.config.request, self.inner.head(path)).await
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let start = (self.inner.list_pages(prefix), prefix.clone());
        stream::try_unfold(start, move |(mut listing, prefix)| async move {
            let next = async { listing.next().await.transpose() };
            let limit = self.config.request;
            let page = self.bounded(Operation::List, &prefix, limit, next).await?;
            Ok(page.map(|page| (page, (listing, prefix))))
        })
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.bounded(Operation::Delete, path, self.config.request, self.inner.delete(path)).await
    }
}
