//! `cairn repo copy`

use std::fs;

use crate::place::Place;

const COPY: [&str; 6] = ["repo", "copy", "--from", "repo", "--to", "copy"];

#[test]
fn a_copy_is_the_same_file_by_file_and_clean() {
    let place = Place::new();
    place.back_up("one");
    place.back_up("two");
    let stdout = place.cairn(&COPY).run();
    assert!(stdout.starts_with("copied repo to copy: 2 snapshots\n  copied     "), "{stdout}");
    assert_eq!(place.tree("copy"), place.tree("repo"));
    place.cairn(&["check", "--repo", "copy", "--read-data"]).run();
    place.cairn(&["restore", "--repo", "copy", "--label", "one", "out"]).run();
    assert!(place.has("out/shop/orders/p1/t1/segment-0.dat"));
}

#[test]
fn run_again_it_copies_what_is_new() {
    let place = Place::new();
    place.back_up("one");
    let first = place.cairn(&COPY).json();
    assert_eq!(first["verb"], "repo copy");
    assert_eq!((&first["snapshots"], &first["present_objects"]), (&1.into(), &0.into()));
    let copied = first["copied_objects"].as_u64().unwrap();
    let again = place.cairn(&COPY).json();
    assert_eq!(again["copied_objects"], 0);
    assert_eq!(again["present_objects"], copied);
    assert_eq!(again["present_bytes"], first["copied_bytes"]);
    place.back_up("two");
    let new = place.cairn(&COPY).json();
    assert_eq!((&new["snapshots"], &new["present_objects"]), (&2.into(), &copied.into()));
    assert_eq!(place.tree("copy"), place.tree("repo"));
}

#[test]
fn a_place_that_holds_something_else_is_left_alone() {
    let place = Place::new();
    place.back_up("one");
    place.cairn(&["repo", "create", "--repo", "other"]).run();
    place.write("full/some.file", b"somebody's");
    for (to, reason) in
        [("other", "holds another repository"), ("full", "holds something else than a repository")]
    {
        let before = place.tree(to);
        let command = place.cairn(&["repo", "copy", "--from", "repo", "--to", to]).status(2);
        let document = command.json();
        let message = document["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(reason), "{message}");
        assert_eq!(place.tree(to), before);
    }
    place.cairn(&["repo", "copy", "--from", "nowhere", "--to", "copy"]).status(2).run();
    assert!(!place.has("copy"));
}

#[test]
fn a_damaged_object_is_named_and_left_out() {
    let place = Place::new();
    place.back_up("one");
    let runs = place.tree("repo/indexes");
    let run = runs.keys().next().unwrap();
    fs::write(place.path("repo/indexes").join(run), b"rotten").unwrap();
    let stdout = place.cairn(&COPY).status(3).run();
    let named = format!("damaged, not copied: indexes/{}: ", run.display());
    assert!(stdout.starts_with(&named), "{stdout}");
    let document = place.cairn(&COPY).status(3).json();
    assert_eq!(document["damaged"].as_array().unwrap().len(), 1);
    assert!(!place.has(&format!("copy/indexes/{}", run.display())));
}

#[test]
fn anew_snapshots_go_into_a_repository_of_its_own_keys() {
    let place = Place::new();
    place.back_up("one");
    place.write("wh/shop/orders/p1/t1/more.dat", b"more rows");
    place.back_up("two");
    place.write("other.toml", b"[properties]\nencryption.passphrase = \"four random words\"\n");
    let anew = [&COPY[..], &["--anew", "--encrypt"]].concat();
    let refused = place.cairn(&anew).status(2).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("--to-config"), "{refused}");
    let anew = [&anew[..], &["--to-config", "other.toml"]].concat();
    let last = place.cairn(&[&anew[..], &["--keep-last", "1"]].concat()).json();
    assert_eq!(last["snapshots"], serde_json::json!(["two"]));
    let all = place.cairn(&anew).json();
    assert_eq!(
        (&all["snapshots"], &all["present_snapshots"]),
        (&serde_json::json!(["one"]), &1.into())
    );
    place.cairn(&["check", "--repo", "copy"]).status(2).run();
    let there = |verb: &[&str]| {
        place.cairn(&[&["--config", "other.toml"], verb].concat()).run();
    };
    there(&["check", "--repo", "copy", "--read-data"]);
    there(&["restore", "--repo", "copy", "--label", "two", "out"]);
    assert_eq!(place.tree("out/shop"), place.tree("wh/shop"));
    for (arguments, reason) in [
        (&["--keep-last", "1"][..], "--anew"),
        (&["--anew", "--label", "one", "--keep-last", "1"], "not both"),
        (&["--anew", "--label", "none", "--to-config", "other.toml"], "none"),
    ] {
        let document = place.cairn(&[&COPY[..], arguments].concat()).status(2).json();
        let message = document["error"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{message}");
    }
}
