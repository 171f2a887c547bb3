//! The verbs around the four.

use std::fs;

use crate::place::Place;

#[test]
fn config_print_is_the_checked_in_default() {
    let place = Place::new();
    place.cairn(&["config", "print"]).stdout(include_str!("../../cairn.toml")).stderr("").run();
    let printed = place.cairn(&["config", "print"]).run();
    place.write("printed.toml", printed.as_bytes());
    place.cairn(&["--config", "printed.toml", "backup", "--repo", "repo", "wh"]).run();
}

#[test]
fn repo_create_makes_one_once() {
    let place = Place::new();
    let create = ["repo", "create", "--repo", "repo", "--compression", "off"];
    place.cairn(&create).stdout("made a repository at repo\n").stderr("").run();
    place.cairn(&create).status(2).stdout("").run();
    place.cairn(&["snapshots", "--repo", "repo"]).stdout("no snapshots in repo\n").run();
    place.cairn(&["restore", "--repo", "repo", "--latest", "out"]).status(2).run();
    place.back_up("one");
}

#[test]
fn storage_validate_runs_every_case_and_leaves_nothing() {
    let place = Place::new();
    place.back_up("one");
    let before = place.tree("repo");
    let stdout = place.cairn(&["storage", "validate", "repo"]).run();
    assert!(stdout.ends_with(" 0 skipped, 0 failed\n"), "{stdout}");
    assert_eq!(place.tree("repo"), before);
    place.cairn(&["storage", "validate", "nowhere"]).status(2).run();
}

#[test]
fn help_tells_exit_codes_and_examples() {
    let place = Place::new();
    let help = place.cairn(&["--help"]).stderr("").run();
    for part in ["Examples:", "Exit codes:", "130  cancelled", "CAIRN_REPO", "quickstart"] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
    place.cairn(&["--version"]).stdout("cairn 0.1.0\n").run();
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let place = Place::new();
    place.back_up("one");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = place.command(&["snapshots", "--repo", "repo"]);
    let output = command.stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_environment_is_read_in_one_file() {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut waiting = vec![std::path::PathBuf::from(sources)];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !path.ends_with("environment.rs") {
            let code = fs::read_to_string(&path).unwrap();
            assert!(!code.contains("env::var"), "{} reads the environment", path.display());
        }
    }
}
