//! A small repository with two snapshots, and every byte that must come out of it again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use cairn_repository::chunking::{Chunker, ChunkingParams};
use cairn_repository::compressor::Compressor;
use cairn_repository::config::{Compression, RepositorySettings};
use cairn_repository::index::Index;
use cairn_repository::manifest::{
    ChunkList, Database, Document, DocumentRef, Object, ObjectList, Partition, Root, Segment,
    Tablet, TabletList,
};
use cairn_repository::pack::{ChunkKind, IndexEntry, PackBuilder};
use cairn_repository::record::{Record, RecordStats};
use cairn_repository::{ChunkId, Repository, RepositorySecret, Timestamp};
use cairn_storage::{MemoryStorage, Storage};
use tokio::runtime::Handle;

/// The smallest chunks that the format allows, so that a small segment has several.
pub(crate) fn settings() -> RepositorySettings {
    let chunking = ChunkingParams::new(64 << 10, 64 << 10, 128 << 10).unwrap();
    RepositorySettings { chunking, compression: Compression::Auto, pack_bytes: 1 << 20 }
}

/// Database, object, partition, index, tablet, segment.
pub(crate) type SegmentPath = [&'static str; 6];

/// What the snapshot `first` or `second` holds.
pub(crate) fn segments(label: &str) -> BTreeMap<SegmentPath, Vec<u8>> {
    let march = if label == "first" { noise(3, 5000) } else { noise(4, 6000) };
    BTreeMap::from([
        (["hr", "people", "", "", "20001", "0.dat"], noise(1, 150_000)),
        (["sales", "orders", "2026-02", "base", "10001", "0.dat"], text(200_000)),
        (["sales", "orders", "2026-02", "base", "10001", "1.dat"], Vec::new()),
        (["sales", "orders", "2026-02", "base", "10002", "0.dat"], noise(2, 1)),
        (["sales", "orders", "2026-02", "rollup", "10003", "0.dat"], text(777)),
        (["sales", "orders", "2026-03", "base", "10004", "0.dat"], march),
    ])
}

/// Bytes that do not compress.
pub(crate) fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn text(length: usize) -> Vec<u8> {
    let lines = (0_u32..).flat_map(|n| format!("{n} stones mark the way back\n").into_bytes());
    lines.take(length).collect()
}

/// Stores chunks that are new, as a backup would.
pub(crate) struct Writer<'a> {
    repository: &'a Repository,
    compressor: Compressor,
    known: HashSet<ChunkId>,
    builder: PackBuilder,
    entries: Vec<IndexEntry>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(repository: &'a Repository) -> Self {
        let builder = PackBuilder::new(repository.sealer(), repository.config().pack_bytes);
        let compressor = Compressor::new(repository.config().compression);
        Self { repository, compressor, known: HashSet::new(), builder, entries: Vec::new() }
    }

    fn chunk(&mut self, kind: ChunkKind, plain: &[u8]) -> ChunkId {
        let sealer = self.repository.sealer();
        let id = sealer.chunk_id(plain);
        if self.known.insert(id) {
            let (codec, encoded) = self.compressor.encode(plain).unwrap();
            let length = u32::try_from(plain.len()).unwrap();
            let sealed = sealer.seal_chunk(&id, codec, length, encoded);
            let (codec, stored) = sealed.unwrap_or_else(|| (codec, encoded.to_vec()));
            self.builder.push(id, kind, codec, length, &stored).unwrap();
        }
        id
    }

    pub(crate) fn segment(&mut self, bytes: &[u8]) -> ChunkList {
        let chunker = Chunker::new(self.repository.config().chunking);
        chunker.chunks(bytes).map(|chunk| self.chunk(ChunkKind::Segment, chunk)).collect()
    }

    pub(crate) fn document(&mut self, document: &impl Document) -> DocumentRef {
        let bytes = document.encode();
        for chunk in DocumentRef::chunks_of(&bytes) {
            self.chunk(ChunkKind::Document, chunk);
        }
        self.repository.sealer().document_ref(&bytes)
    }

    /// Puts the pack and a run that lists it.
    pub(crate) async fn flush(&mut self) {
        let empty = PackBuilder::new(self.repository.sealer(), self.repository.config().pack_bytes);
        let Some(pack) = std::mem::replace(&mut self.builder, empty).finish() else {
            return;
        };
        self.repository.put_pack(&pack).await.unwrap();
        self.repository.put_index_run(pack.entries.clone()).await.unwrap();
        self.entries.extend(pack.entries);
    }
}

pub(crate) fn record(label: &str, root: DocumentRef) -> Record {
    let millis = if label == "first" { 1_795_420_800_000 } else { 1_795_507_200_000 };
    Record {
        label: label.parse().unwrap(),
        timestamp: Timestamp::from_unix_millis(millis),
        origin: "warehouse".to_owned(),
        host: "host".to_owned(),
        root,
        stats: RecordStats { segments: 6, ..RecordStats::default() },
        ttl: None,
        databases: Vec::new(),
    }
}

