//! A database in memory whose every call can be scripted: [`ToySource`] and [`ToySink`].
//!
//! A segment is named by one key, `database/table/partition/tablet/segment`, on both sides: what a sink
//! holds can be compared with what a source holds. Both check the promises that the pipeline makes to a
//! database: nothing is read without a pin or after its view is gone (R9), nothing is opened twice, every byte of
//! a restored segment is written once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cairn_pipeline::tablet::{
    ObjectKey, ObjectSpec, RestorePlan, SegmentAddress, SegmentReader, SegmentSpec, SegmentTarget,
    SegmentWriter, Selection, Skipped, StagedRestore, TabletError, TabletSink, TabletSnapshot,
    TabletSource, TabletSpec,
};

use super::content::Content;
use super::script::{Point, Script};

/// Every segment with its bytes.
pub(crate) type Contents = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone)]
struct ToySegment {
    content: Content,
    identity: Vec<u8>,
}

/// Where tablets come from.
#[derive(Debug)]
pub(crate) struct ToySource {
    origin: String,
    /// What its calls do.
    pub(crate) script: Arc<Script>,
    segments: Mutex<BTreeMap<String, ToySegment>>,
    num_changes: AtomicU64,
    bytes_read: Arc<AtomicU64>,
    /// Held by every view that is alive.
    views: Arc<()>,
}

impl ToySource {
    pub(crate) fn new() -> Arc<Self> {
        Self::of("toy")
    }

    /// One of another origin: identities of different sources may be equal, and what has them need not be.
    fn of(origin: &str) -> Arc<Self> {
        Arc::new(Self {
            origin: origin.to_owned(),
            script: Arc::default(),
            segments: Mutex::default(),
            num_changes: AtomicU64::new(0),
            bytes_read: Arc::default(),
            views: Arc::default(),
        })
    }

    /// Two tables, three partitions, five segments; small, longer than a window, compressible, empty.
    pub(crate) fn filled() -> Arc<Self> {
        Self::filled_of("toy")
    }

    /// The same of another origin.
    pub(crate) fn filled_of(origin: &str) -> Arc<Self> {
        let source = Self::of(origin);
        source.put("shop/orders/p1/t1/a.dat", "a few rows");
        source.put("shop/orders/p1/t2/b.dat", Content::noise(1, 900 << 10));
        source.put("shop/orders/p2/t1/c.dat", "text ".repeat(100_000).as_str());
        source.put("web/events/p1/t1/d.dat", Content::noise(2, 700 << 10));
        source.put("web/events/p1/t1/e.dat", "");
        source
    }

    /// Makes a segment or replaces it, under a new identity.
    pub(crate) fn put(&self, key: &str, content: impl Into<Content>) {
        let identity = self.new_identity();
        self.lock().insert(key.to_owned(), ToySegment { content: content.into(), identity });
    }

    pub(crate) fn append(&self, key: &str, more: &[u8]) {
        let mut bytes = self.lock()[key].content.to_bytes();
        bytes.extend_from_slice(more);
        self.put(key, bytes.as_slice());
    }

    pub(crate) fn remove(&self, key: &str) {
        self.lock().remove(key).unwrap();
    }

    /// Gives a segment another identity and leaves its bytes.
    pub(crate) fn touch(&self, key: &str) {
        let identity = self.new_identity();
        self.set_identity(key, identity);
    }

    pub(crate) fn set_identity(&self, key: &str, identity: Vec<u8>) {
        self.lock().get_mut(key).unwrap().identity = identity;
    }

    pub(crate) fn contents(&self) -> Contents {
        let segments = self.lock();
        segments.iter().map(|(key, segment)| (key.clone(), segment.content.to_bytes())).collect()
    }

