//! [`MemoryStorage`]: the reference implementation of the contract.
//!
//! - *Service*: a map in this process, shared by clones, gone with the last of them.
//! - *Consistency*: linearizable; every operation is one step under one lock.
//! - *Whole or absent*: an object is inserted into the map with all of its bytes.
//! - *Cannot do*: outlive the process. Durable here means inserted.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};

use crate::{
    ByteRange, Capabilities, Error, ErrorKind, ObjectMeta, ObjectPath, Operation, PageStream,
    Payload, PutMode, Result, Storage,
};

const BACKEND: &str = "memory";

/// Objects on a page of a listing: few, so that whoever reads one meets more than one page.
const PAGE: usize = 2;

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Objects in memory. A clone shares them; [`MemoryStorage::fork`] copies them.
#[derive(Clone)]
pub struct MemoryStorage {
    /// Guards the map for the length of one operation; never held over an await.
    objects: Arc<Mutex<Objects>>,
    clock: Clock,
}

type Objects = BTreeMap<ObjectPath, Object>;

#[derive(Clone)]
struct Object {
    bytes: Bytes,
    modified: SystemTime,
}

impl MemoryStorage {
    /// An empty storage that stamps its objects by the wall clock.
    #[expect(clippy::disallowed_methods, reason = "a storage has a clock; tests give their own")]
    pub fn new() -> Self {
        Self::with_clock(SystemTime::now)
    }

    /// An empty storage that stamps its objects by `clock`.
    pub fn with_clock(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { objects: Arc::default(), clock: Arc::new(clock) }
    }

    /// An independent storage with the same objects; the bytes are shared, not copied.
    #[must_use]
    pub fn fork(&self) -> Self {
        let objects = self.lock().clone();
        Self { objects: Arc::new(Mutex::new(objects)), clock: Arc::clone(&self.clock) }
    }

    /// All objects as they are now.
    pub fn objects(&self) -> BTreeMap<ObjectPath, Bytes> {
        self.lock().iter().map(|(path, object)| (path.clone(), object.bytes.clone())).collect()
    }

    /// Puts an object behind the back of every layer: what a test does to prepare or damage a store.
    pub fn insert(&self, path: ObjectPath, bytes: Bytes) {
        let object = Object { bytes, modified: (self.clock)() };
        self.lock().insert(path, object);
    }

    /// Removes an object behind the back of every layer and returns its bytes.
    pub fn remove(&self, path: &ObjectPath) -> Option<Bytes> {
        self.lock().remove(path).map(|object| object.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        // A panic cannot leave the map half changed: each critical section changes one entry.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").field("objects", &self.lock().len()).finish()
    }
}

impl fmt::Display for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        if path.is_root() {
            return Err(root_refused(Operation::Put));
        }
        let object = Object { bytes: payload.to_bytes(), modified: (self.clock)() };
        let mut objects = self.lock();
        if mode == PutMode::Create && objects.contains_key(path) {
            return Err(Error::new(ErrorKind::AlreadyExists, Operation::Put, BACKEND, path));
        }
        objects.insert(path.clone(), object);
        Ok(())
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let bytes = self.lock().get(path).map(|object| object.bytes.clone());
        let bytes = bytes.ok_or_else(|| Error::not_found(Operation::Get, BACKEND, path))?;
        range
            .within(bytes.len() as u64)
            .and_then(|span| {
                Some((usize::try_from(span.start).ok()?, usize::try_from(span.end).ok()?))
            })
            .map(|(start, end)| bytes.slice(start..end))
            .ok_or_else(|| Error::new(ErrorKind::InvalidRange, Operation::Get, BACKEND, path))
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.lock()
            .get(path)
            .map(|object| meta(path, object))
            .ok_or_else(|| Error::not_found(Operation::Head, BACKEND, path))
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let prefix = prefix.clone();
        // The map is read at the first poll, as a listing of a remote service would be.
        let pages = async move { stream::iter(self.below(&prefix)).chunks(PAGE).map(Ok) };
        stream::once(pages).flatten().boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.lock().remove(path);
        Ok(())
    }
}

impl MemoryStorage {
    fn below(&self, prefix: &ObjectPath) -> Vec<ObjectMeta> {
        self.lock()
            .range((Bound::Excluded(prefix), Bound::Unbounded))
            // Paths that share the prefix's text are neighbours, `a-b` may stand before `a/b`.
            .take_while(|(path, _)| path.as_str().starts_with(prefix.as_str()))
            .filter(|(path, _)| path.starts_with(prefix))
            .map(|(path, object)| meta(path, object))
            .collect()
    }
}

fn meta(path: &ObjectPath, object: &Object) -> ObjectMeta {
    ObjectMeta::new(path.clone(), object.bytes.len() as u64, object.modified)
}

/// The root is a prefix, never an object.
fn root_refused(operation: Operation) -> Error {
    Error::new(ErrorKind::Unsupported, operation, BACKEND, ObjectPath::root())
        .with_source("the root is not an object")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn path(text: &str) -> ObjectPath {
        ObjectPath::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_clone_shares_and_a_fork_does_not() {
        let storage = MemoryStorage::new();
        let (clone, fork) = (storage.clone(), storage.fork());
        storage.put(&path("a"), Payload::from(vec![1]), PutMode::Create).await.unwrap();
        assert_eq!(clone.objects().len(), 1);
        assert_eq!(fork.objects().len(), 0);
    }

    #[tokio::test]
    async fn objects_are_stamped_by_the_clock() {
        let instant = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
        let storage = MemoryStorage::with_clock(move || instant);
        storage.put(&path("a"), Payload::default(), PutMode::Create).await.unwrap();
        assert_eq!(storage.head(&path("a")).await.unwrap().modified, instant);
    }
}
