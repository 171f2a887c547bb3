//! [`Repository`]: a repository as an embedder holds it.

use std::sync::Arc;

use cairn_repository::{Label, ListedSnapshot, record::Record};
use cairn_storage::Storage;

use crate::engine::Engine;
use crate::error::Error;

/// An open repository of an engine. Its methods block; jobs on it are started by the [`Engine`].
#[derive(Debug, Clone)]
pub struct Repository {
    engine: Engine,
    inner: cairn_repository::Repository,
}

impl Repository {
    pub(crate) fn new(engine: Engine, inner: cairn_repository::Repository) -> Self {
        Self { engine, inner }
    }

    pub(crate) fn inner(&self) -> &cairn_repository::Repository {
        &self.inner
    }

    /// Its unique id, as text.
    pub fn id(&self) -> String {
        self.inner.config().id.to_string()
    }

    /// Where it is, for humans.
    pub fn location(&self) -> String {
        self.inner.storage().to_string()
    }

    /// The storage that it lies on.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        self.inner.storage()
    }

    /// All snapshots by label, each with its record or with why that cannot be read.
    pub fn snapshots(&self) -> Result<Vec<ListedSnapshot>, Error> {
        let inner = self.inner.clone();
        Ok(self.engine.block_on(async move { inner.snapshots().await })??)
    }

    /// The record of one snapshot.
    pub fn snapshot(&self, label: &str) -> Result<Record, Error> {
        let (inner, label) = (self.inner.clone(), Label::parse(label)?);
        Ok(self.engine.block_on(async move { inner.record(&label).await })??)
    }
}
