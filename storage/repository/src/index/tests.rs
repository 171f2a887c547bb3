use std::collections::HashMap;

use cairn_storage::{MemoryStorage, Operation};
use cairn_testkit::FaultStorage;
use proptest::prelude::*;

use super::*;
use crate::codec::Codec;
use crate::pack::{ChunkKind, IndexEntry};
use crate::{Fault, PackId};

/// The entry number `n`: each number another chunk, eight of them in a pack.
fn entry(n: u32) -> IndexEntry {
    let pack = PackId::from_bytes(*blake3::hash(&(n / 8).to_le_bytes()).as_bytes());
    let (codec, stored_len) =
        if n.is_multiple_of(2) { (Codec::Raw, 1000) } else { (Codec::Zstd, 10) };
    let kind = if n.is_multiple_of(3) { ChunkKind::Document } else { ChunkKind::Segment };
    let offset = 8 + (n % 8) * 1000;
    let location = ChunkLocation { pack, offset, stored_len, raw_len: 1000, codec, kind };
    IndexEntry { id: ChunkId::of(&n.to_le_bytes()), location }
}

fn store(storage: &MemoryStorage, entries: Vec<IndexEntry>) -> ListedRun {
    let run = encode_run(&Sealer::plain(), entries);
    let size = run.bytes.len() as u64;
    storage.insert(layout::index_path(&run.id), run.bytes);
    ListedRun { id: run.id, size }
}

async fn load(storage: &MemoryStorage, runs: &[ListedRun], budget: u64) -> Index {
    let storage = Arc::new(storage.clone());
    Index::load(storage, &Sealer::plain(), runs.to_vec(), budget, Handle::current()).await.unwrap()
}

#[test]
fn the_bytes_are_those_of_the_design() {
    let location = |pack: u8, raw_len: u32, codec: Codec, kind| ChunkLocation {
        pack: PackId::from_bytes([pack; 32]),
        offset: 8,
        stored_len: 5,
        raw_len,
        codec,
        kind,
    };
    let one = IndexEntry {
        id: ChunkId::from_bytes([1; 32]),
        location: location(9, 0x01_02_03, Codec::Zstd, ChunkKind::Document),
    };
    let two = IndexEntry {
        id: ChunkId::from_bytes([2; 32]),
        location: location(7, 5, Codec::Raw, ChunkKind::Segment),
    };
    let run = encode_run(&Sealer::plain(), vec![two, one, two]);
    let mut expected = b"CAIRNIX1\x02\0\0\0\x02\0\0\0".to_vec();
    expected.extend([[7; 32], [9; 32]].as_flattened());
    expected.extend([1; 32]);
    expected.extend([1, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 3, 2, 1, 0x11]);
    expected.extend([2; 32]);
    expected.extend([0, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0]);
    expected.extend(blake3::hash(&expected).as_bytes());
    assert_eq!(run.bytes, expected);
    assert_eq!(run.id.as_bytes(), &expected[expected.len() - 32..]);
    assert_eq!(
        decode_run(&Sealer::plain(), &run.id, &run.bytes).unwrap().entries().collect::<Vec<_>>(),
        [one, two]
    );
}

/// A run that someone made to pass the hash.
fn decode_forged(mut bytes: Vec<u8>, change: impl FnOnce(&mut [u8])) -> &'static str {
    bytes.truncate(bytes.len() - 32);
    change(&mut bytes);
    let id = IndexId::of(&bytes);
    bytes.extend(id.as_bytes());
    decode_run(&Sealer::plain(), &id, &bytes.into()).unwrap_err().what()
}

