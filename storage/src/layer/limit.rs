//! [`Limit`]: at most so many operations in flight, and fewer while the storage pushes back.
//!
//! - *Does*: makes an operation wait for a permit, first come, first served. How many permits there are
//!   follows the answers ([`Error::is_pushback`]): half as many when the storage pushes back, then one more
//!   for each round of successes, up to the configured number (`aimd.rs`).
//! - *Blocks on*: a semaphore. A dropped future gives its place or its permit back.
//! - *List*: holds a permit until its first page is there and none afterwards: a consumer that calls
//!   other operations while it reads a listing cannot lock itself out. A listing fetches one page at a
//!   time (a local one two), so what is in flight exceeds the limit by little more than the open listings.
//! - *Handles* of metrics are resolved in [`Limit::new`].

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use metrics::{Gauge, gauge};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::layer::aimd::{Aimd, Epoch};
use crate::metrics::{IN_FLIGHT_LIMIT, LABEL_BACKEND};
use crate::{
    ByteRange, Capabilities, Error, ObjectMeta, ObjectPath, PageStream, Payload, PutMode, Result,
    Storage,
};

/// A storage that takes at most so many calls at once.
pub struct Limit {
    inner: Arc<dyn Storage>,
    max_in_flight: NonZeroUsize,
    permits: Semaphore,
    /// Guards the arithmetic; never held over an await.
    state: Mutex<State>,
    allowed: Gauge,
}

#[derive(Debug)]
struct State {
    aimd: Aimd,
    /// Permits that exist, free or taken. More than are allowed after a decrease, until enough came back.
    issued: usize,
}

impl Limit {
    /// Limits `inner` to `max_in_flight` operations at once.
    pub fn new(inner: Arc<dyn Storage>, max_in_flight: NonZeroUsize) -> Self {
        let max = max_in_flight.get().min(Semaphore::MAX_PERMITS);
        let allowed = gauge!(IN_FLIGHT_LIMIT, LABEL_BACKEND => inner.backend());
        // The series is the sum over the storages of a backend, as that of the operations in flight is.
        allowed.increment(max as f64);
        let state = Mutex::new(State { aimd: Aimd::new(max), issued: max });
        Self { inner, max_in_flight, permits: Semaphore::new(max), state, allowed }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the numbers half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::expect_used, reason = "nothing closes the semaphore, it is private")]
    async fn permit(&self) -> Permit<'_> {
        let permit = self.permits.acquire().await.expect("the semaphore is open");
        Permit { limit: self, permit: Some(permit), epoch: self.state().aimd.epoch() }
    }

    async fn limited<T>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let permit = self.permit().await;
        let result = call.await;
        self.learn(permit.epoch, result.as_ref().err());
        result
    }

    /// Takes an answer to a call of `epoch` into account.
    fn learn(&self, epoch: Epoch, error: Option<&Error>) {
        let mut state = self.state();
        let before = state.aimd.allowed();
        match error {
            None => state.aimd.succeeded(epoch),
            Some(error) if error.is_pushback() => state.aimd.pushed_back(epoch),
            // A fault of another kind says nothing about how much the storage can take.
            Some(_) => return,
        }
        let allowed = state.aimd.allowed();
        if let Some(more) = allowed.checked_sub(state.issued) {
            self.permits.add_permits(more);
            state.issued = allowed;
        } else {
            // Free ones go at once, taken ones when they come back.
            state.issued -= self.permits.forget_permits(state.issued - allowed);
        }
        if allowed < before {
            tracing::debug!(allowed, "the storage pushes back");
        }
        self.allowed.increment(allowed as f64 - before as f64);
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let allowed = self.state().aimd.allowed();
        self.allowed.decrement(allowed as f64);
    }
}

/// The right to have one operation in flight.
struct Permit<'a> {
    limit: &'a Limit,
    permit: Option<SemaphorePermit<'a>>,
    epoch: Epoch,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.limit.state();
        if state.issued > state.aimd.allowed()
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            state.issued -= 1;
        }
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("inner", &self.inner)
            .field("state", &*self.state())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => write!(f, "limit({}, {:#})", self.max_in_flight, self.inner),
            false => fmt::Display::fmt(&self.inner, f),
        }
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
        self.limited(self.inner.put(path, payload, mode)).await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        self.limited(self.inner.get(path, range)).await
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.limited(self.inner.head(path)).await
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let mut listing = self.inner.list_pages(prefix);
        stream::once(async move {
            let permit = self.permit().await;
            let epoch = permit.epoch;
            let first = listing.next().await;
            drop(permit);
            let listing = stream::iter(first).chain(listing);
            listing.inspect(move |page| {
                if let Err(error) = page {
                    self.learn(epoch, Some(error));
                }
            })
        })
        .flatten()
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.limited(self.inner.delete(path)).await
    }
}
