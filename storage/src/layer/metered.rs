//! [`Metered`]: counts and times every operation.
//!
//! - *Does*: records the metrics of [`crate::metrics`] through the `metrics` facade.
//! - *On cancel*: a future or a listing that is dropped before its end counts as `cancelled`. A future
//!   that was never polled and a listing that was never read count as nothing.
//! - *Handles* are resolved in [`Metered::new`], against the recorder of the constructing thread.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::time::Instant;

use crate::layer::by_operation::ByOperation;
use crate::metrics::{
    BYTES_TOTAL, IN_FLIGHT, LABEL_BACKEND, LABEL_OPERATION, LABEL_OUTCOME, REQUEST_SECONDS,
    REQUESTS_TOTAL,
};
use crate::{
    ByteRange, Capabilities, ObjectMeta, ObjectPath, Operation, PageStream, Payload, PutMode,
    Result, Storage,
};

/// A storage whose operations are counted and timed.
pub struct Metered {
    inner: Arc<dyn Storage>,
    meters: ByOperation<Meter>,
    in_flight: Gauge,
    bytes_put: Counter,
    bytes_got: Counter,
}

/// The handles of one operation.
struct Meter {
    ok: Counter,
    error: Counter,
    cancelled: Counter,
    seconds: Histogram,
}

impl Metered {
    /// Meters `inner` under its [`Storage::backend`] label.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        let backend = inner.backend();
        let bytes = |operation: Operation| counter!(BYTES_TOTAL, LABEL_BACKEND => backend, LABEL_OPERATION => operation.as_str());
        Self {
            meters: ByOperation::new(|operation| Meter::new(backend, operation)),
            in_flight: gauge!(IN_FLIGHT, LABEL_BACKEND => backend),
            bytes_put: bytes(Operation::Put),
            bytes_got: bytes(Operation::Get),
            inner,
        }
    }

    fn begin<'a>(&'a self, meter: &'a Meter) -> Running<'a> {
        self.in_flight.increment(1);
        Running {
            meter,
            in_flight: &self.in_flight,
            started: Instant::now(),
            outcome: Outcome::Cancelled,
        }
    }

    async fn measure<T>(
        &self,
        meter: &Meter,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let mut running = self.begin(meter);
        let result = call.await;
        running.end(result.is_ok());
        result
    }
}

impl Meter {
    fn new(backend: &'static str, operation: Operation) -> Self {
        let operation = operation.as_str();
        let requests = |outcome: &'static str| {
            counter!(REQUESTS_TOTAL,
                LABEL_BACKEND => backend, LABEL_OPERATION => operation, LABEL_OUTCOME => outcome)
        };
        Self {
            ok: requests("ok"),
            error: requests("error"),
            cancelled: requests("cancelled"),
            seconds: histogram!(REQUEST_SECONDS,
                LABEL_BACKEND => backend, LABEL_OPERATION => operation),
        }
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Ok,
    Error,
    Cancelled,
}

/// An operation under way; its drop is its end, whatever the cause.
struct Running<'a> {
    meter: &'a Meter,
    in_flight: &'a Gauge,
    started: Instant,
    outcome: Outcome,
}

impl Running<'_> {
    fn end(&mut self, ok: bool) {
        self.outcome = if ok { Outcome::Ok } else { Outcome::Error };
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.in_flight.decrement(1);
        self.meter.seconds.record(self.started.elapsed());
        let requests = match self.outcome {
            Outcome::Ok => &self.meter.ok,
            Outcome::Error => &self.meter.error,
            Outcome::Cancelled => &self.meter.cancelled,
        };
        requests.increment(1);
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Display for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => write!(f, "metered({:#})", self.inner),
            false => fmt::Display::fmt(&self.inner, f),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for Metered {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        let bytes = payload.len();
        self.measure(&self.meters.put, self.inner.put(path, payload, mode)).await?;
        self.bytes_put.increment(bytes);
        Ok(())
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let bytes = self.measure(&self.meters.get, self.inner.get(path, range)).await?;
        self.bytes_got.increment(bytes.len() as u64);
        Ok(bytes)
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.measure(&self.meters.head, self.inner.head(path)).await
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let listing = self.inner.list_pages(prefix);
        stream::once(async move {
            let running = self.begin(&self.meters.list);
            stream::unfold((listing, running), |(mut listing, mut running)| async move {
                let page = listing.next().await;
                match &page {
                    None => running.end(true),
                    Some(Err(_)) => running.end(false),
                    Some(Ok(_)) => {}
                }
                Some((page?, (listing, running)))
            })
        })
        .flatten()
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.measure(&self.meters.delete, self.inner.delete(path)).await
    }
}
