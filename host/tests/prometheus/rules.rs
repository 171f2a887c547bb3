//! What `promtool` says of configuration and rules, and its unit tests of them.

use std::process::Command;

use cairn_testkit::skip_unless_required;

use crate::files::directory;

fn promtool(arguments: &[&str]) {
    let mut command = Command::new("promtool");
    let output = match command.current_dir(directory()).args(arguments).output() {
        Ok(output) => output,
        Err(error) => return skip_unless_required("prometheus", &format!("promtool: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {}: {said}", arguments.join(" "));
}

#[test]
fn promtool_finds_nothing_wrong() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&[
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        "rules/recording.yml",
        "rules/alerts.yml",
    ]);
}

#[test]
fn the_unit_tests_of_the_rules_pass() {
    promtool(&["test", "rules", "rules/tests.yml"]);
}
