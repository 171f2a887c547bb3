//! The files of `grafana/`, as the tests read them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana")
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A panel of the dashboard.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) expressions: Vec<String>,
}

pub(crate) fn panels() -> Vec<Panel> {
    let dashboard: Value = serde_json::from_str(&read("cairn.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let panel = |panel: &Value| {
        let targets = panel["targets"].as_array().unwrap().iter();
        let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
        let title = panel["title"].as_str().unwrap().to_owned();
        Panel { title, expressions: expressions.collect() }
    };
    panels.filter(|panel| panel["type"] != "row").map(panel).collect()
}

/// The metric and the label of each variable that is asked of Prometheus, such as `label_values(metric, label)`.
pub(crate) fn variables() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("cairn.json")).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let asked = variables.filter_map(|variable| variable["query"]["query"].as_str());
    let parts = asked.map(|query| {
        let inner = query.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')'));
        let (metric, label) = inner.and_then(|inner| inner.split_once(", ")).expect(query);
        (metric.to_owned(), label.to_owned())
    });
    parts.collect()
}

/// The first cells of the table below a heading of the README, without their marks.
pub(crate) fn table(heading: &str) -> Vec<String> {
    let readme = read("README.md");
    let section = section(&readme, heading);
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.split('|').nth(1).unwrap().trim().trim_matches('`').to_owned()).collect()
}

/// What stands below a heading, up to the next of any level.
pub(crate) fn section<'a>(readme: &'a str, heading: &str) -> &'a str {
    let begin = readme.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
    let rest = &readme[begin + heading.len()..];
    rest.split("\n#").next().unwrap()
}
