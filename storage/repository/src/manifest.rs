//! Manifests: the documents below a snapshot, and the references that hold them together.
//!
//! [`Root`] > [`Database`] > [`ObjectList`] > [`Object`] > [`Partition`] > [`TabletList`] > [`Tablet`] >
//! [`Segment`]. Three of them are documents of their own, named by [`DocumentRef`]s, so that what did
//! not change is the same reference and costs nothing. A document can only be made of lists that are in
//! order and without twins, and decoding checks the same: one order means one encoding.

mod chunk_list;
mod decode;
mod encode;

use std::fmt::Display;

pub use chunk_list::ChunkList;
pub(crate) use decode::document_ref as decode_document_ref;
pub(crate) use encode::document_ref as encode_document_ref;

use crate::chunking::{Chunker, ChunkingParams, MAX_CHUNK_BYTES};
use crate::{ChunkId, Error, Malformed, Result, Sealer};

/// Longest document in bytes.
pub const MAX_DOCUMENT_BYTES: u64 = 1 << 30;

/// A value of a manifest that is stored on its own.
pub trait Document: Sized {
    /// Its bytes. Equal values have equal bytes.
    fn encode(&self) -> Vec<u8>;

    /// The value of these bytes, all of them.
    fn decode(bytes: &[u8]) -> Result<Self, Malformed>;
}

/// Names a document by its chunks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentRef {
    /// Its length in bytes.
    pub len: u64,
    /// Its chunks in order, cut as [`DocumentRef::chunks_of`] does.
    pub chunks: ChunkList,
}

impl Sealer {
    /// The reference to an encoded document.
    pub fn document_ref(&self, document: &[u8]) -> DocumentRef {
        let chunks = DocumentRef::chunks_of(document).map(|chunk| self.chunk_id(chunk)).collect();
        DocumentRef { len: document.len() as u64, chunks }
    }
}

impl DocumentRef {
    /// The chunks in which an encoded document is stored.
    pub fn chunks_of(document: &[u8]) -> impl Iterator<Item = &[u8]> {
        Chunker::new(ChunkingParams::DOCUMENTS).chunks(document)
    }

    /// The reference to an encoded document.
    pub fn of(document: &[u8]) -> Self {
        let chunks = Self::chunks_of(document).map(ChunkId::of).collect();
        Self { len: document.len() as u64, chunks }
    }

    /// Half a hash of it: two that collide by chance are not to be feared among any number of documents.
    pub(crate) fn key(&self) -> u128 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.len.to_le_bytes()).update(self.chunks.as_bytes());
        let hash = hasher.finalize();
        hash.as_bytes().first_chunk().copied().map(u128::from_le_bytes).unwrap_or_default()
    }
}

/// What a snapshot holds: its databases, ascending by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Root {
    databases: Vec<Database>,
}

/// A database of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its name; empty when the source has no databases.
    pub name: String,
    /// Its [`ObjectList`].
    pub objects: DocumentRef,
}

/// The objects of a database, ascending by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectList {
    objects: Vec<Object>,
}

/// A catalog object: a table, a view, a user. What it means is the source's business.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object {
    /// Its kind, in the source's words.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Names of the objects that must be restored before it.
    pub depends_on: Vec<String>,
    /// Equal for objects of equal schema.
    pub fingerprint: Vec<u8>,
    /// What the source needs to make it again.
    pub definition: Vec<u8>,
    /// Its stored parts, ascending by name; none for an object without data.
    pub partitions: Vec<Partition>,
    /// Whether the snapshot holds only some of its partitions: a restore must leave the others alone.
    pub is_partial: bool,
}

/// A partition of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its name; empty when the object has no partitions.
    pub name: String,
    /// Its [`TabletList`].
    pub tablets: DocumentRef,
    /// Segments in it.
    pub segments: u64,
    /// Bytes of its segments.
    pub bytes: u64,
}

/// The tablets of a partition, ascending by index and name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TabletList {
    tablets: Vec<Tablet>,
}

/// A tablet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tablet {
    /// The index (base or rollup) it belongs to; empty when there is one only.
    pub index: String,
    /// Its name.
    pub name: String,
    /// Its segments, ascending by name.
    pub segments: Vec<Segment>,
}

