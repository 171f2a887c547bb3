use cairn_storage::layer::{Timeout, TimeoutConfig};
use cairn_storage::{ByteRange, ErrorKind, Operation, PutMode, StorageExt};
use cairn_testkit::Fault;
use futures::StreamExt;
use std::time::Duration;

use super::*;

fn timed(faulty: &Arc<FaultStorage>) -> Timeout {
    let inner: Arc<dyn Storage> = Arc::clone(faulty) as _;
    Timeout::new(inner, TimeoutConfig::default())
}

#[tokio::test(start_paused = true)]
async fn a_read_that_stalls_is_a_passing_fault_and_a_write_has_an_unknown_outcome() {
    let (faulty, _) = faulty();
    for operation in
        [Operation::Put, Operation::Get, Operation::Head, Operation::List, Operation::Delete]
    {
        faulty.plan(Fault::stall().on(operation));
    }
    let (storage, a) = (timed(&faulty), path("a"));
    let kinds = [
        storage.put(&a, payload("a"), PutMode::Create).await.unwrap_err().kind(),
        storage.delete(&a).await.unwrap_err().kind(),
        storage.get(&a, ByteRange::Full).await.unwrap_err().kind(),
        storage.head(&a).await.unwrap_err().kind(),
        list(&storage).await.unwrap_err().kind(),
    ];
    let (unknown, transient) = (ErrorKind::UnknownOutcome, ErrorKind::Transient);
    assert_eq!(kinds, [unknown, unknown, transient, transient, transient]);
    assert_eq!(faulty.in_flight(), 0, "the inner calls were dropped");
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_within_its_time_succeeds() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a"]);
    faulty.plan(Fault::slow(Duration::from_secs(59)).on(Operation::Get));
    faulty.plan(Fault::slow(Duration::from_secs(19)).on(Operation::Head));
    let storage = timed(&faulty);
    storage.get(&path("a"), ByteRange::Full).await.unwrap();
    storage.head(&path("a")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn long_objects_have_more_time() {
    const PACK: u64 = 16 << 20;
    let (faulty, memory) = faulty();
    memory.insert(path("a"), vec![0; 40 << 20].into());
    let storage = timed(&faulty);
    // 40 MiB are two and a half packs: three minutes.
    for (length, seconds) in [(PACK, 60), (PACK + 1, 120), (40 << 20, 180)] {
        let span = ByteRange::Span { offset: 0, length };
        faulty.plan(Fault::slow(Duration::from_secs(seconds - 1)));
        assert_eq!(storage.get(&path("a"), span).await.unwrap().len() as u64, length);
        faulty.plan(Fault::slow(Duration::from_secs(seconds + 1)));
        let error = storage.get(&path("a"), span).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient);
    }
    let long = memory.objects()[&path("a")].clone();
    faulty.plan(Fault::slow(Duration::from_secs(179)));
    storage.put(&path("b"), long.clone().into(), PutMode::Create).await.unwrap();
    faulty.plan(Fault::slow(Duration::from_secs(181)));
    let error = storage.put(&path("c"), long.into(), PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_may_take_its_time_with_a_list() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a", "b"]);
    let storage = timed(&faulty);
    let slowly = storage.list(&ObjectPath::root()).then(|meta| async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        meta
    });
    assert_eq!(slowly.try_collect::<Vec<_>>().await.unwrap().len(), 2);
}
