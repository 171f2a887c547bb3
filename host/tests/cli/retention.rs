//! `cairn forget` by rules, ttls, and `cairn hold`.

use std::time::Duration;

use cairn_testkit::wait_until;
use serde_json::Value;

use crate::place::Place;

impl Place {
    fn back_up_for(&self, label: &str, ttl: &str) {
        self.cairn(&["backup", "--repo", "repo", "--label", label, "--ttl", ttl, "wh"]).run();
    }

    fn labels(&self) -> Vec<String> {
        let listed = self.cairn(&["snapshots", "--repo", "repo"]).json();
        let label = |snapshot: &Value| snapshot["label"].as_str().unwrap().to_owned();
        let mut labels: Vec<_> =
            listed["snapshots"].as_array().unwrap().iter().map(label).collect();
        labels.sort();
        labels
    }
}

fn forget<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&["forget", "--repo", "repo"], rest].concat()
}

#[test]
fn a_rule_says_what_goes_and_why_the_others_stay() {
    let place = Place::new();
    for label in ["nightly_1", "nightly_2", "weekly_1", "nightly_3"] {
        place.back_up(label);
    }
    place.cairn(&["hold", "add", "--repo", "repo", "nightly_1", "audit"]).run();
    let before = place.tree("repo");
    let by_series = forget(&["--keep-last", "1", "--group-by", "series"]);
    let dry = [&by_series[..], &["--dry-run"]].concat();
    let told = "         label      taken (UTC)              why\n\
                ──[..]\n keep    nightly_1  [..]  hold: audit\n forget  nightly_2  [..]  no rule keeps it\n \
                keep    weekly_1   [..]  last 1\n keep    nightly_3  [..]  last 1\n\
                would forget 1 snapshot of 4 in repo\n";
    place.cairn(&dry).stdout(told).stderr("").run();
    let document = place.cairn(&dry).json();
    assert_eq!(document["dry_run"], true);
    let verdicts = document["verdicts"].as_array().unwrap();
    let said = |label: &str| {
        let of = verdicts.iter().find(|verdict| verdict["label"] == label).unwrap();
        (of["action"].clone(), of["reasons"].clone())
    };
    assert_eq!(said("nightly_1"), ("keep".into(), serde_json::json!(["hold: audit"])));
    assert_eq!(said("nightly_2"), ("forget".into(), serde_json::json!(["no rule keeps it"])));
    assert_eq!(document["snapshots"][0]["label"], "nightly_2");
    assert_eq!(place.tree("repo"), before, "a dry run changes nothing");
    place.cairn(&by_series).run();
    assert_eq!(place.labels(), ["nightly_1", "nightly_3", "weekly_1"]);
    let again = place.cairn(&by_series).json();
    assert_eq!(again["snapshots"], serde_json::json!([]), "a second time removes nothing more");
    place.cairn(&forget(&["--keep-daily", "1"])).run();
    assert_eq!(place.labels(), ["nightly_1", "nightly_3"]);
    place.cairn(&["check", "--repo", "repo", "--read-data"]).run();
}

#[test]
fn a_ttl_lets_a_snapshot_go_when_it_is_over() {
    let place = Place::new();
    place.write("cairn.toml", b"[retention]\ndefault_ttl = \"1 second\"\n");
    place.back_up_for("long", "30 days");
    place
        .cairn(&["--config", "cairn.toml", "backup", "--repo", "repo", "--label", "short", "wh"])
        .run();
    let forever = ["backup", "--repo", "repo", "--label", "ever", "--ttl", "", "wh"];
    place.cairn(&[&["--config", "cairn.toml"], &forever[..]].concat()).run();
    let listed = place.cairn(&["snapshots", "--repo", "repo"]).json();
    let ttls: Vec<&Value> =
        listed["snapshots"].as_array().unwrap().iter().map(|it| &it["ttl"]).collect();
    assert_eq!(ttls, [&Value::from("30 DAY"), &Value::from("1 SECOND"), &Value::Null]);
    assert_eq!(listed["snapshots"][0]["databases"], serde_json::json!(["shop"]));
    wait_until("the ttl is over", Duration::from_secs(30), || {
        let tried = place.cairn(&forget(&["--expired", "--dry-run"])).json();
        tried["snapshots"].as_array().unwrap().len() == 1
    });
    let gone = place.cairn(&forget(&["--expired"])).json();
    assert_eq!(gone["snapshots"][0]["label"], "short");
    assert_eq!(place.labels(), ["ever", "long"]);
    let wrong = ["backup", "--repo", "repo", "--ttl", "soon", "wh"];
    let refused = "error: --ttl \"soon\": not a duration such as 7 DAY or 12 HOUR\n";
    place.cairn(&wrong).status(2).stdout("").stderr(refused).run();
}

