//! Repositories on storages that do not decide between two creates.

use std::sync::Arc;

use cairn_repository::config::{CommitMode, RepositoryConfig, RepositorySettings};
use cairn_repository::manifest::DocumentRef;
use cairn_repository::record::RecordStats;
use cairn_repository::{Error, ErrorKind, Repository, layout};
use cairn_storage::{
    ByteRange, MemoryStorage, ObjectPath, Operation, Storage, probe_atomic_create,
};
use cairn_testkit::{Fault, FaultStorage, Indecision, UndecidedStorage};
use futures::future::join_all;

use crate::sample::{self, Writer, record, settings};

const WAYS: [Indecision; 2] = [Indecision::LooksFirst, Indecision::IgnoresTheCondition];

fn undecided(memory: &MemoryStorage, way: Indecision) -> Arc<dyn Storage> {
    Arc::new(UndecidedStorage::boasting(Arc::new(memory.clone()), way))
}

fn is_clean(memory: &MemoryStorage) -> bool {
    !memory.objects().keys().any(layout::is_trace)
}

#[tokio::test]
async fn the_probe_believes_no_promise_and_leaves_nothing() {
    let memory = MemoryStorage::new();
    let decides: Arc<dyn Storage> = Arc::new(memory.clone());
    assert!(probe_atomic_create(decides.as_ref()).await.unwrap());
    for way in WAYS {
        assert!(!probe_atomic_create(undecided(&memory, way).as_ref()).await.unwrap(), "{way:?}");
        let honest = UndecidedStorage::honest(Arc::new(memory.clone()), way);
        let honest: Arc<dyn Storage> = Arc::new(FaultStorage::new(Arc::new(honest)));
        assert!(!probe_atomic_create(honest.as_ref()).await.unwrap(), "{way:?}");
    }
    assert!(memory.objects().is_empty());
}

#[tokio::test]
async fn a_storage_that_cannot_decide_is_not_even_asked() {
    let honest = UndecidedStorage::honest(Arc::new(MemoryStorage::new()), WAYS[0]);
    let faulty = Arc::new(FaultStorage::new(Arc::new(honest)));
    let storage: Arc<dyn Storage> = Arc::clone(&faulty) as _;
    assert!(!probe_atomic_create(storage.as_ref()).await.unwrap());
    assert_eq!(faulty.calls(Operation::Put), 0);
}

#[tokio::test]
async fn the_outcome_is_a_feature_that_every_later_writer_meets() {
    for way in WAYS {
        let memory = MemoryStorage::new();
        let created = Repository::create(undecided(&memory, way), &settings()).await.unwrap();
        assert_eq!(created.config().commit_mode(), CommitMode::Arbitrated);
        // Also one that reaches the same place through something that decides.
        let opened = sample::open(&memory).await;
        assert_eq!(opened.config(), created.config());
        let stored = &memory.objects()[&layout::config_path()];
        assert_eq!(RepositoryConfig::decode(stored).unwrap().features, ["arbitrated-commit"]);
        assert!(is_clean(&memory));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_creations_one_wins() {
    for way in WAYS {
        let memory = MemoryStorage::new();
        let creations = (0..16).map(|_| {
            let storage = undecided(&memory, way);
            tokio::spawn(async move { Repository::create(storage, &settings()).await })
        });
        let mut winners = Vec::new();
        for creation in join_all(creations).await {
            match creation.unwrap() {
                Ok(repository) => winners.push(repository.config().id),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyARepository),
            }
        }
        assert_eq!(winners, [sample::open(&memory).await.config().id]);
        assert!(is_clean(&memory));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_commits_one_wins_and_is_seen() {
    for way in WAYS {
        let memory = MemoryStorage::new();
        let storage = undecided(&memory, way);
        Repository::create(Arc::clone(&storage), &RepositorySettings::default()).await.unwrap();
        let commits = (0_u64..16).map(|host| {
            let storage = Arc::clone(&storage);
            tokio::spawn(async move {
                let repository = Repository::open(storage).await.unwrap();
                let mut record = record("first", DocumentRef::of(b"root"));
                record.stats = RecordStats { objects: host, ..RecordStats::default() };
                (record.clone(), repository.commit(&record).await)
            })
        });
        let mut winners = Vec::new();
        for commit in join_all(commits).await {
            match commit.unwrap() {
                (record, Ok(())) => winners.push(record),
                (_, Err(Error::LabelExists { label, .. })) => assert_eq!(label.as_str(), "first"),
                (_, Err(error)) => panic!("{error}"),
            }
        }
        let seen = sample::open(&memory).await.record(&"first".parse().unwrap()).await.unwrap();
        assert_eq!(winners, [seen]);
        assert!(is_clean(&memory));
    }
}

#[tokio::test]
async fn what_a_dead_host_left_is_carried_through_and_its_label_is_taken() {
    let memory = MemoryStorage::new();
    let faulty = Arc::new(FaultStorage::new(undecided(&memory, WAYS[0])));
    let repository = Repository::create(Arc::clone(&faulty) as _, &settings()).await.unwrap();
    let dead = record("first", DocumentRef::of(b"of the dead"));
    let is_record = |path: &ObjectPath| path.as_str() == "snapshots/first";
    faulty.plan(
        Fault::fail(cairn_storage::ErrorKind::UnknownOutcome).on(Operation::Put).at(is_record),
    );
    let error = repository.commit(&dead).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(repository.labels().await.unwrap().is_empty(), "nothing is seen before");
    let late = repository.commit(&record("first", DocumentRef::of(b"of the living"))).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::LabelExists);
    assert_eq!(repository.record(&dead.label).await.unwrap(), dead);
    repository.commit(&dead).await.unwrap();
}

#[tokio::test]
async fn a_backup_works_as_anywhere() {
    let memory = MemoryStorage::new();
    let storage = undecided(&memory, WAYS[1]);
    let repository = Repository::create(storage, &settings()).await.unwrap();
    let mut writer = Writer::new(&repository);
    for label in ["first", "second"] {
        sample::back_up(&mut writer, label).await;
        assert_eq!(sample::read_back(&repository, label).await, sample::expected(label));
    }
    assert!(is_clean(&memory));
}

#[tokio::test]
async fn a_repository_moved_to_a_place_that_cannot_decide_refuses_commits() {
    let memory = sample::sample().await;
    let honest = UndecidedStorage::honest(Arc::new(memory), WAYS[0]);
    let moved = Repository::open(Arc::new(honest)).await.unwrap();
    let error = moved.commit(&record("third", DocumentRef::of(b"root"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let path = ObjectPath::parse("snapshots/third").unwrap();
    assert!(moved.storage().get(&path, ByteRange::Full).await.is_err());
}

#[tokio::test]
async fn a_place_with_nothing_but_traces_is_vacant() {
    let memory = MemoryStorage::new();
    assert!(Repository::is_vacant(&memory).await.unwrap());
    let traces = ["probe-00000000000000000000000000000007-0", "arbitration/cairn.json/x"];
    for trace in traces {
        memory.insert(ObjectPath::parse(trace).unwrap(), "x".into());
    }
    assert!(Repository::is_vacant(&memory).await.unwrap());
    memory.insert(ObjectPath::parse("somebody/else").unwrap(), "x".into());
    assert!(!Repository::is_vacant(&memory).await.unwrap());
}
