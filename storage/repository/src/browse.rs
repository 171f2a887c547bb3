//! Looking into a snapshot without restoring it: what lies at a path, and the bytes of a segment.
//!
//! A path is `database/object/partition/tablet/segment`, as far as one wants to go. Names are written as
//! [`shown_name`] writes them; a tablet of an index that has a name is `index.tablet`. Only the documents on the way are
//! read.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::index::Index;
use crate::manifest::{
    Database, DocumentRef, Object, ObjectList, Partition, Root, Segment, Tablet, TabletList,
};
use crate::record::Record;
use crate::{ChunkId, Error, Repository, Result};

/// Plaintext that a reader of a segment holds at once.
const WINDOW_BYTES: u32 = 32 << 20;

/// What a snapshot consists of, from the whole to the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A database.
    Database,
    /// A table or whatever else a database has.
    Object,
    /// A partition of it.
    Partition,
    /// A tablet of that.
    Tablet,
    /// A segment of that.
    Segment,
}

impl Level {
    /// The level in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Object => "object",
            Self::Partition => "partition",
            Self::Tablet => "tablet",
            Self::Segment => "segment",
        }
    }
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Extent {
    pub(crate) fn of_objects(objects: &[Object]) -> Self {
        objects.iter().map(Self::of_object).sum()
    }

    pub(crate) fn of_object(object: &Object) -> Self {
        object.partitions.iter().map(Self::of_partition).sum()
    }

    pub(crate) fn of_partition(partition: &Partition) -> Self {
        Self { segments: partition.segments, bytes: partition.bytes }
    }

    pub(crate) fn of_tablet(tablet: &Tablet) -> Self {
        tablet.segments.iter().map(Self::of_segment).sum()
    }

    pub(crate) fn of_segment(segment: &Segment) -> Self {
        Self { segments: 1, bytes: segment.len }
    }
}

impl std::iter::Sum for Extent {
    fn sum<I: Iterator<Item = Self>>(extents: I) -> Self {
        extents.fold(Self::default(), |sum, it| Self {
            segments: sum.segments.saturating_add(it.segments),
            bytes: sum.bytes.saturating_add(it.bytes),
        })
    }
}

/// Something that lies in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub level: Level,
    /// Of an object, its kind in the words of its source; else the word of its level.
    pub kind: String,
    /// Its name, as a path has it.
    pub name: String,
    /// How much is in it.
    pub extent: Extent,
}

