//! Holds: what is held stays, whoever forgets it at whatever moment; and the time by which sweeps judge.

use std::sync::Arc;
use std::time::Duration;

use cairn_repository::config::CommitMode;
use cairn_repository::copy::copy;
use cairn_repository::hold::HoldNote;
use cairn_repository::manifest::DocumentRef;
use cairn_repository::{Error, ErrorKind, Label, Repository, Timestamp, layout};
use cairn_storage::{MemoryStorage, ObjectPath, Operation, Payload, PutMode, Storage};
use cairn_testkit::{Fault, FaultStorage, Indecision, UndecidedStorage};
use futures::future::join;

use crate::sample::{record, settings};
use crate::unhurried::slow;

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn note() -> HoldNote {
    let placed = Timestamp::from_unix_millis(7);
    HoldNote { reason: "tax 2026".to_owned(), by: "root@%".to_owned(), placed }
}

async fn host(storage: Arc<dyn Storage>) -> Repository {
    Repository::open_or_create(storage, &settings()).await.unwrap()
}

async fn with_snapshot() -> (MemoryStorage, Repository) {
    let memory = MemoryStorage::new();
    let repository = host(Arc::new(memory.clone())).await;
    commit(&repository, 0).await;
    (memory, repository)
}

async fn commit(repository: &Repository, millis: u64) {
    let mut record = record("nightly", DocumentRef::of(b"root"));
    record.timestamp = Timestamp::from_unix_millis(millis);
    repository.commit(&record).await.unwrap();
}

async fn hold(repository: &Repository, name: &str) -> Result<(), Error> {
    repository.hold(&label("nightly"), &label(name), note()).await.map(drop)
}

async fn forget(repository: &Repository) -> Result<(), Error> {
    repository.forget(&label("nightly"), None).await
}

async fn names(repository: &Repository) -> Vec<String> {
    let holds = repository.holds(None).await.unwrap();
    holds.iter().map(|hold| format!("{} {}", hold.label, hold.name)).collect()
}

#[tokio::test]
async fn what_is_held_goes_when_the_last_hold_is_released() {
    let (memory, repository) = with_snapshot().await;
    hold(&repository, "audit").await.unwrap();
    hold(&repository, "court").await.unwrap();
    let before = memory.objects();
    let held = forget(&repository).await.unwrap_err();
    assert_eq!(held.kind(), ErrorKind::Held);
    assert_eq!(
        held.to_string(),
        "the snapshot nightly is held: audit (\"tax 2026\", placed by root@% at 1970-01-01-00-00-00-007), \
         court (\"tax 2026\", placed by root@% at 1970-01-01-00-00-00-007); it goes only when every hold on it is released"
    );
    assert_eq!(memory.objects(), before, "nothing was written");
    repository.release(&label("nightly"), &label("audit")).await.unwrap();
    assert_eq!(forget(&repository).await.unwrap_err().kind(), ErrorKind::Held);
    repository.release(&label("nightly"), &label("court")).await.unwrap();
    let again = repository.release(&label("nightly"), &label("court")).await.unwrap_err();
    assert_eq!(again.to_string(), "the snapshot nightly is not held as court");
    forget(&repository).await.unwrap();
    let gone = hold(&repository, "late").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NoSuchSnapshot);
    assert_eq!(names(&repository).await, [""; 0]);
}

