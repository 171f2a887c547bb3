//! What is read: segments whose identity is new, empty, or not to be believed; and how a source that moves is
//! brought to rest.

use cairn_pipeline::tablet::TabletErrorKind;
use cairn_pipeline::{BackupRequest, ErrorKind};

use crate::place::content::Content;
use crate::place::rig::Rig;
use crate::place::script::{Deed, Point};

const KEY: &str = "shop/orders/p1/t1/a.dat";

fn num_read(rig: &Rig, label: &str) -> u64 {
    rig.backup(label).unwrap().progress.segments_read
}

#[test]
fn the_same_identity_is_not_read_again_and_a_changed_one_is() {
    let rig = Rig::new();
    // The fifth segment is empty: there is nothing to read.
    assert_eq!(num_read(&rig, "a"), 4);
    assert_eq!(num_read(&rig, "b"), 0);
    rig.source.touch(KEY);
    let report = rig.backup("c").unwrap();
    assert_eq!((report.progress.segments_read, report.progress.new_chunks), (1, 0));
    assert_eq!(rig.restored("c"), rig.source.contents());
}

#[test]
fn a_source_that_lies_is_believed_and_a_rescan_finds_out() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    let before = rig.source.contents();
    // Other bytes of the same length under the same identity.
    rig.source.put(KEY, "1 few rows");
    rig.source.set_identity(KEY, vec![0; 8]);
    assert_eq!(num_read(&rig, "b"), 0);
    assert_eq!(rig.restored("b"), before);
    let report = rig.start_with(BackupRequest::new("c").unwrap().rescan()).wait().unwrap();
    assert_eq!((report.progress.segments_read, report.progress.new_chunks), (4, 1));
    assert_eq!(rig.restored("c"), rig.source.contents());
}

#[test]
fn an_empty_identity_is_always_read() {
    let rig = Rig::new();
    rig.source.set_identity(KEY, Vec::new());
    rig.backup("a").unwrap();
    assert_eq!((num_read(&rig, "b"), num_read(&rig, "c")), (1, 1));
}

#[test]
fn an_identity_counts_only_with_its_length() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    rig.source.put(KEY, "a few rows and one more");
    rig.source.set_identity(KEY, vec![0; 8]);
    assert_eq!(num_read(&rig, "b"), 1);
    assert_eq!(rig.restored("b"), rig.source.contents());
}

#[test]
fn what_the_repository_lost_is_read_again() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    for path in rig.paths_below("indexes") {
        rig.memory.remove(&path).unwrap();
    }
    assert_eq!(num_read(&rig, "b"), 4);
    assert_eq!(rig.restored("b"), rig.source.contents());
}

#[test]
fn nothing_else_is_pinned() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    let num_pins = rig.source.script.calls(Point::Pin);
    rig.source.put("web/events/p1/t1/new.dat", Content::noise(7, 1000));
    rig.backup("b").unwrap();
    assert_eq!(rig.source.script.calls(Point::Pin), num_pins + 1, "one partition has changed");
}

#[test]
fn a_view_that_is_out_of_date_is_taken_again() {
    let rig = Rig::new();
    rig.source.script.plan_times(Point::Pin, 2, Deed::Fail(TabletErrorKind::Changed));
    rig.backup("a").unwrap();
    assert_eq!(rig.source.script.calls(Point::Snapshot), 3);
    assert_eq!(rig.restored("a"), rig.source.contents());
}

#[test]
fn a_source_that_never_settles_is_given_up_after_five_views() {
    let rig = Rig::new();
    rig.source.script.plan_times(Point::Pin, 5, Deed::Fail(TabletErrorKind::Changed));
    let error = rig.backup("a").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Tablets, "CAIRN-T002"), "{error}");
    assert_eq!(rig.source.script.calls(Point::Snapshot), 5);
    assert_eq!((rig.labels().len(), rig.source.num_views()), (0, 0));
    rig.works();
}
