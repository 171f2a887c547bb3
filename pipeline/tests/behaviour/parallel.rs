//! Jobs side by side: in one engine, on one repository, for one label, in two engines.

use std::sync::Arc;

use cairn_pipeline::{BackupRequest, ErrorKind, JobHandle};

use crate::place::rig::Rig;
use crate::place::source::{ToySink, ToySource};
use crate::place::{DEADLINE, ends_within};

#[test]
fn two_backups_with_different_labels_both_succeed() {
    let rig = Rig::new();
    let (a, b) = (rig.start("a"), rig.start("b"));
    assert_ne!(a.id(), b.id());
    ends_within(DEADLINE, a).unwrap();
    ends_within(DEADLINE, b).unwrap();
    for label in ["a", "b"] {
        assert_eq!(rig.restored(label), rig.source.contents());
    }
    assert_eq!(rig.check(), [""; 0]);
}

#[test]
fn of_sixteen_backups_of_one_label_exactly_one_wins() {
    let rig = Rig::new();
    let jobs: Vec<JobHandle<_>> = (0..16).map(|_| rig.start("a")).collect();
    let outcomes: Vec<_> = jobs.into_iter().map(|job| ends_within(DEADLINE, job)).collect();
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 15));
    for error in lost.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Request, "CAIRN-R004"), "{error}");
    }
    assert_eq!(rig.labels(), ["a"]);
    assert_eq!(
        rig.repository.snapshot("a").unwrap(),
        won.into_iter().next().unwrap().unwrap().record
    );
    rig.works();
}

#[test]
fn a_backup_a_restore_and_a_check_at_once() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    let sink = ToySink::new();
    rig.source.put("shop/orders/p1/t1/more.dat", "more rows");
    let backup = rig.start("b");
    let restore = rig.start_restore("a", &sink);
    assert_eq!(rig.check(), [""; 0]);
    ends_within(DEADLINE, backup).unwrap();
    ends_within(DEADLINE, restore).unwrap();
    assert_eq!(sink.contents().len() + 1, rig.source.contents().len());
}

#[test]
fn two_engines_do_not_meet() {
    let (one, two) = (Rig::new(), Rig::new());
    two.source.put("shop/orders/p1/t1/a.dat", "other rows");
    let (a, b) = (one.start("a"), two.start("a"));
    ends_within(DEADLINE, a).unwrap();
    ends_within(DEADLINE, b).unwrap();
    let kept = two.source.contents();
    drop(one);
    assert_eq!(two.restored("a"), kept);
    two.works();
}

#[test]
fn a_second_engine_reads_what_the_first_wrote_and_both_write_on() {
    let one = Rig::new();
    one.backup("a").unwrap();
    let two = Rig::new();
    let shared = two.engine.open_repository_on(Arc::new(one.memory.clone())).unwrap();
    assert_eq!(shared.id(), one.repository.id());
    let source = ToySource::filled();
    let request = BackupRequest::new("b").unwrap();
    let theirs = two.engine.backup(&shared, Arc::clone(&source) as _, request);
    let ours = one.start("c");
    ends_within(DEADLINE, theirs).unwrap();
    ends_within(DEADLINE, ours).unwrap();
    for label in ["a", "b", "c"] {
        assert_eq!(one.restored(label), source.contents());
    }
    assert_eq!(one.check(), [""; 0]);
}
