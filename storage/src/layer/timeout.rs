//! [`Timeout`]: gives a call up that takes too long.
//!
//! - *Does*: drops the inner future when its time is over.
//! - *On failure*: a read or a list that is given up is [`ErrorKind::Transient`]; a put or a delete is
//!   [`ErrorKind::UnknownOutcome`], for it may have happened.
//! - *List*: each wait for an object has the whole time, not the listing as a whole.

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
    ByteRange, Capabilities, Error, ErrorKind, ObjectMeta, ObjectPath, ObjectStream, Operation,
    Payload, PutMode, Result, Storage,
};

/// How long one attempt may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TimeoutConfig {
    /// For a put or a get, which move bytes.
    #[serde(with = "duration_text")]
    pub transfer: Duration,
    /// For a head, a delete or the next page of a list.
    #[serde(with = "duration_text")]
    pub request: Duration,
}

impl TimeoutConfig {
    /// 32 MiB over a link of 4 Mbit/s.
    const TRANSFER: Duration = Duration::from_secs(60);
    /// Far beyond the slowest healthy answer of a cloud service.
    const REQUEST: Duration = Duration::from_secs(20);
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self { transfer: Self::TRANSFER, request: Self::REQUEST }
    }
}

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
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let limit = self.limit(operation);
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result,
            Err(_elapsed) => Err(self.given_up(operation, path, limit)),
        }
    }

    fn limit(&self, operation: Operation) -> Duration {
        match operation {
            Operation::Put | Operation::Get => self.config.transfer,
            Operation::Head | Operation::List | Operation::Delete | Operation::Open => {
                self.config.request
            }
        }
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
        write!(f, "timeout({})", self.inner)
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
        self.bounded(Operation::Put, path, self.inner.put(path, payload, mode)).await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        self.bounded(Operation::Get, path, self.inner.get(path, range)).await
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.bounded(Operation::Head, path, self.inner.head(path)).await
    }

    fn list<'a>(&'a self, prefix: &ObjectPath) -> ObjectStream<'a> {
        let start = (self.inner.list(prefix), prefix.clone());
        stream::try_unfold(start, move |(mut listing, prefix)| async move {
            let next = async { listing.next().await.transpose() };
            let meta = self.bounded(Operation::List, &prefix, next).await?;
            Ok(meta.map(|meta| (meta, (listing, prefix))))
        })
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.bounded(Operation::Delete, path, self.inner.delete(path)).await
    }
}
