//! The same repository in another place.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cairn_repository::config::{CommitMode, RepositoryConfig};
use cairn_repository::copy::{CopyProgress, CopyReport, CopyStage, copy};
use cairn_repository::{Error, ErrorKind, Repository, Result, layout};
use cairn_storage::{MemoryStorage, ObjectPath, Operation, Storage};
use cairn_testkit::{
    Fault, FaultStorage, Indecision, Mutation, RecordingStorage, UndecidedStorage,
};

use crate::sample::{self, record};

async fn copy_to(from: &MemoryStorage, to: impl Storage) -> Result<CopyReport> {
    copy(&sample::open(from).await, Arc::new(to), 4, &|_| {}).await
}

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

/// The objects of a kind, in order.
fn below(memory: &MemoryStorage, prefix: &str) -> Vec<(ObjectPath, Bytes)> {
    let objects = memory.objects().into_iter();
    objects.filter(|(path, _)| path.starts_with(&self::path(prefix))).collect()
}

#[tokio::test]
async fn a_copy_is_the_same_object_by_object_and_a_second_one_has_nothing_to_do() {
    let (from, to) = (sample::sample().await, MemoryStorage::new());
    let report = copy_to(&from, to.clone()).await.unwrap();
    assert_eq!(to.objects(), from.objects());
    let CopyProgress { objects_total, objects_copied, bytes_copied, .. } = report.progress;
    assert_eq!(objects_copied, objects_total);
    assert_eq!(objects_total, from.objects().len() as u64 - 1, "all but cairn.json");
    let bytes: usize = from.objects().values().map(Bytes::len).sum();
    let config = from.objects()[&layout::config_path()].len();
    assert_eq!(bytes_copied, (bytes - config) as u64);
    assert_eq!((report.num_snapshots, report.damages.len()), (2, 0));

    let again = copy_to(&from, to.clone()).await.unwrap().progress;
    assert_eq!((again.objects_copied, again.objects_present), (0, objects_total));
    assert_eq!(again.bytes_present, bytes_copied);
    assert_eq!(to.objects(), from.objects());
    let copied = sample::open(&to).await;
    assert_eq!(sample::read_back(&copied, "second").await, sample::expected("second"));
}

#[tokio::test]
async fn the_place_is_taken_first_and_records_come_last() {
    let from = sample::sample().await;
    let recording = Arc::new(RecordingStorage::new(Arc::new(MemoryStorage::new())));
    let to: Arc<dyn Storage> = Arc::clone(&recording) as _;
    copy(&sample::open(&from).await, to, 4, &|_| {}).await.unwrap();
    let changes = recording.mutations();
    let puts = changes.iter().filter(|change| matches!(change, Mutation::Put { .. }));
    let puts = puts.map(Mutation::path).filter(|path| !layout::is_trace(path));
    let mut order: Vec<&str> = puts.map(|path| path.as_str().split('/').next().unwrap()).collect();
    order.dedup();
    assert_eq!(order, ["cairn.json", "packs", "indexes", "snapshots"]);
}

#[tokio::test]
async fn a_copy_interrupted_anywhere_is_finished_by_another() {
    let from = sample::sample().await;
    for puts in 1..=u32::try_from(from.objects().len()).unwrap() {
        let to = MemoryStorage::new();
        let faulty = FaultStorage::new(Arc::new(to.clone()));
        let is_ours = |path: &ObjectPath| !layout::is_trace(path);
        let full = Fault::no_space().at(is_ours).nth(puts).always();
        faulty.plan(full);
        let error = copy_to(&from, faulty).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        // Whatever snapshots it has are whole.
        if let Ok(partial) = Repository::open(Arc::new(to.clone())).await {
            for label in partial.labels().await.unwrap() {
                let label = label.as_str();
                assert_eq!(sample::read_back(&partial, label).await, sample::expected(label));
            }
        }
        copy_to(&from, to.clone()).await.unwrap();
        assert_eq!(to.objects(), from.objects(), "after {puts} puts");
    }
}

