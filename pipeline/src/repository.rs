//! [`Repository`]: a repository as an embedder holds it.

use std::sync::Arc;

use cairn_repository::manifest::{DocumentRef, Object, ObjectList, Root};
use cairn_repository::{
    Label, ListedSnapshot, RepositorySecret, SlotId, Timestamp, record::Record,
};
use cairn_storage::Storage;

use crate::engine::Engine;
use crate::error::Error;

/// An open repository of an engine. Its methods block; jobs on it are started by the [`Engine`].
#[derive(Debug, Clone)]
pub struct Repository {
    engine: Engine,
    inner: cairn_repository::Repository,
}

/// An object of a snapshot, as its manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotObject {
    /// Its database; empty where the source had no such level.
    pub database: String,
    /// Its kind, in the source's words.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the source wrote to make it again.
    pub definition: Vec<u8>,
    /// Names of its partitions.
    pub partitions: Vec<String>,
    /// Segments in them.
    pub segments: u64,
    /// Bytes of these segments.
    pub bytes: u64,
}

impl Repository {
    pub(crate) fn new(engine: Engine, inner: cairn_repository::Repository) -> Self {
        Self { engine, inner }
    }

    pub(crate) fn inner(&self) -> &cairn_repository::Repository {
        &self.inner
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
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

    /// All snapshots by label, each with its record or with why that cannot be read. What there is, is asked of the storage
    /// every time; records that were read before are not read again.
    pub fn snapshots(&self) -> Result<Vec<ListedSnapshot>, Error> {
        let inner = self.inner.clone();
        Ok(self.engine.block_on(async move { inner.refreshed().await?.snapshots().await })??)
    }

    /// Those of these labels that there are: as many requests as labels, however many snapshots there are.
    pub fn snapshots_named(&self, labels: &[Label]) -> Result<Vec<ListedSnapshot>, Error> {
        let (inner, labels) = (self.inner.clone(), labels.to_vec());
        Ok(self
            .engine
            .block_on(async move { inner.refreshed().await?.snapshots_named(&labels).await })??)
    }

    /// Removes a snapshot, with `taken` only if it is the one of that instant: it is not listed and cannot be restored any
    /// more; a restore that runs is not disturbed. What is held is refused. The space of what only it
    /// had is freed by a prune, not by this.
    pub fn forget(&self, label: &Label, taken: Option<Timestamp>) -> Result<(), Error> {
        let (inner, label) = (self.inner.clone(), label.clone());
        Ok(self.engine.block_on(async move { inner.forget(&label, taken).await })??)
    }

    /// The record of one snapshot.
    pub fn snapshot(&self, label: &str) -> Result<Record, Error> {
        let (inner, label) = (self.inner.clone(), Label::parse(label)?);
        Ok(self.engine.block_on(async move { inner.refreshed().await?.record(&label).await })??)
    }

    /// The objects of a snapshot, by database, kind and name. Reads index and manifests, no segment.
    pub fn objects(&self, record: &Record) -> Result<Vec<SnapshotObject>, Error> {
        let (inner, root) = (self.inner.clone(), record.root.clone());
        let budget = self.engine.config().index_memory_bytes;
        let runtime = self.engine.runtime().clone();
        self.engine.block_on(async move {
            let inner = inner.refreshed().await?;
            let index = inner.load_index(budget, runtime).await?;
            let root: Root = inner.read_document(&index, &root).await?;
            let databases = root.into_databases();
            let lists: Vec<DocumentRef> =
                databases.iter().map(|database| database.objects.clone()).collect();
            let lists = inner.read_documents::<ObjectList>(&index, &lists).await?;
            let objects = databases.into_iter().zip(lists).flat_map(|(database, list)| {
                let of_database = move |object| listed(database.name.clone(), object);
                list.into_objects().into_iter().map(of_database)
            });
            Ok(objects.collect())
        })?
    }

    /// Whether the repository can be reached and still is one.
    pub fn ping(&self) -> Result<(), Error> {
        let inner = self.inner.clone();
        Ok(self.engine.block_on(async move { inner.ping().await })??)
    }

    /// Whether everything in it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.inner.config().is_encrypted()
    }

    /// Lets another secret open this encrypted repository too; what `note` says is readable by who can list the storage.
    pub fn add_key_slot(&self, secret: &RepositorySecret, note: &str) -> Result<SlotId, Error> {
        let (inner, secret, note) = (self.inner.clone(), secret.clone(), note.to_owned());
        Ok(self.engine.block_on(async move { inner.add_key_slot(&secret, &note).await })??)
    }

    /// Ends the use of a key slot, unless it is the last. Who kept a copy of it can still open what is stored.
    pub fn remove_key_slot(&self, slot: SlotId) -> Result<(), Error> {
        let inner = self.inner.clone();
        Ok(self.engine.block_on(async move { inner.remove_key_slot(slot).await })??)
    }

    /// A new data key, with which everything is sealed from now on; jobs that run keep the one that they began with. Nothing
    /// that is stored changes. Returns the number of the key.
    pub fn rotate_keys(&self) -> Result<u32, Error> {
        let inner = self.inner.clone();
        let rotated = self.engine.block_on(async move { inner.rotate_keys().await })?;
        Ok(rotated?.sealer().generation())
    }
}

fn listed(database: String, object: Object) -> SnapshotObject {
    let Object { kind, name, definition, partitions, .. } = object;
    let segments = partitions.iter().map(|partition| partition.segments).sum();
    let bytes = partitions.iter().map(|partition| partition.bytes).sum();
    let partitions = partitions.into_iter().map(|partition| partition.name).collect();
    SnapshotObject { database, kind, name, definition, partitions, segments, bytes }
}
