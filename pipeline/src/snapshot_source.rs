//! [`SnapshotSource`]: a snapshot of one repository as the source of a backup into another, which has its own keys, chunk sizes and
//! compression.
//!
//! So a copy that is encrypted anew is a backup: it verifies what it reads, stores only what is new, reads no segment that an
//! earlier snapshot of the same origin had, and goes on from checkpoints.
//!
//! - *Memory*: the object lists of the snapshot, the manifests of a few partitions, 32 MiB for each segment that is read.
//! - *On failure*: [`TabletErrorKind::Damaged`] names the segment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use cairn_actors::tablet::{
    ObjectKey, ObjectSpec, SegmentAddress, SegmentReader, SegmentSpec, SelectedItem, Selection,
    Skipped, TabletError, TabletErrorKind, TabletSnapshot, TabletSource, TabletSpec,
};
use cairn_repository::manifest::{Object, ObjectList, Partition, Root, Segment, TabletList};
use cairn_repository::record::Record;

use crate::browse::{Reading, SegmentBytes};
use crate::error::Error;
use crate::repository::Repository;
use crate::request::BackupRequest;

/// Manifests of partitions that are kept: segments of one are opened one behind the other, by several readers.
const MAX_MANIFESTS: usize = 8;

/// A snapshot to be backed up elsewhere.
#[derive(Debug)]
pub struct SnapshotSource {
    repository: Repository,
    record: Record,
}

impl SnapshotSource {
    /// The snapshot with this record.
    pub fn new(repository: &Repository, record: Record) -> Self {
        Self { repository: repository.clone(), record }
    }

    /// A backup that makes the same snapshot: label, time, host and ttl are those of this one.
    pub fn request(&self) -> Result<BackupRequest, Error> {
        let objects = self.objects()?;
        let items = match objects.iter().any(|(_, object)| object.is_partial) {
            false => Vec::new(),
            true => objects.into_iter().map(selected).collect(),
        };
        let request = BackupRequest::new(self.record.label.as_str())?.select(Selection { items });
        Ok(request.taken_as(&self.record))
    }

    fn objects(&self) -> Result<Vec<(String, Object)>, Error> {
        objects_of(&self.repository.reading()?, &self.record)
    }
}

/// The objects of a snapshot with their databases.
fn objects_of(reading: &Reading, record: &Record) -> Result<Vec<(String, Object)>, Error> {
    let root: Root = reading.document(&record.root)?;
    let mut objects = Vec::new();
    for database in root.databases() {
        let list: ObjectList = reading.document(&database.objects)?;
        objects.extend(list.into_objects().into_iter().map(|it| (database.name.clone(), it)));
    }
    Ok(objects)
}

/// An object of which the snapshot has only some partitions is to have only those again.
fn selected((database, object): (String, Object)) -> SelectedItem {
    let names = |partitions: Vec<Partition>| partitions.into_iter().map(|it| it.name).collect();
    SelectedItem {
        database,
        object: Some(object.name),
        partitions: object.is_partial.then(|| names(object.partitions)),
    }
}

impl TabletSource for SnapshotSource {
    fn origin(&self) -> String {
        self.record.origin.clone()
    }

    fn snapshot(&self, selection: &Selection) -> Result<Box<dyn TabletSnapshot>, TabletError> {
        let about = |error| failed(format!("snapshot {}", self.record.label), error);
        let reading = self.repository.reading().map_err(about)?;
        let objects = objects_of(&reading, &self.record).map_err(about)?;
        let view = SnapshotView {
            specs: objects.iter().filter_map(|it| spec(selection, it)).collect(),
            partitions: objects.iter().filter_map(|it| partitions(selection, it)).collect(),
            reading,
            manifests: Mutex::default(),
        };
        Ok(Box::new(view))
    }
}

fn partitions(
    selection: &Selection,
    (database, object): &(String, Object),
) -> Option<Vec<Partition>> {
    let is_selected = |it: &&Partition| selection.has_partition(database, &object.name, &it.name);
    let selected = || object.partitions.iter().filter(is_selected).cloned().collect();
    selection.has_object(database, &object.name).then(selected)
}

fn spec(selection: &Selection, object: &(String, Object)) -> Option<ObjectSpec> {
    let partitions = partitions(selection, object)?;
    let (database, object) = object;
    Some(ObjectSpec {
        key: ObjectKey {
            database: database.as_str().into(),
            kind: object.kind.as_str().into(),
            name: object.name.as_str().into(),
        },
        depends_on: object.depends_on.clone(),
        fingerprint: object.fingerprint.clone(),
        definition: object.definition.clone(),
        partitions: partitions.into_iter().map(|partition| partition.name).collect(),
    })
}

