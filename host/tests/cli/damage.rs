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

#[test]
fn a_repair_saves_what_is_sound_and_the_next_backup_stores_the_rest_again() {
    let place = Place::new();
    place.back_up("one");
    let pack = &packs(&place)[0];
    let mut bytes = fs::read(pack).unwrap();
    bytes[1000] ^= 1;
    fs::write(pack, bytes).unwrap();
    // Without reading the data there is nothing to be seen.
    place.cairn(&["check", "--repo", "repo", "--repair"]).run();
    let repair = ["check", "--repo", "repo", "--read-data", "--repair"];
    let stdout = place.cairn(&repair).status(3).run();
    for part in [
        "  1 damaged pack condemned: a prune frees them\n",
        "  5 sound chunks copied out of damaged packs\n",
        "  1 chunk lost with damaged and missing packs\n",
        "left: indexes: not listed in any index run\n  touches snapshot one, ",
        "the next backup stores again what its data still has\n",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let partial = ["restore", "--repo", "repo", "--latest", "--partial"];
    let stdout = place.cairn(&[&partial[..], &["part"]].concat()).status(3).run();
    assert!(stdout.contains("missing: shop."), "{stdout}");
    assert_eq!(place.tree("part/shop").len() + 1, place.tree("wh/shop").len());
    place.cairn(&[&partial[..], &["part"]].concat()).status(2).run();
    place.back_up("two");
    place.cairn(&["check", "--repo", "repo", "--read-data"]).run();
    place.cairn(&["restore", "--repo", "repo", "--label", "one", "out"]).run();
    assert_eq!(place.tree("out/shop"), place.tree("wh/shop"));
    let again = place.cairn(&repair).json();
    assert_eq!((&again["is_clean"], &again["repair"]), (&true.into(), &serde_json::Value::Null));
}

#[test]
fn packs_alone_are_a_repository_again() {
    let place = Place::new();
    place.back_up("one");
    for name in ["indexes", "snapshots"] {
        fs::remove_dir_all(place.path("repo").join(name)).unwrap();
    }
    fs::remove_file(place.path("repo/cairn.json")).unwrap();
    place.cairn(&["snapshots", "--repo", "repo"]).status(2).run();
    let recover = ["repo", "recover", "--repo", "repo"];
    let stdout = place.cairn(&recover).run();
    assert!(stdout.contains("  put back snapshot one of "), "{stdout}");
    assert!(stdout.contains("\nrepaired in "), "{stdout}");
    place.cairn(&["restore", "--repo", "repo", "--label", "one", "out"]).run();
    assert_eq!(place.tree("out/shop"), place.tree("wh/shop"));
    place.cairn(&["repo", "recover", "--repo", "wh"]).status(2).run();
}

#[test]
fn a_prune_of_a_damaged_repository_says_how_to_go_on() {
    let place = Place::new();
    place.back_up("one");
    fs::remove_file(&packs(&place)[0]).unwrap();
    let prune = ["prune", "--repo", "repo", "--grace", "0s"];
    let document = place.cairn(&prune).status(3).json();
    let message = document["error"]["message"].as_str().unwrap();
    assert!(message.contains("`cairn check --repair`"), "{message}");
    let accepted = place.cairn(&[&prune[..], &["--accept-loss"]].concat()).json();
    assert!(accepted["lost_chunks"].as_u64() > Some(0), "{accepted}");
}
