//! What a database implements: where tablets come from ([`TabletSource`]) and where restored ones go
//! ([`TabletSink`]).
//!
//! All methods block; the pipeline calls them from threads of its own, never from a runtime. An
//! implementation needs no knowledge of repositories, chunks or actors.
//!
//! # A backup, as the source sees it
//! 1. [`TabletSource::snapshot`] takes a consistent view and lists its objects.
//! 2. [`TabletSnapshot::tablets`] lists one partition after the other.
//! 3. [`TabletSnapshot::pin`] holds the segments that will be read: those whose identity is not known yet.
//! 4. [`TabletSnapshot::open`] opens each pinned segment, on any of several threads;
//!    [`SegmentReader::finish`] vouches that it did not change while it was read.
//! 5. The view is dropped when the last read is over, and with it every hold (R9).
//!
//! # A restore, as the sink sees it
//! 1. [`TabletSink::begin`] reserves the targets or refuses, and opens a staging place beside the live data.
//! 2. [`StagedRestore::prepare`] for each partition, then [`StagedRestore::create`] and
//!    [`SegmentWriter`] for each segment, on several threads.
//! 3. [`StagedRestore::install`] makes everything live at once, durably (R10), or
//!    [`StagedRestore::abort`] leaves the old state and nothing else.

use std::fmt;
use std::sync::Arc;

/// Kinds of objects by their names in manifests. The engine itself treats all of them alike.
pub mod kind {
    /// A table with partitions and tablets.
    pub const TABLE: &str = "table";
}

/// Name of an object: which database it is in, what it is, how it is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Database; may be empty where the source has no such level.
    pub database: Arc<str>,
    /// Kind, such as [`kind::TABLE`].
    pub kind: Arc<str>,
    /// Name within database and kind; may be empty where the source has no such level.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of a table.
    pub fn table(database: &str, name: &str) -> Self {
        Self { database: database.into(), kind: kind::TABLE.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    /// `database.name`; an empty level is shown as `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |level: &str| {
            if level.is_empty() { "-".to_owned() } else { level.to_owned() }
        };
        write!(f, "{}.{}", shown(&self.database), shown(&self.name))
    }
}

/// An object of a view: its name, what the host wants to find again, and the names of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSpec {
    /// Its name.
    pub key: ObjectKey,
    /// Names of objects that must be restored before it.
    pub depends_on: Vec<String>,
    /// Schema fingerprint: opaque; equal means compatible.
    pub fingerprint: Vec<u8>,
    /// Definition: opaque; given back at restore.
    pub definition: Vec<u8>,
    /// Names of its partitions, each once; empty for an object without stored data.
    pub partitions: Vec<String>,
}

/// A tablet of a partition and its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TabletSpec {
    /// Index (base or rollup) it belongs to; may be empty.
    pub index: String,
    /// Name within partition and index; may be empty.
    pub name: String,
    /// Its segments, each name once.
    pub segments: Vec<SegmentSpec>,
}

/// A segment as it is listed, before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSpec {
    /// Name within the tablet; `/` is allowed, `..` is not.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
    /// Changes whenever the content may have changed. Empty: never equal to another, always read.
    pub identity: Box<[u8]>,
    /// Opaque; given back at restore (a mode, a link target, a rowset version).
    pub attributes: Box<[u8]>,
}

/// A segment of a view by its positions in the lists that the view gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentAddress {
    /// Position in [`TabletSnapshot::objects`].
    pub object: u32,
    /// Position in [`ObjectSpec::partitions`].
    pub partition: u32,
    /// Position in the answer of [`TabletSnapshot::tablets`].
    pub tablet: u32,
    /// Position in [`TabletSpec::segments`].
    pub segment: u32,
}

/// What a job is about: everything, or these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Nothing listed means everything.
    pub items: Vec<SelectedItem>,
}

/// One database, one object, or some partitions of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedItem {
    /// The database.
    pub database: String,
    /// The object; `None` is the whole database.
    pub object: Option<String>,
    /// Its partitions; `None` is all of them.
    pub partitions: Option<Vec<String>>,
}