#[test]
fn each_finding_has_its_words() {
    let run = encode_run(&Sealer::plain(), vec![entry(0), entry(8), entry(16)]);
    let bytes = run.bytes.to_vec();
    let entries = 16 + 3 * 32;
    let forged = |change: &dyn Fn(&mut [u8])| decode_forged(bytes.clone(), change);
    assert_eq!(
        decode_run(&Sealer::plain(), &IndexId::from_bytes([0; 32]), &bytes.clone().into())
            .unwrap_err()
            .what(),
        "its content does not match its hash"
    );
    assert_eq!(forged(&|bytes| bytes[0] = 0), "no run's magic at the start");
    assert_eq!(forged(&|bytes| bytes[8] = 9), "the counts do not fit the length of the run");
    assert_eq!(forged(&|bytes| bytes[15] = 255), "the counts do not fit the length of the run");
    assert_eq!(forged(&|bytes| bytes[16..48].fill(255)), "the packs of a run are out of order");
    assert_eq!(
        forged(&|bytes| bytes[entries..entries + 32].fill(255)),
        "the entries of a run are out of order"
    );
    assert_eq!(
        forged(&|bytes| bytes[entries + 32] = 3),
        "an entry names a pack that the run does not"
    );
    assert_eq!(forged(&|bytes| bytes[entries + 47] = 7), "unknown codec or kind of chunk");
    assert_eq!(forged(&|bytes| bytes[entries + 36] = 0), "the chunk lies outside of any pack");
    assert_eq!(forged(&|bytes| bytes[entries + 39] = 64), "the chunk lies outside of any pack");
}

