//! Backups and restores of small tables, as a host makes them, over any storage.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use cairn_repository::chunking::{Chunker, ChunkingParams};
use cairn_repository::codec::Codec;
use cairn_repository::config::{Compression, RepositorySettings};
use cairn_repository::index::Index;
use cairn_repository::manifest::{
    ChunkList, Database, Document, DocumentRef, Object, ObjectList, Partition, Root, Segment,
    Tablet, TabletList,
};
use cairn_repository::pack::{ChunkKind, PackBuilder};
use cairn_repository::record::{Record, RecordStats};
use cairn_repository::{ChunkId, ErrorKind, Repository, Result, Sealer, Timestamp};
use cairn_storage::Storage;
use tokio::runtime::Handle;

/// Memory for an index: more than any of these needs.
pub(crate) const BUDGET: u64 = 1 << 20;

pub(crate) async fn create(storage: Arc<dyn Storage>) -> Repository {
    let chunking = ChunkingParams::new(64 << 10, 64 << 10, 128 << 10).unwrap();
    let settings =
        RepositorySettings { chunking, compression: Compression::Off, pack_bytes: 1 << 20 };
    Repository::create(storage, &settings).await.unwrap()
}

/// How a backup goes about what others stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// As it should.
    Looks,
    /// It takes for there what the index lists, and for good.
    Trusts,
}

/// A snapshot that was reported, and everything that it reaches.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) record: Record,
    pub(crate) chunks: BTreeSet<ChunkId>,
    /// How often a prune had come in its way.
    pub(crate) begun_again: u64,
}

/// Which tables a snapshot has: each is a number, and its one segment is made of it.
pub(crate) type Tables = Vec<u8>;

pub(crate) fn segment(table: u8) -> Vec<u8> {
    let mut bytes = vec![0; 100 + usize::from(table)];
    blake3::Hasher::new().update(&[table]).finalize_xof().fill(&mut bytes);
    bytes
}

/// Chunks that are to be stored.
struct Writer<'a> {
    repository: &'a Repository,
    index: &'a Index,
    pack: PackBuilder,
    chunks: BTreeSet<ChunkId>,
}

impl Writer<'_> {
    async fn chunk(&mut self, kind: ChunkKind, plain: &[u8]) -> Result<ChunkId> {
        let id = ChunkId::of(plain);
        if self.chunks.insert(id) && self.index.find(&id).await?.is_none() {
            let length = u32::try_from(plain.len()).unwrap();
            self.pack.push(id, kind, Codec::Raw, length, plain)?;
        }
        Ok(id)
    }

    async fn document(&mut self, document: &impl Document) -> Result<DocumentRef> {
        let bytes = document.encode();
        for chunk in DocumentRef::chunks_of(&bytes) {
            self.chunk(ChunkKind::Document, chunk).await?;
        }
        Ok(DocumentRef::of(&bytes))
    }

    async fn flush(&mut self) -> Result<()> {
        let full = std::mem::replace(&mut self.pack, PackBuilder::new(&Sealer::plain(), 1 << 20));
        let Some(pack) = full.finish() else { return Ok(()) };
        self.repository.put_pack(&pack).await?;
        self.repository.put_index_run(pack.entries).await.map(drop)
    }
}

/// Takes a snapshot; begins again, as a backup does, when a prune came in its way.
pub(crate) async fn back_up(
    repository: &Repository,
    label: &str,
    tables: &Tables,
    care: Care,
) -> Result<Taken> {
    let mut begun_again = 0;
    loop {
        match try_back_up(repository, label, tables, care).await {
            Err(error) if error.kind() == ErrorKind::Pruned && begun_again < 2 => begun_again += 1,
            outcome => return outcome.map(|taken| Taken { begun_again, ..taken }),
        }
    }
}

