//! The warehouse as a [`TabletSource`]: what a backup sees.
//!
//! A view is one catalog ([`Catalog`]): consistent over all tables at one instant (W3), and it holds every segment until it
//! is dropped (W2), so there is nothing to pin. Segments never change: cluster, number and epoch are their identity. What is
//! read is compared with the checksum that its row has from when it was written: bytes that rotted on the disk end a backup.

use std::fs::File;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::sync::Arc;

use cairn_pipeline::Selection;
use cairn_pipeline::tablet::{
    ObjectKey, ObjectSpec, SegmentAddress, SegmentReader, SegmentSpec, Skipped, TabletError,
    TabletErrorKind, TabletSnapshot, TabletSource, TabletSpec,
};

use crate::catalog::model::{Id, PartitionRow, Tablet};
use crate::catalog::{Catalog, Table};
use crate::definition::{BackupObject, Definition, ObjectKind, fingerprint};
use crate::segment::{Segment, SegmentFiles};
use crate::{Error, Warehouse};

/// Name of the index that is the table itself.
pub(crate) const BASE_INDEX: &str = "base";

/// Before the id of the cluster in the origin of its snapshots.
const ORIGIN_PREFIX: &str = "warehouse-";

/// The cluster that made a snapshot, by the origin in its record; none where a warehouse did not make it.
pub fn cluster_of_origin(origin: &str) -> Option<u64> {
    origin.strip_prefix(ORIGIN_PREFIX)?.parse().ok()
}

/// These objects of a warehouse.
#[derive(Debug)]
pub struct WarehouseSource {
    warehouse: Warehouse,
    objects: Vec<BackupObject>,
}

impl WarehouseSource {
    /// A source of these objects.
    pub fn new(warehouse: Warehouse, objects: Vec<BackupObject>) -> Self {
        Self { warehouse, objects }
    }
}

impl TabletSource for WarehouseSource {
    fn origin(&self) -> String {
        format!("{ORIGIN_PREFIX}{}", self.warehouse.cluster_id())
    }

    fn snapshot(&self, selection: &Selection) -> Result<Box<dyn TabletSnapshot>, TabletError> {
        let catalog = self.warehouse.catalog();
        let mut view = View {
            cluster: self.warehouse.cluster_id(),
            files: Arc::clone(self.warehouse.files()),
            specs: Vec::new(),
            partitions: Vec::new(),
        };
        for object in &self.objects {
            if selection.has_object(&object.database, &object.name) {
                view.add(&catalog, object).map_err(|error| tablet_error(&object.name, error))?;
            }
        }
        Ok(Box::new(view))
    }
}

/// Partitions of one object, and what their indexes are called.
#[derive(Debug, Default)]
struct Stored {
    rows: Vec<Arc<PartitionRow>>,
    index_names: Vec<(Id, String)>,
}

/// A view of the selected objects. The rows keep the segments.
#[derive(Debug)]
struct View {
    cluster: u64,
    files: Arc<SegmentFiles>,
    specs: Vec<ObjectSpec>,
    /// One for each object.
    partitions: Vec<Stored>,
}

impl View {
    fn add(&mut self, catalog: &Catalog, object: &BackupObject) -> crate::Result<()> {
        let definition = Definition::of(catalog, object)?;
        let stored = match object.kind {
            ObjectKind::Table | ObjectKind::MaterializedView => {
                let table = catalog.table(&object.database, &object.name)?;
                Stored { rows: selected(table, object)?, index_names: index_names(table) }
            }
            _ => Stored::default(),
        };
        self.specs.push(ObjectSpec {
            key: ObjectKey {
                database: object.database.as_str().into(),
                kind: object.kind.as_str().into(),
                name: object.name.as_str().into(),
            },
            depends_on: definition.depends_on(),
            fingerprint: fingerprint(&definition),
            definition: definition.encode()?,
            partitions: stored.rows.iter().map(|row| row.name.clone()).collect(),
        });
        self.partitions.push(stored);
        Ok(())
    }

    fn segment(&self, at: SegmentAddress) -> Option<&Arc<Segment>> {
        let row = self.partitions.get(at.object as usize)?.rows.get(at.partition as usize)?;
        tablets_of(row).nth(at.tablet as usize)?.1.segments.get(at.segment as usize)
    }
}

fn selected(table: &Table, object: &BackupObject) -> crate::Result<Vec<Arc<PartitionRow>>> {
    match &object.partitions {
        None => Ok(table.partitions().map(Arc::clone).collect()),
        Some(names) => names.iter().map(|name| table.partition(name).map(Arc::clone)).collect(),
    }
}

fn index_names(table: &Table) -> Vec<(Id, String)> {
    let rollups = table.row().rollups.iter().map(|rollup| (rollup.index, rollup.name.clone()));
    [(table.row().index, BASE_INDEX.to_owned())].into_iter().chain(rollups).collect()
}

/// The tablets of a partition with their index and bucket, in the order of every list of them.
fn tablets_of(row: &PartitionRow) -> impl Iterator<Item = ((Id, usize), &Tablet)> {
    row.indexes.iter().flat_map(|index| {
        index.tablets.iter().enumerate().map(|(bucket, tablet)| ((index.index, bucket), tablet))
    })
}

impl TabletSnapshot for View {
    fn objects(&self) -> &[ObjectSpec] {
        &self.specs
    }