#[test]
fn what_is_held_is_refused_until_it_is_released() {
    let place = Place::new();
    place.back_up("one");
    let hold = |rest: &[&'static str]| [&["hold"], rest].concat();
    let add = hold(&["add", "--repo", "repo", "--reason", "tax 2026", "one", "audit"]);
    let told = "holds one of [..]: audit (\"tax 2026\", placed by [..] at [..])\n";
    place.cairn(&add).stdout(told).stderr("").run();
    let refused = "error: the snapshot one is held: audit (\"tax 2026\", placed by [..] at [..]); release it with \
                   `cairn hold remove --repo repo one audit`\n";
    for rest in [&["one"][..], &["--force", "one"], &["--dry-run", "one"]] {
        place.cairn(&forget(rest)).status(2).stdout("").stderr(refused).run();
    }
    place.cairn(&forget(&["--keep-within", "1 ms", "--allow-empty", "--force"])).run();
    assert_eq!(place.labels(), ["one"]);
    let listed = place.cairn(&hold(&["list", "--repo", "repo"])).json();
    assert_eq!(
        (&listed["holds"][0]["name"], &listed["holds"][0]["reason"]),
        (&"audit".into(), &"tax 2026".into())
    );
    place.cairn(&hold(&["list", "--repo", "repo", "two"])).stdout("no holds in repo\n").run();
    // A copy is held, too.
    place.cairn(&["repo", "copy", "--from", "repo", "--to", "copy"]).run();
    place.cairn(&["forget", "--repo", "copy", "one"]).status(2).run();
    let nobody = hold(&["remove", "--repo", "repo", "one", "nobody"]);
    let told = "error: the snapshot one is not held as nobody (CAIRN-R013)\n";
    place.cairn(&nobody).status(2).stdout("").stderr(told).run();
    let remove = hold(&["remove", "--repo", "repo", "one", "audit"]);
    place.cairn(&remove).stdout("one is not held as audit any more\n").run();
    place.cairn(&forget(&["one"])).run();
    let gone = hold(&["add", "--repo", "repo", "one", "audit"]);
    place.cairn(&gone).status(2).stderr("error: there is no snapshot one (CAIRN-R005)\n").run();
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let place = Place::new();
    place.back_up("one");
    for (rest, message) in [
        (&[][..], "forget what? name snapshots, or give --expired or a --keep-... above 0"),
        (
            &["--keep-last", "0"],
            "forget what? name snapshots, or give --expired or a --keep-... above 0",
        ),
        (&["--keep-last", "1", "one"], "forget what is named or what rules say, not both"),
        (
            &["--expired", "--series", "nightly"],
            "--group-by, --database, --series and --allow-empty refine a rule: give a --keep-... above 0 with them",
        ),
    ] {
        let told = format!("error: {message}\n");
        place.cairn(&forget(rest)).status(2).stdout("").stderr(&told).run();
    }
    place.cairn(&forget(&["--keep-within", "soon"])).status(2).stdout("").run();
    place.cairn(&forget(&["--keep-last", "1", "--group-by", "colour"])).status(2).stdout("").run();
    // The newest of a group stays unless its group may become empty.
    place.cairn(&forget(&["--keep-within", "1 ms"])).run();
    assert_eq!(place.labels(), ["one"]);
    place.cairn(&forget(&["--keep-within", "1 ms", "--allow-empty"])).run();
    assert_eq!(place.labels(), [""; 0]);
}
