//! [`Prefix`]: a storage inside a storage.
//!
//! - *Does*: puts a prefix before every path on the way in and takes it off listed paths on the way out.
//! - *On failure*: an error names the full path, which is the one an operator finds. A path that becomes
//!   too long is [`ErrorKind::Unsupported`].

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::{
    ByteRange, Capabilities, Error, ErrorKind, ObjectMeta, ObjectPath, Operation, PageStream,
    Payload, PutMode, Result, Storage,
};

/// The objects of a storage that lie below a prefix, as a storage of their own.
#[derive(Debug)]
pub struct Prefix {
    inner: Arc<dyn Storage>,
    prefix: ObjectPath,
}

impl Prefix {
    /// The part of `inner` below `prefix`.
    pub fn new(inner: Arc<dyn Storage>, prefix: ObjectPath) -> Self {
        Self { inner, prefix }
    }

    fn full(&self, operation: Operation, path: &ObjectPath) -> Result<ObjectPath> {
        self.prefix.join(path.as_str()).map_err(|cause| {
            Error::new(ErrorKind::Unsupported, operation, self.inner.backend(), path)
                .with_source(cause)
        })
    }

    /// The full path of an object: the root is a prefix in here as anywhere, never an object, though
    /// outside it may be one.
    fn object(&self, operation: Operation, path: &ObjectPath) -> Result<ObjectPath> {
        if path.is_root() {
            let kind = match operation {
                Operation::Get | Operation::Head => ErrorKind::NotFound,
                _ => ErrorKind::Unsupported,
            };
            return Err(Error::new(kind, operation, self.inner.backend(), &self.prefix)
                .with_source("the root is not an object"));
        }
        self.full(operation, path)
    }

    fn strip(&self, mut meta: ObjectMeta) -> Option<ObjectMeta> {
        meta.path = meta.path.strip_prefix(&self.prefix)?;
        Some(meta)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => write!(f, "prefix({}, {:#})", self.prefix, self.inner),
            false => write!(f, "{}/{}", self.inner, self.prefix),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for Prefix {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        self.inner.put(&self.object(Operation::Put, path)?, payload, mode).await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        self.inner.get(&self.object(Operation::Get, path)?, range).await
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        let mut meta = self.inner.head(&self.object(Operation::Head, path)?).await?;
        meta.path = path.clone();
        Ok(meta)
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        match self.full(Operation::List, prefix) {
            Ok(prefix) => self
                .inner
                .list_pages(&prefix)
                .map_ok(|page| page.into_iter().filter_map(|meta| self.strip(meta)).collect())
                .boxed(),
            Err(error) => stream::once(future::ready(Err(error))).boxed(),
        }
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.inner.delete(&self.object(Operation::Delete, path)?).await
    }
}
