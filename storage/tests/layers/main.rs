//! What is special to each layer, with planned faults and a paused clock; that a layer keeps the contract
//! is checked by `tests/conformance.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod config;
mod limit;
mod metered;
mod paced;
mod pages;
mod prefix;
mod read_only;
mod retry;
mod stack;
mod timeout;

use std::sync::Arc;

use bytes::Bytes;
use cairn_storage::{MemoryStorage, ObjectPath, Payload, Result, Storage, StorageExt};
use cairn_testkit::FaultStorage;
use futures::TryStreamExt;

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

fn payload(text: &'static str) -> Payload {
    Bytes::from_static(text.as_bytes()).into()
}

/// A faulty storage and the memory behind it.
fn faulty() -> (Arc<FaultStorage>, MemoryStorage) {
    let memory = MemoryStorage::new();
    (Arc::new(FaultStorage::new(Arc::new(memory.clone()))), memory)
}

/// Puts objects behind every layer's back.
fn fill(memory: &MemoryStorage, objects: &[&str]) {
    for object in objects {
        memory.insert(path(object), Bytes::from_static(b"bytes"));
    }
}

async fn list(storage: &dyn Storage) -> Result<Vec<String>> {
    storage.list(&ObjectPath::root()).map_ok(|meta| meta.path.to_string()).try_collect().await
}
