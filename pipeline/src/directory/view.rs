//! *Does*: the view of a warehouse that one snapshot gives.
//!
//! *Invariants*: R9: what is pinned can be read until the view and every reader are dropped.

use std::sync::Arc;

use cairn_actors::tablet::{
    ObjectSpec, SegmentAddress, SegmentReader, Skipped, TabletError, TabletErrorKind,
    TabletSnapshot, TabletSpec,
};

use super::listing::{Listed, Listing};
use super::pin::{HandleBudget, Pins};
use super::reader::{EmptyReader, FileReader};
use super::root::Root;

/// A listed warehouse with its pins.
#[derive(Debug)]
pub(super) struct DirectoryView {
    root: Arc<Root>,
    listing: Listing,
    pins: Pins,
}

impl DirectoryView {
    /// A view of what was listed, with nothing pinned.
    pub(super) fn new(root: Arc<Root>, listing: Listing, budget: Arc<HandleBudget>) -> Self {
        let pins = Pins::new(Arc::clone(&root), budget);
        Self { root, listing, pins }
    }

    fn segment(&self, address: SegmentAddress) -> Result<(usize, &Listed), TabletError> {
        self.listing.segment(address).ok_or_else(|| unknown(format!("{address:?}")))
    }
}

impl TabletSnapshot for DirectoryView {
    fn objects(&self) -> &[ObjectSpec] {
        self.listing.objects()
    }

    fn skipped(&self) -> &[Skipped] {
        self.listing.skipped()
    }

    fn tablets(&self, object: u32, partition: u32) -> Result<Vec<TabletSpec>, TabletError> {
        let tablets = self.listing.tablets(object, partition);
        tablets.ok_or_else(|| unknown(format!("partition {partition} of object {object}")))
    }

    fn pin(&self, segments: &[SegmentAddress]) -> Result<(), TabletError> {
        for address in segments {
            let (position, listed) = self.segment(*address)?;
            if listed.is_file() {
                self.pins.hold(position, listed, &self.listing.path(*address))?;
            }
        }
        Ok(())
    }

    fn open(&self, address: SegmentAddress) -> Result<Box<dyn SegmentReader>, TabletError> {
        let (position, listed) = self.segment(address)?;
        if !listed.is_file() {
            return Ok(Box::new(EmptyReader { identity: listed.identity() }));
        }
        let path = self.listing.path(address);
        let pin = self.pins.open(position, listed, &path)?;
        Ok(Box::new(FileReader::new(pin, *listed, self.root.shown(path))))
    }
}

fn unknown(what: String) -> TabletError {
    TabletError::new(TabletErrorKind::NotFound, what, "is not in the view")
}
