//! Backups and restores of real directories, end to end.

use cairn_pipeline::tablet::SelectedItem;
use cairn_pipeline::{BackupRequest, RestoreItem, RestoreRequest};

use crate::place::{Place, tree};

#[test]
fn what_was_backed_up_comes_back_byte_for_byte() {
    let place = Place::new();
    place.fill();
    let report = place.backup("first");
    assert_eq!(report.progress.segments_read, 6);
    assert!(report.skipped.is_empty());
    place.restore(RestoreRequest::new("first").unwrap(), "restored");
    assert_eq!(tree(&place.path("restored")), tree(&place.warehouse()));
}

#[test]
fn nothing_new_means_nothing_read_and_kilobytes_written() {
    let place = Place::new();
    place.fill();
    place.age();
    place.backup("first");
    let report = place.backup("second");
    assert_eq!(report.progress.segments_read, 0);
    assert_eq!(report.progress.new_chunks, 0);
    let record = report.record.encode().len() as u64;
    assert_eq!(report.progress.stored_bytes, record, "every manifest was there already");
    let report = place.backup_with(BackupRequest::new("third").unwrap().rescan());
    assert_eq!(report.progress.segments_read, 6);
    assert_eq!(report.progress.new_chunks, 0);
}

#[test]
fn an_increment_reads_only_what_changed_and_every_snapshot_stays() {
    let place = Place::new();
    place.fill();
    place.age();
    place.backup("monday");
    let monday = tree(&place.warehouse());
    place.write("shop/orders/p2/t1/new.dat", b"new rows");
    place.remove("shop/orders/p1/t1/a.dat");
    let report = place.backup("tuesday");
    assert_eq!(report.progress.segments_read, 1);
    place.restore(RestoreRequest::new("monday").unwrap(), "m");
    place.restore(RestoreRequest::new("tuesday").unwrap(), "t");
    assert_eq!(tree(&place.path("m")), monday);
    assert_eq!(tree(&place.path("t")), tree(&place.warehouse()));
}

#[test]
fn one_table_one_partition_and_another_name() {
    let place = Place::new();
    place.fill();
    place.backup("all");
    let item =
        |object: &str, partitions: Option<Vec<String>>, as_object: Option<&str>| RestoreItem {
            database: "shop".into(),
            object: Some(object.into()),
            partitions,
            as_database: None,
            as_object: as_object.map(Into::into),
        };
    let request = RestoreRequest::new("all").unwrap().item(item("orders", None, Some("copy")));
    place.restore(request, "renamed");
    assert_eq!(tree(&place.path("renamed/shop/copy")), tree(&place.path("warehouse/shop/orders")));

    let expected = tree(&place.warehouse());
    place.write("shop/orders/p1/t1/a.dat", b"overwritten by mistake");
    place.write("shop/orders/p2/t1/c.dat", b"a change to keep");
    let partitions = Some(vec!["p1".to_owned()]);
    let request = RestoreRequest::new("all").unwrap().item(item("orders", partitions, None));
    place.restore(request, "warehouse");
    let now = tree(&place.warehouse());
    assert_eq!(now["shop/orders/p1/t1/a.dat"], expected["shop/orders/p1/t1/a.dat"]);
    assert_eq!(now["shop/orders/p2/t1/c.dat"], b"a change to keep");
}

#[test]
fn a_selection_is_all_that_is_backed_up() {
    let place = Place::new();
    place.fill();
    let selection = cairn_pipeline::Selection {
        items: vec![SelectedItem {
            database: "shop".into(),
            object: Some("orders".into()),
            partitions: Some(vec!["p2".into()]),
        }],
    };
    let request = BackupRequest::new("part").unwrap().select(selection);
    let report = place.backup_with(request);
    assert_eq!(report.objects.len(), 1);
    place.restore(RestoreRequest::new("part").unwrap(), "part");
    let names: Vec<_> = tree(&place.path("part")).into_keys().collect();
    assert_eq!(names, ["shop/orders/p2/t1/c.dat"]);
}

#[test]
fn the_same_label_twice_is_refused_and_a_wrong_item_is_named() {
    let place = Place::new();
    place.fill();
    place.backup("once");
    let error = place.try_backup(BackupRequest::new("once").unwrap()).unwrap_err();
    assert_eq!(error.code(), "CAIRN-R004");
    assert!(error.to_string().contains("once"), "{error}");
    let item = RestoreItem {
        database: "shop".into(),
        object: Some("nowhere".into()),
        partitions: None,
        as_database: None,
        as_object: None,
    };
    let request = RestoreRequest::new("once").unwrap().item(item);
    let error = place.try_restore(request, "x").unwrap_err();
    assert_eq!(error.to_string(), "shop.nowhere: not in the snapshot");
}
