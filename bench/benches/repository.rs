//! The pure cores of the repository, each alone on one thread: chunking, hashing, codec, sealing, pack, index.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must stop")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_bench::content::{Content, Random};
use cairn_repository::chunking::{Chunker, ChunkingParams};
use cairn_repository::codec::Codec;
use cairn_repository::compressor::Compressor;
use cairn_repository::config::{Compression, RepositorySettings};
use cairn_repository::decompressor::Decompressor;
use cairn_repository::index::{DEFAULT_BUDGET_BYTES, Index, ListedRun, encode_run};
use cairn_repository::layout::index_path;
use cairn_repository::pack::{ChunkKind, ChunkLocation, IndexEntry, PackBuilder, entries_of_pack};
use cairn_repository::{ChunkId, PackId, Repository, RepositorySecret, Sealer};
use cairn_storage::MemoryStorage;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const MIB: usize = 1 << 20;
/// More than the second level of cache, less than the third: as windows are in a pipeline.
const WINDOW_BYTES: usize = 8 * MIB;
/// The average chunk.
const CHUNK_BYTES: usize = MIB;

fn chunking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunking");
    group.throughput(Throughput::Bytes(WINDOW_BYTES as u64));
    let chunker = Chunker::new(ChunkingParams::SEGMENTS);
    let inputs = [
        ("random", Content::Noise.bytes(1, WINDOW_BYTES)),
        ("pages", Content::Pages.bytes(1, WINDOW_BYTES)),
        ("constant", vec![0; WINDOW_BYTES]),
    ];
    for (name, data) in inputs {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (mut rest, mut cuts) = (data.as_slice(), 0_u32);
                while let Some(cut) = chunker.next_cut(black_box(rest), true) {
                    rest = rest.get(cut..).unwrap_or_default();
                    cuts += 1;
                }
                cuts
            });
        });
    }
}

fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hashing");
    for (name, length) in [("16 KiB", 16 << 10), ("1 MiB", CHUNK_BYTES)] {
        let data = Content::Noise.bytes(2, length);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(name, |bencher| bencher.iter(|| ChunkId::of(black_box(&data))));
    }
}

const CLASSES: [(&str, Content); 3] =
    [("incompressible", Content::Noise), ("pages", Content::Pages), ("text", Content::Csv)];

fn compressing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compressing");
    group.throughput(Throughput::Bytes(CHUNK_BYTES as u64));
    let mut compressor = Compressor::new(Compression::Auto);
    for (name, content) in CLASSES {
        let chunk = content.bytes(3, CHUNK_BYTES);
        group.bench_function(name, |bencher| {
            bencher.iter(|| compressor.encode(black_box(&chunk)).expect("a chunk").1.len());
        });
    }
}

fn decompressing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decompressing");
    group.throughput(Throughput::Bytes(CHUNK_BYTES as u64));
    let mut decompressor = Decompressor::new(&Sealer::plain());
    for (name, content) in CLASSES {
        let (location, stored) = stored(&content.bytes(3, CHUNK_BYTES));
        // What is not sealed is decoded whatever it is called.
        let id = ChunkId::from_bytes([0; 32]);
        group.bench_function(name, |bencher| {
            bencher
                .iter(|| decompressor.decode(&id, &location, black_box(&stored)).expect("a chunk"));
        });
    }
}

/// What encryption adds to each chunk on its way in and out.
fn sealing(criterion: &mut Criterion) {
    let secret = RepositorySecret::key(vec![7; 32]).expect("a key");
    let (storage, settings) = (Arc::new(MemoryStorage::new()), RepositorySettings::default());
    let made = Repository::create_encrypted(storage, &settings, &secret, "");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let sealer = runtime.block_on(made).expect("a repository").sealer().clone();
    let chunk = Content::Noise.bytes(4, CHUNK_BYTES);
    let (id, length) = (sealer.chunk_id(&chunk), length_of(&chunk));
    let seal = || sealer.seal_chunk(&id, Codec::Raw, length, black_box(&chunk)).expect("a sealer");
    let mut group = criterion.benchmark_group("sealing");
    group.throughput(Throughput::Bytes(CHUNK_BYTES as u64));
    group.bench_function("seal", |bencher| bencher.iter(seal));
    let (codec, sealed) = seal();
    let (sealed, mut decompressor) = (Bytes::from(sealed), Decompressor::new(&sealer));
    let location = ChunkLocation { codec, stored_len: length_of(&sealed), ..stored(&chunk).0 };
    group.bench_function("open", |bencher| {
        bencher.iter(|| decompressor.decode(&id, &location, black_box(&sealed)).expect("a chunk"));
    });
}

