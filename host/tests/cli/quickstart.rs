//! The quickstart, at a tiny scale, and the commands that it proposes.

use serde_json::Value;

use crate::place::{CAIRN, Place};

const TINY: [&str; 3] = ["quickstart", "--scale", "0.001"];

#[test]
fn it_shows_each_step_and_its_proposals_work() {
    let place = Place::new();
    let stdout = place.cairn(&[&TINY[..], &["--dir", "q"]].concat()).run();
    for part in ["1. make TPC-H tables", "tpch.lineitem", "nothing was lost: ", "Try next"] {
        assert!(stdout.contains(part), "no {part:?} in {stdout}");
    }
    assert_eq!(stdout.matches("same as before").count(), 8, "{stdout}");
    let (_, next) = stdout.split_once("Try next\n").unwrap();
    let mut num_commands = 0;
    for command in next.lines().filter(|line| !line.contains(" serve ")) {
        let words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words[0], CAIRN, "as it was called");
        place.cairn(&words[1..]).run();
        num_commands += 1;
    }
    assert!(num_commands >= 4, "{next}");
    let orders = place.tree("q/copy/tpch/orders");
    assert!(!orders.is_empty());
    assert_ne!(
        orders,
        place.tree("q/warehouse/tpch/orders"),
        "the first snapshot is the older one"
    );
}

#[test]
fn it_proves_what_it_says() {
    let place = Place::new();
    let report = place.cairn(&[&TINY[..], &["--dir", "q"]].concat()).json();
    let step = |name: &str| -> Vec<Value> {
        let steps = report["steps"].as_array().unwrap().iter();
        steps.filter(|step| step["step"] == name).map(|step| step["result"].clone()).collect()
    };
    assert!(step("generate")[0]["rows"].as_u64().unwrap() > 8000, "{report}");
    let backups = step("backup");
    let read = |at: usize, what: &str| backups[at]["progress"][what].as_u64().unwrap();
    assert_eq!(read(0, "segments_read"), read(0, "segments_total"));
    assert!(read(1, "stored_bytes") > 0, "{report}");
    assert!(read(1, "stored_bytes") < read(0, "stored_bytes") / 2, "{report}");
    assert_eq!(step("restore").len(), 1);
    assert!(step("prove")[0]["rows"].as_u64().unwrap() > 8000, "{report}");
}

#[test]
fn it_runs_again_in_its_own_directory_and_in_no_other() {
    let place = Place::new();
    place.write("mine/letter.txt", b"dear");
    place
        .cairn(&[&TINY[..], &["--dir", "mine"]].concat())
        .status(2)
        .stdout("")
        .stderr("error: [..]/mine is not empty and not from an earlier quickstart; choose another with --dir\n")
        .run();
    assert_eq!(std::fs::read(place.path("mine/letter.txt")).unwrap(), b"dear");
    for _ in 0..2 {
        place.cairn(&TINY).run();
    }
    assert!(place.path("cairn-quickstart/warehouse/tpch/lineitem").is_dir());
}