/// Takes the snapshot `first` or `second`.
pub(crate) async fn back_up(writer: &mut Writer<'_>, label: &str) {
    let mut tablets: BTreeMap<[&str; 3], BTreeMap<[&str; 2], Vec<Segment>>> = BTreeMap::new();
    for ([database, object, partition, index, tablet, name], bytes) in segments(label) {
        let segment = Segment {
            name: name.to_owned(),
            len: bytes.len() as u64,
            identity: blake3::hash(&bytes).as_bytes()[..8].to_vec(),
            attributes: b"row group 1".to_vec(),
            chunks: writer.segment(&bytes),
        };
        let partition = tablets.entry([database, object, partition]).or_default();
        partition.entry([index, tablet]).or_default().push(segment);
    }
    writer.flush().await;
    let mut objects: BTreeMap<&str, Vec<Object>> = BTreeMap::new();
    for ([database, object, partition], tablets) in tablets {
        let partition = self::partition(writer, partition, tablets);
        let objects = objects.entry(database).or_default();
        match objects.iter_mut().find(|known| known.name == object) {
            Some(known) => known.partitions.push(partition),
            None => objects.push(table(object, partition)),
        }
    }
    objects.get_mut("sales").unwrap().push(Object {
        kind: "view".to_owned(),
        name: "totals".to_owned(),
        depends_on: vec!["orders".to_owned()],
        definition: b"SELECT SUM(amount) FROM orders".to_vec(),
        ..Object::default()
    });
    let databases = objects.into_iter().map(|(name, objects)| {
        let objects = writer.document(&ObjectList::new(objects).unwrap());
        Database { name: name.to_owned(), objects }
    });
    let root = Root::new(databases.collect()).unwrap();
    let root = writer.document(&root);
    writer.flush().await;
    writer.repository.commit(&record(label, root)).await.unwrap();
}

fn table(name: &str, partition: Partition) -> Object {
    Object {
        kind: "table".to_owned(),
        name: name.to_owned(),
        fingerprint: vec![7; 16],
        definition: format!("CREATE TABLE {name}").into_bytes(),
        partitions: vec![partition],
        ..Object::default()
    }
}

fn partition(
    writer: &mut Writer<'_>,
    name: &str,
    tablets: BTreeMap<[&str; 2], Vec<Segment>>,
) -> Partition {
    let tablets = tablets.into_iter().map(|([index, name], segments)| Tablet {
        index: index.to_owned(),
        name: name.to_owned(),
        segments,
    });
    let tablets = TabletList::new(tablets.collect()).unwrap();
    let all = || tablets.tablets().iter().flat_map(|tablet| &tablet.segments);
    Partition {
        name: name.to_owned(),
        segments: all().count() as u64,
        bytes: all().map(|segment| segment.len).sum(),
        tablets: writer.document(&tablets),
    }
}

/// Both snapshots in a new repository in memory.
pub(crate) async fn sample() -> MemoryStorage {
    let memory = MemoryStorage::new();
    let repository = Repository::create(Arc::new(memory.clone()), &settings()).await.unwrap();
    back_up_both(&repository).await;
    memory
}

/// The same, encrypted.
pub(crate) async fn encrypted_sample() -> MemoryStorage {
    let memory = MemoryStorage::new();
    let storage = Arc::new(memory.clone());
    let made = Repository::create_encrypted(storage, &settings(), &secret(), "golden").await;
    back_up_both(&made.unwrap()).await;
    memory
}

async fn back_up_both(repository: &Repository) {
    let mut writer = Writer::new(repository);
    back_up(&mut writer, "first").await;
    back_up(&mut writer, "second").await;
}

/// What opens [`encrypted_sample`], today's and the golden one.
pub(crate) fn secret() -> RepositorySecret {
    RepositorySecret::key((0..32).collect()).unwrap()
}

pub(crate) async fn unlock(storage: &MemoryStorage) -> Repository {
    Repository::unlock(Arc::new(storage.clone()), &secret()).await.unwrap()
}

pub(crate) async fn open(storage: &MemoryStorage) -> Repository {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    Repository::open(storage).await.unwrap()
}

pub(crate) async fn index(repository: &Repository) -> Index {
    repository.load_index(1 << 20, Handle::current()).await.unwrap()
}

/// Every segment of a snapshot, read back.
pub(crate) async fn read_back(
    repository: &Repository,
    label: &str,
) -> BTreeMap<Vec<String>, Vec<u8>> {
    let index = index(repository).await;
    let record = repository.record(&label.parse().unwrap()).await.unwrap();
    let root: Root = repository.read_document(&index, &record.root).await.unwrap();
    let mut segments = BTreeMap::new();
    for database in root.databases() {
        let objects: ObjectList =
            repository.read_document(&index, &database.objects).await.unwrap();
        for object in objects.objects() {
            let references: Vec<_> =
                object.partitions.iter().map(|partition| partition.tablets.clone()).collect();
            let lists: Vec<TabletList> =
                repository.read_documents(&index, &references).await.unwrap();
            for (partition, list) in object.partitions.iter().zip(lists) {
                for tablet in list.tablets() {
                    for segment in &tablet.segments {
                        let path = [
                            &database.name,
                            &object.name,
                            &partition.name,
                            &tablet.index,
                            &tablet.name,
                            &segment.name,
                        ];
                        let path = path.into_iter().cloned().collect();
                        segments.insert(path, read_segment(repository, &index, segment).await);
                    }
                }
            }
        }
    }
    segments
}

async fn read_segment(repository: &Repository, index: &Index, segment: &Segment) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in segment.chunks.iter() {
        let plain: Bytes = repository.read_chunk(index, &chunk).await.unwrap();
        bytes.extend_from_slice(&plain);
    }
    assert_eq!(bytes.len() as u64, segment.len);
    bytes
}

/// [`segments`] with the keys of [`read_back`].
pub(crate) fn expected(label: &str) -> BTreeMap<Vec<String>, Vec<u8>> {
    let owned = |path: SegmentPath| path.into_iter().map(str::to_owned).collect();
    segments(label).into_iter().map(|(path, bytes)| (owned(path), bytes)).collect()
}
