//! What `cairn` logs: nothing beside what it says itself, unless it is asked.

use serde_json::Value;

use crate::place::Place;

/// Runs a backup that logs; its lines.
fn logged(place: &Place, environment: &[(&str, &str)], arguments: &[&str]) -> (bool, String) {
    let mut command = place.command(arguments);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_line_of_json_for_each_event_says_when_how_grave_and_whose() {
    let place = Place::new();
    place.back_up("first");
    let asked = [("CAIRN_LOG", "info,cairn_actors=trace"), ("CAIRN_LOG_FORMAT", "json")];
    place.write("wh/shop/orders/p1/t1/more.dat", b"more rows");
    let backup = ["backup", "--repo", "repo", "--label", "second", "wh"];
    let (is_good, said) = logged(&place, &asked, &backup);
    assert!(is_good, "{said}");
    let lines = said.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "finished"), "{said}");
    assert!(lines.iter().any(|line| line["level"] == "TRACE"), "nothing of the stages: {said}");
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        let job = &line["spans"][0];
        assert_eq!((&job["name"], &job["label"]), (&"job".into(), &"second".into()), "{line}");
        assert!(job["id"].is_string(), "{line}");
    }
}

#[test]
fn with_json_the_log_is_json_as_well() {
    let place = Place::new();
    place.write("wh/shop/orders/p1/t1/a.dat", b"rows");
    let backup = ["--json", "backup", "--repo", "repo", "--label", "first", "wh"];
    let (is_good, said) = logged(&place, &[("CAIRN_LOG", "info")], &backup);
    assert!(is_good && said.contains("\"message\":\"began\""), "{said}");
    for line in said.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn a_job_that_fails_is_told_once_and_logged_where_that_is_asked() {
    let place = Place::new();
    place.back_up("first");
    let again = ["backup", "--repo", "repo", "--label", "first", "wh"];
    let (_, said) = logged(&place, &[], &again);
    assert_eq!(said.matches("CAIRN-R004").count(), 1, "{said}");
    let (_, said) = logged(&place, &[("CAIRN_LOG", "cairn::job=error")], &again);
    assert!(said.contains("ERROR job{id=") && said.contains("code=\"CAIRN-R004\""), "{said}");
}

#[test]
fn a_format_that_there_is_not_is_refused() {
    let place = Place::new();
    let (_, said) = logged(&place, &[("CAIRN_LOG_FORMAT", "xml")], &["config", "print"]);
    assert!(said.contains("CAIRN_LOG_FORMAT is \"xml\": it can be text or json"), "{said}");
}
