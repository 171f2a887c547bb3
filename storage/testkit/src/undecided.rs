//! [`UndecidedStorage`]: a storage on which several creates of one path may win.
//!
//! Real services do this: they ignore the condition of a put, or look first and put later. Everything else of the
//! contract holds.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cairn_storage::{
    ByteRange, Capabilities, ObjectMeta, ObjectPath, PageStream, Payload, PutMode, Result, Storage,
};

/// How a create goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indecision {
    /// It looks whether the path is free, lets others go on, and puts.
    LooksFirst,
    /// It puts.
    IgnoresTheCondition,
}

/// A storage whose creates are not decided.
#[derive(Debug)]
pub struct UndecidedStorage {
    inner: Arc<dyn Storage>,
    indecision: Indecision,
    is_honest: bool,
}

impl UndecidedStorage {
    /// A storage that says that it cannot decide.
    pub fn honest(inner: Arc<dyn Storage>, indecision: Indecision) -> Self {
        Self { inner, indecision, is_honest: true }
    }

    /// A storage that claims that it can.
    pub fn boasting(inner: Arc<dyn Storage>, indecision: Indecision) -> Self {
        Self { inner, indecision, is_honest: false }
    }
}

impl fmt::Display for UndecidedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "undecided({})", self.inner)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for UndecidedStorage {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        capabilities.atomic_create &= !self.is_honest;
        capabilities
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        if mode == PutMode::Create && self.indecision == Indecision::LooksFirst {
            if self.inner.head(path).await.is_ok() {
                return self.inner.put(path, payload, mode).await;
            }
            tokio::task::yield_now().await;
        }
        self.inner.put(path, payload, PutMode::Overwrite).await
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
        self.inner.delete(path).await
    }
}
