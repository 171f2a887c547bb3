//! A snapshot that is forgotten is gone for all, but not for a restore that has begun.

use std::time::Duration;

use cairn_pipeline::storage::{ObjectPath, Operation};
use cairn_pipeline::{ErrorKind, RestoreRequest};
use cairn_testkit::Fault;

use crate::place::rig::Rig;
use crate::place::source::ToySink;
use crate::place::{DEADLINE, Place, ends_within, tree};

#[test]
fn on_a_disk_the_others_are_restored_whole() {
    let place = Place::new();
    place.fill();
    place.age();
    place.backup("monday");
    place.remove("shop/orders/p1/t1/a.dat");
    place.backup("tuesday");
    place.repository.forget(&"monday".parse().unwrap(), None).unwrap();
    let listed = place.repository.snapshots().unwrap();
    assert_eq!(listed.iter().map(|it| it.label.as_str()).collect::<Vec<_>>(), ["tuesday"]);
    place.restore(RestoreRequest::new("tuesday").unwrap(), "restored");
    assert_eq!(tree(&place.path("restored")), tree(&place.warehouse()));
    place.backup("monday");
    assert_eq!(place.repository.snapshots().unwrap().len(), 2);
}

#[test]
fn a_restore_that_has_begun_ends_well() {
    let (rig, faults) = Rig::with_faults();
    rig.backup("first").unwrap();
    let packs = ObjectPath::parse("packs").unwrap();
    let slow = Fault::slow(Duration::from_millis(500)).on(Operation::Get);
    let mut reads = faults.plan(slow.at(move |path| path.starts_with(&packs)));
    let sink = ToySink::new();
    let restore = rig.start_restore("first", &sink);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(reads.wait_for_hits(1));
    rig.repository.forget(&"first".parse().unwrap(), None).unwrap();
    ends_within(DEADLINE, restore).unwrap();
    assert_eq!(sink.contents(), rig.source.contents());
    let error = rig.restore_into("first", &ToySink::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
}
