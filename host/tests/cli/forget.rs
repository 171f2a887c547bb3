//! `cairn forget`.

use crate::place::Place;

#[test]
fn snapshots_go_and_the_others_can_be_restored() {
    let place = Place::new();
    for label in ["one", "two", "three"] {
        place.back_up(label);
    }
    let forget = ["forget", "--repo", "repo", "one", "two"];
    let before = place.tree("repo");
    let tried = place.cairn(&[&forget[..], &["--dry-run"]].concat());
    tried.stdout("would forget one of [..]\nwould forget two of [..]\n").run();
    assert_eq!(place.tree("repo"), before);
    let told = "forgot one of [..]\nforgot two of [..]\n\
                2 snapshots less in repo; what only they held takes space until a prune\n";
    place.cairn(&forget).stdout(told).stderr("").run();
    let listed = place.cairn(&["snapshots", "--repo", "repo"]).json();
    assert_eq!(listed["snapshots"].as_array().map(Vec::len), Some(1));
    place.cairn(&["restore", "--repo", "repo", "--label", "one", "out"]).status(2).run();
    place.cairn(&["restore", "--repo", "repo", "--latest", "out"]).run();
    assert_eq!(place.tree("out/shop"), place.tree("wh/shop"));
    place.cairn(&["check", "--repo", "repo", "--read-data"]).run();
    place.back_up("one");
}

#[test]
fn a_label_that_is_not_there_keeps_all_of_them() {
    let place = Place::new();
    place.back_up("one");
    let refused = place.cairn(&["forget", "--repo", "repo", "one", "nobody"]).status(2);
    refused.stdout("").stderr("error: there is no snapshot nobody in repo\n").run();
    place.cairn(&["forget", "--repo", "repo"]).status(2).run();
    place.cairn(&["forget", "--repo", "repo", "a/b"]).status(2).run();
    let forgotten = place.cairn(&["forget", "--repo", "repo", "one"]).json();
    assert_eq!(forgotten["snapshots"][0]["label"], "one");
    assert_eq!(forgotten["dry_run"], false);
    place.cairn(&["forget", "--repo", "repo", "one"]).status(2).run();
}
