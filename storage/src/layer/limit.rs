//! [`Limit`]: at most so many operations in flight.
//!
//! - *Does*: makes an operation wait for a permit, first come, first served.
//! - *Blocks on*: a semaphore. A dropped future gives its place or its permit back.
//! - *List*: holds a permit until its first object is there and none afterwards: a consumer that calls
//!   other operations while it reads a listing cannot lock itself out. A listing fetches its pages one
//!   at a time, so the number in flight exceeds the limit by at most the number of open listings.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    ByteRange, Capabilities, ObjectMeta, ObjectPath, ObjectStream, Payload, PutMode, Result,
    Storage,
};

/// A storage that takes at most so many calls at once.
#[derive(Debug)]
pub struct Limit {
    inner: Arc<dyn Storage>,
    max_in_flight: NonZeroUsize,
    permits: Semaphore,
}

impl Limit {
    /// Limits `inner` to `max_in_flight` operations at once.
    pub fn new(inner: Arc<dyn Storage>, max_in_flight: NonZeroUsize) -> Self {
        let permits = Semaphore::new(max_in_flight.get().min(Semaphore::MAX_PERMITS));
        Self { inner, max_in_flight, permits }
    }

    #[expect(clippy::expect_used, reason = "nothing closes the semaphore, it is private")]
    async fn permit(&self) -> SemaphorePermit<'_> {
        self.permits.acquire().await.expect("the semaphore is open")
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit({}, {})", self.max_in_flight, self.inner)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for Limit {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        let _permit = self.permit().await;
        self.inner.put(path, payload, mode).await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let _permit = self.permit().await;
        self.inner.get(path, range).await
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        let _permit = self.permit().await;
        self.inner.head(path).await
    }

    fn list<'a>(&'a self, prefix: &ObjectPath) -> ObjectStream<'a> {
        let mut listing = self.inner.list(prefix);
        stream::once(async move {
            let permit = self.permit().await;
            let first = listing.next().await;
            drop(permit);
            stream::iter(first).chain(listing)
        })
        .flatten()
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        let _permit = self.permit().await;
        self.inner.delete(path).await
    }
}
