//! A server that lets snapshots go by itself.

use cairn_testkit::wait_until;

use crate::client::Client;
use crate::place::Place;
use crate::server::{PATIENCE, refuses, serve_logging};

fn back_up(root: &mut Client, label: &str, ttl: &str) {
    root.done(&format!("BACKUP SNAPSHOT d.{label} TO r PROPERTIES (\"ttl\" = \"{ttl}\")"));
    wait_until("the backup has ended", PATIENCE, || {
        let shown = root.rows("SHOW BACKUP FROM d");
        shown[0].iter().flatten().any(|value| value == "FINISHED")
            && shown[0].iter().flatten().any(|value| value == label)
    });
}

fn labels(root: &mut Client) -> Vec<String> {
    let shown = root.rows("SHOW SNAPSHOT ON r");
    shown.iter().map(|row| row[0].clone().unwrap()).collect()
}

#[test]
fn an_expired_snapshot_goes_by_itself_and_a_held_one_stays() {
    let place = Place::new();
    place.write("cairn.toml", b"[retention]\nsweep_interval = \"1s\"\n");
    let server = serve_logging(&place, "info", &["--config", "cairn.toml"]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT) DUPLICATE KEY (k) DISTRIBUTED BY HASH (k)");
    root.done("INSERT INTO d.t VALUES (1)");
    let at = place.path("backups");
    root.done(&format!("CREATE REPOSITORY r WITH BROKER ON LOCATION 'file://{}'", at.display()));
    back_up(&mut root, "kept", "");
    back_up(&mut root, "held", "5 SECOND");
    root.done("ALTER SNAPSHOT held ON r ADD HOLD audit COMMENT 'tax 2026'");
    back_up(&mut root, "over", "1 SECOND");
    wait_until("the expired snapshot is gone", PATIENCE, || labels(&mut root) == ["held", "kept"]);
    wait_until("it was told", PATIENCE, || {
        let log = server.log();
        log.contains("INFO") && log.contains("snapshots were forgotten") && log.contains("over")
    });
    let refused = root.refusal("DROP SNAPSHOT held ON r FORCE");
    assert!(refused.text.contains("is held: audit (\"tax 2026\""), "{}", refused.text);
    root.done("ALTER SNAPSHOT held ON r DROP HOLD audit");
    wait_until("the released snapshot is gone", PATIENCE, || labels(&mut root) == ["kept"]);
    server.stop();
}

#[test]
fn rules_that_cannot_be_are_refused_at_the_start() {
    let place = Place::new();
    for (text, message) in [
        ("[[retention.rules]]\n", "a rule has at least one keep_... above 0"),
        ("[retention]\ndefault_ttl = \"soon\"\n", "retention.default_ttl \"soon\": not a duration"),
        ("[retention]\nsweep_interval = \"1ms\"\n", "retention.sweep_interval: 0s"),
    ] {
        place.write("cairn.toml", text.as_bytes());
        let told = refuses(&place, 2, &["--config", "cairn.toml"]);
        assert!(told.contains(message), "{told}");
        assert!(!place.has("data/catalog.redb"), "{text}");
    }
}
