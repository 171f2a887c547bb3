//! The quickstart, at a tiny scale, and the commands that it proposes.

use serde_json::Value;

use crate::place::{CAIRN, Place};

const TINY: [&str; 3] = ["quickstart", "--scale", "0.001"];

/// The proposal with these words, without the program.
fn proposal<'a>(next: &'a str, words: &str) -> &'a str {
    let line = next.lines().find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("no {words:?} in {next}"));
    line.trim_start().strip_prefix(CAIRN).unwrap()
}

#[test]
fn it_shows_each_statement_and_its_proposals_work() {
    let place = Place::new();
    let stdout = place.cairn(&[&TINY[..], &["--dir", "q"]].concat()).run();
    for part in [
        "1. make TPC-H tables",
        "cairn> CREATE DATABASE tpch;\nQuery OK, 0 rows affected (",
        "    -> SELECT * FROM FILES (\"path\" = \"",
        "| l_returnflag | l_linestatus | items | price ",
        "cairn> BACKUP SNAPSHOT tpch.second\n    -> TO stones;\n",
        "        SnapshotName: second\n",
        "% of what the first backup stored was stored\n",
        "cairn> DROP TABLE lineitem FORCE;",
        "| second   | 2",
        "nothing was lost: ",
    ] {
        assert!(stdout.contains(part), "no {part:?} in {stdout}");
    }
    assert_eq!(stdout.matches("same as before").count(), 4, "{stdout}");
    let (_, next) = stdout.split_once("Try next\n").unwrap();
    for words in [" snapshots ", " check "] {
        let words: Vec<&str> = proposal(next, words).split_whitespace().collect();
        place.cairn(&words).run();
    }
    let data = proposal(next, " sql --data ").split_whitespace().next_back().unwrap();
    let views = "SELECT TABLE_NAME, IS_ACTIVE FROM information_schema.materialized_views";
    place.cairn(&["sql", "--data", data, "-N", "-e", views]).stdout("revenue\ttrue\n").run();
}

#[test]
fn it_proves_what_it_says() {
    let place = Place::new();
    let report = place.cairn(&[&TINY[..], &["--dir", "q"]].concat()).json();
    let steps = |name: &str| -> Vec<Value> {
        let steps = report["steps"].as_array().unwrap().iter();
        steps.filter(|step| step["step"] == name).cloned().collect()
    };
    let results = |name: &str| -> Vec<Value> {
        steps(name).into_iter().map(|step| step["result"].clone()).collect()
    };
    assert!(results("generate")[0]["rows"].as_u64().unwrap() > 7000, "{report}");
    let backups = results("backup");
    let bytes = |at: usize, what: &str| backups[at][what].as_u64().unwrap();
    assert_eq!(bytes(0, "read_bytes"), bytes(0, "raw_bytes"));
    assert!(bytes(1, "read_bytes") > 0, "{report}");
    assert!(bytes(1, "read_bytes") < bytes(1, "raw_bytes") / 2, "{report}");
    assert!(bytes(1, "stored_bytes") < bytes(0, "stored_bytes") / 2, "{report}");
    // The same question before the disaster and after the restore.
    let answer = |name: &str| {
        let statements = steps(name)[0]["statements"].clone();
        statements.as_array().unwrap().iter().find(|it| it["columns"][0] == "year").cloned()
    };
    let (before, after) = (answer("change").unwrap(), answer("prove").unwrap());
    assert_eq!(before["rows"], after["rows"]);
    assert_eq!(before["rows"].as_array().unwrap().len(), 7, "{report}");
    assert!(results("prove")[0]["rows"].as_u64().unwrap() > 7000, "{report}");
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
    assert!(place.path("cairn-quickstart/data/catalog.redb").is_file());
}
