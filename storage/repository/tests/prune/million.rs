//! A prune of a thousand snapshots and a million chunks: run by hand, for its numbers.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cairn_repository::codec::Codec;
use cairn_repository::manifest::{
    Database, Document, DocumentRef, Object, ObjectList, Partition, Root, Segment, Tablet,
    TabletList,
};
use cairn_repository::pack::{ChunkKind, PackBuilder};
use cairn_repository::prune::{PruneOptions, prune};
use cairn_repository::record::{Record, RecordStats};
use cairn_repository::{ChunkId, Repository, Sealer, Timestamp};
use cairn_storage::{MemoryStorage, Operation};
use cairn_testkit::FaultStorage;
use tokio::runtime::Handle;

use crate::place;

const SNAPSHOTS: u32 = 1000;
const CHUNKS: u32 = 1000;
const CHUNK_BYTES: usize = 64;

fn push(pack: &mut PackBuilder, kind: ChunkKind, plain: &[u8]) -> ChunkId {
    let id = ChunkId::of(plain);
    let length = u32::try_from(plain.len()).unwrap();
    pack.push(id, kind, Codec::Raw, length, plain).unwrap();
    id
}

fn document(pack: &mut PackBuilder, document: &impl Document) -> DocumentRef {
    let bytes = document.encode();
    for chunk in DocumentRef::chunks_of(&bytes) {
        push(pack, ChunkKind::Document, chunk);
    }
    DocumentRef::of(&bytes)
}

/// Takes a snapshot that shares a third of its chunks with the one before.
async fn take(repository: &Repository, number: u32) {
    let mut pack = PackBuilder::new(&Sealer::plain(), 1 << 20);
    let segment = |part: u32, pack: Option<&mut PackBuilder>| {
        let mut plain = [0; CHUNK_BYTES * (CHUNKS / 2) as usize];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&part.to_le_bytes()).finalize_xof().fill(&mut plain);
        let chunks: Vec<&[u8]> = plain.chunks(CHUNK_BYTES).collect();
        let ids = match pack {
            Some(pack) => {
                chunks.iter().map(|chunk| push(pack, ChunkKind::Segment, chunk)).collect()
            }
            None => chunks.iter().map(|chunk| ChunkId::of(chunk)).collect(),
        };
        Segment {
            name: part.to_string(),
            len: plain.len() as u64,
            chunks: ids,
            ..Segment::default()
        }
    };
    // Two parts are new, one was in the snapshot before.
    let mut segments =
        vec![segment(2 * number, Some(&mut pack)), segment(2 * number + 1, Some(&mut pack))];
    if let Some(before) = (2 * number).checked_sub(1) {
        segments.push(segment(before, None));
    }
    let bytes = segments.iter().map(|segment| segment.len).sum();
    let tablet = Tablet { name: "1".to_owned(), segments, ..Tablet::default() };
    let tablets = document(&mut pack, &TabletList::new(vec![tablet]).unwrap());
    let partition = Partition { name: String::new(), tablets, segments: 3, bytes };
    let object = Object { name: "t".to_owned(), partitions: vec![partition], ..Object::default() };
    let objects = document(&mut pack, &ObjectList::new(vec![object]).unwrap());
    let database = Database { name: "d".to_owned(), objects };
    let root = document(&mut pack, &Root::new(vec![database]).unwrap());
    let pack = pack.finish().unwrap();
    repository.put_pack(&pack).await.unwrap();
    repository.put_index_run(pack.entries).await.unwrap();
    let record = Record {
        label: format!("s{number}").parse().unwrap(),
        timestamp: Timestamp::from_unix_millis(number.into()),
        origin: String::new(),
        host: String::new(),
        root,
        stats: RecordStats::default(),
        ttl: None,
        databases: Vec::new(),
    };
    repository.commit(&record).await.unwrap();
}

/// Bytes of this process in memory at the most since it was asked last.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    kib << 10
}

#[tokio::test]
#[ignore = "prints numbers"]
async fn a_million_chunks() {
    let memory = MemoryStorage::new();
    let repository = place::create(Arc::new(memory.clone())).await;
    for number in 0..SNAPSHOTS {
        take(&repository, number).await;
    }
    for number in (0..SNAPSHOTS).step_by(4) {
        repository.forget(&format!("s{number}").parse().unwrap(), None).await.unwrap();
    }
    let faults = Arc::new(FaultStorage::new(Arc::new(memory.clone())));
    let repository = Repository::open(Arc::clone(&faults) as _).await.unwrap();
    peak_bytes();
    let before = peak_bytes();
    let options = PruneOptions { dry_run: true, ..PruneOptions::default() };
    let began = tokio::time::Instant::now();
    let looked = prune(&repository, Handle::current(), &options, &|_| {}).await.unwrap();
    let (took, needed) = (began.elapsed(), peak_bytes() - before);
    println!("dry run: {took:?}, {} MiB more, {looked:?}", needed >> 20);
    let calls = |faults: &FaultStorage| {
        [Operation::List, Operation::Get, Operation::Put, Operation::Delete]
            .map(|it| faults.calls(it))
    };
    println!("lists, gets, puts, deletes: {:?}", calls(&faults));
    let options = PruneOptions { grace: Duration::ZERO, ..options };
    let options = PruneOptions { dry_run: false, ..options };
    let began = tokio::time::Instant::now();
    let pruned = prune(&repository, Handle::current(), &options, &|_| {}).await.unwrap();
    println!("prune: {:?}, {pruned:?}", began.elapsed());
    println!("lists, gets, puts, deletes: {:?}", calls(&faults));
    let check = cairn_repository::check::CheckOptions::default();
    let runtime = Handle::current();
    let report = cairn_repository::check::check_structure(&repository, runtime, &check, &|_| {});
    assert_eq!(report.await.unwrap().findings, []);
}