impl Selection {
    /// Everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Whether the object is selected at all.
    pub fn has_object(&self, database: &str, object: &str) -> bool {
        self.items.is_empty() || self.matching(database, object).next().is_some()
    }

    /// Whether this partition of the object is selected.
    pub fn has_partition(&self, database: &str, object: &str, partition: &str) -> bool {
        self.items.is_empty()
            || self.matching(database, object).any(|item| match &item.partitions {
                Some(names) => names.iter().any(|name| name == partition),
                None => true,
            })
    }

    /// Whether the whole object is selected, not only some of its partitions.
    pub fn has_whole_object(&self, database: &str, object: &str) -> bool {
        self.items.is_empty()
            || self.matching(database, object).any(|item| item.partitions.is_none())
    }

    fn matching<'a>(
        &'a self,
        database: &'a str,
        object: &'a str,
    ) -> impl Iterator<Item = &'a SelectedItem> {
        self.items.iter().filter(move |item| {
            item.database == database && item.object.as_deref().is_none_or(|name| name == object)
        })
    }
}

/// Something that a view leaves out, and why: it ends up in the job's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// What, as a person would find it.
    pub what: String,
    /// Why it cannot be backed up.
    pub reason: String,
}

/// Where tablets come from.
pub trait TabletSource: fmt::Debug + Send + Sync + 'static {
    /// Where these tablets live, in a form that another host or directory does not share: identities
    /// are compared only within one origin.
    fn origin(&self) -> String;

    /// Takes a consistent view of what is selected. An item that does not exist is an error of kind
    /// [`TabletErrorKind::NotFound`].
    fn snapshot(&self, selection: &Selection) -> Result<Box<dyn TabletSnapshot>, TabletError>;
}

/// A consistent view. Dropping it releases every hold.
pub trait TabletSnapshot: fmt::Debug + Send + Sync {
    /// The selected objects, each key once.
    fn objects(&self) -> &[ObjectSpec];

    /// What was left out, and why.
    fn skipped(&self) -> &[Skipped];

    /// The tablets of one partition, by the positions of object and partition.
    fn tablets(&self, object: u32, partition: u32) -> Result<Vec<TabletSpec>, TabletError>;

    /// Holds these segments so that they can be opened until the view is dropped or the segment was
    /// finished, whatever becomes of the live ones. [`TabletErrorKind::Changed`] when one of them is
    /// no longer what the view listed: the caller takes a new view.
    fn pin(&self, segments: &[SegmentAddress]) -> Result<(), TabletError>;

    /// Opens a pinned segment. Called at most once for each.
    fn open(&self, segment: SegmentAddress) -> Result<Box<dyn SegmentReader>, TabletError>;
}

/// Bytes of one segment, from the first to the last.
pub trait SegmentReader: Send {
    /// Reads into the whole of `buffer` unless the segment ends first; returns the bytes read.
    /// 0 means the end when `buffer` is not empty.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TabletError>;

    /// Vouches that what was read is what the view listed, releases the hold on the segment, and returns the
    /// identity to remember (empty when it cannot be trusted next time).
    /// [`TabletErrorKind::Changed`] when the segment changed while it was read.
    fn finish(self: Box<Self>) -> Result<Box<[u8]>, TabletError>;
}

/// What a restore will make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// Identifies the job: unique, safe as a file name.
    pub job: String,
    /// The objects to make, in dependency order, under their new names.
    pub objects: Vec<RestoreObject>,
}

/// One object to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreObject {
    /// The object as the snapshot has it but for its key, which is the new one; `partitions` are the
    /// ones to restore.
    pub spec: ObjectSpec,
    /// Whether the object becomes exactly what the snapshot holds (partitions that the snapshot lacks
    /// disappear), or only the listed partitions are replaced.
    pub whole: bool,
}

/// A segment to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentTarget<'a> {
    /// Position in [`RestorePlan::objects`].
    pub object: u32,
    /// Position in [`ObjectSpec::partitions`] of that object.
    pub partition: u32,
    /// Index of the tablet.
    pub index: &'a str,
    /// Name of the tablet.
    pub tablet: &'a str,
    /// Name of the segment.
    pub segment: &'a str,
    /// Its length in bytes.
    pub len: u64,
    /// What the source wrote into [`SegmentSpec::attributes`].
    pub attributes: &'a [u8],
}

