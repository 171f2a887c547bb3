//! Forgetting snapshots: what goes, what stays, who may, and what becomes of the label when several hosts meet.

use std::sync::Arc;
use std::time::Duration;

use cairn_repository::manifest::DocumentRef;
use cairn_repository::record::{Record, RecordStats};
use cairn_repository::{Error, ErrorKind, Label, Repository, layout};
use cairn_storage::layer::ReadOnly;
use cairn_storage::{MemoryStorage, ObjectPath, Operation, Payload, PutMode, Storage};
use cairn_testkit::{Fault, FaultStorage, Indecision, UndecidedStorage};
use futures::future::join_all;

use crate::sample::{self, record, settings};
use crate::unhurried::slow;

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

/// A host's own view of the place that they share.
async fn host(storage: Arc<dyn Storage>) -> Repository {
    Repository::open_or_create(storage, &settings()).await.unwrap()
}

async fn commit(repository: &Repository, label: &str, objects: u64) -> Result<(), Error> {
    repository.commit(&numbered(label, objects)).await
}

fn numbered(label: &str, objects: u64) -> Record {
    let mut record = record(label, DocumentRef::of(b"root"));
    record.stats = RecordStats { objects, ..RecordStats::default() };
    record
}

async fn labels(repository: &Repository) -> Vec<String> {
    repository.labels().await.unwrap().iter().map(ToString::to_string).collect()
}

fn has_traces(memory: &MemoryStorage) -> bool {
    memory.objects().keys().any(layout::is_trace)
}

#[tokio::test]
async fn a_forgotten_snapshot_is_gone_and_everything_else_stays() {
    let memory = sample::sample().await;
    let before = memory.objects();
    let repository = sample::open(&memory).await;
    let shown = repository.snapshots().await.unwrap().len();
    repository.forget(&label("first"), None).await.unwrap();
    let record = layout::snapshot_path(&label("first"));
    let mut expected = before.clone();
    expected.remove(&record);
    assert_eq!(memory.objects(), expected);
    let gone = repository.record(&label("first")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NoSuchSnapshot);
    assert_eq!(repository.snapshots().await.unwrap().len(), shown - 1);
    let again = repository.forget(&label("first"), None).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NoSuchSnapshot);
}

#[tokio::test]
async fn a_label_is_free_again_and_means_the_new_snapshot() {
    let memory = MemoryStorage::new();
    let (mine, other) =
        (host(Arc::new(memory.clone())).await, host(Arc::new(memory.clone())).await);
    commit(&mine, "nightly", 1).await.unwrap();
    assert_eq!(other.snapshots().await.unwrap()[0].record.as_ref().unwrap().stats.objects, 1);
    mine.forget(&label("nightly"), None).await.unwrap();
    commit(&mine, "nightly", 2).await.unwrap();
    for repository in [&mine, &other] {
        let listed = repository.snapshots().await.unwrap();
        assert_eq!(listed[0].record.as_ref().unwrap().stats.objects, 2);
    }
}

#[tokio::test]
async fn only_the_snapshot_that_is_meant_goes() {
    let repository = host(Arc::new(MemoryStorage::new())).await;
    commit(&repository, "nightly", 1).await.unwrap();
    let other = cairn_repository::Timestamp::from_unix_millis(7);
    let refused = repository.forget(&label("nightly"), Some(other)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoSuchSnapshot);
    let taken = repository.record(&label("nightly")).await.unwrap().timestamp;
    repository.forget(&label("nightly"), Some(taken)).await.unwrap();
    assert_eq!(labels(&repository).await, [""; 0]);
}

#[tokio::test]
async fn a_damaged_record_can_be_forgotten() {
    let memory = MemoryStorage::new();
    let repository = host(Arc::new(memory.clone())).await;
    memory.insert(layout::snapshot_path(&label("rotten")), "rotten".into());
    repository.forget(&label("rotten"), None).await.unwrap();
    assert_eq!(labels(&repository).await, [""; 0]);
}

#[tokio::test]
async fn who_may_not_delete_is_told_so_and_leaves_nothing() {
    let memory = MemoryStorage::new();
    commit(&host(Arc::new(memory.clone())).await, "first", 1).await.unwrap();
    let before = memory.objects();
    let inner = || Arc::new(memory.clone());
    let read_only = host(Arc::new(ReadOnly::new(inner()))).await;
    let refused = read_only.forget(&label("first"), None).await.unwrap_err();
    assert_eq!(refused.to_string(), "memory is read-only");
    let credentials = Arc::new(FaultStorage::new(inner()));
    let denied = Fault::fail(cairn_storage::ErrorKind::PermissionDenied);
    credentials.plan(denied.on(Operation::Delete).always());
    let append_only = host(credentials).await;
    let refused = append_only.forget(&label("first"), None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AppendOnly);
    assert!(refused.to_string().contains("lets this host delete nothing"), "{refused}");
    assert_eq!(memory.objects(), before);
}