#[tokio::test]
async fn a_hold_is_replaced_and_damage_does_not_release_it() {
    let (memory, repository) = with_snapshot().await;
    hold(&repository, "audit").await.unwrap();
    hold(&repository, "audit").await.unwrap();
    assert_eq!(names(&repository).await, ["nightly audit"]);
    let [placed] = &repository.holds(Some(&label("nightly"))).await.unwrap()[..] else {
        panic!("not one hold")
    };
    assert_eq!(placed.note, Some(note()));
    memory.insert(layout::hold_path(placed), "rotten".into());
    let held = forget(&repository).await.unwrap_err().to_string();
    assert!(held.contains("audit (what it says is damaged)"), "{held}");
    // A record of which nobody can tell when it was taken is held by every hold of its label.
    memory.insert(layout::snapshot_path(&label("nightly")), "rotten".into());
    assert_eq!(forget(&repository).await.unwrap_err().kind(), ErrorKind::Held);
    let long = HoldNote { reason: "x".repeat(2000), ..note() };
    let refused = repository.hold(&label("nightly"), &label("long"), long).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_hold_means_one_snapshot_and_not_the_next_of_its_label() {
    let (memory, repository) = with_snapshot().await;
    hold(&repository, "audit").await.unwrap();
    // As by somebody who does not keep the rules.
    memory.remove(&layout::snapshot_path(&label("nightly")));
    commit(&repository, 1000).await;
    let listed = repository.snapshots().await.unwrap();
    let names = repository.hold_names(None).await.unwrap();
    let taken = listed[0].record.as_ref().unwrap().timestamp;
    assert_eq!(names.on(&listed[0].label, Some(taken)), []);
    forget(&repository).await.unwrap();
    repository.release(&label("nightly"), &label("audit")).await.unwrap();
}

/// Whoever holds and forgets at once: never do both succeed.
#[tokio::test(start_paused = true)]
async fn a_hold_that_was_reported_is_never_too_late() {
    let (mut held, mut forgotten) = (0, 0);
    for round in 0..400 {
        let memory = MemoryStorage::new();
        let storage = || -> Arc<dyn Storage> {
            match round % 2 {
                0 => Arc::new(memory.clone()),
                _ => Arc::new(UndecidedStorage::boasting(
                    Arc::new(memory.clone()),
                    Indecision::LooksFirst,
                )),
            }
        };
        let first = host(storage()).await;
        assert_eq!(first.config().commit_mode() == CommitMode::Arbitrated, round % 2 == 1);
        commit(&first, 0).await;
        let (holder, forgetter) = (host(slow(storage())).await, host(slow(storage())).await);
        let after = |millis| tokio::time::sleep(Duration::from_millis(millis));
        let holding = async {
            after(rand::random_range(0..3000)).await;
            hold(&holder, "audit").await
        };
        let forgetting = async {
            after(rand::random_range(0..700)).await;
            forget(&forgetter).await
        };
        let (hold, forget) = join(holding, forgetting).await;
        let is_there = !first.labels().await.unwrap().is_empty();
        let shown = format!("{hold:?} {forget:?} {is_there}");
        assert!(is_there || hold.is_err(), "a held snapshot is gone: {shown}");
        assert!(is_there != forget.is_ok(), "{shown}");
        held += u32::from(hold.is_ok());
        forgotten += u32::from(forget.is_ok());
    }
    assert!(held > 20 && forgotten > 20, "the two hardly met: {held} and {forgotten} of 400");
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_may_still_come_lets_no_hold_succeed() {
    let (memory, _) = with_snapshot().await;
    let storage = Arc::new(FaultStorage::new(Arc::new(memory.clone())));
    let repository = host(Arc::clone(&storage) as _).await;
    let record = layout::snapshot_path(&label("nightly"));
    let at = record.clone();
    let unknown = Fault::fail(cairn_storage::ErrorKind::UnknownOutcome);
    storage.plan(unknown.on(Operation::Delete).at(move |path| *path == at));
    assert!(forget(&repository).await.unwrap_err().is_retryable());
    assert_eq!(hold(&repository, "audit").await.unwrap_err().kind(), ErrorKind::Busy);
    memory.remove(&record);
}

#[tokio::test]
async fn a_copy_takes_holds_along() {
    let (_, repository) = with_snapshot().await;
    hold(&repository, "audit").await.unwrap();
    let to = MemoryStorage::new();
    copy(&repository, Arc::new(to.clone()), 4, &|_| {}).await.unwrap();
    let copied = host(Arc::new(to)).await;
    assert_eq!(copied.holds(None).await.unwrap(), repository.holds(None).await.unwrap());
    assert_eq!(forget(&copied).await.unwrap_err().kind(), ErrorKind::Held);
}

#[tokio::test]
async fn a_sweep_has_no_time_when_the_clocks_differ() {
    let (memory, repository) = with_snapshot().await;
    let before = memory.objects();
    let off = |millis: i64| {
        move || {
            let now = Timestamp::now().as_unix_millis();
            Timestamp::from_unix_millis(now.saturating_add_signed(millis))
        }
    };
    let minute = 60_000;
    for apart in [-9 * minute, 0, 9 * minute] {
        let time = repository.sweep_time(off(apart)).await.unwrap().as_unix_millis();
        let expected = Timestamp::now().as_unix_millis().saturating_add_signed(apart.min(0));
        assert!(expected.abs_diff(time) < 30_000, "{apart}: {time} is not the earlier of the two");
    }
    for apart in [-11 * minute, 11 * minute, 5 * 3_600_000] {
        let refused = repository.sweep_time(off(apart)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ClocksDiffer);
        assert!(refused.to_string().contains("one of the clocks is wrong"), "{refused}");
    }
    assert_eq!(memory.objects(), before, "nothing stays");
    let witness = ObjectPath::parse("probe-clock-0").unwrap();
    memory.put(&witness, Payload::default(), PutMode::Create).await.unwrap();
    assert!(layout::is_trace(&witness));
}
