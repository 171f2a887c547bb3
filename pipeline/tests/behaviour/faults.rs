//! A backup whose storage or source fails says why, and no snapshot comes of it.

use cairn_pipeline::storage::{ErrorKind as StorageErrorKind, Operation};
use cairn_pipeline::tablet::TabletErrorKind;
use cairn_pipeline::{Error, ErrorKind, JobState};
use cairn_testkit::Fault;

use crate::place::rig::{Rig, chain};
use crate::place::script::{Deed, Point};
use crate::place::source::{Ends, ToySink};
use crate::place::wait_until;

/// The put that fails is the cause that is told, with its path; the stages around it keep quiet.
#[track_caller]
fn assert_storage_is_blamed(error: &Error, prefix: &str) {
    assert_eq!((error.kind(), error.code()), (ErrorKind::Storage, "CAIRN-R008"), "{error}");
    let chain = chain(error);
    assert!(chain.contains(prefix) && chain.ends_with("a planned fault"), "{chain}");
}

#[test]
fn a_put_that_fails_for_good_is_the_cause() {
    let (rig, faults) = Rig::with_faults();
    // With little to store: one pack of segments, one of documents, one run of both, the record.
    rig.source.remove("shop/orders/p1/t2/b.dat");
    rig.source.remove("web/events/p1/t1/d.dat");
    for (prefix, nth) in [("packs", 1), ("packs", 2), ("indexes", 1), ("snapshots", 1)] {
        let fault = Fault::fail(StorageErrorKind::PermissionDenied)
            .on(Operation::Put)
            .at(move |path| path.as_str().starts_with(prefix))
            .nth(nth);
        let fault = faults.plan(fault);
        // Nothing of it is in the repository yet: what failed is put again.
        let key = format!("shop/orders/p3/t1/{prefix}-{nth}.dat");
        rig.source.put(&key, key.as_str());
        let error = rig.backup(&format!("{prefix}-{nth}")).unwrap_err();
        assert_eq!(fault.hits(), 1, "{prefix} {nth}");
        assert_storage_is_blamed(&error, prefix);
        assert_eq!(rig.labels(), [""; 0]);
    }
    rig.works();
}

#[test]
fn a_full_storage_is_named_as_such() {
    let (rig, faults) = Rig::with_faults();
    faults.plan(Fault::no_space().at(|path| path.as_str().starts_with("packs")));
    let job = rig.start("a");
    wait_until("the job has ended", || job.state() == JobState::Failed);
    let error = job.wait().unwrap_err();
    assert_storage_is_blamed(&error, "packs");
    assert!(chain(&error).contains("no space"), "{}", chain(&error));
    rig.works();
}

#[test]
fn a_get_that_fails_for_good_is_the_cause() {
    let (rig, faults) = Rig::with_faults();
    rig.backup("a").unwrap();
    for prefix in ["snapshots", "indexes", "packs"] {
        let fault = Fault::fail(StorageErrorKind::PermissionDenied)
            .on(Operation::Get)
            .at(move |path| path.as_str().starts_with(prefix));
        faults.plan(fault);
        let sink = ToySink::new();
        assert_storage_is_blamed(&rig.restore_into("a", &sink).unwrap_err(), prefix);
        assert_eq!(sink.contents().len(), 0);
    }
    rig.works();
}

#[test]
fn a_source_that_fails_is_the_cause() {
    let rig = Rig::new();
    for point in
        [Point::Snapshot, Point::Tablets, Point::Pin, Point::Open, Point::Read, Point::Finish]
    {
        rig.source.script.plan(point, Deed::Fail(TabletErrorKind::Io));
        let error = rig.backup("a").unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Tablets, "CAIRN-T003"), "{point:?}");
        assert!(error.to_string().ends_with(": scripted"), "{error}");
        assert_eq!(rig.labels(), [""; 0]);
    }
    rig.works();
}

#[test]
fn a_sink_that_fails_is_the_cause_and_stays_as_it_was() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    let sink = ToySink::new();
    rig.restore_into("a", &sink).unwrap();
    let before = sink.contents();
    let points = [
        Point::Begin,
        Point::Prepare,
        Point::Create,
        Point::WriteAt,
        Point::FinishWrite,
        Point::Install,
    ];
    for (aborted, point) in points.into_iter().enumerate() {
        sink.script.plan(point, Deed::Fail(TabletErrorKind::NoSpace));
        let error = rig.restore_into("a", &sink).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Tablets, "CAIRN-T004"), "{point:?}");
        assert_eq!(sink.contents(), before);
        assert_eq!(sink.ends(), Ends { installed: 1, aborted }, "{point:?}");
    }
    rig.works();
}