#[tokio::test(start_paused = true)]
async fn eight_that_forget_at_once_agree_that_it_is_gone() {
    for undecided in [false, true] {
        let memory = MemoryStorage::new();
        let storage = || -> Arc<dyn Storage> {
            match undecided {
                false => Arc::new(memory.clone()),
                true => Arc::new(UndecidedStorage::boasting(
                    Arc::new(memory.clone()),
                    Indecision::IgnoresTheCondition,
                )),
            }
        };
        let first = host(storage()).await;
        for round in 0..20 {
            commit(&first, "nightly", round).await.unwrap();
            let hosts = join_all((0..8).map(|_| host(slow(storage())))).await;
            let nightly = label("nightly");
            let outcomes = join_all(hosts.iter().map(|host| host.forget(&nightly, None))).await;
            assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
            let is_gone = |error: &Error| error.kind() == ErrorKind::NoSuchSnapshot;
            assert!(outcomes.iter().filter_map(|it| it.as_ref().err()).all(is_gone));
            assert_eq!(labels(&first).await, [""; 0]);
            assert!(!has_traces(&memory));
        }
    }
}

/// Whoever commits and forgets one label at once: no success is taken back by anybody who was not told so.
#[tokio::test(start_paused = true)]
async fn commits_and_forgets_of_one_label_agree_on_what_is_there() {
    for _ in 0..300 {
        let memory = MemoryStorage::new();
        let first = host(Arc::new(memory.clone())).await;
        commit(&first, "nightly", 0).await.unwrap();
        let commits = join_all((1..4).map(async |number| {
            let host = host(slow(Arc::new(memory.clone()))).await;
            tokio::time::sleep(Duration::from_millis(200 * number)).await;
            commit(&host, "nightly", number).await
        }));
        let forgets = join_all((0..3).map(async |number| {
            let host = host(slow(Arc::new(memory.clone()))).await;
            tokio::time::sleep(Duration::from_millis(300 * number)).await;
            host.forget(&label("nightly"), None).await
        }));
        let (commits, forgets) = futures::future::join(commits, forgets).await;
        let committed = 1 + commits.iter().filter(|outcome| outcome.is_ok()).count();
        let forgotten = forgets.iter().filter(|outcome| outcome.is_ok()).count();
        let there = labels(&first).await.len();
        let shown = format!("{commits:?} {forgets:?}, {there} there");
        assert!(committed <= forgotten + there, "lost: {shown}");
        assert!(there == 1 || forgotten > 0, "lost: {shown}");
        assert!(!has_traces(&memory), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_may_still_come_keeps_the_label() {
    let memory = MemoryStorage::new();
    let storage = Arc::new(FaultStorage::new(Arc::new(memory.clone())));
    let repository = host(Arc::clone(&storage) as _).await;
    commit(&repository, "nightly", 1).await.unwrap();
    let record = layout::snapshot_path(&label("nightly"));
    let unknown = Fault::fail(cairn_storage::ErrorKind::UnknownOutcome);
    let at = record.clone();
    storage.plan(unknown.on(Operation::Delete).at(move |path| *path == at));
    assert!(repository.forget(&label("nightly"), None).await.unwrap_err().is_retryable());
    // It comes: whoever takes the label now would lose the snapshot to the next one that comes.
    memory.remove(&record);
    let busy = commit(&repository, "nightly", 2).await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    assert_eq!(labels(&repository).await, [""; 0]);
    commit(&repository, "another", 2).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_died_does_not_keep_a_snapshot_from_being_forgotten() {
    let memory = MemoryStorage::new();
    let repository = host(Arc::new(memory.clone())).await;
    commit(&repository, "nightly", 1).await.unwrap();
    let left = ObjectPath::parse(&format!("forgetting/nightly/{:032x}", 0)).unwrap();
    memory.put(&left, Payload::default(), PutMode::Create).await.unwrap();
    repository.forget(&label("nightly"), None).await.unwrap();
    assert_eq!(labels(&repository).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_died_while_it_decided_keeps_its_record() {
    let memory = MemoryStorage::new();
    let way = Indecision::LooksFirst;
    let storage = Arc::new(UndecidedStorage::boasting(Arc::new(memory.clone()), way));
    let repository = host(storage).await;
    commit(&repository, "nightly", 1).await.unwrap();
    // Its vote could bring the record back after it was deleted.
    let ballot = format!("arbitration/snapshots/nightly/00000001-{:032x}-vote", 7);
    memory.insert(ObjectPath::parse(&ballot).unwrap(), numbered("nightly", 1).encode().into());
    let busy = repository.forget(&label("nightly"), None).await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    assert_eq!(labels(&repository).await, ["nightly"]);
}

#[tokio::test]
async fn a_listing_reads_only_records_that_are_new() {
    let memory = MemoryStorage::new();
    let storage = Arc::new(FaultStorage::new(Arc::new(memory.clone())));
    let repository = host(Arc::clone(&storage) as _).await;
    let writer = host(Arc::new(memory.clone())).await;
    for number in 0..30 {
        commit(&writer, &format!("s{number}"), number).await.unwrap();
    }
    let reads = async || {
        let before = storage.calls(Operation::Get);
        let listed = repository.snapshots().await.unwrap();
        (listed.len(), storage.calls(Operation::Get) - before)
    };
    assert_eq!(reads().await, (30, 30));
    assert_eq!(reads().await, (30, 0));
    commit(&writer, "new", 1).await.unwrap();
    writer.forget(&label("s7"), None).await.unwrap();
    assert_eq!(reads().await, (30, 1));
    let named = [label("s1"), label("s7"), label("nobody")];
    let lists = storage.calls(Operation::List);
    let found = repository.snapshots_named(&named).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(storage.calls(Operation::List), lists);
}
