//! The dashboard, the rules, the README and the code speak of the same metrics, panels and alerts.

use std::collections::BTreeSet;
use std::process::Command;

use cairn_pipeline::storage::metrics::MetricKind;

use crate::files::{Panel, directory, panels, read, section, table};

/// Words of a text that a metric could be, begun as given.
fn words(text: &str, begin: &str) -> BTreeSet<String> {
    let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
    let words = text.split(|it| !is_part(it)).filter(|word| word.starts_with(begin));
    words.map(str::to_owned).collect()
}

/// The metrics that a text names, by the names that the code gives them.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_histogram = |name: &str| {
        cairn_pipeline::metrics::all()
            .any(|spec| spec.name == name && spec.kind == MetricKind::Histogram)
    };
    let of_histogram = |name: String| {
        let parts = ["_bucket", "_sum", "_count"].into_iter();
        let whole = parts.filter_map(|part| name.strip_suffix(part)).find(|it| is_histogram(it));
        whole.map(str::to_owned).unwrap_or(name)
    };
    words(text, "cairn_").into_iter().map(of_histogram).collect()
}

fn rules() -> String {
    read("rules/recording.yml") + &read("rules/alerts.yml")
}

/// What follows a key in lines of YAML.
fn values(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix(key));
    lines.map(|value| value.trim().trim_matches('"').to_owned()).collect()
}

#[test]
fn dashboard_and_rules_show_every_metric_of_the_code_and_no_other() {
    let known: BTreeSet<String> =
        cairn_pipeline::metrics::all().map(|spec| spec.name.to_owned()).collect();
    let documented: BTreeSet<String> = table("## Metrics").into_iter().collect();
    assert_eq!(documented, known, "grafana/README.md and the code");
    assert_eq!(metrics(&(read("cairn.json") + &rules())), known, "grafana/ and the code");
    let unknown: Vec<_> = metrics(&read("README.md")).difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "grafana/README.md names {unknown:?}");
    let unknown: Vec<_> = metrics(&read("rules/tests.yml")).difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "grafana/rules/tests.yml names {unknown:?}");
}

#[test]
fn what_is_recorded_is_used_and_what_is_used_is_recorded() {
    let recorded: BTreeSet<String> = values(&rules(), "- record:").into_iter().collect();
    let used = words(&(read("cairn.json") + &read("rules/alerts.yml")), "cairn:");
    assert_eq!(used, recorded);
}

#[test]
fn every_panel_has_its_question_and_every_alert_its_runbook() {
    let titles: Vec<String> = panels().into_iter().map(|Panel { title, .. }| title).collect();
    assert_eq!(table("## Panels"), titles);
    let alerts = read("rules/alerts.yml");
    let names = values(&alerts, "- alert:");
    let readme = read("README.md");
    for name in &names {
        assert!(section(&readme, &format!("### {name}")).len() > 100, "{name}");
    }
    let links = values(&alerts, "runbook_url:");
    let anchors: Vec<_> =
        names.iter().map(|name| format!("grafana/README.md#{}", name.to_lowercase())).collect();
    assert_eq!(links, anchors);
    let entries = section(&readme, "## Runbook").len();
    assert!(entries > 0);
    assert_eq!(readme.matches("\n### Cairn").count(), names.len(), "a runbook without an alert");
    for empty in table("## Empty is normal") {
        assert!(titles.contains(&empty) || names.contains(&empty), "{empty}");
    }
}

#[test]
fn the_dashboard_is_what_its_generator_writes() {
    let generated = Command::new("python3").arg(directory().join("dashboard.py")).output();
    let generated = match generated {
        Ok(output) => output,
        Err(error) => return cairn_testkit::skip_unless_required("prometheus", &error.to_string()),
    };
    assert!(generated.status.success(), "{}", String::from_utf8_lossy(&generated.stderr));
    let is_same = String::from_utf8(generated.stdout).unwrap() == read("cairn.json");
    assert!(is_same, "run: grafana/dashboard.py > grafana/cairn.json");
}
