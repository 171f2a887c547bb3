//! What the two ends of a restore share: the sink's reservation, and the segments on their way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::Fault;
use crate::metrics::StageId;
use crate::tablet::{SegmentTarget, SegmentWriter, StagedRestore};

/// Where the fetcher leaves the sink's reservation for the installer; set once.
pub(crate) type StagedCell = Arc<OnceLock<Arc<dyn StagedRestore>>>;

type OpenSegment = Box<dyn SegmentWriter>;

/// A segment that is being restored.
#[derive(Debug)]
pub struct SegmentOut {
    /// Names of its object and partition in the snapshot, for messages.
    pub within: Arc<str>,
    /// Position of its object in the restore plan.
    pub object: u32,
    /// Position of its partition in the object.
    pub partition: u32,
    /// Index of its tablet.
    pub index: Arc<str>,
    /// Its tablet.
    pub tablet: Arc<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its length in bytes.
    pub len: u64,
    /// What the source said about it.
    pub attributes: Box<[u8]>,
    pub(crate) progress: SegmentProgress,
}

/// How far a segment is.
pub(crate) struct SegmentProgress {
    /// Bytes that are not written yet.
    left: AtomicU64,
    /// The open segment. Guards opening it once; writes go on side by side.
    writer: Mutex<Option<Arc<OpenSegment>>>,
}

impl SegmentProgress {
    pub(crate) fn new(len: u64) -> Self {
        Self { left: AtomicU64::new(len), writer: Mutex::new(None) }
    }
}

impl std::fmt::Debug for SegmentProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SegmentProgress({} bytes left)", self.left.load(Ordering::Relaxed))
    }
}

impl SegmentOut {
    /// Makes a segment without bytes.
    pub(crate) fn make_empty(&self, staged: &dyn StagedRestore) -> Result<(), Fault> {
        Ok(staged.create(self.target())?.finish()?)
    }

    /// Writes a piece; opens the segment for the first one and ends it with the last, and says whether this
    /// was the last.
    pub(crate) fn write(
        &self,
        staged: &dyn StagedRestore,
        offset: u64,
        bytes: &[u8],
    ) -> Result<bool, Fault> {
        let writer = self.open(staged)?;
        writer.write_at(offset, bytes)?;
        drop(writer);
        let len = bytes.len() as u64;
        // AcqRel: who writes the last byte sees that all others are done with the writer.
        if self.progress.left.fetch_sub(len, Ordering::AcqRel) != len {
            return Ok(false);
        }
        let mut slot = self.progress.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = slot.take().and_then(Arc::into_inner);
        let writer =
            writer.ok_or_else(|| Fault::defect(StageId::Installer, "a segment is still open"))?;
        writer.finish()?;
        Ok(true)
    }

    fn open(&self, staged: &dyn StagedRestore) -> Result<Arc<OpenSegment>, Fault> {
        let mut slot = self.progress.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = slot.as_ref() {
            return Ok(Arc::clone(writer));
        }
        let writer = Arc::new(staged.create(self.target())?);
        *slot = Some(Arc::clone(&writer));
        Ok(writer)
    }

    pub(crate) fn target(&self) -> SegmentTarget<'_> {
        SegmentTarget {
            object: self.object,
            partition: self.partition,
            index: &self.index,
            tablet: &self.tablet,
            segment: &self.name,
            len: self.len,
            attributes: &self.attributes,
        }
    }

    /// Database, object, partition, tablet and segment, for messages.
    pub(crate) fn place(&self) -> String {
        [&*self.within, &*self.index, &*self.tablet, &*self.name]
            .into_iter()
            .filter(|level| !level.is_empty())
            .collect::<Vec<_>>()
            .join("/")
    }
}
