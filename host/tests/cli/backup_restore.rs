//! What everybody does: back up, list, check, restore.

use std::fs;

use crate::place::Place;

#[test]
fn a_backup_reports_what_it_did() {
    let place = Place::new();
    place
        .cairn(&["backup", "--repo", "repo", "--label", "one", "wh"])
        .stdout(
            "\
[..]object       partitions  tablets  segments      size      read
[..]
 shop.orders           2        2         4  78.1 KiB  78.1 KiB
 shop.items            1        1         2  39.1 KiB  39.1 KiB

snapshot one in repo
  read       117.2 KiB in 6 segments ([..]), 0 segments unchanged
  new        117.2 KiB in 6 chunks
  stored     [..] in [..] objects
  took       [..]
",
        )
        .stderr(
            "\
made a repository at repo
backup one: pending
...
backup one: finished
",
        )
        .run();
}

#[test]
fn a_restore_brings_everything_back() {
    let place = Place::new();
    place.back_up("one");
    place.cairn(&["restore", "--repo", "repo", "--latest", "out"]).run();
    assert_eq!(place.tree("out"), place.tree("wh"));
}

/// Files that were touched a clock tick ago are read again to be sure; backs up until there are none.
fn settle(place: &Place) {
    const MAX_BACKUPS: usize = 500;
    let mut labels = (0..MAX_BACKUPS).map(|number| format!("settle-{number}"));
    let is_settled = |label: String| {
        let report = place.cairn(&["backup", "--repo", "repo", "--label", &label, "wh"]).json();
        report["progress"]["segments_read"] == 0
    };
    assert!(labels.any(is_settled), "unchanged segments are read again and again");
}

#[test]
fn the_next_backup_reads_only_what_changed() {
    let place = Place::new();
    place.back_up("one");
    settle(&place);
    place.write("wh/shop/items/p1/t1/segment-2.dat", b"new");
    let report = place.cairn(&["backup", "--repo", "repo", "--label", "two", "wh"]).json();
    assert_eq!(report["progress"]["segments_total"], 7);
    assert_eq!(report["progress"]["segments_read"], 1);
    assert_eq!(report["progress"]["bytes_read"], 3);
    let again = ["backup", "--repo", "repo", "--label", "three", "--rescan", "wh"];
    let report = place.cairn(&again).json();
    assert_eq!(report["progress"]["segments_read"], 7);
    assert_eq!(report["progress"]["new_chunks"], 0);
}

#[test]
fn a_label_is_made_from_the_time() {
    let place = Place::new();
    for _ in 0..2 {
        let report = place.cairn(&["backup", "--repo", "repo", "wh"]).json();
        let (label, timestamp) = (&report["label"], report["timestamp"].as_str().unwrap());
        let label = label.as_str().unwrap().strip_prefix("backup-").unwrap();
        assert_eq!(label[..10], timestamp[..10]);
    }
}

#[test]
fn the_repository_may_come_from_the_environment() {
    let place = Place::new();
    place.cairn(&["backup", "--label", "one", "wh"]).env("CAIRN_REPO", "repo").run();
    place.cairn(&["snapshots"]).env("CAIRN_REPO", "repo").run();
}

#[test]
fn snapshots_are_listed_oldest_first() {
    let place = Place::new();
    for label in ["b", "a"] {
        place.back_up(label);
    }
    place
        .cairn(&["snapshots", "--repo", "repo"])
        .stdout(
            "\
[..]label  taken (UTC)  [..]
[..]
 b      20[..]
 a      20[..]
2 snapshots, [..] stored for them
",
        )
        .stderr("")
        .run();
    let listed = place.cairn(&["snapshots", "--repo", "repo"]).json();
    assert_eq!(listed["snapshots"][0]["label"], "b");
    assert_eq!(listed["snapshots"][1]["segments"], 6);
}

#[test]
fn one_table_or_partition_can_be_backed_up_and_restored() {
    let place = Place::new();
    let some = ["--table", "shop.orders/p2", "--table", "shop.items"];
    place
        .cairn(&[&["backup", "--repo", "repo", "--label", "some"], &some[..], &["wh"]].concat())
        .run();
    place.cairn(&["restore", "--repo", "repo", "--label", "some", "out"]).run();
    let mut expected = place.tree("wh");
    expected.retain(|path, _| !path.starts_with("shop/orders/p1"));
    assert_eq!(place.tree("out"), expected);

    place.cairn(&["restore", "--repo", "repo", "--latest", "--table", "shop.items", "one"]).run();
    assert!(place.path("one/shop/items").is_dir() && !place.has("one/shop/orders"));
}

#[test]
fn a_table_can_be_restored_under_another_name() {
    let place = Place::new();
    place.back_up("one");
    let renamed = ["--table", "shop.items", "--as", "copy.items2", "wh"];
    place.cairn(&[&["restore", "--repo", "repo", "--latest"], &renamed[..]].concat()).run();
    assert_eq!(place.tree("wh/copy/items2"), place.tree("wh/shop/items"));
}

#[test]
fn a_restore_replaces_its_tables_and_leaves_the_others() {
    let place = Place::new();
    place.back_up("one");
    let before = place.tree("wh");
    fs::remove_dir_all(place.path("wh/shop/items")).unwrap();
    place.write("wh/shop/orders/p1/t1/segment-0.dat", b"overwritten");
    place.write("wh/other/t/p/t/s.dat", b"stays");
    place.cairn(&["restore", "--repo", "repo", "--label", "one", "wh"]).run();
    let mut after = place.tree("wh");
    after.retain(|path, _| !path.starts_with("other"));
    assert_eq!(after, before);
    assert_eq!(fs::read(place.path("wh/other/t/p/t/s.dat")).unwrap(), b"stays");
}

#[test]
fn a_new_repository_keeps_its_settings() {
    let place = Place::new();
    let new = ["--compression", "19", "--pack-size", "1MiB", "wh"];
    place.cairn(&[&["backup", "--repo", "repo", "--label", "one"], &new[..]].concat()).run();
    let config = fs::read_to_string(place.path("repo/cairn.json")).unwrap();
    assert!(config.contains("\"19\"") && config.contains("1048576"), "{config}");
}
