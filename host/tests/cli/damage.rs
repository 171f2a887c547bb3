//! A damaged repository: `check` names what is touched, and nothing damaged is restored.

use std::fs;
use std::path::PathBuf;

use crate::place::Place;

/// The packs of the repository, the longest first.
fn packs(place: &Place) -> Vec<PathBuf> {
    let tree = place.tree("repo/packs");
    let files = tree.iter().filter(|(path, _)| place.path("repo/packs").join(path).is_file());
    let mut packs: Vec<_> = files.map(|(path, (_, bytes))| (bytes.len(), path)).collect();
    packs.sort_by(|a, b| b.cmp(a));
    packs.into_iter().map(|(_, path)| place.path("repo/packs").join(path)).collect()
}

#[test]
fn a_lost_pack_is_found_by_its_absence() {
    let place = Place::new();
    place.back_up("one");
    fs::remove_file(&packs(&place)[0]).unwrap();
    let stdout = place.cairn(&["check", "--repo", "repo"]).status(3).run();
    assert!(stdout.contains("missing"), "{stdout}");
    assert!(
        stdout.contains("touches snapshot one, database \"shop\", table \"orders\""),
        "{stdout}"
    );
    let document = place.cairn(&["check", "--repo", "repo"]).status(3).json();
    assert_eq!(document["is_clean"], false);
    assert_eq!(document["findings"][0]["affected"][0]["database"], "shop");
}

#[test]
fn a_flipped_bit_is_found_by_reading() {
    let place = Place::new();
    place.back_up("one");
    let pack = &packs(&place)[0];
    let mut bytes = fs::read(pack).unwrap();
    bytes[1000] ^= 1;
    fs::write(pack, bytes).unwrap();
    let stdout = place.cairn(&["check", "--repo", "repo", "--read-data"]).status(3).run();
    assert!(stdout.contains("damaged: packs/"), "{stdout}");
    assert!(stdout.contains("touches snapshot one, database \"shop\", table \""), "{stdout}");
    place.cairn(&["restore", "--repo", "repo", "--latest", "out"]).status(3).run();
    assert!(!place.has("out/shop"), "damaged data was installed");
}

#[test]
fn a_damaged_record_hides_no_other_snapshot() {
    let place = Place::new();
    place.back_up("one");
    place.back_up("two");
    place.write(
        "repo/snapshots/one",
        b"CAIRNSS1 and then nothing that makes sense at all, not at all",
    );
    let stdout = place.cairn(&["snapshots", "--repo", "repo"]).run();
    assert!(stdout.contains("cannot be read") && stdout.contains(" two "), "{stdout}");
    place.cairn(&["check", "--repo", "repo"]).status(3).run();
    place.cairn(&["restore", "--repo", "repo", "--latest", "out"]).run();
    place.cairn(&["restore", "--repo", "repo", "--label", "one", "out"]).status(3).run();
    assert_eq!(place.tree("out"), place.tree("wh"));
}

#[test]
fn an_intact_repository_is_clean() {
    let place = Place::new();
    place.back_up("one");
    place
        .cairn(&["check", "--repo", "repo", "--read-data"])
        .stdout(
            "\
checked repo: 1 snapshot, [..] documents, 6 segments, 2 packs
  [..] chunks verified, [..] ([..])
no damage in [..]
",
        )
        .run();
    let document = place.cairn(&["check", "--repo", "repo"]).json();
    assert_eq!(document["is_clean"], true);
    assert_eq!(document["verified_chunks"], serde_json::Value::Null);
}