#[tokio::test]
async fn an_object_of_another_length_is_put_again() {
    let (from, to) = (sample::sample().await, MemoryStorage::new());
    copy_to(&from, to.clone()).await.unwrap();
    let (short, bytes) = below(&from, "packs").remove(0);
    to.insert(short, bytes.slice(..bytes.len() / 2));
    let report = copy_to(&from, to.clone()).await.unwrap();
    assert_eq!(report.progress.objects_copied, 1);
    assert_eq!(to.objects(), from.objects());
}

#[tokio::test]
async fn another_repository_and_another_snapshot_of_a_label_are_refused_before_anything_is_put() {
    let from = sample::sample().await;
    let other = sample::sample().await;
    let before = other.objects();
    let error = copy_to(&from, other.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().starts_with("memory holds another repository, "), "{error}");
    assert_eq!(other.objects(), before);

    let to = MemoryStorage::new();
    to.insert(layout::config_path(), from.objects()[&layout::config_path()].clone());
    let root = cairn_repository::manifest::DocumentRef::of(b"another");
    sample::open(&to).await.commit(&record("second", root)).await.unwrap();
    let before = to.objects();
    let error = copy_to(&from, to.clone()).await.unwrap_err();
    let Error::LabelExists { label, .. } = error else { panic!("{error}") };
    assert_eq!(label.as_str(), "second");
    assert_eq!(to.objects(), before);
}

#[tokio::test]
async fn damaged_objects_are_left_out_and_named() {
    let damaged = sample::sample().await;
    let (pack, bytes) = below(&damaged, "packs").remove(0);
    damaged.insert(pack.clone(), bytes.slice(..bytes.len() - 1));
    let (run, bytes) = below(&damaged, "indexes").remove(0);
    let mut rotten = bytes.to_vec();
    rotten[20] ^= 1;
    damaged.insert(run.clone(), rotten.into());
    damaged.insert(path("snapshots/first"), "rotten".into());
    let to = MemoryStorage::new();
    let report = copy_to(&damaged, to.clone()).await.unwrap();
    let mut named: Vec<String> =
        report.damages.iter().map(|damage| damage.object.to_string()).collect();
    named.sort_unstable();
    assert_eq!(named, [run.as_str(), pack.as_str(), "snapshots/first"]);
    assert_eq!(to.objects().len(), damaged.objects().len() - 3);
    assert_eq!(report.num_snapshots, 1);
}

#[tokio::test]
async fn a_place_that_cannot_decide_gets_the_feature_and_the_way_back_takes_it_off() {
    let (from, between, back) =
        (sample::sample().await, MemoryStorage::new(), MemoryStorage::new());
    let undecided =
        UndecidedStorage::boasting(Arc::new(between.clone()), Indecision::IgnoresTheCondition);
    copy_to(&from, undecided).await.unwrap();
    let config = RepositoryConfig::decode(&between.objects()[&layout::config_path()]).unwrap();
    assert_eq!(config.commit_mode(), CommitMode::Arbitrated);
    let without_config = |memory: &MemoryStorage| {
        let mut objects = memory.objects();
        objects.remove(&layout::config_path());
        objects
    };
    assert_eq!(without_config(&between), without_config(&from));
    copy_to(&between, back.clone()).await.unwrap();
    assert_eq!(back.objects(), from.objects());
}

#[tokio::test]
async fn progress_is_told_and_no_more_than_so_many_objects_are_on_their_way() {
    let from = sample::sample().await;
    let faulty = Arc::new(FaultStorage::new(Arc::new(from.clone())));
    let opened = Repository::open(Arc::clone(&faulty) as _).await.unwrap();
    let told = Mutex::new(Vec::new());
    let watch = |progress: CopyProgress| told.lock().unwrap().push(progress);
    copy(&opened, Arc::new(MemoryStorage::new()), 2, &watch).await.unwrap();
    assert!(faulty.peak_in_flight() <= 2);
    assert!(faulty.calls(Operation::Get) > 0);
    let told = told.into_inner().unwrap();
    let stages: Vec<CopyStage> = told.iter().map(|progress| progress.stage).collect();
    assert!(stages.is_sorted_by_key(|stage| *stage as u8), "{stages:?}");
    assert!(told.is_sorted_by_key(|progress| progress.bytes_copied));
    let last = told.last().unwrap();
    assert_eq!(last.bytes_copied, last.bytes_total);
}
