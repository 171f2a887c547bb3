//! A panic of the embedder's code or of a storage fails its job, names its stage, and hurts nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cairn_pipeline::storage::{MemoryStorage, ObjectPath, Operation};
use cairn_pipeline::{Error, ErrorKind};

use crate::place::hooked::{Halt, HookedStorage};
use crate::place::rig::Rig;
use crate::place::script::{Deed, Point};
use crate::place::source::{Ends, ToySink};

/// The fault names what panicked, and says how.
#[track_caller]
fn assert_panicked(error: &Error, who: &str, how: &str) {
    assert_eq!((error.kind(), error.code()), (ErrorKind::Defect, "CAIRN-A002"), "{error}");
    assert_eq!(error.to_string(), format!("the {who} panicked: {how}"));
}

#[test]
fn of_the_source() {
    let rig = Rig::new();
    for (point, who) in [
        (Point::Origin, "backup job"),
        (Point::Snapshot, "snapshot stage"),
        (Point::Tablets, "snapshot stage"),
        (Point::Pin, "snapshot stage"),
        (Point::Open, "snapshot stage"),
        (Point::Read, "snapshot stage"),
        (Point::Finish, "snapshot stage"),
    ] {
        rig.source.script.plan(point, Deed::Panic);
        let error = rig.backup("a").unwrap_err();
        assert_panicked(&error, who, &format!("scripted: {point:?}"));
        assert_eq!(rig.labels(), [""; 0]);
        assert_eq!(rig.source.num_views(), 0, "{point:?}: a view is held");
    }
    rig.works();
}

#[test]
fn of_the_sink() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    for (point, stage, aborted) in [
        (Point::Begin, "fetcher", 0),
        (Point::Prepare, "fetcher", 1),
        (Point::Create, "installer", 1),
        (Point::WriteAt, "installer", 1),
        (Point::FinishWrite, "installer", 1),
        (Point::Install, "installer", 1),
    ] {
        let sink = ToySink::new();
        sink.script.plan(point, Deed::Panic);
        let error = rig.restore_into("a", &sink).unwrap_err();
        assert_panicked(&error, &format!("{stage} stage"), &format!("scripted: {point:?}"));
        assert_eq!(sink.ends(), Ends { installed: 0, aborted }, "{point:?}");
        rig.restore_into("a", &sink).unwrap();
        assert_eq!(sink.contents(), rig.source.contents());
    }
    rig.works();
}

/// A rig on a storage that panics once, on the first call that fits after [`arm`].
fn rig_on_hooked() -> (Rig, Arc<HookedStorage>) {
    let mut hooked = None;
    let rig = Rig::on(MemoryStorage::new(), |memory| {
        Arc::clone(hooked.insert(HookedStorage::new(memory))) as _
    });
    (rig, hooked.unwrap())
}

fn arm(storage: &HookedStorage, on: Operation, prefix: &'static str, skip: u32) {
    let (skip, is_over) = (std::sync::atomic::AtomicU32::new(skip), AtomicBool::new(false));
    storage.set(move |operation: Operation, path: &ObjectPath| {
        let fits = operation == on && path.as_str().starts_with(prefix);
        let skips = |left: u32| left.checked_sub(1);
        let is_due = fits
            && skip.fetch_update(Ordering::SeqCst, Ordering::SeqCst, skips).is_err()
            && !is_over.swap(true, Ordering::SeqCst);
        is_due.then_some(Halt::Panic)
    });
}

#[test]
fn of_the_storage_under_a_backup() {
    let (rig, storage) = rig_on_hooked();
    for (operation, prefix, who) in [
        (Operation::Get, "snapshots", "backup job"),
        (Operation::List, "indexes", "backup job"),
        (Operation::Put, "packs", "uploader stage"),
        (Operation::Put, "indexes", "committer stage"),
        (Operation::Put, "snapshots", "committer stage"),
    ] {
        arm(&storage, operation, prefix, 0);
        let error = rig.backup("a").unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Defect, "CAIRN-A002"), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("the {who} panicked: scripted: {operation}")), "{text}");
        assert_eq!(rig.labels(), [""; 0]);
    }
    storage.unset();
    rig.works();
}

#[test]
fn of_the_storage_under_a_restore() {
    let (rig, storage) = rig_on_hooked();
    rig.backup("a").unwrap();
    for (prefix, skip, who, aborted) in [
        ("snapshots", 0, "restore job", 0),
        ("indexes", 0, "restore job", 0),
        ("packs", 0, "fetcher stage", 0),
        // Behind the documents: root, objects, and the partitions of two tables.
        ("packs", 4, "fetcher stage", 1),
    ] {
        let sink = ToySink::new();
        arm(&storage, Operation::Get, prefix, skip);
        let error = rig.restore_into("a", &sink).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Defect, "CAIRN-A002"), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("the {who} panicked: scripted: get")), "{text}");
        assert_eq!(sink.ends(), Ends { installed: 0, aborted });
    }
    storage.unset();
    rig.works();
}
