//! Planned faults happen as planned.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_storage::{
    ByteRange, ErrorKind, MemoryStorage, ObjectPath, Operation, Payload, PutMode, Storage,
    StorageExt,
};
use cairn_testkit::{Fault, FaultStorage};
use futures::{FutureExt, TryStreamExt};

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

fn payload() -> Payload {
    Bytes::from_static(b"12345678").into()
}

fn faulty() -> (FaultStorage, MemoryStorage) {
    let memory = MemoryStorage::new();
    (FaultStorage::new(Arc::new(memory.clone())), memory)
}

async fn put(storage: &FaultStorage, object: &str) -> Result<(), ErrorKind> {
    let put = storage.put(&path(object), payload(), PutMode::Overwrite).await;
    put.map_err(|error| error.kind())
}

#[tokio::test]
async fn a_fault_before_has_no_effect_and_a_fault_after_has() {
    let (storage, memory) = faulty();
    storage.plan(Fault::fail(ErrorKind::Transient).at(|path| path.name() == "before"));
    storage.plan(Fault::fail_after_effect(ErrorKind::Transient).at(|path| path.name() == "after"));
    assert_eq!(put(&storage, "before").await, Err(ErrorKind::Transient));
    assert_eq!(put(&storage, "after").await, Err(ErrorKind::Transient));
    assert_eq!(memory.objects().into_keys().collect::<Vec<_>>(), [path("after")]);
}

#[tokio::test]
async fn the_nth_call_fails_and_so_many_after_it() {
    let (storage, _) = faulty();
    let fault = storage.plan(Fault::no_space().nth(2).times(2));
    let mut failed = Vec::new();
    for _ in 0..5 {
        failed.push(put(&storage, "a").await.is_err());
    }
    assert_eq!(failed, [false, true, true, false, false]);
    assert_eq!((fault.hits(), storage.calls(Operation::Put)), (2, 5));
}

#[tokio::test]
async fn bytes_are_cut_and_flipped_in_the_answer() {
    let (storage, memory) = faulty();
    memory.insert(path("a"), payload().to_bytes());
    storage.plan(Fault::short_read());
    storage.plan(Fault::flip_byte().on(Operation::Get));
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "1234");
    let flipped = storage.get(&path("a"), ByteRange::Full).await.unwrap();
    let original = payload().to_bytes();
    let differences = flipped.iter().zip(&original).filter(|(a, b)| a != b).count();
    assert_eq!((flipped.len(), differences), (8, 1));
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), original);
}

#[tokio::test]
async fn a_flipped_put_stores_the_damage() {
    let (storage, memory) = faulty();
    storage.plan(Fault::flip_byte().on(Operation::Put));
    put(&storage, "a").await.unwrap();
    assert_ne!(memory.objects()[&path("a")], payload().to_bytes());
}

#[tokio::test]
async fn a_stalled_call_can_only_be_dropped() {
    let (storage, memory) = faulty();
    let mut stall = storage.plan(Fault::stall());
    assert!(put(&storage, "a").now_or_never().is_none());
    stall.wait_for_hits(1).await;
    let mut stall = storage.plan(Fault::stall_after_effect());
    assert!(put(&storage, "b").now_or_never().is_none());
    stall.wait_for_hits(1).await;
    assert_eq!(memory.objects().into_keys().collect::<Vec<_>>(), [path("b")]);
    assert_eq!((storage.in_flight(), storage.peak_in_flight()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_takes_its_time() {
    let (storage, _) = faulty();
    storage.plan(Fault::slow(Duration::from_secs(5)));
    let began = tokio::time::Instant::now();
    put(&storage, "a").await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn a_list_breaks_where_it_was_planned() {
    let (storage, memory) = faulty();
    for object in ["a", "b", "c"] {
        memory.insert(path(object), Bytes::new());
    }
    storage.plan(Fault::break_list(2, ErrorKind::Transient));
    storage.plan(Fault::fail_after_effect(ErrorKind::Other).on(Operation::List));
    for (yielded, kind) in [(2, ErrorKind::Transient), (3, ErrorKind::Other)] {
        let mut listing = storage.list(&ObjectPath::root());
        for _ in 0..yielded {
            listing.try_next().await.unwrap().unwrap();
        }
        assert_eq!(listing.try_next().await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn chance_is_drawn_from_the_seed() {
    let draw = |seed| async move {
        let storage = FaultStorage::with_seed(Arc::new(MemoryStorage::new()), seed);
        storage.plan(Fault::fail(ErrorKind::Transient).with_chance(0.5));
        let mut failed = Vec::new();
        for _ in 0..64 {
            failed.push(put(&storage, "a").await.is_err());
        }
        failed
    };
    let (first, again, other) = (draw(1).await, draw(1).await, draw(2).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(first.contains(&true) && first.contains(&false));
}

#[test]
fn a_fault_that_never_happened_fails_the_test() {
    let (storage, _) = faulty();
    storage.plan(Fault::stall().on(Operation::Delete));
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(storage)));
    let message = dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("planned faults never happened"), "{message}");
    assert!(message.contains("Stall") && message.contains("Delete"), "{message}");
}
