//! Operations on a repository, and the errors they end in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cairn_repository::config::RepositorySettings;
use cairn_repository::manifest::{Document, DocumentRef, ObjectList, Root};
use cairn_repository::pack::{ChunkKind, PackBuilder};
use cairn_repository::record::RecordStats;
use cairn_repository::{
    ChunkId, DamagedObject, Error, ErrorKind, Label, Repository, Sealer, layout,
};
use cairn_storage::{MemoryStorage, ObjectPath, Operation, Storage};
use cairn_testkit::{Fault, FaultStorage};
use futures::StreamExt;
use futures::future::join_all;

use crate::sample::{self, Writer, record, settings};

fn shared(storage: &MemoryStorage) -> Arc<dyn Storage> {
    Arc::new(storage.clone())
}

async fn empty() -> Repository {
    Repository::create(Arc::new(MemoryStorage::new()), &settings()).await.unwrap()
}

#[tokio::test]
async fn a_repository_is_created_once_and_opened_often() {
    let memory = MemoryStorage::new();
    let missing = Repository::open(shared(&memory)).await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no repository at memory");
    assert_eq!(missing.kind(), ErrorKind::NotARepository);
    let created = Repository::open_or_create(shared(&memory), &settings()).await.unwrap();
    let opened = Repository::open_or_create(shared(&memory), &RepositorySettings::default()).await;
    assert_eq!(opened.unwrap().config(), created.config());
    let again = Repository::create(shared(&memory), &settings()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyARepository);
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_found_to_have_happened() {
    let storage = Arc::new(FaultStorage::new(Arc::new(MemoryStorage::new())));
    let lost = Fault::fail_after_effect(cairn_storage::ErrorKind::UnknownOutcome);
    storage.plan(lost.on(Operation::Put).at(|path| *path == layout::config_path()));
    let lost = Repository::create(Arc::clone(&storage) as _, &settings()).await.unwrap_err();
    assert!(lost.is_retryable());
    assert!(Repository::open(storage).await.is_ok());
}

#[tokio::test]
async fn a_newer_repository_is_left_alone() {
    let memory = MemoryStorage::new();
    memory.insert(layout::config_path(), r#"{ "format": "cairn", "version": 9 }"#.into());
    let newer = Repository::open(shared(&memory)).await.unwrap_err();
    assert_eq!(
        newer.to_string(),
        "the repository needs format version 9, which this version of Cairn does not know"
    );
}

#[tokio::test]
async fn of_sixteen_commits_of_one_label_one_wins() {
    let repository = empty().await;
    let commits = (0_u64..16).map(|host| {
        let repository = repository.clone();
        tokio::spawn(async move {
            let mut record = record("first", DocumentRef::of(b"root"));
            record.stats = RecordStats { objects: host, ..RecordStats::default() };
            (record.clone(), repository.commit(&record).await)
        })
    });
    let (mut winners, mut losers) = (Vec::new(), 0);
    for commit in join_all(commits).await {
        match commit.unwrap() {
            (record, Ok(())) => winners.push(record),
            (_, Err(Error::LabelExists { label, timestamp })) => {
                assert_eq!(label.as_str(), "first");
                assert_eq!(timestamp.unwrap().to_string(), "2026-11-23-08-00-00-000");
                losers += 1;
            }
            (_, Err(error)) => panic!("{error}"),
        }
    }
    assert_eq!((winners.len(), losers), (1, 15));
    let label: Label = "first".parse().unwrap();
    assert_eq!(repository.record(&label).await.unwrap(), winners[0]);
}

#[tokio::test]
async fn a_repeated_commit_meets_its_own_record() {
    let repository = empty().await;
    let record = record("first", DocumentRef::of(b"root"));
    repository.commit(&record).await.unwrap();
    repository.commit(&record).await.unwrap();
}

#[tokio::test]
async fn a_label_held_by_a_damaged_record_is_taken_all_the_same() {
    let memory = MemoryStorage::new();
    let repository = Repository::create(shared(&memory), &settings()).await.unwrap();
    memory.insert(ObjectPath::parse("snapshots/first").unwrap(), "rotten".into());
    let taken = repository.commit(&record("first", DocumentRef::of(b"root"))).await.unwrap_err();
    assert_eq!(taken.to_string(), "the label first belongs to a snapshot already");
    let label: Label = "first".parse().unwrap();
    let damaged = repository.record(&label).await.unwrap_err();
    assert_eq!(damaged.damage().unwrap().object, DamagedObject::Record(label));
}

#[tokio::test]
async fn a_record_that_is_too_long_is_not_committed() {
    let mut long = record("first", DocumentRef::of(b"root"));
    long.host = "x".repeat(1 << 20);
    let refused = empty().await.commit(&long).await.unwrap_err();
    assert_eq!(refused.to_string(), "a record of more than 1 MiB");
}

#[tokio::test]
async fn an_object_of_wrong_length_is_healed_by_putting_it_again() {
    let memory = MemoryStorage::new();
    let repository = Repository::create(shared(&memory), &settings()).await.unwrap();
    let mut builder = PackBuilder::new(&Sealer::plain(), 1 << 20);
    let codec = cairn_repository::codec::Codec::Raw;
    builder.push(ChunkId::of(b"abc"), ChunkKind::Segment, codec, 3, b"abc").unwrap();
    let pack = builder.finish().unwrap();
    let path = layout::pack_path(&pack.id);
    memory.insert(path.clone(), pack.bytes.slice(..10));
    repository.put_pack(&pack).await.unwrap();
    repository.put_pack(&pack).await.unwrap();
    assert_eq!(memory.objects()[&path], pack.bytes);
}

#[tokio::test]
async fn the_newest_record_of_an_origin_is_found_without_reading_the_others() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let ticks = std::sync::atomic::AtomicU64::new(0);
    let memory = MemoryStorage::with_clock(move || {
        start + Duration::from_secs(ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    });
    let storage = Arc::new(FaultStorage::new(Arc::new(memory.clone())));
    let repository = Repository::create(Arc::clone(&storage) as _, &settings()).await.unwrap();
    for number in 0..100 {
        let mut record = record(&format!("s{number}"), DocumentRef::of(b"root"));
        record.origin = if number == 97 { "other" } else { "warehouse" }.to_owned();
        repository.commit(&record).await.unwrap();
    }
    memory.insert(ObjectPath::parse("snapshots/s99").unwrap(), "rotten".into());
    memory.insert(ObjectPath::parse("snapshots/not=a=label").unwrap(), "foreign".into());
    let reads = storage.calls(Operation::Get);
    let latest = repository.latest_for_origin("other", 100).await.unwrap().unwrap();
    assert_eq!(latest.label.as_str(), "s97");
    assert!(storage.calls(Operation::Get) - reads <= 5);
    assert_eq!(repository.latest_for_origin("other", 2).await.unwrap(), None);
    let recent: Vec<_> = repository.recent_records(3).await.unwrap().collect().await;
    let labels: Vec<_> = recent.iter().map(|snapshot| snapshot.label.as_str()).collect();
    assert_eq!(labels, ["s99", "s98", "s97"]);
    assert!(recent[0].record.is_err());
}

#[tokio::test]
async fn a_listing_shows_good_and_damaged_records() {
    let memory = sample::sample().await;
    memory.insert(ObjectPath::parse("snapshots/zero").unwrap(), vec![0; 2 << 20].into());
    let first = memory.objects()[&ObjectPath::parse("snapshots/first").unwrap()].clone();
    memory.insert(ObjectPath::parse("snapshots/swapped").unwrap(), first);
    let snapshots = sample::open(&memory).await.snapshots().await.unwrap();
    let shown: Vec<_> = snapshots
        .iter()
        .map(|snapshot| {
            let error = snapshot.record.as_ref().err().and_then(Error::damage);
            (snapshot.label.as_str(), error.map(ToString::to_string).unwrap_or_default())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("first", String::new()),
            ("second", String::new()),
            ("swapped", "snapshots/swapped: the record of another label".to_owned()),
            ("zero", "snapshots/zero: longer than the format allows: it is not read".to_owned()),
        ]
    );
}

#[tokio::test]
async fn no_such_snapshot_is_said_so() {
    let missing = empty().await.record(&"none".parse().unwrap()).await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no snapshot none");
}

#[tokio::test]
async fn an_unchanged_partition_costs_nothing() {
    let memory = MemoryStorage::new();
    let repository = Repository::create(shared(&memory), &settings()).await.unwrap();
    let mut writer = Writer::new(&repository);
    sample::back_up(&mut writer, "first").await;
    let size = |memory: &MemoryStorage| memory.objects().values().map(|b| b.len()).sum::<usize>();
    let before = size(&memory);
    sample::back_up(&mut writer, "second").await;
    // 6000 bytes of a new segment, the documents above it, a record.
    assert!(size(&memory) - before < 8000);
}

#[tokio::test]
async fn documents_of_many_chunks_are_read_whole() {
    let repository = empty().await;
    let mut writer = Writer::new(&repository);
    let object = |number: u32| cairn_repository::manifest::Object {
        name: format!("{number:05}"),
        definition: sample::noise(9, 1000),
        ..Default::default()
    };
    let large = ObjectList::new((0..1000).map(object).collect()).unwrap();
    let small = ObjectList::new(vec![object(7)]).unwrap();
    let references = [writer.document(&large), writer.document(&small), writer.document(&large)];
    assert!(references[0].chunks.len() > 3);
    writer.flush().await;
    let index = sample::index(&repository).await;
    let read: Vec<ObjectList> = repository.read_documents(&index, &references).await.unwrap();
    assert_eq!(read, [large.clone(), small, large]);
}

#[tokio::test]
async fn a_reference_that_lies_is_damage() {
    let repository = empty().await;
    let mut writer = Writer::new(&repository);
    let mut reference = writer.document(&Root::default());
    writer.flush().await;
    let index = sample::index(&repository).await;
    let as_objects = repository.read_document::<ObjectList>(&index, &reference).await;
    assert!(as_objects.is_ok(), "an empty list is an empty list of anything");
    reference.len += 1;
    let lie = repository.read_document::<Root>(&index, &reference).await.unwrap_err();
    let first = reference.chunks.first().unwrap();
    assert_eq!(
        lie.damage().unwrap().to_string(),
        format!("document {first}: 2 bytes instead of 3")
    );
    let unknown = DocumentRef::of(b"never stored");
    let lost = repository.read_document::<Root>(&index, &unknown).await.unwrap_err();
    let chunk = unknown.chunks.first().unwrap();
    let expected = format!("indexes: chunk {chunk}: not listed in any index run");
    assert_eq!(lost.damage().unwrap().to_string(), expected);
}

#[tokio::test]
async fn a_chunk_that_is_damaged_in_one_place_is_read_from_another() {
    let memory = MemoryStorage::new();
    let repository = Repository::create(shared(&memory), &settings()).await.unwrap();
    let document = Root::default();
    let mut packs = Vec::new();
    for companion in 0..2_u8 {
        let mut builder = PackBuilder::new(&Sealer::plain(), 1 << 20);
        let codec = cairn_repository::codec::Codec::Raw;
        let bytes = document.encode();
        builder
            .push(ChunkId::of(&[companion]), ChunkKind::Segment, codec, 1, &[companion])
            .unwrap();
        builder.push(ChunkId::of(&bytes), ChunkKind::Document, codec, 2, &bytes).unwrap();
        let pack = builder.finish().unwrap();
        repository.put_pack(&pack).await.unwrap();
        repository.put_index_run(pack.entries.clone()).await.unwrap();
        packs.push(layout::pack_path(&pack.id));
    }
    let index = sample::index(&repository).await;
    let reference = DocumentRef::of(&document.encode());
    for pack in packs {
        let good = memory.remove(&pack).unwrap();
        assert_eq!(repository.read_document::<Root>(&index, &reference).await.unwrap(), document);
        let mut rotten = good.to_vec();
        rotten[9] ^= 1;
        memory.insert(pack.clone(), rotten.into());
        assert_eq!(repository.read_document::<Root>(&index, &reference).await.unwrap(), document);
        memory.insert(pack, good);
    }
}

#[tokio::test]
async fn a_failing_storage_is_not_damage() {
    let memory = sample::sample().await;
    let storage = Arc::new(FaultStorage::new(Arc::new(memory)));
    let repository = Repository::open(Arc::clone(&storage) as _).await.unwrap();
    let index = sample::index(&repository).await;
    let record = repository.record(&"first".parse().unwrap()).await.unwrap();
    storage.plan(Fault::fail(cairn_storage::ErrorKind::Transient));
    let failed = repository.read_document::<Root>(&index, &record.root).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Storage);
    assert!(failed.is_retryable());
}

#[test]
fn futures_can_be_spawned() {
    fn is_send<T: Send>(_: T) {}
    let _ = |repository: &Repository, index: &cairn_repository::index::Index| {
        let reference = DocumentRef::of(b"x");
        is_send(Repository::open_or_create(Arc::clone(repository.storage()), &settings()));
        is_send(repository.put_index_run(Vec::new()));
        is_send(repository.snapshots());
        is_send(repository.latest_for_origin("x", 1));
        is_send(repository.read_documents::<Root>(index, std::slice::from_ref(&reference)));
        let options = cairn_repository::check::CheckOptions::default();
        let runtime = tokio::runtime::Handle::current();
        is_send(cairn_repository::check::check_structure(repository, runtime, &options, &|_| ()));
    };
}
