use std::num::NonZeroUsize;
use std::time::Duration;

use cairn_storage::layer::Limit;
use cairn_storage::{ByteRange, Operation, PutMode};
use cairn_testkit::Fault;
use futures::future::join_all;

use super::*;

fn limited(faulty: &Arc<FaultStorage>, max_in_flight: usize) -> Limit {
    let inner: Arc<dyn Storage> = Arc::clone(faulty) as _;
    Limit::new(inner, NonZeroUsize::new(max_in_flight).unwrap())
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_than_the_limit_are_in_flight() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a"]);
    faulty.plan(Fault::slow(Duration::from_secs(1)).always());
    let storage = limited(&faulty, 3);
    let (a, b) = (path("a"), path("b"));
    let calls = (0..4).map(|_| async {
        storage.get(&a, ByteRange::Full).await.unwrap();
        storage.put(&b, payload("b"), PutMode::Overwrite).await.unwrap();
        storage.head(&b).await.unwrap();
        storage.delete(&path("c")).await.unwrap();
        assert_eq!(list(&storage).await.unwrap(), ["a", "b"]);
    });
    join_all(calls).await;
    assert_eq!(faulty.peak_in_flight(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_gives_its_permit_back() {
    let (faulty, _) = faulty();
    let mut stalled = faulty.plan(Fault::stall().on(Operation::Put));
    let storage = Arc::new(limited(&faulty, 1));
    let clone = Arc::clone(&storage);
    let put =
        tokio::spawn(async move { clone.put(&path("a"), payload("a"), PutMode::Create).await });
    stalled.wait_for_hits(1).await;
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    storage.put(&path("b"), payload("b"), PutMode::Create).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_consumer_of_a_list_may_call_other_operations() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a", "b", "c"]);
    let storage = limited(&faulty, 1);
    let mut listing = storage.list(&ObjectPath::root());
    while let Some(meta) = listing.try_next().await.unwrap() {
        storage.delete(&meta.path).await.unwrap();
    }
    assert!(memory.objects().is_empty());
}