/// The stored form of a chunk, and a place that fits it.
fn stored(chunk: &[u8]) -> (ChunkLocation, Bytes) {
    let mut compressor = Compressor::new(Compression::Auto);
    let (codec, stored) = compressor.encode(chunk).expect("a chunk");
    let location = ChunkLocation {
        pack: PackId::from_bytes([0; 32]),
        offset: 8,
        stored_len: length_of(stored),
        raw_len: length_of(chunk),
        codec,
        kind: ChunkKind::Segment,
    };
    (location, Bytes::copy_from_slice(stored))
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a chunk is short")
}

/// A pack of 32 MiB: of 32 segment chunks, or of 2048 small ones.
fn packs(criterion: &mut Criterion) {
    const PACK_BYTES: u32 = 34 << 20;
    let mut group = criterion.benchmark_group("pack");
    for (name, length) in [("1 MiB chunks", CHUNK_BYTES), ("16 KiB chunks", 16 << 10)] {
        let chunk = Content::Noise.bytes(4, length);
        let ids = random_ids(5, 32 * MIB / length);
        let build = |buffer: Vec<u8>| {
            let mut builder = PackBuilder::with_buffer(&Sealer::plain(), buffer, PACK_BYTES);
            for id in &ids {
                let pushed =
                    builder.push(*id, ChunkKind::Segment, Codec::Raw, length_of(&chunk), &chunk);
                pushed.expect("there is room");
            }
            builder.finish().expect("a pack with chunks")
        };
        group.throughput(Throughput::Bytes(32 * MIB as u64));
        group.bench_function(format!("build, {name}"), |bencher| {
            bencher.iter_batched(
                || Vec::with_capacity(PACK_BYTES as usize),
                build,
                BatchSize::PerIteration,
            );
        });
        let pack = build(Vec::new());
        group.throughput(Throughput::Elements(ids.len() as u64));
        group.bench_function(format!("parse, {name}"), |bencher| {
            bencher.iter(|| {
                entries_of_pack(&Sealer::plain(), &pack.id, black_box(&pack.bytes)).expect("a pack")
            });
        });
    }
}

fn random_ids(seed: u64, count: usize) -> Vec<ChunkId> {
    let bytes = Content::Noise.bytes(seed, count * ChunkId::BYTES);
    let (ids, _) = bytes.as_chunks::<{ ChunkId::BYTES }>();
    ids.iter().map(|id| ChunkId::from_bytes(*id)).collect()
}

/// A million chunks in ten runs, all resident: a terabyte of data.
fn index(criterion: &mut Criterion) {
    const ENTRIES: usize = 1_000_000;
    const RUNS: usize = 10;
    let ids = random_ids(6, ENTRIES);
    let storage = MemoryStorage::new();
    let runs = ids.chunks(ENTRIES / RUNS).map(|ids| {
        let run = encode_run(
            &Sealer::plain(),
            ids.iter().enumerate().map(|(at, id)| entry(at, *id)).collect(),
        );
        let listed = ListedRun { id: run.id, size: run.bytes.len() as u64 };
        storage.insert(index_path(&run.id), run.bytes);
        listed
    });
    let runs: Vec<ListedRun> = runs.collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let sealer = Sealer::plain();
    let loading = Index::load(
        Arc::new(storage),
        &sealer,
        runs,
        DEFAULT_BUDGET_BYTES,
        runtime.handle().clone(),
    );
    let index = runtime.block_on(loading).expect("an index");
    assert_eq!((index.num_resident_runs(), index.num_paged_runs()), (RUNS, 0));

    let mut group = criterion.benchmark_group("index, 1M entries resident");
    group.throughput(Throughput::Elements(1));
    let unknown = random_ids(7, 1 << 16);
    for (name, ids) in [("locate, known", &ids), ("locate, unknown", &unknown)] {
        let mut random = Random::new(8);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let at = usize::try_from(random.below(ids.len() as u64)).unwrap_or_default();
                index.locate(black_box(&ids[at])).expect("no page is read")
            });
        });
    }
}

/// The entry of a chunk of 1 MiB; thirty of them fill a pack.
fn entry(at: usize, id: ChunkId) -> IndexEntry {
    const PER_PACK: usize = 30;
    let length = 1 << 20;
    let pack = PackId::from_bytes(*ChunkId::of(&(at / PER_PACK).to_le_bytes()).as_bytes());
    let before = u32::try_from(at % PER_PACK).unwrap_or_default();
    let location = ChunkLocation {
        pack,
        offset: 8 + before * length,
        stored_len: length,
        raw_len: length,
        codec: Codec::Raw,
        kind: ChunkKind::Segment,
    };
    IndexEntry { id, location }
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = cores;
    config = short();
    targets = chunking, hashing, compressing, decompressing, sealing, packs, index
}
criterion_main!(cores);