    /// Bytes that were read of all segments so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::SeqCst)
    }

    /// Views that somebody still holds.
    pub(crate) fn num_views(&self) -> usize {
        Arc::strong_count(&self.views) - 1
    }

    fn new_identity(&self) -> Vec<u8> {
        self.num_changes.fetch_add(1, Ordering::SeqCst).to_le_bytes().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ToySegment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn levels(key: &str) -> [&str; 5] {
    let levels: Vec<&str> = key.splitn(5, '/').collect();
    levels.try_into().unwrap()
}

fn attributes_of(segment: &str) -> Box<[u8]> {
    format!("attributes of {segment}").into_bytes().into()
}

impl TabletSource for ToySource {
    fn origin(&self) -> String {
        // Has no way to fail: a scripted failure is a panic.
        self.script.reach(Point::Origin, "origin").unwrap();
        self.origin.clone()
    }

    fn snapshot(&self, selection: &Selection) -> Result<Box<dyn TabletSnapshot>, TabletError> {
        self.script.reach(Point::Snapshot, "snapshot")?;
        let mut objects: BTreeMap<(String, String), BTreeMap<String, ToyPartition>> =
            BTreeMap::new();
        for (key, segment) in self.lock().iter() {
            let [database, table, partition, tablet, name] = levels(key);
            if !selection.has_partition(database, table, partition) {
                continue;
            }
            let partitions = objects.entry((database.to_owned(), table.to_owned())).or_default();
            let tablets = partitions.entry(partition.to_owned()).or_default();
            let segments = tablets.entry(tablet.to_owned()).or_default();
            segments.push((name.to_owned(), segment.clone()));
        }
        let specs = objects.iter().map(|((database, table), partitions)| ObjectSpec {
            key: ObjectKey::table(database, table),
            depends_on: Vec::new(),
            fingerprint: b"toy".to_vec(),
            definition: format!("create table {table}").into_bytes(),
            partitions: partitions.keys().cloned().collect(),
        });
        Ok(Box::new(ToyView {
            objects: specs.collect(),
            partitions: objects.into_values().map(|each| each.into_values().collect()).collect(),
            held: Mutex::default(),
            script: Arc::clone(&self.script),
            bytes_read: Arc::clone(&self.bytes_read),
            alive: Arc::new(Alive(Arc::clone(&self.views))),
        }))
    }
}

/// Segments by tablet.
type ToyPartition = BTreeMap<String, Vec<(String, ToySegment)>>;

/// The database as it was when the view was taken.
#[derive(Debug)]
struct ToyView {
    objects: Vec<ObjectSpec>,
    partitions: Vec<Vec<ToyPartition>>,
    /// Pinned, not opened yet.
    held: Mutex<BTreeSet<SegmentAddress>>,
    script: Arc<Script>,
    bytes_read: Arc<AtomicU64>,
    alive: Arc<Alive>,
}

/// A view that is alive. Its readers hold it weakly: they must not outlive it.
#[derive(Debug)]
struct Alive(#[expect(dead_code, reason = "held to be counted")] Arc<()>);

impl ToyView {
    fn tablets_at(&self, object: u32, partition: u32) -> &ToyPartition {
        &self.partitions[object as usize][partition as usize]
    }
}

impl TabletSnapshot for ToyView {
    fn objects(&self) -> &[ObjectSpec] {
        &self.objects
    }

    fn skipped(&self) -> &[Skipped] {
        &[]
    }

    fn tablets(&self, object: u32, partition: u32) -> Result<Vec<TabletSpec>, TabletError> {
        self.script.reach(Point::Tablets, "tablets")?;
        let tablets = self.tablets_at(object, partition).iter().map(|(name, segments)| {
            let segments = segments.iter().map(|(name, segment)| SegmentSpec {
                name: name.clone(),
                len: segment.content.len(),
                identity: segment.identity.clone().into(),
                attributes: attributes_of(name),
            });
            TabletSpec { index: String::new(), name: name.clone(), segments: segments.collect() }
        });
        Ok(tablets.collect())
    }

    fn pin(&self, segments: &[SegmentAddress]) -> Result<(), TabletError> {
        self.script.reach(Point::Pin, "pin")?;
        self.held.lock().unwrap().extend(segments);
        Ok(())
    }

    fn open(&self, at: SegmentAddress) -> Result<Box<dyn SegmentReader>, TabletError> {
        let mut tablets = self.tablets_at(at.object, at.partition).values();
        let (name, segment) = &tablets.nth(at.tablet as usize).unwrap()[at.segment as usize];
        self.script.reach(Point::Open, name)?;
        assert!(self.held.lock().unwrap().remove(&at), "{name} was opened twice or without a pin");
        Ok(Box::new(ToyReader {
            name: name.clone(),
            segment: segment.clone(),
            position: 0,
            script: Arc::clone(&self.script),
            bytes_read: Arc::clone(&self.bytes_read),
            view: Arc::downgrade(&self.alive),
        }))
    }
}

#[derive(Debug)]
struct ToyReader {
    name: String,
    segment: ToySegment,
    position: u64,
    script: Arc<Script>,
    bytes_read: Arc<AtomicU64>,
    view: Weak<Alive>,
}

impl SegmentReader for ToyReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TabletError> {
        self.script.reach(Point::Read, &self.name)?;
        assert!(self.view.strong_count() > 0, "R9: {} is read after its view", self.name);
        let len = self.segment.content.read(self.position, buffer);
        self.position += len as u64;
        self.bytes_read.fetch_add(len as u64, Ordering::SeqCst);
        Ok(len)
    }

    fn finish(self: Box<Self>) -> Result<Box<[u8]>, TabletError> {
        self.script.reach(Point::Finish, &self.name)?;
        assert_eq!(self.position, self.segment.content.len(), "{} was not read whole", self.name);
        Ok(self.segment.identity.into())
    }
}

/// How the restores into a sink ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ends {
    pub(crate) installed: usize,
    pub(crate) aborted: usize,
}

