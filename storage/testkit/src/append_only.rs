//! [`AppendOnlyStorage`]: what credentials that can neither delete nor overwrite leave of a storage.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cairn_storage::{
    ByteRange, Capabilities, Error, ErrorKind, ObjectMeta, ObjectPath, Operation, PageStream,
    Payload, PutMode, Result, Storage,
};

/// Refuses to delete what is there and to put over it. What the storage as such can do it still says: credentials are not known
/// before they are refused.
#[derive(Debug)]
pub struct AppendOnlyStorage {
    inner: Arc<dyn Storage>,
}

impl AppendOnlyStorage {
    /// Append-only access to `inner`.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner }
    }
}

impl fmt::Display for AppendOnlyStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "append-only({})", self.inner)
    }
}

impl AppendOnlyStorage {
    fn refused(&self, operation: Operation, path: &ObjectPath) -> Error {
        Error::new(ErrorKind::PermissionDenied, operation, self.backend(), path)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for AppendOnlyStorage {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        let put = self.inner.put(path, payload, PutMode::Create).await;
        match (put, mode) {
            (Err(error), PutMode::Overwrite) if error.kind() == ErrorKind::AlreadyExists => {
                Err(self.refused(Operation::Put, path))
            }
            (put, _) => put,
        }
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
        Err(self.refused(Operation::Delete, path))
    }
}
