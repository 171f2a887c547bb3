//! [`Staged`]: segments beside the live data, until they are installed or dropped.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_pipeline::tablet::{
    SegmentTarget, SegmentWriter, StagedRestore, TabletError, TabletErrorKind,
};

use super::tablets::{StagedTablet, StagedTablets, TabletKey};
use super::{Permit, Planned, RestoreClaim, RestoreSettings, install};
use crate::segment;
use crate::source::{SegmentAttributes, tablet_error};
use crate::{Error, Warehouse};

/// Restored data beside the live data.
#[derive(Debug)]
pub(super) struct Staged {
    warehouse: Warehouse,
    settings: RestoreSettings,
    objects: Vec<Planned>,
    tablets: Arc<Tablets>,
    claim: Arc<RestoreClaim>,
    permit: Option<Arc<dyn Permit>>,
    /// An install and an abort are one after the other.
    end: Mutex<()>,
}

/// What was staged, by the positions of object and partition. Writers share it; files are written outside its lock.
#[derive(Debug, Default)]
struct Tablets(Mutex<HashMap<(u32, u32), StagedTablets>>);

impl Tablets {
    /// It is changed in single steps, so what a dead thread left is whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<(u32, u32), StagedTablets>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Staged {
    pub(super) fn new(
        warehouse: Warehouse,
        settings: RestoreSettings,
        objects: Vec<Planned>,
        claim: Arc<RestoreClaim>,
        permit: Option<Arc<dyn Permit>>,
    ) -> Self {
        let tablets = Arc::default();
        Self { warehouse, settings, objects, tablets, claim, permit, end: Mutex::default() }
    }
}

impl StagedRestore for Staged {
    fn prepare(
        &self,
        object: u32,
        partition: u32,
        tablets: &[(String, String)],
    ) -> Result<(), TabletError> {
        let mut staged = StagedTablets::new();
        for (index, tablet) in tablets {
            let id = self.warehouse.next_id().map_err(|error| tablet_error(tablet, error))?;
            let key = (index.clone(), bucket(tablet)?);
            staged.insert(key, StagedTablet { id, segments: BTreeMap::new() });
        }
        self.tablets.lock().insert((object, partition), staged);
        Ok(())
    }

    fn create(&self, target: SegmentTarget<'_>) -> Result<Box<dyn SegmentWriter>, TabletError> {
        let at = (target.object, target.partition);
        let key = (target.index.to_owned(), bucket(target.tablet)?);
        let tablet =
            self.tablets.lock().get(&at).and_then(|staged| staged.get(&key)).map(|it| it.id);
        let tablet = tablet.ok_or_else(|| invalid(target.tablet, "was not announced"))?;
        let source_number = target.segment.strip_suffix(".parquet").and_then(|it| it.parse().ok());
        let source_number =
            source_number.ok_or_else(|| invalid(target.segment, "is no name of a segment"))?;
        let attributes = SegmentAttributes::decode(target.attributes)
            .ok_or_else(|| invalid(target.segment, "does not say how many rows it has"))?;
        let create = || self.warehouse.files().create(tablet, self.warehouse.next_id()?);
        let file = create().map_err(|error| tablet_error(target.segment, error))?;
        let tablets = Arc::clone(&self.tablets);
        Ok(Box::new(Writer { file, attributes, source_number, at, key, tablets }))
    }

    fn install(&self) -> Result<(), TabletError> {
        let _end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let tablets = std::mem::take(&mut *self.tablets.lock());
        let (claim, permit) = (&self.claim, self.permit.as_deref());
        install::install(&self.warehouse, &self.settings, &self.objects, tablets, claim, permit)
            .map_err(|error| tablet_error("the restored objects", error))
    }

    fn abort(&self) {
        let _end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        self.tablets.lock().clear();
        self.claim.release();
    }
}

/// Writes one segment.
struct Writer {
    file: segment::SegmentWriter,
    attributes: SegmentAttributes,
    source_number: u64,
    at: (u32, u32),
    key: TabletKey,
    tablets: Arc<Tablets>,
}

impl SegmentWriter for Writer {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), TabletError> {
        self.file.file().write_all_at(bytes, offset).map_err(|error| {
            tablet_error("a restored segment", Error::io("write", self.file.path(), error))
        })
    }

    fn finish(self: Box<Self>) -> Result<(), TabletError> {
        let Self { file, attributes, source_number, at, key, tablets } = *self;
        let SegmentAttributes { rows, checksum } = attributes;
        let segment = file.publish(rows, checksum);
        let segment = segment.map_err(|error| tablet_error("a restored segment", error))?;
        // Nothing there: the restore was aborted meanwhile, and the segment goes with its last reference.
        if let Some(tablet) = tablets.lock().get_mut(&at).and_then(|staged| staged.get_mut(&key)) {
            tablet.segments.insert(source_number, segment);
        }
        Ok(())
    }
}

fn bucket(tablet: &str) -> Result<usize, TabletError> {
    tablet.parse().map_err(|_| invalid(tablet, "is no number of a bucket"))
}

fn invalid(what: &str, problem: &str) -> TabletError {
    TabletError::new(TabletErrorKind::Invalid, what, problem)
}
