//! Encrypted repositories: made in the right order, opened by their keys only, rotated by one of many.

use std::sync::Arc;

use cairn_repository::{Error, ErrorKind, KeyError, Repository, RepositorySecret, layout};
use cairn_storage::{MemoryStorage, ObjectPath, Storage};
use cairn_testkit::{
    Fault, FaultStorage, Indecision, Mutation, RecordingStorage, UndecidedStorage,
};
use futures::future::join_all;

use crate::check::check;
use crate::sample::{self, secret, settings};

fn key(number: u8) -> RepositorySecret {
    RepositorySecret::key(vec![number; 32]).unwrap()
}

async fn create(storage: Arc<dyn Storage>) -> Result<Repository, Error> {
    Repository::create_encrypted(storage, &settings(), &secret(), "").await
}

#[tokio::test]
async fn what_is_stored_reads_back_from_memory_and_from_pages_of_the_index() {
    let memory = sample::encrypted_sample().await;
    let repository = sample::unlock(&memory).await;
    // With an index of which most is paged, and with one in memory.
    assert!(check(&repository).await.is_clean());
    for label in ["first", "second"] {
        assert_eq!(sample::read_back(&repository, label).await, sample::expected(label));
    }
}

#[tokio::test]
async fn keys_are_there_before_the_config() {
    let recording = Arc::new(RecordingStorage::new(Arc::new(MemoryStorage::new())));
    create(Arc::clone(&recording) as _).await.unwrap();
    let changes = recording.mutations();
    let puts = changes.iter().filter(|change| matches!(change, Mutation::Put { .. }));
    let puts = puts.map(Mutation::path).filter(|path| !layout::is_trace(path));
    let order: Vec<&str> = puts.map(|path| path.as_str().split('/').next().unwrap()).collect();
    assert_eq!(order, ["keyring", "keys", "cairn.json"]);
}

#[tokio::test]
async fn a_creation_that_was_interrupted_leaves_a_vacant_place() {
    for puts in 1..=3 {
        let memory = MemoryStorage::new();
        let faulty = FaultStorage::new(Arc::new(memory.clone()));
        let is_ours = |path: &ObjectPath| !layout::is_trace(path);
        faulty.plan(Fault::no_space().at(is_ours).nth(puts).always());
        assert_eq!(create(Arc::new(faulty)).await.unwrap_err().kind(), ErrorKind::Storage);
        assert!(Repository::is_vacant(&memory).await.unwrap());
        create(Arc::new(memory.clone())).await.unwrap();
        sample::unlock(&memory).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_creations_one_wins_and_only_its_keys_are_left() {
    let memory = MemoryStorage::new();
    let creations = (1..=8).map(|number| {
        let storage: Arc<dyn Storage> = Arc::new(memory.clone());
        tokio::spawn(async move {
            let made = Repository::create_encrypted(storage, &settings(), &key(number), "").await;
            (number, made)
        })
    });
    let mut winners = Vec::new();
    for creation in join_all(creations).await {
        match creation.unwrap() {
            (number, Ok(_)) => winners.push(number),
            (_, Err(error)) => assert_eq!(error.kind(), ErrorKind::AlreadyARepository),
        }
    }
    assert_eq!(winners.len(), 1);
    for number in 1..=8 {
        let opened = Repository::unlock(Arc::new(memory.clone()), &key(number)).await;
        assert_eq!(opened.is_ok(), winners == [number]);
    }
    assert_eq!(Repository::key_slots(&memory).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_rotations_at_once_all_end_with_the_same_key() {
    let memory = MemoryStorage::new();
    let undecided = UndecidedStorage::boasting(Arc::new(memory.clone()), Indecision::LooksFirst);
    for storage in [Arc::new(memory.clone()) as Arc<dyn Storage>, Arc::new(undecided) as _] {
        for path in memory.objects().into_keys() {
            memory.remove(&path);
        }
        let repository = create(storage).await.unwrap();
        let rotations = (0..4).map(|_| {
            let repository = repository.clone();
            tokio::spawn(async move { repository.rotate_keys().await })
        });
        let path = ObjectPath::parse("snapshots/first").unwrap();
        let record = sample::record("first", repository.sealer().document_ref(b"root"));
        let mut newest = Vec::new();
        for rotation in join_all(rotations).await {
            newest.push(rotation.unwrap().unwrap());
        }
        newest.sort_by_key(|rotated| rotated.sealer().generation());
        let last = newest.last().unwrap();
        last.commit(&record).await.unwrap();
        let late = sample::unlock(&memory).await;
        assert_eq!(late.sealer().generation(), last.sealer().generation());
        assert_eq!(late.record(&record.label).await.unwrap(), record);
        assert_eq!(late.stored_record(&record), memory.objects()[&path]);
    }
}

#[tokio::test]
async fn a_repeated_commit_meets_its_own_record() {
    let memory = sample::encrypted_sample().await;
    let repository = sample::unlock(&memory).await;
    let record = repository.record(&"first".parse().unwrap()).await.unwrap();
    repository.commit(&record).await.unwrap();
    let other = sample::record("first", repository.sealer().document_ref(b"another"));
    let taken = repository.commit(&other).await.unwrap_err();
    let Error::LabelExists { timestamp, .. } = taken else { panic!("{taken}") };
    assert_eq!(timestamp, Some(record.timestamp));
}

#[tokio::test]
async fn what_does_not_serve_is_named() {
    let memory = sample::encrypted_sample().await;
    let shared = || Arc::new(memory.clone()) as Arc<dyn Storage>;
    let error = |opened: Result<Repository, Error>| match opened.unwrap_err() {
        Error::Key(error) => error,
        other => panic!("{other}"),
    };
    assert!(matches!(error(Repository::open(shared()).await), KeyError::Needed { .. }));
    assert!(matches!(error(Repository::unlock(shared(), &key(9)).await), KeyError::Wrong { .. }));
    let plain: Arc<dyn Storage> = Arc::new(sample::sample().await);
    assert!(matches!(
        error(Repository::unlock(plain, &secret()).await),
        KeyError::NotEncrypted { .. }
    ));
    let again = create(shared()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyARepository);
    for (prefix, is_expected) in [("keyring", true), ("keys", false)] {
        let prefix = ObjectPath::parse(prefix).unwrap();
        for path in memory.objects().into_keys().filter(|path| path.starts_with(&prefix)) {
            memory.remove(&path);
        }
        let lost = error(Repository::unlock(shared(), &secret()).await);
        assert_eq!(matches!(lost, KeyError::NoRing { .. }), is_expected, "{lost}");
        assert_eq!(matches!(lost, KeyError::NoSlot { .. }), !is_expected, "{lost}");
    }
}