/// Where restored tablets go.
#[derive(Debug, Default)]
pub(crate) struct ToySink {
    /// What its calls do.
    pub(crate) script: Arc<Script>,
    state: Arc<Mutex<SinkState>>,
}

#[derive(Debug, Default)]
struct SinkState {
    live: Contents,
    ends: Ends,
}

impl ToySink {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What is live.
    pub(crate) fn contents(&self) -> Contents {
        self.state.lock().unwrap().live.clone()
    }

    pub(crate) fn ends(&self) -> Ends {
        self.state.lock().unwrap().ends
    }
}

impl TabletSink for ToySink {
    fn begin(&self, plan: RestorePlan) -> Result<Box<dyn StagedRestore>, TabletError> {
        self.script.reach(Point::Begin, &plan.job)?;
        Ok(Box::new(ToyRestore {
            plan,
            prepared: Mutex::default(),
            staged: Arc::default(),
            script: Arc::clone(&self.script),
            sink: Arc::clone(&self.state),
            is_over: Mutex::new(false),
        }))
    }
}

#[derive(Debug)]
struct ToyRestore {
    plan: RestorePlan,
    prepared: Mutex<BTreeSet<(u32, u32)>>,
    staged: Arc<Mutex<Contents>>,
    script: Arc<Script>,
    sink: Arc<Mutex<SinkState>>,
    /// Installed or aborted.
    is_over: Mutex<bool>,
}

impl StagedRestore for ToyRestore {
    fn prepare(
        &self,
        object: u32,
        partition: u32,
        _tablets: &[(String, String)],
    ) -> Result<(), TabletError> {
        self.script.reach(Point::Prepare, "prepare")?;
        assert!(self.prepared.lock().unwrap().insert((object, partition)), "prepared twice");
        Ok(())
    }

    fn create(&self, target: SegmentTarget<'_>) -> Result<Box<dyn SegmentWriter>, TabletError> {
        self.script.reach(Point::Create, target.segment)?;
        let at = (target.object, target.partition);
        assert!(self.prepared.lock().unwrap().contains(&at), "created before it was prepared");
        assert_eq!(*target.attributes, *attributes_of(target.segment));
        let spec = &self.plan.objects[target.object as usize].spec;
        let partition = &spec.partitions[target.partition as usize];
        let (database, table) = (&spec.key.database, &spec.key.name);
        let (tablet, segment) = (target.tablet, target.segment);
        Ok(Box::new(ToyWriter {
            key: format!("{database}/{table}/{partition}/{tablet}/{segment}"),
            bytes: Mutex::new((vec![0; usize::try_from(target.len).unwrap()], 0)),
            staged: Arc::clone(&self.staged),
            script: Arc::clone(&self.script),
        }))
    }

    fn install(&self) -> Result<(), TabletError> {
        self.script.reach(Point::Install, "install")?;
        let mut sink = self.sink.lock().unwrap();
        for object in self.plan.objects.iter().filter(|object| object.whole) {
            let key = &object.spec.key;
            let prefix = format!("{}/{}/", key.database, key.name);
            sink.live.retain(|key, _| !key.starts_with(&prefix));
        }
        sink.live.append(&mut self.staged.lock().unwrap());
        sink.ends.installed += 1;
        *self.is_over.lock().unwrap() = true;
        Ok(())
    }

    fn abort(&self) {
        let was_over = std::mem::replace(&mut *self.is_over.lock().unwrap(), true);
        if !was_over {
            self.sink.lock().unwrap().ends.aborted += 1;
        }
    }
}

impl Drop for ToyRestore {
    fn drop(&mut self) {
        self.abort();
    }
}

struct ToyWriter {
    key: String,
    /// The bytes, and how many of them were written.
    bytes: Mutex<(Vec<u8>, usize)>,
    staged: Arc<Mutex<Contents>>,
    script: Arc<Script>,
}

impl SegmentWriter for ToyWriter {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), TabletError> {
        self.script.reach(Point::WriteAt, &self.key)?;
        let mut segment = self.bytes.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        segment.0[start..start + bytes.len()].copy_from_slice(bytes);
        segment.1 += bytes.len();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), TabletError> {
        self.script.reach(Point::FinishWrite, &self.key)?;
        let (bytes, num_written) = self.bytes.into_inner().unwrap();
        assert_eq!(bytes.len(), num_written, "{} was not written once", self.key);
        assert!(self.staged.lock().unwrap().insert(self.key, bytes).is_none(), "made twice");
        Ok(())
    }
}