/// The manifest of a partition, by the positions of object and partition.
type Manifest = ((u32, u32), Arc<TabletList>);

/// The snapshot as it is read. It cannot change, so nothing has to be held.
#[derive(Debug)]
struct SnapshotView {
    reading: Reading,
    specs: Vec<ObjectSpec>,
    /// Of each object.
    partitions: Vec<Vec<Partition>>,
    /// Guards the manifests that were read last, the newest at the end.
    manifests: Mutex<VecDeque<Manifest>>,
}

impl SnapshotView {
    fn manifest(&self, object: u32, partition: u32) -> Result<Arc<TabletList>, TabletError> {
        let at = (object, partition);
        let lock = || self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = lock().iter().find(|(place, _)| *place == at) {
            return Ok(Arc::clone(known));
        }
        let partitions = self.partitions.get(object as usize);
        let found = partitions.and_then(|partitions| partitions.get(partition as usize));
        let found = found.ok_or_else(|| unknown(format!("partition {partition} of {object}")))?;
        let read = self.reading.document(&found.tablets);
        let manifest: TabletList =
            read.map_err(|error| failed(format!("partition {:?}", found.name), error))?;
        let manifest = Arc::new(manifest);
        let mut manifests = lock();
        manifests.push_back((at, Arc::clone(&manifest)));
        if manifests.len() > MAX_MANIFESTS {
            manifests.pop_front();
        }
        Ok(manifest)
    }
}

impl TabletSnapshot for SnapshotView {
    fn objects(&self) -> &[ObjectSpec] {
        &self.specs
    }

    fn skipped(&self) -> &[Skipped] {
        &[]
    }

    fn tablets(&self, object: u32, partition: u32) -> Result<Vec<TabletSpec>, TabletError> {
        let manifest = self.manifest(object, partition)?;
        let segment = |segment: &Segment| SegmentSpec {
            name: segment.name.clone(),
            len: segment.len,
            identity: segment.identity.clone().into(),
            attributes: segment.attributes.clone().into(),
        };
        let tablets = manifest.tablets().iter().map(|tablet| TabletSpec {
            index: tablet.index.clone(),
            name: tablet.name.clone(),
            segments: tablet.segments.iter().map(segment).collect(),
        });
        Ok(tablets.collect())
    }

    fn pin(&self, _segments: &[SegmentAddress]) -> Result<(), TabletError> {
        Ok(())
    }

    fn open(&self, address: SegmentAddress) -> Result<Box<dyn SegmentReader>, TabletError> {
        let manifest = self.manifest(address.object, address.partition)?;
        let tablet = manifest.tablets().get(address.tablet as usize);
        let segment = tablet.and_then(|tablet| tablet.segments.get(address.segment as usize));
        let segment = segment.ok_or_else(|| unknown(format!("{address:?}")))?;
        Ok(Box::new(SnapshotReader {
            name: segment.name.clone(),
            identity: segment.identity.clone().into(),
            bytes: self.reading.segment(segment.clone()),
            chunk: Bytes::new(),
        }))
    }
}

/// Reads a segment of a snapshot, chunk by chunk, each verified.
struct SnapshotReader {
    name: String,
    identity: Box<[u8]>,
    bytes: SegmentBytes,
    /// What is left of the chunk that was read last.
    chunk: Bytes,
}

impl SegmentReader for SnapshotReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TabletError> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.chunk.is_empty() {
                match self.bytes.next() {
                    None => break,
                    Some(Ok(chunk)) => self.chunk = chunk,
                    Some(Err(error)) => return Err(failed(self.name.clone(), error)),
                }
            }
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            let taken = rest.len().min(self.chunk.len());
            let (to, _) = rest.split_at_mut(taken);
            self.chunk.copy_to_slice(to);
            filled += taken;
        }
        Ok(filled)
    }

    fn finish(self: Box<Self>) -> Result<Box<[u8]>, TabletError> {
        Ok(self.identity)
    }
}

fn failed(what: String, error: Error) -> TabletError {
    let kind = match error.kind() {
        crate::ErrorKind::Repository => TabletErrorKind::Damaged,
        _ => TabletErrorKind::Io,
    };
    TabletError::new(kind, what, "cannot be read from its repository").with_source(error)
}

fn unknown(what: String) -> TabletError {
    TabletError::new(TabletErrorKind::NotFound, what, "not in the snapshot")
}
