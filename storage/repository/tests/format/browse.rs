//! Looking into snapshots: what lies where, every byte of it, and what two of them differ in.

use std::sync::Arc;

use cairn_repository::browse::{Level, SnapshotPath};
use cairn_repository::compare::{Change, Comparison, Difference};
use cairn_repository::index::Index;
use cairn_repository::record::Record;
use cairn_repository::{ErrorKind, Repository};
use cairn_storage::Operation;
use cairn_testkit::FaultStorage;

use crate::sample;

async fn record(repository: &Repository, label: &str) -> Record {
    repository.record(&label.parse().unwrap()).await.unwrap()
}

fn path(text: &str) -> SnapshotPath {
    text.parse().unwrap()
}

/// What lies at a path, as `kind name segments bytes`.
async fn look(repository: &Repository, index: &Index, record: &Record, at: &str) -> Vec<String> {
    let entries = repository.look(index, record, &path(at)).await.unwrap();
    let line = |entry: &cairn_repository::browse::Entry| {
        let (segments, bytes) = (entry.extent.segments, entry.extent.bytes);
        format!("{} {} {segments} {bytes}", entry.kind, entry.name)
    };
    entries.iter().map(line).collect()
}

#[tokio::test]
async fn every_level_is_listed() {
    let repository = sample::open(&sample::sample().await).await;
    let (index, first) = (sample::index(&repository).await, record(&repository, "first").await);
    for (at, expected) in [
        ("", &["database hr 1 150000", "database sales 5 205778"][..]),
        ("sales", &["table orders 5 205778", "view totals 0 0"]),
        ("sales/view:totals", &[]),
        ("sales/orders", &["partition 2026-02 4 200778", "partition 2026-03 1 5000"]),
        ("sales/table:orders/2026-03", &["tablet base.10004 1 5000"]),
        ("hr/people", &["partition - 1 150000"]),
        ("hr/people/-/20001", &["segment 0.dat 1 150000"]),
        ("sales/orders/2026-02/base.10001", &["segment 0.dat 1 200000", "segment 1.dat 1 0"]),
    ] {
        assert_eq!(look(&repository, &index, &first, at).await, expected, "{at}");
    }
    let nowhere = repository.look(&index, &first, &path("sales/orders/2026-02/10001")).await;
    let nowhere = nowhere.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Invalid);
    assert_eq!(nowhere.to_string(), "there is no tablet 10001 in sales/orders/2026-02");
}

#[tokio::test]
async fn every_segment_is_read_back_by_its_path() {
    let repository = sample::open(&sample::sample().await).await;
    let index = sample::index(&repository).await;
    for label in ["first", "second"] {
        let record = record(&repository, label).await;
        for ([database, object, partition, index_name, tablet, name], bytes) in
            sample::segments(label)
        {
            let partition = if partition.is_empty() { "-" } else { partition };
            let dot = if index_name.is_empty() { "" } else { "." };
            let at = format!("{database}/{object}/{partition}/{index_name}{dot}{tablet}/{name}");
            let segment = repository.find_segment(&index, &record, &path(&at)).await.unwrap();
            let ids: Vec<_> = segment.chunks.iter().collect();
            let chunks = repository.read_chunks_in_order(&index, &ids).await.unwrap();
            assert!(chunks.concat() == bytes, "{at}");
        }
    }
}

async fn differences(repository: &Repository, before: &str, after: &str) -> Vec<Difference> {
    let index = sample::index(repository).await;
    let (before, after) = (record(repository, before).await, record(repository, after).await);
    let mut comparison = Comparison::new(repository, &index, &before, &after).await.unwrap();
    let mut told = Vec::new();
    while let Some(batch) = comparison.next_batch(repository, &index).await.unwrap() {
        told.extend(batch);
    }
    told
}

#[tokio::test]
async fn only_what_changed_is_told() {
    let repository = sample::open(&sample::sample().await).await;
    for (before, after, sizes) in
        [("first", "second", (5000, 6000)), ("second", "first", (6000, 5000))]
    {
        let told = differences(&repository, before, after).await;
        assert!(told.iter().all(|it| it.change == Change::Changed && !it.is_redefined));
        let paths: Vec<&str> = told.iter().map(|difference| difference.path.as_str()).collect();
        let expected = [
            "sales",
            "sales/orders",
            "sales/orders/2026-03",
            "sales/orders/2026-03/base.10004",
            "sales/orders/2026-03/base.10004/0.dat",
        ];
        assert_eq!(paths, expected);
        assert_eq!(told[4].level, Level::Segment);
        assert_eq!((told[4].before.bytes, told[4].after.bytes), sizes);
    }
}

#[tokio::test]
async fn what_is_the_same_is_not_read() {
    let storage = Arc::new(FaultStorage::new(Arc::new(sample::sample().await)));
    let repository = Repository::open(Arc::clone(&storage) as _).await.unwrap();
    let (index, first) = (sample::index(&repository).await, record(&repository, "first").await);
    let before = storage.calls(Operation::Get);
    let mut comparison = Comparison::new(&repository, &index, &first, &first).await.unwrap();
    assert_eq!(comparison.next_batch(&repository, &index).await.unwrap(), None);
    assert_eq!(storage.calls(Operation::Get), before);
}
