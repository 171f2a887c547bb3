//! What a restore touches, and what it leaves alone.

use cairn_pipeline::tablet::SelectedItem;
use cairn_pipeline::{BackupRequest, RestoreItem, RestoreRequest, Selection};

use crate::place::{Place, tree};

fn item(object: &str, partition: Option<&str>, as_object: Option<&str>) -> RestoreItem {
    RestoreItem {
        database: "shop".into(),
        object: Some(object.into()),
        partitions: partition.map(|name| vec![name.to_owned()]),
        as_database: None,
        as_object: as_object.map(Into::into),
    }
}

#[test]
fn a_snapshot_of_some_partitions_leaves_the_others_alone() {
    let place = Place::new();
    place.fill();
    let partitions = Some(vec!["p2".to_owned()]);
    let selected =
        SelectedItem { database: "shop".into(), object: Some("orders".into()), partitions };
    let selection = Selection { items: vec![selected] };
    place.backup_with(BackupRequest::new("part").unwrap().select(selection));
    let before = tree(&place.warehouse());
    place.write("shop/orders/p2/t1/c.dat", b"to be undone");
    place.restore(RestoreRequest::new("part").unwrap(), "warehouse");
    assert_eq!(tree(&place.warehouse()), before);
}

#[test]
fn partitions_named_by_several_items_are_all_restored() {
    let place = Place::new();
    place.fill();
    place.backup("all");
    let request = RestoreRequest::new("all")
        .unwrap()
        .item(item("orders", Some("p1"), None))
        .item(item("orders", Some("p2"), None));
    place.restore(request, "both");
    assert_eq!(tree(&place.path("both/shop/orders")), tree(&place.path("warehouse/shop/orders")));
}

#[test]
fn one_object_under_two_names_and_two_objects_under_one_are_refused() {
    let place = Place::new();
    place.fill();
    place.backup("all");
    let request = |items: [RestoreItem; 2]| {
        items.into_iter().fold(RestoreRequest::new("all").unwrap(), RestoreRequest::item)
    };
    let two = request([item("orders", None, Some("a")), item("orders", None, Some("b"))]);
    let error = place.try_restore(two, "x").unwrap_err();
    assert_eq!(error.to_string(), "shop.orders: asked for as shop.a and as shop.b");
    let one = request([item("orders", None, Some("a")), item("items", None, Some("a"))]);
    let error = place.try_restore(one, "x").unwrap_err();
    assert_eq!(error.to_string(), "shop.a: both shop.items and shop.orders are to become it");
}

#[test]
fn a_backup_of_one_table_does_not_hide_the_parents_of_the_others() {
    let place = Place::new();
    place.fill();
    place.age();
    place.backup("everything");
    let only = |partition: &str| Selection {
        items: vec![SelectedItem {
            database: "shop".into(),
            object: Some("orders".into()),
            partitions: Some(vec![partition.into()]),
        }],
    };
    place.backup_with(BackupRequest::new("p1").unwrap().select(only("p1")));
    place.backup_with(BackupRequest::new("p1-again").unwrap().select(only("p1")));
    let report = place.backup("everything-again");
    assert_eq!(report.progress.segments_read, 0);
}
