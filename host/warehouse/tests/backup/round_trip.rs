//! What is backed up comes back.

use cairn_warehouse::{BackupObject, ObjectKind};

use crate::rig::{Cellar, House};

/// A table of two partitions with a few segments.
fn stocked() -> House {
    let house = House::with_shop();
    house.create("orders", &[10, 20]);
    house.add_segment("orders", "p10", 0, b"first");
    house.add_segment("orders", "p10", 0, b"second");
    house.add_segment("orders", "p10", 1, b"third");
    house.add_segment("orders", "p20", 1, &vec![7; 3_000_000]);
    house
}

#[test]
fn a_lost_table_comes_back_with_its_tablets_and_survives_a_restart() {
    let (cellar, house) = (Cellar::new(), stocked());
    let before = house.content("shop", "orders");
    cellar.back_up(&house, "one", &["orders"]);
    house.run(house.warehouse.drop_table("shop", "orders")).unwrap();
    assert_eq!(house.num_files(), 0);
    cellar.restore(&house, "one", "shop", &[]).unwrap();
    assert_eq!(house.content("shop", "orders"), before);
    let house = house.reopened();
    assert_eq!(house.content("shop", "orders"), before);
    assert_eq!(house.num_files(), 4);
}

#[test]
fn a_table_is_restored_over_a_changed_one_and_its_later_partitions_stay() {
    let (cellar, house) = (Cellar::new(), stocked());
    let before = house.content("shop", "orders");
    cellar.back_up_objects(
        &house,
        "one",
        vec![BackupObject {
            kind: ObjectKind::Table,
            database: "shop".to_owned(),
            name: "orders".to_owned(),
            partitions: Some(vec!["p10".to_owned()]),
        }],
    );
    house.add_segment("orders", "p10", 1, b"changed");
    house.add_segment("orders", "p20", 0, b"later");
    let later = house.content("shop", "orders");
    cellar.restore(&house, "one", "shop", &[]).unwrap();
    let after = house.content("shop", "orders");
    for bucket in 0..2 {
        let (p10, p20) = (("p10".to_owned(), bucket), ("p20".to_owned(), bucket));
        assert_eq!(after[&p10], before[&p10]);
        assert_eq!(after[&p20], later[&p20]);
    }
    // What was exchanged is gone from the disk too.
    assert_eq!(house.num_files(), after.values().flatten().count());
}

#[test]
fn another_name_another_database_another_warehouse() {
    let (cellar, house) = (Cellar::new(), stocked());
    let before = house.content("shop", "orders");
    cellar.back_up(&house, "one", &["orders"]);
    cellar.restore(&house, "one", "shop", &[("orders", "copy")]).unwrap();
    assert_eq!(house.content("shop", "copy"), before);
    let elsewhere = House::new();
    cellar.restore(&elsewhere, "one", "stall", &[]).unwrap();
    assert_eq!(elsewhere.content("stall", "orders"), before);
    assert_eq!(house.content("shop", "orders"), before);
}

#[test]
fn an_unpartitioned_table_takes_its_partition_along_to_a_new_name() {
    let (cellar, house) = (Cellar::new(), House::with_shop());
    house.create("plain", &[]);
    house.add_segment("plain", "plain", 1, b"rows");
    cellar.back_up(&house, "one", &["plain"]);
    cellar.restore(&house, "one", "shop", &[("plain", "other")]).unwrap();
    let content = house.content("shop", "other");
    assert_eq!(content[&("other".to_owned(), 1)], [b"rows"]);
    // And over it.
    house.add_segment("other", "other", 0, b"more");
    cellar.restore(&house, "one", "shop", &[("plain", "other")]).unwrap();
    assert_eq!(house.content("shop", "other"), content);
}

#[test]
fn a_directory_that_is_put_back_from_a_copy_makes_backups_of_what_it_holds() {
    let (cellar, house) = (Cellar::new(), stocked());
    let (house, copy) = house.copied();
    house.add_segment("orders", "p10", 0, b"22");
    cellar.back_up(&house, "one", &["orders"]);
    // Numbers are given out again; lengths are the same.
    let house = house.put_back(copy);
    house.add_segment("orders", "p10", 0, b"33");
    let before = house.content("shop", "orders");
    let report = cellar.back_up(&house, "two", &["orders"]);
    assert_eq!(report.progress.segments_read, 1);
    cellar.restore(&house, "two", "shop", &[]).unwrap();
    assert_eq!(house.content("shop", "orders"), before);
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let (cellar, house) = (Cellar::new(), stocked());
    let first = cellar.back_up(&house, "one", &["orders"]);
    assert_eq!(first.progress.segments_read, 4);
    let second = cellar.back_up(&house, "two", &["orders"]);
    assert_eq!(second.progress.segments_read, 0);
    house.add_segment("orders", "p20", 0, b"new");
    let third = cellar.back_up(&house, "three", &["orders"]);
    assert_eq!((third.progress.segments_read, third.progress.segments_done), (1, 5));
}

#[test]
fn a_view_holds_segments_that_are_dropped_while_they_are_read() {
    let (cellar, house) = (Cellar::new(), stocked());
    let before = house.content("shop", "orders");
    let source = cairn_warehouse::WarehouseSource::new(
        house.warehouse.clone(),
        vec![BackupObject {
            kind: ObjectKind::Table,
            database: "shop".to_owned(),
            name: "orders".to_owned(),
            partitions: None,
        }],
    );
    use cairn_pipeline::{Selection, TabletSource};
    let view = source.snapshot(&Selection::everything()).unwrap();
    house.run(house.warehouse.drop_table("shop", "orders")).unwrap();
    assert_eq!(house.num_files(), 4, "the view holds them");
    drop(view);
    assert_eq!(house.num_files(), 0);
    drop((cellar, before));
}
