use std::time::Duration;

use cairn_storage::layer::{Retry, RetryConfig};
use cairn_storage::{ByteRange, ErrorKind, Operation, PutMode, StorageExt};
use cairn_testkit::Fault;
use tokio::time::Instant;

use super::*;

fn retrying(faulty: &Arc<FaultStorage>) -> Retry {
    let inner: Arc<dyn Storage> = Arc::clone(faulty) as _;
    Retry::new(inner, RetryConfig::default())
}

#[tokio::test(start_paused = true)]
async fn passing_faults_are_tried_again_on_every_operation() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a", "b"]);
    for operation in
        [Operation::Put, Operation::Get, Operation::Head, Operation::List, Operation::Delete]
    {
        faulty.plan(Fault::fail(ErrorKind::Transient).on(operation).times(3));
        faulty.plan(Fault::fail_after_effect(ErrorKind::UnknownOutcome).on(operation));
    }
    let storage = retrying(&faulty);
    storage.put(&path("c"), payload("c"), PutMode::Overwrite).await.unwrap();
    storage.get(&path("a"), ByteRange::Full).await.unwrap();
    storage.head(&path("a")).await.unwrap();
    assert_eq!(list(&storage).await.unwrap(), ["a", "b", "c"]);
    storage.delete(&path("a")).await.unwrap();
    for operation in [Operation::Put, Operation::Get, Operation::Head, Operation::Delete] {
        assert_eq!(faulty.calls(operation), 5, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_faults_are_final() {
    let (faulty, _) = faulty();
    for kind in [ErrorKind::PermissionDenied, ErrorKind::NoSpace, ErrorKind::Other] {
        faulty.plan(Fault::fail(kind).on(Operation::Put));
        let put = retrying(&faulty).put(&path("a"), payload("a"), PutMode::Create).await;
        assert_eq!(put.unwrap_err().kind(), kind);
    }
    assert_eq!(faulty.calls(Operation::Put), 3);
}

#[tokio::test(start_paused = true)]
async fn the_budget_ends_an_outage_with_the_last_error() {
    let (faulty, _) = faulty();
    let fault = faulty.plan(Fault::fail(ErrorKind::Transient).always());
    let began = Instant::now();
    let error = retrying(&faulty).head(&path("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(began.elapsed() <= RetryConfig::default().budget);
    // At most ten seconds between attempts: the budget of two minutes holds at least a dozen of them.
    assert!(fault.hits() > 12, "{}", fault.hits());
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_what_the_service_asked_for() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a"]);
    let wait = Duration::from_secs(42);
    faulty.plan(Fault::fail(ErrorKind::Transient).retry_after(wait));
    let began = Instant::now();
    retrying(&faulty).head(&path("a")).await.unwrap();
    assert!(began.elapsed() >= wait && began.elapsed() < wait * 2);
}

#[tokio::test(start_paused = true)]
async fn many_calls_that_fail_do_not_multiply_the_load() {
    const CALLS: usize = 500;
    let (faulty, _) = faulty();
    let fault = faulty.plan(Fault::fail(ErrorKind::Transient).always());
    let storage = retrying(&faulty);
    let a = path("a");
    let heads = futures::future::join_all((0..CALLS).map(|_| storage.head(&a)));
    let minute = tokio::time::timeout(Duration::from_secs(60), heads).await;
    assert!(minute.is_err(), "all of them go on trying");
    let retries = fault.hits() as usize - CALLS;
    // 32 that were saved up, and ten a second.
    assert!((600..=633).contains(&retries), "{retries}");
}

#[tokio::test(start_paused = true)]
async fn successes_pay_for_retries() {
    const CALLS: u32 = 2000;
    let (faulty, memory) = faulty();
    fill(&memory, &["a"]);
    faulty.plan(Fault::fail(ErrorKind::Transient).with_chance(0.1));
    let (storage, began) = (retrying(&faulty), Instant::now());
    for _ in 0..CALLS {
        storage.head(&path("a")).await.unwrap();
    }
    // Some 220 retries that wait 50 ms each on average; turns alone would take 19 seconds.
    assert!(began.elapsed() < Duration::from_secs(16), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_create_that_meets_its_own_object_succeeded() {
    for kind in [ErrorKind::UnknownOutcome, ErrorKind::Transient] {
        let (faulty, memory) = faulty();
        faulty.plan(Fault::fail_after_effect(kind).on(Operation::Put));
        faulty.plan(Fault::fail(ErrorKind::Transient).on(Operation::Head));
        faulty.plan(Fault::fail(ErrorKind::Transient).on(Operation::Get));
        let pieces =
            Payload::from_pieces(vec![Bytes::from_static(b"mi"), Bytes::from_static(b"ne")]);
        retrying(&faulty).put(&path("a"), pieces, PutMode::Create).await.unwrap();
        assert_eq!(memory.objects()[&path("a")], "mine");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_meets_anothers_object_lost() {
    for theirs in [&b"them"[..], b"theirs"] {
        let (faulty, memory) = faulty();
        memory.insert(path("a"), Bytes::from_static(theirs));
        faulty.plan(Fault::fail(ErrorKind::UnknownOutcome).on(Operation::Put));
        let put = retrying(&faulty).put(&path("a"), payload("mine"), PutMode::Create).await;
        assert_eq!(put.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(memory.objects()[&path("a")], theirs);
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_refused_at_once_lost_even_against_equal_bytes() {
    let (faulty, memory) = faulty();
    memory.insert(path("a"), Bytes::from_static(b"mine"));
    let put = retrying(&faulty).put(&path("a"), payload("mine"), PutMode::Create).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(faulty.calls(Operation::Head) + faulty.calls(Operation::Get), 0);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_cannot_be_settled_has_an_unknown_outcome() {
    let (faulty, _) = faulty();
    faulty.plan(Fault::fail_after_effect(ErrorKind::UnknownOutcome).on(Operation::Put));
    faulty.plan(Fault::fail(ErrorKind::PermissionDenied).on(Operation::Get));
    let put = retrying(&faulty).put(&path("a"), payload("mine"), PutMode::Create).await;
    let error = put.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::UnknownOutcome, Operation::Put));
}

#[tokio::test(start_paused = true)]
async fn a_broken_list_goes_on_without_repeating_itself() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a", "b", "c", "d", "e"]);
    faulty.plan(Fault::break_list(2, ErrorKind::Transient));
    faulty.plan(Fault::break_list(4, ErrorKind::Transient));
    faulty.plan(Fault::fail(ErrorKind::Transient).on(Operation::List));
    assert_eq!(list(&retrying(&faulty)).await.unwrap(), ["a", "b", "c", "d", "e"]);
    assert_eq!(faulty.calls(Operation::List), 4);
}

#[tokio::test(start_paused = true)]
async fn a_list_fails_after_what_it_has_found() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a", "b"]);
    faulty.plan(Fault::break_list(1, ErrorKind::PermissionDenied));
    let storage = retrying(&faulty);
    let mut listing = storage.list(&ObjectPath::root());
    assert_eq!(listing.try_next().await.unwrap().unwrap().path, path("a"));
    assert_eq!(listing.try_next().await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(listing.try_next().await.unwrap(), None);
}
