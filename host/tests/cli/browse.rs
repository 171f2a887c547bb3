//! `cairn ls`, `cairn cat`, `cairn diff`: looking into snapshots without restoring them.

use std::fs;

use serde_json::{Value, json};

use crate::place::{Place, noise};

impl Place {
    fn ls(&self, path: &str) -> Vec<(String, String, u64)> {
        let listed = self.cairn(&["ls", "--repo", "repo", "one", path]).json();
        let entry = |entry: &Value| {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            (text("name"), text("kind"), entry["bytes"].as_u64().unwrap())
        };
        listed["entries"].as_array().unwrap().iter().map(entry).collect()
    }
}

fn entry(name: &str, kind: &str, bytes: u64) -> (String, String, u64) {
    (name.to_owned(), kind.to_owned(), bytes)
}

#[test]
fn ls_shows_what_lies_at_each_level() {
    let place = Place::new();
    place.back_up("one");
    assert_eq!(place.ls(""), [entry("shop", "database", 120_000)]);
    let tables = [entry("items", "table", 40_000), entry("orders", "table", 80_000)];
    assert_eq!(place.ls("shop"), tables);
    let partitions = [entry("p1", "partition", 40_000), entry("p2", "partition", 40_000)];
    assert_eq!(place.ls("shop/orders/"), partitions);
    assert_eq!(place.ls("shop/orders/p2"), [entry("t1", "tablet", 40_000)]);
    let segments = ["segment-0.dat", "segment-1.dat"].map(|name| entry(name, "segment", 20_000));
    assert_eq!(place.ls("shop/orders/p2/t1"), segments);
    assert_eq!(place.ls("shop/orders/p2/t1/segment-1.dat"), segments[1..]);
    let table = " name  kind       segments      size\n──[..]\n p1    partition         2  39.1 KiB\n p2    [..]\n";
    place.cairn(&["ls", "--repo", "repo", "one", "shop/orders"]).stdout(table).stderr("").run();
    for (path, message) in [
        ("bar", "there is no database bar in the snapshot"),
        ("shop/bar", "there is no object bar in shop"),
        ("shop/orders/p9/t1", "there is no partition p9 in shop/orders"),
        ("shop/orders/p1/t1/x", "there is no segment x in shop/orders/p1/t1"),
    ] {
        let told = format!("error: {message} (CAIRN-R009)\n");
        place.cairn(&["ls", "--repo", "repo", "one", path]).status(2).stderr(&told).run();
    }
    place.cairn(&["ls", "--repo", "repo", "one", "a//b"]).status(2).run();
    place.cairn(&["ls", "--repo", "repo", "two"]).status(2).run();
}

#[test]
fn cat_gives_the_bytes_of_a_segment_and_notices_damage() {
    let place = Place::new();
    place.write("wh/shop/big/p1/t1/big.dat", &noise("big", 0, 3_000_000));
    place.write("wh/shop/big/p1/t1/empty.dat", b"");
    place.back_up("one");
    let cat = |path: &'static str| ["cat", "--repo", "repo", "one", path];
    let bytes = |path: &'static str| {
        let output = place.command(&cat(path)).output().unwrap();
        (output.status.code().unwrap(), output.stdout)
    };
    for path in
        ["shop/big/p1/t1/big.dat", "shop/big/p1/t1/empty.dat", "shop/orders/p1/t1/segment-0.dat"]
    {
        assert!(bytes(path) == (0, fs::read(place.path("wh").join(path)).unwrap()), "{path}");
    }
    let said = place.cairn(&cat("shop/big/p1/t1/big.dat")).json();
    assert_eq!(
        (&said["bytes"], &said["path"]),
        (&json!(3_000_000), &json!("shop/big/p1/t1/big.dat"))
    );
    let which =
        "error: which segment? give database/object/partition/tablet/segment (CAIRN-R009)\n";
    place.cairn(&cat("shop/big")).status(2).stdout("").stderr(which).run();
    // Damage of the data, not of the manifest: the largest pack holds it.
    let packs = place.tree("repo/packs");
    let (pack, (_, mut bytes_of_pack)) =
        packs.into_iter().max_by_key(|(_, (_, it))| it.len()).unwrap();
    bytes_of_pack[100_000] ^= 1;
    let pack = place.path("repo/packs").join(pack);
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes_of_pack).unwrap();
    let outcomes = [
        "shop/big/p1/t1/big.dat",
        "shop/items/p1/t1/segment-0.dat",
        "shop/items/p1/t1/segment-1.dat",
        "shop/orders/p1/t1/segment-0.dat",
        "shop/orders/p1/t1/segment-1.dat",
    ]
    .map(|path| {
        let (status, stdout) = bytes(path);
        let original = fs::read(place.path("wh").join(path)).unwrap();
        assert!(original.starts_with(&stdout), "a wrong byte was shown");
        status
    });
    assert!(outcomes.contains(&3), "{outcomes:?}");
}

