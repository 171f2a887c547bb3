//! [`ReadOnly`]: refuses everything that changes the storage.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    ByteRange, Capabilities, Error, ErrorKind, ObjectMeta, ObjectPath, Operation, PageStream,
    Payload, PutMode, Result, Storage,
};

/// A storage that can only be read: put and delete are [`ErrorKind::Unsupported`].
#[derive(Debug)]
pub struct ReadOnly {
    inner: Arc<dyn Storage>,
}

impl ReadOnly {
    /// Protects `inner`.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner }
    }

    fn refuse(&self, operation: Operation, path: &ObjectPath) -> Error {
        Error::new(ErrorKind::Unsupported, operation, self.inner.backend(), path)
            .with_source("the storage was opened read-only")
    }
}

impl fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => write!(f, "read_only({:#})", self.inner),
            false => fmt::Display::fmt(&self.inner, f),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for ReadOnly {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { put: false, delete: false, ..self.inner.capabilities() }
    }

    async fn put(&self, path: &ObjectPath, _payload: Payload, _mode: PutMode) -> Result<()> {
        Err(self.refuse(Operation::Put, path))
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        self.inner.get(path, range).await
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.inner.head(path).await
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        self.inner.list_pages(prefix)
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        Err(self.refuse(Operation::Delete, path))
    }
}
