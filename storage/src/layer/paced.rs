//! [`Paced`]: keeps a storage within a [`Bandwidth`].
//!
//! - *Does*: pays for the bytes of a put before it begins, and for those of a get when they are there, before they
//!   are handed on: only then is their number known, and a range that the object does not have costs nothing.
//! - *Blocks on*: the lane of its direction, which calls of all storages with the same [`Bandwidth`] share.
//! - *Order*: first come, first served, in each direction.
//! - *Free*: head, list and delete. Their bytes are few, and a cancel should not wait for a backup.
//! - *Each attempt pays*: what is sent twice went over the line twice.
//! - *Handles* of metrics are resolved in [`Paced::new`].

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use metrics::{Histogram, histogram};

use crate::layer::Bandwidth;
use crate::metrics::{LABEL_BACKEND, LABEL_OPERATION, SPEED_LIMIT_WAIT};
use crate::{
    ByteRange, Capabilities, ObjectMeta, ObjectPath, Operation, PageStream, Payload, PutMode,
    Result, Storage,
};

/// A storage that moves bytes no faster than it may.
pub struct Paced {
    inner: Arc<dyn Storage>,
    bandwidth: Bandwidth,
    put_waits: Histogram,
    get_waits: Histogram,
}

impl Paced {
    /// Keeps `inner` within `bandwidth`.
    pub fn new(inner: Arc<dyn Storage>, bandwidth: Bandwidth) -> Self {
        let backend = inner.backend();
        let waits = |operation: Operation| histogram!(SPEED_LIMIT_WAIT, LABEL_BACKEND => backend, LABEL_OPERATION => operation.as_str());
        let (put_waits, get_waits) = (waits(Operation::Put), waits(Operation::Get));
        Self { inner, bandwidth, put_waits, get_waits }
    }
}

impl fmt::Debug for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced")
            .field("inner", &self.inner)
            .field("bandwidth", &self.bandwidth)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => write!(f, "paced({:#})", self.inner),
            false => fmt::Display::fmt(&self.inner, f),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for Paced {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        self.bandwidth.pay_up(payload.len(), |waited| self.put_waits.record(waited)).await;
        self.inner.put(path, payload, mode).await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let bytes = self.inner.get(path, range).await?;
        self.bandwidth.pay_down(bytes.len() as u64, |waited| self.get_waits.record(waited)).await;
        Ok(bytes)
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.inner.head(path).await
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        self.inner.list_pages(prefix)
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.inner.delete(path).await
    }
}