#[test]
fn diff_tells_what_changed_and_nothing_else() {
    let place = Place::new();
    place.back_up("one");
    let same = "from one to two: 0 segments added (0 B), 0 removed (0 B), 0 changed (0 B -> 0 B)\n";
    place.back_up("two");
    place.cairn(&["diff", "--repo", "repo", "one", "two"]).stdout(same).run();
    place.write("wh/shop/orders/p1/t1/segment-0.dat", &noise("changed", 0, 30_000));
    fs::remove_file(place.path("wh/shop/orders/p1/t1/segment-1.dat")).unwrap();
    place.write("wh/shop/orders/p1/t1/segment-2.dat", &noise("new", 2, 10_240));
    place.write("wh/shop/orders/p3/t1/segment-0.dat", &noise("p3", 0, 1024));
    fs::remove_dir_all(place.path("wh/shop/items")).unwrap();
    place.write("wh/logs/days/p1/t1/segment-0.dat", &noise("logs", 0, 2048));
    place.back_up("three");
    let told = "\
+ database logs: [..]B in 1 segment
~ database shop: [..] in 6 segments -> [..] in 5 segments
- table shop/items: [..] in 2 segments
~ table shop/orders: [..] in 4 segments -> [..] in 5 segments
~ partition shop/orders/p1: [..] in 2 segments -> [..] in 2 segments
~ tablet shop/orders/p1/t1: [..] in 2 segments -> [..] in 2 segments
~ segment shop/orders/p1/t1/segment-0.dat: [..] -> [..]
- segment shop/orders/p1/t1/segment-1.dat: [..]
+ segment shop/orders/p1/t1/segment-2.dat: [..]
+ partition shop/orders/p3: [..] in 1 segment
from two to three: 3 segments added ([..]), 3 removed ([..]), 1 changed ([..] -> [..])
";
    place.cairn(&["diff", "--repo", "repo", "two", "three"]).stdout(told).stderr("").run();
    let document = place.cairn(&["diff", "--repo", "repo", "two", "three"]).json();
    assert_eq!(
        document["segments"],
        json!({
            "added": 3, "added_bytes": 10_240 + 1024 + 2048,
            "removed": 3, "removed_bytes": 60_000,
            "changed": 1, "changed_bytes_before": 20_000, "changed_bytes_after": 30_000,
        })
    );
    let changes: Vec<String> = document["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {}", it["change"].as_str().unwrap(), it["path"].as_str().unwrap()))
        .collect();
    assert_eq!(changes.len(), 10);
    assert_eq!(changes[9], "added shop/orders/p3");
    // Back again it is the opposite.
    let back = place.cairn(&["diff", "--repo", "repo", "three", "two"]).json();
    assert_eq!(back["segments"]["removed_bytes"], document["segments"]["added_bytes"]);
    assert_eq!(back["segments"]["added_bytes"], document["segments"]["removed_bytes"]);
    place.cairn(&["diff", "--repo", "repo", "two", "nobody"]).status(2).run();
}
