//! A backup and a restore, read back from Prometheus; and every expression of the dashboard and the rules on what they left.

use cairn_testkit::wait_until;

use crate::files::{panels, table, variables};
use crate::process::Prometheus;
use crate::server::{PATIENCE, Server};

/// As Grafana fills it in.
fn filled_in(expression: &str) -> String {
    let mut filled = expression.replace("$__rate_interval", "1m");
    for name in ["instance", "repository", "database"] {
        filled = filled.replace(&format!("${name}"), ".*");
    }
    assert!(!filled.contains('$'), "{filled}");
    filled
}

#[test]
fn a_backup_and_a_restore_are_seen_and_every_expression_has_data() {
    let server = Server::start("[retention]\nsweep_interval = \"1s\"");
    let Some(prometheus) = Prometheus::scraping(server.http, |rules| rules) else {
        return;
    };
    let mut root = server.filled();
    let ended = |kind: &str| format!("cairn_jobs_total{{kind=\"{kind}\", outcome=\"finished\"}}");
    // What begins while nobody looks is not seen to grow.
    prometheus.wait_for(&ended("backup"), |count| count == 0.0);
    let time = root.back_up("d", "first", "r");
    root.done("BACKUP SNAPSHOT d.short TO r PROPERTIES (\"ttl\" = \"1 SECOND\")");
    root.ended("SHOW BACKUP FROM d");
    root.restore("d", "first", "r", &time);
    prometheus.wait_for(&ended("backup"), |count| count == 2.0);
    prometheus.wait_for(&ended("restore"), |count| count == 1.0);
    let stored = "cairn_backup_bytes_total{outcome=\"new\"}";
    prometheus.wait_for(stored, |bytes| bytes > 0.0);
    let again = "cairn_backup_bytes_total{outcome=\"unchanged\"}";
    let read = prometheus.value(stored).unwrap();
    assert_eq!(prometheus.value(again), Some(read), "the second backup read nothing again");
    let newest = "cairn_target_newest_snapshot_timestamp_seconds{target=\"nightly\"}";
    prometheus.wait_for(newest, |time| time > 1.7e9);
    prometheus.wait_for("cairn_repository_reachable{repository=\"r\"}", |is| is == 1.0);
    prometheus.wait_for("cairn_repository_stored_bytes{repository=\"r\"}", |bytes| bytes > 0.0);
    prometheus.wait_for("cairn_repository_damages{repository=\"r\"}", |count| count == 0.0);
    prometheus.wait_for("cairn_snapshots_forgotten_total{why=\"ttl\"}", |count| count == 1.0);
    prometheus.wait_for("cairn_repository_snapshots{repository=\"r\"}", |count| count == 1.0);

    let may_be_empty = table("## Empty is normal");
    for panel in panels() {
        for expression in panel.expressions.iter().map(|expression| filled_in(expression)) {
            if may_be_empty.contains(&panel.title) {
                prometheus.query(&expression);
                continue;
            }
            let what = format!("{}: {expression}", panel.title);
            wait_until(&what, PATIENCE, || !prometheus.query(&expression).is_empty());
        }
    }
    for (metric, label) in variables() {
        assert!(!prometheus.label_values(&metric, &label).is_empty(), "{label} of {metric}");
    }
    for rule in prometheus.rules() {
        let name = rule["name"].as_str().unwrap();
        assert_eq!(rule["health"], "ok", "{rule}");
        let is_empty = prometheus.query(rule["query"].as_str().unwrap()).is_empty();
        assert!(!is_empty || may_be_empty.iter().any(|it| it == name), "{rule}");
    }
}
