//! `cairn prune`.

use crate::place::{Place, noise};

/// Two snapshots that share nothing, of which the first is forgotten.
fn forgotten() -> Place {
    let place = Place::new();
    place.back_up("one");
    place.cairn(&["forget", "--repo", "repo", "one"]).run();
    for tablet in ["shop/orders/p1/t1", "shop/orders/p2/t1", "shop/items/p1/t1"] {
        for segment in 0..2 {
            let rows = noise("others", segment, 20_000);
            place.write(&format!("wh/{tablet}/segment-{segment}.dat"), &rows);
        }
    }
    place.back_up("two");
    place
}

#[test]
fn what_nobody_needs_goes_and_the_rest_can_be_restored() {
    let place = forgotten();
    let prune = ["prune", "--repo", "repo", "--grace", "0s"];
    let before = place.tree("repo");
    let tried = place.cairn(&[&prune[..], &["--dry-run"]].concat()).json();
    assert_eq!(place.tree("repo"), before);
    let pruned = place.cairn(&prune).json();
    assert_eq!(pruned["freed_packs"], tried["marked_packs"]);
    assert!(pruned["freed_bytes"].as_u64() > Some(0), "{pruned}");
    assert_eq!(pruned["next_seconds"], serde_json::Value::Null);
    place.cairn(&["check", "--repo", "repo", "--read-data"]).run();
    place.cairn(&["restore", "--repo", "repo", "--label", "two", "out"]).run();
    assert_eq!(place.tree("out/shop"), place.tree("wh/shop"));
    let again = place.cairn(&prune).json();
    assert_eq!((&again["freed_packs"], &again["marked_packs"]), (&0.into(), &0.into()));
}

#[test]
fn it_is_for_the_user_to_say_how_much_may_stay_unused() {
    let place = Place::new();
    place.back_up("all");
    place.write("wh/shop/orders/p1/t1/segment-0.dat", &noise("other", 0, 20_000));
    place.back_up("most");
    place.cairn(&["forget", "--repo", "repo", "all"]).run();
    let prune = ["prune", "--repo", "repo", "--grace", "0s", "--dry-run"];
    let look = |more: &[&str]| place.cairn(&[&prune[..], more].concat()).json();
    let (alone, some, none) =
        (look(&["--keep-packs"]), look(&["--max-unused", "90%"]), look(&["--max-unused", "0"]));
    assert!(alone["unused_bytes"].as_u64() > Some(0), "{alone}");
    assert_eq!(some["unused_bytes"], alone["unused_bytes"]);
    assert_eq!(
        (&none["unused_bytes"], none["copied_chunks"].as_u64() > Some(0)),
        (&0.into(), true)
    );
    let told =
        "error: invalid value '101%' for '--max-unused <PERCENT>': [..] from 0% to 100%\n...";
    place.cairn(&[&prune[..], &["--max-unused", "101%"]].concat()).status(2).stderr(told).run();
    let both = ["--max-unused", "5%", "--keep-packs"];
    place.cairn(&[&prune[..], &both].concat()).status(2).run();
}

#[test]
fn a_grace_keeps_everything_for_its_time() {
    let place = forgotten();
    let young = place.cairn(&["prune", "--repo", "repo"]).json();
    assert_eq!((&young["marked_packs"], &young["freed_packs"]), (&0.into(), &0.into()));
    assert_eq!(young["grace_seconds"], 86400.0);
    let told = "pruned repo: [..] packs, 1 snapshot\n...";
    place.cairn(&["prune", "--repo", "repo"]).stdout(told).run();
    place.cairn(&["prune", "--repo", "repo", "--grace", "soon"]).status(2).run();
    place.cairn(&["prune", "--repo", "nowhere"]).status(2).run();
}
