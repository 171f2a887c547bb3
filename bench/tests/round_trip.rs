//! The program from end to end, with a shell script in the place of cairn and small data.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A tool that copies: `repo/<label>` holds the tree. It fails where `$0.fail` names the verb.
const FAKE_CAIRN: &str = r#"#!/bin/sh
verb=$1
if [ "$verb" = --version ]; then echo "fake 1.0"; exit; fi
while [ $# -gt 1 ]; do
    case $1 in --repo) repo=$2 ;; --label) label=$2 ;; esac
    shift
done
if [ "$(cat "$0.fail" 2>/dev/null)" = "$verb" ]; then echo "no luck"; exit 7; fi
case $verb in
    backup) mkdir -p "$repo" && cp -a "$1" "$repo/$label" ;;
    restore) cp -a "$repo/$label/." "$1" ;;
    check) test -d "$repo/full" ;;
esac
"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("fake");
        fs::write(&tool, FAKE_CAIRN).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &str) -> Output {
        let results = format!("--results={}", self.path("results").display());
        self.run_bare(&format!("{arguments} {results} --machine=test"))
    }

    /// Runs what leaves no results.
    fn run_bare(&self, arguments: &str) -> Output {
        fs::create_dir_all(self.path("scratch")).unwrap();
        let option = |name: &str, path: &str| format!("--{name}={}", self.path(path).display());
        Command::new(env!("CARGO_BIN_EXE_cairn-bench"))
            .args(arguments.split_whitespace())
            .args([option("cairn", "fake"), option("scratch", "scratch")])
            .output()
            .unwrap()
    }

    /// The folder of the only run, and its summary.
    fn results(&self) -> (PathBuf, String) {
        let mut folders = fs::read_dir(self.path("results")).unwrap();
        let folder = folders.next().unwrap().unwrap().path();
        assert!(folders.next().is_none());
        let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
        (folder, summary)
    }
}

fn text(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}\n{err}")
}

fn steps(folder: &Path) -> Vec<(String, String, u64)> {
    let raw = fs::read_to_string(folder.join("raw.json")).unwrap();
    let lines = raw.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let samples = lines.filter_map(|mut line| line.get_mut("sample").map(serde_json::Value::take));
    let field = |sample: &serde_json::Value, name: &str| sample[name].as_str().unwrap().to_owned();
    samples
        .map(|sample| {
            let round = sample["round"].as_u64().unwrap();
            (field(&sample, "tool"), field(&sample, "scenario"), round)
        })
        .collect()
}

#[test]
fn tools_take_turns_and_every_step_is_recorded() {
    let place = Place::new();
    let output = place.run("run --sets small:40 --tools cairn,cp,floor --runs 2 --verify");
    assert!(output.status.success(), "{}", text(&output));
    let (folder, summary) = place.results();
    let cycle = |tool: &str, scenarios: &[&str], round: u64| {
        let step = |scenario: &&str| (tool.to_owned(), (*scenario).to_owned(), round);
        scenarios.iter().map(step).collect::<Vec<_>>()
    };
    let cairn = ["full", "unchanged", "restore", "check", "incremental"];
    let (cp, floor) = (["full", "restore"], ["full", "restore", "check"]);
    let mut expected =
        [cycle("cairn", &cairn, 0), cycle("cp", &cp, 0), cycle("floor", &floor, 0)].concat();
    expected.extend(
        [cycle("floor", &floor, 1), cycle("cp", &cp, 1), cycle("cairn", &cairn, 1)].concat(),
    );
    assert_eq!(steps(&folder), expected);
    assert!(summary.contains("`cairn`: fake 1.0"), "{summary}");
    assert!(summary.contains("## small: 40 files"), "{summary}");
    assert!(folder.join("small-cpu.svg").is_file());
    assert!(
        !text(&output).contains("DIFFER") && !text(&output).contains("FAILED"),
        "{}",
        text(&output)
    );
    assert_eq!(fs::read_dir(place.path("scratch")).unwrap().count(), 0, "scratch is left clean");
    assert!(!summary.contains("failed with"), "{summary}");
}

#[test]
fn a_tool_that_fails_is_told_and_the_others_go_on() {
    let place = Place::new();
    fs::write(place.path("fake.fail"), "restore").unwrap();
    let output =
        place.run("run --sets small:5 --tools cairn,cp,borg --bin borg=/none --scenarios restore");
    assert!(output.status.success(), "{}", text(&output));
    let (folder, summary) = place.results();
    assert!(summary.contains("small restore by cairn failed with status 7"), "{summary}");
    assert!(summary.contains("borg is not measured: /none does not run"), "{summary}");
    assert!(fs::read_to_string(folder.join("tools.log")).unwrap().contains("no luck"));
    assert_eq!(steps(&folder).len(), 4);

    let again = place.run(&format!("report {}", folder.display()));
    assert!(!again.status.success(), "report takes no options of a run");
    let report =
        Command::new(env!("CARGO_BIN_EXE_cairn-bench")).arg("report").arg(&folder).output();
    assert!(text(&report.unwrap()).contains(&summary));
}

#[test]
fn a_prune_is_measured_in_all_its_steps() {
    let place = Place::new();
    let output = place.run_bare("prune --tools cairn --snapshots 3 --keep 1 --files 20");
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    let rows: Vec<&str> = told.lines().filter(|line| line.starts_with("| cairn")).collect();
    let names: Vec<&str> = rows.iter().map(|row| row.split('|').nth(2).unwrap().trim()).collect();
    assert_eq!(names, ["forget", "prune", "prune again"]);
    // The fake keeps all three trees of twenty files of 1 KiB.
    assert!(rows.iter().all(|row| row.contains("60.0 KiB")), "{told}");
    assert_eq!(fs::read_dir(place.path("scratch")).unwrap().count(), 0, "scratch is left clean");
    for (arguments, told) in [
        ("prune --tools cp", "cp has nothing to prune"),
        ("prune --tools cairn --snapshots 3 --keep 3", "nothing is forgotten"),
        ("prune --tools cairn --store hdfs@0", "no latency"),
    ] {
        let output = place.run_bare(arguments);
        assert!(!output.status.success() && text(&output).contains(told), "{}", text(&output));
    }
    fs::write(place.path("fake.fail"), "prune").unwrap();
    let output = place.run_bare("prune --tools cairn --snapshots 2 --keep 1 --files 1");
    assert!(!output.status.success() && text(&output).contains("no luck"), "{}", text(&output));
}

#[test]
fn folders_have_a_next_state() {
    let place = Place::new();
    for (set, content) in [("T1", "one"), ("T3", "three")] {
        let folder = place.path("data").join(set);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("segment.dat"), content).unwrap();
    }
    let data = place.path("data");
    let output = place.run(&format!(
        "run --sets T1 --tools cairn --scenarios full,incremental --data {}",
        data.display()
    ));
    assert!(output.status.success(), "{}", text(&output));
    let (folder, _) = place.results();
    assert_eq!(steps(&folder).len(), 2);
    let missing = place.run("run --sets T2 --tools cairn");
    assert!(text(&missing).contains("set T2 needs --data"), "{}", text(&missing));
}