    fn skipped(&self) -> &[Skipped] {
        &[]
    }

    fn tablets(&self, object: u32, partition: u32) -> Result<Vec<TabletSpec>, TabletError> {
        let stored = self.partitions.get(object as usize);
        let row = stored.and_then(|stored| stored.rows.get(partition as usize));
        let (Some(stored), Some(row)) = (stored, row) else {
            return Err(no_such("partition"));
        };
        let name_of = |index: Id| {
            let known = stored.index_names.iter().find(|(id, _)| *id == index);
            known.map(|(_, name)| name.clone()).unwrap_or_default()
        };
        let spec = |((index, bucket), tablet): ((Id, usize), &Tablet)| TabletSpec {
            index: name_of(index),
            name: bucket.to_string(),
            segments: tablet.segments.iter().map(|segment| self.segment_spec(segment)).collect(),
        };
        Ok(tablets_of(row).map(spec).collect())
    }

    fn pin(&self, _segments: &[SegmentAddress]) -> Result<(), TabletError> {
        Ok(())
    }

    fn open(&self, at: SegmentAddress) -> Result<Box<dyn SegmentReader>, TabletError> {
        let segment = self.segment(at).ok_or_else(|| no_such("segment"))?;
        let path = self.files.path(segment);
        let file =
            File::open(&path).map_err(|error| io_error(&path.display().to_string(), error))?;
        let identity = self.identity(segment);
        let path = path.display().to_string();
        let segment = Arc::clone(segment);
        Ok(Box::new(Reader { file, path, segment, read: 0, checksum: 0, identity }))
    }
}

impl View {
    fn segment_spec(&self, segment: &Segment) -> SegmentSpec {
        SegmentSpec {
            name: format!("{}.parquet", segment.number),
            len: segment.bytes,
            identity: self.identity(segment),
            attributes: SegmentAttributes { rows: segment.rows, checksum: segment.checksum }
                .encode(),
        }
    }

    /// A number of this warehouse is never used twice in an epoch, and what has both never changes. What is older than
    /// epochs keeps its identity.
    fn identity(&self, segment: &Segment) -> Box<[u8]> {
        let epoch = (segment.epoch != 0).then_some(segment.epoch);
        let parts = [self.cluster, segment.number].into_iter().chain(epoch);
        parts.flat_map(u64::to_le_bytes).collect()
    }
}

/// Reads one segment.
struct Reader {
    file: File,
    path: String,
    segment: Arc<Segment>,
    read: u64,
    /// CRC-32C of what was read.
    checksum: u32,
    identity: Box<[u8]>,
}

impl SegmentReader for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TabletError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(error) => return Err(io_error(&self.path, error)),
            }
        }
        self.read += filled as u64;
        if self.segment.checksum.is_some() {
            self.checksum =
                crc32c::crc32c_append(self.checksum, buffer.get(..filled).unwrap_or(buffer));
        }
        Ok(filled)
    }

    fn finish(self: Box<Self>) -> Result<Box<[u8]>, TabletError> {
        if self.read != self.segment.bytes {
            let problem =
                format!("{} bytes were written and {} read", self.segment.bytes, self.read);
            return Err(TabletError::new(TabletErrorKind::Changed, self.path, problem));
        }
        match self.segment.checksum {
            Some(checksum) if checksum != self.checksum => Err(TabletError::new(
                TabletErrorKind::Damaged,
                self.path,
                "is damaged: these are not the bytes that were written. Restore its partition from an earlier snapshot",
            )),
            _ => Ok(self.identity),
        }
    }
}

/// What a snapshot says of a segment beside its bytes: its rows (u64), then its CRC-32C (u32) unless an earlier version wrote
/// it; both little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentAttributes {
    pub(crate) rows: u64,
    pub(crate) checksum: Option<u32>,
}

impl SegmentAttributes {
    fn encode(self) -> Box<[u8]> {
        let checksum = self.checksum.map(u32::to_le_bytes);
        self.rows.to_le_bytes().into_iter().chain(checksum.into_iter().flatten()).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (rows, rest) = bytes.split_first_chunk()?;
        let checksum = match rest {
            [] => None,
            _ => Some(u32::from_le_bytes(rest.try_into().ok()?)),
        };
        Some(Self { rows: u64::from_le_bytes(*rows), checksum })
    }
}

fn no_such(what: &str) -> TabletError {
    TabletError::new(TabletErrorKind::NotFound, what, "is not in this view")
}

fn io_error(what: &str, error: std::io::Error) -> TabletError {
    TabletError::new(TabletErrorKind::Io, what, "cannot be read").with_source(error)
}

/// An error of the warehouse, for the engine.
pub(crate) fn tablet_error(what: &str, error: Error) -> TabletError {
    use crate::ErrorKind::{AlreadyExists, Busy, Invalid, NoSpace, NotFound, Unsupported};
    let kind = match error.kind() {
        NotFound => TabletErrorKind::NotFound,
        Busy => TabletErrorKind::Busy,
        NoSpace => TabletErrorKind::NoSpace,
        Invalid | AlreadyExists => TabletErrorKind::Invalid,
        Unsupported => TabletErrorKind::Unsupported,
        _ => TabletErrorKind::Io,
    };
    TabletError::new(kind, what, error.to_string()).with_source(error)
}
