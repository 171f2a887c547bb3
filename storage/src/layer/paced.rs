//! [`Paced`]: keeps a storage within a [`Bandwidth`].
//!
//! - *Does*: pays for the bytes of a put before it begins, and for those of a get when they are there, before they
//!   are handed on: only then is their number known, and a range that the object does not have costs nothing.
//! - *Blocks on*: the lane of its direction, which calls of all storages with the same [`Bandwidth`] share.
//! - *Order*: first come, first served, in each direction.
//! - *Free*: head, list and delete. Their bytes are few, and a cancel should not wait for a backup.
//! - *Each attempt pays*: what is sent twice went over the line twice.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::layer::Bandwidth;
use crate::{
    ByteRange, Capabilities, ObjectMeta, ObjectPath, ObjectStream, Payload, PutMode, Result,
    Storage,
};

/// A storage that moves bytes no faster than it may.
#[derive(Debug)]
pub struct Paced {
    inner: Arc<dyn Storage>,
    bandwidth: Bandwidth,
}

impl Paced {
    /// Keeps `inner` within `bandwidth`.
    pub fn new(inner: Arc<dyn Storage>, bandwidth: Bandwidth) -> Self {
        Self { inner, bandwidth }
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
        self.bandwidth.pay_up(payload.len()).await;
        self.inner.put(path, payload, mode).await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let bytes = self.inner.get(path, range).await?;
        self.bandwidth.pay_down(bytes.len() as u64).await;
        Ok(bytes)
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.inner.head(path).await
    }

    fn list<'a>(&'a self, prefix: &ObjectPath) -> ObjectStream<'a> {
        self.inner.list(prefix)
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.inner.delete(path).await
    }
}