/// Where restored tablets go.
pub trait TabletSink: fmt::Debug + Send + Sync + 'static {
    /// Reserves the targets, or refuses: [`TabletErrorKind::Busy`] when another restore has one of
    /// them. The reservation lasts until the answer is dropped.
    fn begin(&self, plan: RestorePlan) -> Result<Box<dyn StagedRestore>, TabletError>;
}

/// Restored data beside the live data. Dropping it without [`StagedRestore::install`] is an abort.
pub trait StagedRestore: fmt::Debug + Send + Sync {
    /// Announces the tablets of a partition, also empty ones, before the first of its segments.
    fn prepare(
        &self,
        object: u32,
        partition: u32,
        tablets: &[(String, String)],
    ) -> Result<(), TabletError>;

    /// Makes a segment in the staging place.
    fn create(&self, target: SegmentTarget<'_>) -> Result<Box<dyn SegmentWriter>, TabletError>;

    /// What a restore that died had staged in the place of this segment, if anything. Asked once, before [`Self::create`].
    fn leftover<'a>(
        &'a self,
        target: SegmentTarget<'_>,
    ) -> Result<Option<Box<dyn Leftover + 'a>>, TabletError> {
        let _ = target;
        Ok(None)
    }

    /// Makes all of it durable, then live. On success the new data serves and survives a crash; on an
    /// error or a crash before that the old data does. Never a mixture.
    fn install(&self) -> Result<(), TabletError>;

    /// Removes everything staged and leaves the live data as it is.
    fn abort(&self);
}

/// A file that a restore that died left: perhaps a whole segment, perhaps not. Nothing is taken on trust: its bytes
/// are read and compared with the snapshot before it is adopted. Dropped otherwise.
pub trait Leftover {
    /// Reads into the whole of `buffer` unless the file ends first; returns the bytes read.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TabletError>;

    /// Makes it the segment, as if that had been created, written and finished.
    fn adopt(self: Box<Self>) -> Result<(), TabletError>;
}

/// Writes one segment in the staging place.
pub trait SegmentWriter: Send + Sync {
    /// Writes `bytes` at `offset`. Pieces come in any order, each once, and cover the segment.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), TabletError>;

    /// Ends the segment: all its bytes were written.
    fn finish(self: Box<Self>) -> Result<(), TabletError>;
}

/// What the caller can do about a [`TabletError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TabletErrorKind {
    /// The named thing does not exist.
    NotFound,
    /// A segment changed, shrank, grew or vanished between listing and the end of reading.
    Changed,
    /// Not readable or not writable: permissions, a device fault.
    Io,
    /// No space left.
    NoSpace,
    /// Another job has the target.
    Busy,
    /// A name or a definition that cannot be represented or is not allowed.
    Invalid,
    /// The source or sink cannot do this.
    Unsupported,
    /// The bytes of a segment are not those that were once written.
    Damaged,
}

impl TabletErrorKind {
    /// Stable code for operators and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "CAIRN-T001",
            Self::Changed => "CAIRN-T002",
            Self::Io => "CAIRN-T003",
            Self::NoSpace => "CAIRN-T004",
            Self::Busy => "CAIRN-T005",
            Self::Invalid => "CAIRN-T006",
            Self::Unsupported => "CAIRN-T007",
            Self::Damaged => "CAIRN-T008",
        }
    }
}

/// A failure of a source or a sink.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct TabletError {
    kind: TabletErrorKind,
    what: String,
    problem: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TabletError {
    /// An error about `what` (a path, a table, a segment), with the problem in a short phrase.
    pub fn new(kind: TabletErrorKind, what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind, what: what.into(), problem: problem.into(), source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> TabletErrorKind {
        self.kind
    }

    /// What the error is about.
    pub fn what(&self) -> &str {
        &self.what
    }
}
