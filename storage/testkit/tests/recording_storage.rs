//! A recording rebuilds the storage at any instant.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use cairn_storage::{ErrorKind, MemoryStorage, ObjectPath, Operation, Payload, PutMode, Storage};
use cairn_testkit::{Fault, FaultStorage, Mutation, RecordingStorage};
use futures::FutureExt;

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

fn payload(text: &'static str) -> Payload {
    Bytes::from_static(text.as_bytes()).into()
}

fn objects(storage: &MemoryStorage) -> Vec<(String, Bytes)> {
    storage.objects().into_iter().map(|(path, bytes)| (path.to_string(), bytes)).collect()
}

fn object(path: &str, text: &'static str) -> (String, Bytes) {
    (path.to_owned(), Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn a_replay_shows_each_instant() {
    let memory = MemoryStorage::new();
    memory.insert(path("old"), Bytes::from_static(b"old"));
    let storage = RecordingStorage::over(memory);
    storage.put(&path("a"), payload("1"), PutMode::Create).await.unwrap();
    storage.put(&path("a"), payload("2"), PutMode::Overwrite).await.unwrap();
    storage.put(&path("a"), payload("3"), PutMode::Create).await.unwrap_err();
    storage.delete(&path("old")).await.unwrap();
    assert_eq!(storage.len(), 3);
    assert_eq!(objects(&storage.replay(0)), [object("old", "old")]);
    assert_eq!(objects(&storage.replay(1)), [object("a", "1"), object("old", "old")]);
    assert_eq!(objects(&storage.replay(2)), [object("a", "2"), object("old", "old")]);
    assert_eq!(objects(&storage.replay(3)), [object("a", "2")]);
    assert_eq!(storage.mutations()[2], Mutation::Delete { path: path("old") });
}

#[tokio::test]
async fn a_crash_may_keep_what_was_in_flight() {
    let faulty = FaultStorage::new(Arc::new(MemoryStorage::new()));
    faulty.plan(Fault::slow(std::time::Duration::ZERO).at(|path| path.name() == "slow"));
    let storage = RecordingStorage::new(Arc::new(faulty));
    let slow = path("slow");
    let mut put = storage.put(&slow, payload("s"), PutMode::Create);
    assert!((&mut put).now_or_never().is_none());
    storage.put(&path("a"), payload("a"), PutMode::Create).await.unwrap();
    put.await.unwrap();
    storage.put(&path("b"), payload("b"), PutMode::Create).await.unwrap();
    let in_flight = |count| {
        let mutations = storage.in_flight(count);
        mutations.iter().map(|mutation| mutation.path().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(in_flight(0), ["a", "slow"]);
    assert_eq!(in_flight(1), ["slow"]);
    assert_eq!(in_flight(2), ["b"]);
    assert_eq!(in_flight(3), [""; 0]);
    assert_eq!(objects(&storage.replay(1)), [object("a", "a")]);
    let kept = storage.replay_with_in_flight(1);
    assert_eq!(objects(&kept), [object("a", "a"), object("slow", "s")]);
}

#[tokio::test]
async fn a_failed_change_is_not_recorded() {
    let faulty = FaultStorage::new(Arc::new(MemoryStorage::new()));
    faulty.plan(Fault::fail(ErrorKind::Other).on(Operation::Delete));
    let storage = RecordingStorage::new(Arc::new(faulty));
    storage.delete(&path("a")).await.unwrap_err();
    assert!(storage.is_empty());
}
