//! Real files that change under a backup: either the snapshot holds them as they were listed, or there is none.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cairn_pipeline::directory::DirectorySource;
use cairn_pipeline::tablet::{
    ObjectSpec, SegmentAddress, SegmentReader, Skipped, TabletError, TabletSpec,
};
use cairn_pipeline::{
    BackupReport, BackupRequest, Error, ErrorKind, RestoreRequest, Selection, TabletSnapshot,
    TabletSource,
};

use crate::place::{DEADLINE, Place, ends_within, noise, tree};

/// When to meddle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Listed,
    Pinned,
    /// After the first read of the segment.
    Read,
}

type Deed = Box<dyn FnOnce() + Send>;

/// What is done once, at its moment.
struct Meddling {
    moment: Moment,
    deed: Mutex<Option<Deed>>,
}

impl Meddling {
    fn reach(&self, moment: Moment) {
        if moment == self.moment
            && let Some(deed) = self.deed.lock().unwrap().take()
        {
            deed();
        }
    }
}

/// A directory with somebody at work in it.
struct MeddledSource {
    inner: DirectorySource,
    meddling: Arc<Meddling>,
}

struct MeddledView {
    inner: Box<dyn TabletSnapshot>,
    meddling: Arc<Meddling>,
}

struct MeddledReader {
    inner: Box<dyn SegmentReader>,
    meddling: Arc<Meddling>,
}

impl std::fmt::Debug for MeddledSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl std::fmt::Debug for MeddledView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl TabletSource for MeddledSource {
    fn origin(&self) -> String {
        self.inner.origin()
    }

    fn snapshot(&self, selection: &Selection) -> Result<Box<dyn TabletSnapshot>, TabletError> {
        let inner = self.inner.snapshot(selection)?;
        self.meddling.reach(Moment::Listed);
        Ok(Box::new(MeddledView { inner, meddling: Arc::clone(&self.meddling) }))
    }
}

impl TabletSnapshot for MeddledView {
    fn objects(&self) -> &[ObjectSpec] {
        self.inner.objects()
    }

    fn skipped(&self) -> &[Skipped] {
        self.inner.skipped()
    }

    fn tablets(&self, object: u32, partition: u32) -> Result<Vec<TabletSpec>, TabletError> {
        self.inner.tablets(object, partition)
    }

    fn pin(&self, segments: &[SegmentAddress]) -> Result<(), TabletError> {
        self.inner.pin(segments)
    }

    fn open(&self, segment: SegmentAddress) -> Result<Box<dyn SegmentReader>, TabletError> {
        // Everything is pinned before anything is opened.
        self.meddling.reach(Moment::Pinned);
        let inner = self.inner.open(segment)?;
        Ok(Box::new(MeddledReader { inner, meddling: Arc::clone(&self.meddling) }))
    }
}

impl SegmentReader for MeddledReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TabletError> {
        let len = self.inner.read(buffer)?;
        self.meddling.reach(Moment::Read);
        Ok(len)
    }

    fn finish(self: Box<Self>) -> Result<Box<[u8]>, TabletError> {
        self.inner.finish()
    }
}

/// A warehouse of one segment that is read in more than one go.
fn place_with_a_segment() -> (Place, PathBuf) {
    let place = Place::new();
    place.write("shop/orders/p1/t1/a.dat", &noise(1, 9 << 20));
    place.age();
    let path = place.warehouse().join("shop/orders/p1/t1/a.dat");
    (place, path)
}

fn backup(
    place: &Place,
    moment: Moment,
    deed: impl FnOnce() + Send + 'static,
) -> Result<BackupReport, Error> {
    let meddling = Meddling { moment, deed: Mutex::new(Some(Box::new(deed))) };
    let inner = DirectorySource::open(place.warehouse()).unwrap();
    let source = MeddledSource { inner, meddling: Arc::new(meddling) };
    let request = BackupRequest::new("a").unwrap();
    ends_within(DEADLINE, place.engine.backup(&place.repository, Arc::new(source), request))
}

/// The job failed for the segment, and there is no snapshot.
fn assert_changed(place: &Place, outcome: Result<BackupReport, Error>) {
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Tablets, "CAIRN-T002"), "{error}");
    assert!(error.to_string().contains("shop/orders/p1/t1/a.dat"), "{error}");
    assert_eq!(place.repository.snapshots().unwrap().len(), 0);
    assert_eq!(place.check(), [""; 0]);
}

#[test]
fn a_segment_that_is_written_while_it_is_read_fails_the_job() {
    for offset in [0, 8 << 20] {
        let (place, path) = place_with_a_segment();
        let outcome = backup(&place, Moment::Read, move || {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(b"other rows", offset).unwrap();
        });
        assert_changed(&place, outcome);
    }
}

#[test]
fn a_segment_that_grows_or_shrinks_while_it_is_read_fails_the_job() {
    for len in [0, 1 << 20, 10 << 20] {
        let (place, path) = place_with_a_segment();
        let outcome = backup(&place, Moment::Read, move || {
            OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
        });
        assert_changed(&place, outcome);
    }
}

#[test]
fn a_segment_that_is_deleted_or_replaced_while_it_is_held_does_not_matter() {
    for moment in [Moment::Pinned, Moment::Read] {
        for is_replaced in [false, true] {
            let (place, path) = place_with_a_segment();
            let before = tree(&place.warehouse());
            let new = place.path("new");
            fs::write(&new, noise(2, 9 << 20)).unwrap();
            let deed = move || match is_replaced {
                true => fs::rename(new, path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            };
            backup(&place, moment, deed).unwrap();
            place.restore(RestoreRequest::new("a").unwrap(), "restored");
            assert_eq!(tree(&place.path("restored")), before, "{moment:?}, {is_replaced}");
        }
    }
}

#[test]
fn what_is_replaced_between_listing_and_holding_is_listed_again() {
    let (place, path) = place_with_a_segment();
    let new = place.path("new");
    fs::write(&new, noise(2, 9 << 20)).unwrap();
    backup(&place, Moment::Listed, move || fs::rename(new, path).unwrap()).unwrap();
    place.restore(RestoreRequest::new("a").unwrap(), "restored");
    assert_eq!(tree(&place.path("restored")), tree(&place.warehouse()));
}