async fn try_back_up(
    repository: &Repository,
    label: &str,
    tables: &Tables,
    care: Care,
) -> Result<Taken> {
    let index = match care {
        Care::Looks => repository.load_index_to_count_on(BUDGET, Handle::current()).await?,
        Care::Trusts => repository.load_index(BUDGET, Handle::current()).await?,
    };
    let pack = PackBuilder::new(&Sealer::plain(), 1 << 20);
    let mut writer = Writer { repository, index: &index, pack, chunks: BTreeSet::new() };
    let mut objects = Vec::new();
    for table in tables {
        let bytes = segment(*table);
        let id = writer.chunk(ChunkKind::Segment, &bytes).await?;
        let segment = Segment {
            name: "0".to_owned(),
            len: bytes.len() as u64,
            chunks: ChunkList::from_iter([id]),
            ..Segment::default()
        };
        let tablet =
            Tablet { name: table.to_string(), segments: vec![segment], ..Tablet::default() };
        let tablets = writer.document(&TabletList::new(vec![tablet])?).await?;
        let partition =
            Partition { name: String::new(), tablets, segments: 1, bytes: bytes.len() as u64 };
        objects.push(Object {
            kind: "table".to_owned(),
            name: table.to_string(),
            partitions: vec![partition],
            ..Object::default()
        });
    }
    // What segments need is durable before the documents are: two packs and two runs, as a backup puts them.
    writer.flush().await?;
    let objects = writer.document(&ObjectList::new(objects)?).await?;
    let database = Database { name: "shop".to_owned(), objects };
    let root = writer.document(&Root::new(vec![database])?).await?;
    let record = Record {
        label: label.parse().unwrap(),
        timestamp: Timestamp::from_unix_millis(1),
        origin: "shop".to_owned(),
        host: "host".to_owned(),
        root,
        stats: RecordStats::default(),
        ttl: None,
        databases: Vec::new(),
    };
    let copy = repository.record_copy(&record);
    if writer.pack.num_chunks() > 0 {
        let length = u32::try_from(copy.len()).unwrap();
        writer.pack.push(ChunkId::of(&copy), ChunkKind::RecordCopy, Codec::Raw, length, &copy)?;
    }
    writer.flush().await?;
    let chunks = writer.chunks;
    match care {
        Care::Looks => repository.commit_counting_on(&record, &index).await?,
        Care::Trusts => repository.commit(&record).await?,
    }
    Ok(Taken { record, chunks, begun_again: 0 })
}

/// Reads a snapshot back: its tables.
pub(crate) async fn restore(repository: &Repository, label: &str) -> Result<Tables> {
    let record = repository.record(&label.parse().unwrap()).await?;
    restore_record(repository, &record).await
}

pub(crate) async fn restore_record(repository: &Repository, record: &Record) -> Result<Tables> {
    let index = repository.load_index(BUDGET, Handle::current()).await?;
    let root: Root = repository.read_document(&index, &record.root).await?;
    let mut tables = Tables::new();
    for database in root.databases() {
        let objects: ObjectList = repository.read_document(&index, &database.objects).await?;
        for object in objects.objects() {
            for partition in &object.partitions {
                let tablets: TabletList =
                    repository.read_document(&index, &partition.tablets).await?;
                let segments = tablets.tablets().iter().flat_map(|tablet| &tablet.segments);
                for stored in segments {
                    let mut bytes = Vec::new();
                    for id in stored.chunks.iter() {
                        bytes.extend(repository.read_chunk(&index, &id).await?);
                    }
                    let table: u8 = object.name.parse().unwrap();
                    assert_eq!(bytes, segment(table), "another segment than was backed up");
                    tables.push(table);
                }
            }
        }
    }
    Ok(tables)
}

/// How segments are cut does not matter here: each is one chunk.
#[test]
fn a_segment_is_one_chunk() {
    let params = ChunkingParams::new(64 << 10, 64 << 10, 128 << 10).unwrap();
    assert_eq!(Chunker::new(params).chunks(&Bytes::from(segment(255))).count(), 1);
}
