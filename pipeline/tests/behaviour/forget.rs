//! A snapshot that is forgotten is gone for all, but not for a restore that has begun.

use std::time::Duration;

use cairn_pipeline::storage::{ObjectPath, Operation};
use cairn_pipeline::{ErrorKind, Permit, Policy, RestoreRequest, Rule, SweepRequest};
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

/// All but the newest may go.
fn all_but_the_newest() -> SweepRequest {
    let policy = Policy { last: 1, ..Policy::default() };
    SweepRequest { owner: None, rules: vec![Rule { policy, ..Rule::default() }] }
}

#[test]
fn a_sweep_forgets_only_what_it_may_and_ends_when_it_is_told_to() {
    let rig = Rig::new();
    let labels: Vec<String> = (0..20).map(|number| format!("s{number:02}")).collect();
    for label in &labels {
        rig.backup(label).unwrap();
    }
    let mut asked = Vec::new();
    let permit = |label: &str| match label {
        "s03" => Permit::Skip,
        "s12" => Permit::Stop,
        _ => Permit::Go,
    };
    let report = rig.repository.sweep(&all_but_the_newest(), |verdict| {
        asked.push(verdict.snapshot.label.to_string());
        permit(verdict.snapshot.label.as_str())
    });
    let report = report.unwrap();
    assert_eq!(asked, labels[..=12]);
    let gone: Vec<&str> = report.forgotten.iter().map(AsRef::as_ref).collect();
    let may_go = labels[..12].iter().filter(|label| *label != "s03");
    assert_eq!(gone, may_go.collect::<Vec<_>>());
    let left: Vec<_> =
        report.left.iter().map(|(label, why)| (label.as_str(), why.as_str())).collect();
    assert_eq!(left, [("s03", "in use")]);
    assert_eq!(rig.labels(), [&["s03".to_owned()], &labels[12..]].concat());
}

#[test]
fn a_sweep_that_fails_at_one_snapshot_has_forgotten_those_beside_it() {
    let (rig, faults) = Rig::with_faults();
    let labels: Vec<String> = (0..20).map(|number| format!("s{number:02}")).collect();
    for label in &labels {
        rig.backup(label).unwrap();
    }
    let denied = Fault::fail(cairn_pipeline::storage::ErrorKind::PermissionDenied);
    let is_third = |path: &ObjectPath| path.to_string().contains("s02");
    faults.plan(denied.on(Operation::Delete).at(is_third).always());
    rig.repository.sweep(&all_but_the_newest(), |_| Permit::Go).unwrap_err();
    let left = rig.labels();
    assert_eq!(left, [&["s02".to_owned()], &labels[8..]].concat());
}
