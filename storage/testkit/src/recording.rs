//! [`RecordingStorage`]: remembers every change and rebuilds the storage at any instant.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cairn_storage::{
    ByteRange, Capabilities, MemoryStorage, ObjectMeta, ObjectPath, PageStream, Payload, PutMode,
    Result, Storage,
};

/// A change of a storage that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mutation {
    /// An object was stored.
    Put {
        /// Where.
        path: ObjectPath,
        /// What; shared with the caller, not copied, when the payload was one piece.
        bytes: Bytes,
        /// How.
        mode: PutMode,
    },
    /// An object was removed, or was absent already.
    Delete {
        /// Where.
        path: ObjectPath,
    },
}

impl Mutation {
    /// The object it changed.
    pub fn path(&self) -> &ObjectPath {
        match self {
            Self::Put { path, .. } | Self::Delete { path } => path,
        }
    }

    fn replay(&self, storage: &MemoryStorage) {
        match self {
            Self::Put { path, bytes, .. } => storage.insert(path.clone(), bytes.clone()),
            Self::Delete { path } => {
                storage.remove(path);
            }
        }
    }
}

/// A mutation with the number of mutations that were complete when it began.
#[derive(Debug)]
struct Entry {
    begun_at: usize,
    mutation: Mutation,
}

/// A storage that records its changes in the order in which they completed.
///
/// A change that failed or was cancelled is not recorded.
#[derive(Debug)]
pub struct RecordingStorage {
    inner: Arc<dyn Storage>,
    base: MemoryStorage,
    /// Guards the record; held for one push or one reading.
    entries: Mutex<Vec<Entry>>,
}

impl RecordingStorage {
    /// Records over an empty `inner`.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner, base: MemoryStorage::new(), entries: Mutex::default() }
    }

    /// Records over `memory`; a replay starts from what it holds now.
    pub fn over(memory: MemoryStorage) -> Self {
        let base = memory.fork();
        Self { inner: Arc::new(memory), base, entries: Mutex::default() }
    }

    /// How many changes are recorded.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// All changes so far.
    pub fn mutations(&self) -> Vec<Mutation> {
        self.lock().iter().map(|entry| entry.mutation.clone()).collect()
    }

    /// The storage after the first `count` changes: what a crash right then leaves when it loses all calls
    /// in flight.
    pub fn replay(&self, count: usize) -> MemoryStorage {
        let storage = self.base.fork();
        for entry in self.lock().iter().take(count) {
            entry.mutation.replay(&storage);
        }
        storage
    }

    /// The changes that may have been under way between the first `count` and the next one: a crash then
    /// loses or keeps each of them.
    pub fn in_flight(&self, count: usize) -> Vec<Mutation> {
        let entries = self.lock();
        let later = entries.iter().skip(count).filter(|entry| entry.begun_at <= count);
        later.map(|entry| entry.mutation.clone()).collect()
    }

    /// The storage after the first `count` changes and all that were in flight: what a crash right then leaves
    /// when it keeps them.
    pub fn replay_with_in_flight(&self, count: usize) -> MemoryStorage {
        let storage = self.replay(count);
        for mutation in self.in_flight(count) {
            mutation.replay(&storage);
        }
        storage
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, begun_at: usize, mutation: Mutation) {
        self.lock().push(Entry { begun_at, mutation });
    }
}

impl fmt::Display for RecordingStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recording({})", self.inner)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for RecordingStorage {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        let begun_at = self.len();
        self.inner.put(path, payload.clone(), mode).await?;
        let bytes = payload.to_bytes();
        self.record(begun_at, Mutation::Put { path: path.clone(), bytes, mode });
        Ok(())
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
        let begun_at = self.len();
        self.inner.delete(path).await?;
        self.record(begun_at, Mutation::Delete { path: path.clone() });
        Ok(())
    }
}