/// A name as paths have it: without `/` and control characters, which are written `%2F` and the like; an empty one is `-`.
pub fn shown_name(name: &str) -> String {
    match name {
        "" => return "-".to_owned(),
        "-" => return "%2D".to_owned(),
        _ => {}
    }
    let mut shown = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '/' | '%') || character.is_control() {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                shown.push_str(&format!("%{byte:02X}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The name of a tablet in a path.
pub(crate) fn tablet_name(tablet: &Tablet) -> String {
    match tablet.index.as_str() {
        "" => shown_name(&tablet.name),
        index => format!("{}.{}", shown_name(index), shown_name(&tablet.name)),
    }
}

/// Where to look in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotPath(Vec<String>);

/// A text that is no [`SnapshotPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not of the form database/object/partition/tablet/segment, or a beginning of it")]
pub struct ParsePathError;

impl FromStr for SnapshotPath {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, ParsePathError> {
        let text = text.trim_matches('/');
        if text.is_empty() {
            return Ok(Self::default());
        }
        let names: Vec<String> = text.split('/').map(str::to_owned).collect();
        match names.len() <= 5 && names.iter().all(|name| !name.is_empty()) {
            true => Ok(Self(names)),
            false => Err(ParsePathError),
        }
    }
}

impl fmt::Display for SnapshotPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

impl SnapshotPath {
    /// Whether it goes as far as to a segment.
    pub fn is_segment(&self) -> bool {
        self.0.len() == 5
    }

    /// Finds what its name at this depth means among what there is; says where it was looked for otherwise.
    fn find<T>(
        &self,
        depth: usize,
        level: Level,
        things: Vec<T>,
        is_named: impl Fn(&T, &str) -> bool,
    ) -> Result<T> {
        let name = self.0.get(depth).map(String::as_str).unwrap_or_default();
        let found = things.into_iter().find(|thing| is_named(thing, name));
        found.ok_or_else(|| {
            let above = self.0.get(..depth).unwrap_or_default().join("/");
            let place = if above.is_empty() { "the snapshot".to_owned() } else { above };
            Error::invalid(format_args!("there is no {} {name} in {place}", level.as_str()))
        })
    }
}

/// `name`, or `kind:name` where things of several kinds have one name.
fn is_object(object: &Object, name: &str) -> bool {
    let shown = shown_name(&object.name);
    shown == name || format!("{}:{shown}", shown_name(&object.kind)) == name
}

impl Repository {
    /// What lies at a path: what is in a database, object, partition or tablet, or the one segment.
    pub async fn look(
        &self,
        index: &Index,
        record: &Record,
        path: &SnapshotPath,
    ) -> Result<Vec<Entry>> {
        let databases = self.databases(index, record).await?;
        if path.0.is_empty() {
            return self.look_at_databases(index, &databases).await;
        }
        let is_database = |database: &Database, name: &str| shown_name(&database.name) == name;
        let database = path.find(0, Level::Database, databases, is_database)?;
        let list: ObjectList = self.read_document(index, &database.objects).await?;
        if path.0.len() == 1 {
            let entry = |object: &Object| Entry {
                level: Level::Object,
                kind: object.kind.clone(),
                name: shown_name(&object.name),
                extent: Extent::of_object(object),
            };
            return Ok(list.objects().iter().map(entry).collect());
        }
        let object = path.find(1, Level::Object, list.into_objects(), is_object)?;
        if path.0.len() == 2 {
            let entry = |it: &Partition| {
                entry(Level::Partition, shown_name(&it.name), Extent::of_partition(it))
            };
            return Ok(object.partitions.iter().map(entry).collect());
        }
        let is_partition = |partition: &Partition, name: &str| shown_name(&partition.name) == name;
        let partition = path.find(2, Level::Partition, object.partitions, is_partition)?;
        let list: TabletList = self.read_document(index, &partition.tablets).await?;
        if path.0.len() == 3 {
            let entry = |it: &Tablet| entry(Level::Tablet, tablet_name(it), Extent::of_tablet(it));
            return Ok(list.tablets().iter().map(entry).collect());
        }
        let segments = tablet(path, list)?.segments;
        let entry =
            |it: &Segment| entry(Level::Segment, shown_name(&it.name), Extent::of_segment(it));
        match path.is_segment() {
            true => Ok(vec![entry(&segment(path, segments)?)]),
            false => Ok(segments.iter().map(entry).collect()),
        }
    }

    /// The segment at a path.
    pub async fn find_segment(
        &self,
        index: &Index,
        record: &Record,
        path: &SnapshotPath,
    ) -> Result<Segment> {
        if !path.is_segment() {
            return Err(Error::invalid(
                "which segment? give database/object/partition/tablet/segment",
            ));
        }
        let databases = self.databases(index, record).await?;
        let is_database = |database: &Database, name: &str| shown_name(&database.name) == name;
        let database = path.find(0, Level::Database, databases, is_database)?;
        let list: ObjectList = self.read_document(index, &database.objects).await?;
        let object = path.find(1, Level::Object, list.into_objects(), is_object)?;
        let is_partition = |partition: &Partition, name: &str| shown_name(&partition.name) == name;
        let partition = path.find(2, Level::Partition, object.partitions, is_partition)?;
        let list: TabletList = self.read_document(index, &partition.tablets).await?;
        segment(path, tablet(path, list)?.segments)
    }

    /// How many chunks of a segment of this repository are read at once: at most 32 MiB of plaintext.
    pub fn chunks_per_window(&self) -> usize {
        (WINDOW_BYTES / self.config().chunking.max()).max(1) as usize
    }

    /// The plaintext of chunks in their order, verified. What it holds is proportional to them.
    pub async fn read_chunks_in_order(&self, index: &Index, ids: &[ChunkId]) -> Result<Vec<Bytes>> {
        let wanted = DocumentRef { len: 0, chunks: ids.to_vec().into() };
        let chunks = self.read_chunks(index, &[wanted]).await?;
        Ok(ids.iter().filter_map(|id| chunks.get(id).cloned()).collect())
    }

    async fn databases(&self, index: &Index, record: &Record) -> Result<Vec<Database>> {
        Ok(self.read_document::<Root>(index, &record.root).await?.into_databases())
    }

    async fn look_at_databases(&self, index: &Index, databases: &[Database]) -> Result<Vec<Entry>> {
        let lists: Vec<DocumentRef> =
            databases.iter().map(|database| database.objects.clone()).collect();
        let lists = self.read_documents::<ObjectList>(index, &lists).await?;
        let entry = |(database, list): (&Database, ObjectList)| {
            let extent = Extent::of_objects(list.objects());
            entry(Level::Database, shown_name(&database.name), extent)
        };
        Ok(databases.iter().zip(lists).map(entry).collect())
    }
}

fn tablet(path: &SnapshotPath, list: TabletList) -> Result<Tablet> {
    let is_tablet = |tablet: &Tablet, name: &str| tablet_name(tablet) == name;
    path.find(3, Level::Tablet, list.into_tablets(), is_tablet)
}

fn segment(path: &SnapshotPath, segments: Vec<Segment>) -> Result<Segment> {
    let is_segment = |segment: &Segment, name: &str| shown_name(&segment.name) == name;
    path.find(4, Level::Segment, segments, is_segment)
}

fn entry(level: Level, name: String, extent: Extent) -> Entry {
    Entry { level, kind: level.as_str().to_owned(), name, extent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_paths() {
        for (name, shown) in [
            ("orders", "orders"),
            ("", "-"),
            ("-", "%2D"),
            ("a/b", "a%2Fb"),
            ("100%", "100%25"),
            ("dt=2026\n", "dt=2026%0A"),
            ("größe", "größe"),
        ] {
            assert_eq!(shown_name(name), shown);
        }
    }

    #[test]
    fn paths_have_at_most_five_names() {
        let path = |text: &str| text.parse::<SnapshotPath>().map(|path| path.to_string());
        assert_eq!(path(""), Ok(String::new()));
        assert_eq!(path("/shop/orders/"), Ok("shop/orders".to_owned()));
        assert!("a/b/c/d/e".parse::<SnapshotPath>().unwrap().is_segment());
        assert_eq!(path("a/b/c/d/e/f"), Err(ParsePathError));
        assert_eq!(path("a//b"), Err(ParsePathError));
    }
}
