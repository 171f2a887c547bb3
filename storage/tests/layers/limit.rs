use std::num::NonZeroUsize;
use std::time::Duration;

use cairn_storage::layer::Limit;
use cairn_storage::metrics::IN_FLIGHT_LIMIT;
use cairn_storage::{ByteRange, ErrorKind, Operation, PutMode, StorageExt};
use cairn_testkit::Fault;
use futures::future::join_all;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

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

/// How many calls are in flight at once when there are many more.
async fn width(storage: &dyn Storage, faulty: &FaultStorage) -> usize {
    let a = path("a");
    faulty.plan(Fault::slow(Duration::from_secs(1)).times(64));
    let heads = join_all((0..64).map(|_| storage.head(&a)));
    let look = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        faulty.in_flight()
    };
    futures::future::join(heads, look).await.1
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_pushes_back_gets_half_as_many_calls_and_then_more_again() {
    let (throttling, memory) = faulty();
    fill(&memory, &["a"]);
    let slow = Arc::new(FaultStorage::new(Arc::clone(&throttling) as _));
    let storage = limited(&slow, 16);
    let a = path("a");
    slow.plan(Fault::slow(Duration::from_secs(1)).times(16));
    throttling.plan(Fault::fail(ErrorKind::Throttled).times(16));
    for head in join_all((0..16).map(|_| storage.head(&a))).await {
        assert_eq!(head.unwrap_err().kind(), ErrorKind::Throttled);
    }
    assert_eq!(width(&storage, &slow).await, 8, "sixteen answers, one event");
    // 64 successes: rounds of 8, 9, 10, 11, 12 and 13 of them.
    assert_eq!(width(&storage, &slow).await, 14);
    for _ in 0..64 {
        storage.head(&a).await.unwrap();
    }
    assert_eq!(width(&storage, &slow).await, 16);
}

#[tokio::test(start_paused = true)]
async fn permits_in_use_at_a_decrease_are_taken_back_when_their_calls_end() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a"]);
    let storage = limited(&faulty, 8);
    let a = path("a");
    faulty.plan(Fault::slow(Duration::from_secs(9)).times(7));
    faulty.plan(Fault::break_list(0, ErrorKind::Throttled));
    let slow = join_all((0..7).map(|_| storage.head(&a)));
    let pushed_back = async { list(&storage).await.unwrap_err() };
    let (slow, error) = futures::future::join(slow, pushed_back).await;
    assert!(error.is_pushback());
    assert!(slow.iter().all(Result::is_ok));
    assert_eq!(width(&storage, &faulty).await, 4);
}

#[tokio::test(start_paused = true)]
async fn only_pushback_counts_and_a_time_to_come_back_is_pushback() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a"]);
    let storage = limited(&faulty, 8);
    let a = path("a");
    for kind in [ErrorKind::Transient, ErrorKind::UnknownOutcome, ErrorKind::Other] {
        faulty.plan(Fault::fail(kind));
        storage.head(&a).await.unwrap_err();
    }
    assert_eq!(width(&storage, &faulty).await, 8);
    faulty.plan(Fault::fail(ErrorKind::Transient).retry_after(Duration::from_secs(1)));
    storage.head(&a).await.unwrap_err();
    assert_eq!(width(&storage, &faulty).await, 4);
}

/// By how much the gauge went up since the last look.
fn gauge_step(snapshotter: &Snapshotter) -> f64 {
    let entries = snapshotter.snapshot().into_vec();
    let found = entries.into_iter().find(|(key, ..)| key.key().name() == IN_FLIGHT_LIMIT);
    match found.unwrap().3 {
        DebugValue::Gauge(level) => level.into_inner(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_gauge_shows_what_is_allowed_until_the_storage_is_gone() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (faulty, _) = faulty();
    let storage = metrics::with_local_recorder(&recorder, || limited(&faulty, 8));
    assert_eq!(gauge_step(&snapshotter), 8.0);
    faulty.plan(Fault::fail(ErrorKind::Throttled));
    storage.delete(&path("a")).await.unwrap_err();
    assert_eq!(gauge_step(&snapshotter), -4.0);
    for _ in 0..4 {
        storage.delete(&path("a")).await.unwrap();
    }
    assert_eq!(gauge_step(&snapshotter), 1.0);
    drop(storage);
    assert_eq!(gauge_step(&snapshotter), -5.0);
}