/// A segment and its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segment {
    /// Its name in the tablet.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// Equal for equal bytes within one origin, in the source's own terms; empty: never equal.
    pub identity: Vec<u8>,
    /// What the source wants back with it.
    pub attributes: Vec<u8>,
    /// Its bytes: these chunks in order.
    pub chunks: ChunkList,
}

impl Root {
    /// A root of these databases in any order. [`crate::ErrorKind::Invalid`] when two have one name.
    pub fn new(mut databases: Vec<Database>) -> Result<Self> {
        databases.sort_by(|a, b| a.name.cmp(&b.name));
        refuse_twins("databases", &databases, |database| &database.name)?;
        Ok(Self { databases })
    }

    /// The databases in order.
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// The databases in order.
    pub fn into_databases(self) -> Vec<Database> {
        self.databases
    }
}

impl ObjectList {
    /// A list of these objects, they and their partitions in any order. [`crate::ErrorKind::Invalid`] when
    /// two objects have one kind and name, or two partitions of one object have one name.
    pub fn new(mut objects: Vec<Object>) -> Result<Self> {
        objects.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        refuse_twins("objects", &objects, |object| (&object.kind, &object.name))?;
        for object in &mut objects {
            object.partitions.sort_by(|a, b| a.name.cmp(&b.name));
            refuse_twins("partitions", &object.partitions, |partition| &partition.name)?;
        }
        Ok(Self { objects })
    }

    /// The objects in order.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The objects in order.
    pub fn into_objects(self) -> Vec<Object> {
        self.objects
    }
}

impl TabletList {
    /// A list of these tablets, they and their segments in any order. [`crate::ErrorKind::Invalid`] when two
    /// tablets have one index and name, two segments of one tablet have one name, or the
    /// chunks of a segment cannot have its length.
    pub fn new(mut tablets: Vec<Tablet>) -> Result<Self> {
        tablets.sort_by(|a, b| (&a.index, &a.name).cmp(&(&b.index, &b.name)));
        refuse_twins("tablets", &tablets, |tablet| (&tablet.index, &tablet.name))?;
        for tablet in &mut tablets {
            tablet.segments.sort_by(|a, b| a.name.cmp(&b.name));
            refuse_twins("segments", &tablet.segments, |segment| &segment.name)?;
            for segment in &tablet.segments {
                if !can_have_length(&segment.chunks, segment.len) {
                    let (name, chunks) = (&segment.name, segment.chunks.len());
                    return Err(Error::invalid(format_args!(
                        "a segment {name:?} of {} bytes in {chunks} chunks",
                        segment.len
                    )));
                }
            }
        }
        Ok(Self { tablets })
    }

    /// The tablets in order.
    pub fn tablets(&self) -> &[Tablet] {
        &self.tablets
    }

    /// The tablets in order.
    pub fn into_tablets(self) -> Vec<Tablet> {
        self.tablets
    }
}

/// Whether these chunks, each of 1 byte to [`MAX_CHUNK_BYTES`], can have this length together.
fn can_have_length(chunks: &ChunkList, len: u64) -> bool {
    let least = chunks.len() as u64;
    let most = least.saturating_mul(u64::from(MAX_CHUNK_BYTES));
    (least..=most).contains(&len)
}

/// Whether each key is greater than the one before it.
fn is_strictly_ascending<'a, T, K: Ord>(items: &'a [T], key: impl Fn(&'a T) -> K) -> bool {
    items.is_sorted_by(|a, b| key(a) < key(b))
}

fn refuse_twins<'a, T, K: Ord + Named>(
    what: &str,
    sorted: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> Result<()> {
    match sorted.array_windows().find(|[a, b]| key(a) == key(b)) {
        Some([twin, _]) => {
            Err(Error::invalid(format_args!("two {what} are named {}", key(twin).named())))
        }
        None => Ok(()),
    }
}

/// A key of a list, as messages show it.
trait Named {
    fn named(&self) -> impl Display;
}

impl Named for &String {
    fn named(&self) -> impl Display {
        format!("{self:?}")
    }
}

impl Named for (&String, &String) {
    fn named(&self) -> impl Display {
        format!("{:?} {:?}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests;