#[tokio::test]
async fn an_index_without_runs_lists_nothing() {
    let storage = MemoryStorage::new();
    let empty = store(&storage, Vec::new());
    for runs in [&[][..], &[empty][..]] {
        for budget in [0, 1 << 20] {
            let index = load(&storage, runs, budget).await;
            assert_eq!(index.num_entries(), 0);
            assert_eq!(index.find(&entry(1).id).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn the_budget_is_spent_on_the_smallest_runs() {
    let storage = MemoryStorage::new();
    let big = store(&storage, (0..5000).map(entry).collect());
    let small = store(&storage, (5000..6000).map(entry).collect());
    let index = load(&storage, &[big, small], big.size).await;
    assert_eq!((index.num_resident_runs(), index.num_paged_runs()), (1, 1));
    assert_eq!(index.num_entries(), 6000);
    let index = load(&storage, &[big, small], DEFAULT_BUDGET_BYTES).await;
    assert_eq!((index.num_resident_runs(), index.num_paged_runs()), (2, 0));
}

#[test]
fn threads_that_may_block_locate_in_paged_runs() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let storage = MemoryStorage::new();
    let run = store(&storage, (0..5000).map(entry).collect());
    let index = runtime.block_on(load(&storage, &[run], 0));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let index = index.clone();
            std::thread::spawn(move || {
                for n in (thread..6000).step_by(7) {
                    let expected = (n < 5000).then(|| entry(n).location);
                    assert_eq!(index.locate(&entry(n).id).unwrap(), expected);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    drop(runtime);
    let stopped = index.locate(&entry(0).id);
    assert_eq!(stopped.unwrap_err().to_string(), "a lookup on a stopped runtime");
}

#[tokio::test]
async fn lookups_in_a_paged_run_read_few_pages() {
    let memory = MemoryStorage::new();
    let run = store(&memory, (0..100_000).map(entry).collect());
    let storage = Arc::new(FaultStorage::new(Arc::new(memory)));
    let index =
        Index::load(Arc::clone(&storage) as _, &Sealer::plain(), vec![run], 0, Handle::current())
            .await
            .unwrap();
    for n in (0..200_000).step_by(100) {
        assert_eq!(index.find(&entry(n).id).await.unwrap().is_some(), n < 100_000);
    }
    // 98 pages of entries, 13 of packs, one header: all of them are cached once read.
    assert!(storage.calls(Operation::Get) <= 112);
}

#[tokio::test]
async fn every_place_of_a_chunk_is_known() {
    let storage = MemoryStorage::new();
    let mut other = entry(1);
    other.location.pack = PackId::from_bytes([3; 32]);
    let one = store(&storage, vec![entry(1), entry(2)]);
    let two = store(&storage, vec![other]);
    for budget in [0, 150, 1 << 20] {
        let index = load(&storage, &[one, two], budget).await;
        let mut places = index.find_all(&entry(1).id).await.unwrap();
        places.sort_by_key(|place| place.pack);
        let mut expected = [entry(1).location, other.location];
        expected.sort_by_key(|place| place.pack);
        assert_eq!(places, expected);
    }
}

#[tokio::test]
async fn a_damaged_run_lists_nothing_and_does_not_stop_the_others() {
    let storage = MemoryStorage::new();
    let rotten = store(&storage, (0..2000).map(entry).collect());
    let good = store(&storage, (2000..4000).map(entry).collect());
    let gone = ListedRun { id: IndexId::from_bytes([5; 32]), size: 1000 };
    let path = layout::index_path(&rotten.id);
    let mut bytes = storage.remove(&path).unwrap().to_vec();
    bytes[100..].reverse();
    storage.insert(path, bytes.into());
    let index = load(&storage, &[rotten, good, gone], 1 << 20).await;
    assert_eq!(index.damages().len(), 1);
    assert_eq!(index.damages()[0].object, DamagedObject::IndexRun(rotten.id));
    assert!(matches!(index.damages()[0].fault, Fault::Malformed(_)));
    for budget in [0, 1 << 20] {
        let index = load(&storage, &[rotten, good, gone], budget).await;
        assert_eq!(index.find(&entry(0).id).await.unwrap(), None);
        assert_eq!(index.find(&entry(3000).id).await.unwrap(), Some(entry(3000).location));
    }
}

#[tokio::test]
async fn ids_that_are_not_uniform_are_found_too() {
    let storage = MemoryStorage::new();
    let skewed = |n: u32| {
        let mut bytes = [0xff; 32];
        bytes[28..].copy_from_slice(&n.to_be_bytes());
        IndexEntry { id: ChunkId::from_bytes(bytes), ..entry(n) }
    };
    let run = store(&storage, (0..20_000).map(|n| skewed(n * 2)).collect());
    for budget in [0, 1 << 30] {
        let index = load(&storage, &[run], budget).await;
        for n in (0..40_000).step_by(331) {
            let found = index.find(&skewed(n).id).await.unwrap();
            assert_eq!(found.is_some(), n.is_multiple_of(2), "{n}");
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_paged_index_answers_as_a_resident_one(
        runs in prop::collection::vec((0_u32..6000, 1_u32..3000), 0..5),
        budget in 0_u64..400_000,
        wanted in prop::collection::vec(0_u32..10_000, 1..50),
    ) {
        runtime().block_on(async {
            let storage = MemoryStorage::new();
            let mut known = HashMap::new();
            let mut listed = Vec::new();
            for (start, length) in runs {
                let entries: Vec<_> = (start..start + length).map(entry).collect();
                known.extend(entries.iter().map(|entry| (entry.id, entry.location)));
                listed.push(store(&storage, entries));
            }
            let index = load(&storage, &listed, budget).await;
            for n in wanted {
                let id = entry(n).id;
                let found = index.find(&id).await.unwrap();
                assert_eq!(found, known.get(&id).copied());
            }
        });
    }

    #[test]
    fn runs_round_trip(numbers in prop::collection::btree_set(any::<u32>(), 0..100)) {
        let mut entries: Vec<_> = numbers.into_iter().map(entry).collect();
        let run = encode_run(&Sealer::plain(), entries.clone());
        entries.sort_by_key(|entry| entry.id);
        let decoded = decode_run(&Sealer::plain(), &run.id, &run.bytes).unwrap();
        prop_assert_eq!(decoded.num_entries(), entries.len());
        prop_assert_eq!(decoded.entries().collect::<Vec<_>>(), entries);
    }

    #[test]
    fn no_change_of_a_run_goes_unnoticed(at: prop::sample::Index, flip in 1_u8..) {
        let run = encode_run(&Sealer::plain(), (0..20).map(entry).collect());
        let mut bytes = run.bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let bytes = Bytes::from(bytes);
        prop_assert!(decode_run(&Sealer::plain(), &run.id, &bytes).is_err());
        prop_assert!(decode_run(&Sealer::plain(), &run.id, &bytes.slice(..at)).is_err());
    }

    #[test]
    fn decoding_is_total(bytes: Vec<u8>, at: prop::sample::Index, with: u8) {
        let _ = decode_run(&Sealer::plain(), &IndexId::of(&bytes), &bytes.into());
        let mut forged = encode_run(&Sealer::plain(), (0..20).map(entry).collect()).bytes.to_vec();
        forged.truncate(forged.len() - 32);
        let at = at.index(forged.len());
        forged[at] = with;
        let id = IndexId::of(&forged);
        forged.extend(id.as_bytes());
        let _ = decode_run(&Sealer::plain(), &id, &forged.into());
    }
}
