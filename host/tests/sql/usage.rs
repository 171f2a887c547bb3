//! What the guide says besides its examples: its usage notes and what it tells of materialized views.

use crate::client::{self, Client};
use crate::member;
use crate::place::Place;
use crate::server::Server;

const SHOW_BACKUP: &str = "SHOW BACKUP FROM sr_hub";
const SHOW_RESTORE: &str = "SHOW RESTORE FROM sr_hub";

/// A server with the table of the guide and a backup `first` of it in the repository `r`.
fn backed_up(place: &Place) -> Server {
    let server = Server::start(place, "data");
    member::create(&server);
    server.run(&member::load(800..1200));
    member::repository(place, &server, "r");
    server.run("BACKUP SNAPSHOT sr_hub.first TO r ON (sr_member)");
    server.finished(SHOW_BACKUP);
    server
}

fn set(client: &Client, name: &str, value: &str) {
    client.run(&format!("ADMIN SET FRONTEND CONFIG ('{name}' = '{value}')"));
}

#[test]
fn only_who_has_the_privilege_backs_up_and_restores() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let server = backed_up(&place);
    let timestamp = server.timestamp("r", "first");
    server.run("CREATE USER nobody; GRANT SELECT ON TABLE sr_hub.sr_member TO USER nobody");
    let nobody = server.of("nobody");
    nobody.run("SELECT count(*) FROM sr_hub.sr_member");
    let location = place.path("other");
    let restore = format!(
        "RESTORE SNAPSHOT sr_hub.first FROM r PROPERTIES ('backup_timestamp' = '{timestamp}')"
    );
    for statement in [
        &format!("CREATE REPOSITORY x WITH BROKER ON LOCATION 'file://{}'", location.display()),
        "DROP REPOSITORY r",
        "SHOW REPOSITORIES",
        "BACKUP SNAPSHOT sr_hub.second TO r ON (sr_member)",
        SHOW_BACKUP,
        "CANCEL BACKUP FROM sr_hub",
        "SHOW SNAPSHOT ON r",
        &restore,
        SHOW_RESTORE,
        "CANCEL RESTORE FROM sr_hub",
    ] {
        let error = nobody.refused(statement);
        assert!(error.contains("ERROR 5203 (42000)"), "{statement}: {error}");
        assert!(error.contains("REPOSITORY"), "{statement}: {error}");
    }
    server.run("GRANT REPOSITORY ON SYSTEM TO USER nobody");
    let error = nobody.refused("BACKUP SNAPSHOT sr_hub.second TO r ON (sr_member)");
    assert!(error.contains("EXPORT"), "{error}");
    server.run("GRANT EXPORT ON TABLE sr_hub.sr_member TO USER nobody");
    nobody.run("BACKUP SNAPSHOT sr_hub.second TO r ON (sr_member)");
    nobody.finished(SHOW_BACKUP);
    let error = nobody.refused(&restore);
    assert!(error.contains("CREATE DATABASE"), "{error}");
}

#[test]
fn one_job_runs_in_a_database_and_can_be_cancelled() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let server = backed_up(&place);
    server.run(&member::load(1200..1700));
    let rows = member::rows(&server, "sr_hub.sr_member");
    let refusal = "Can only run one backup or restore job of a database at same time";
    let restore = member::restore_statement(&server, "r", "first", "");

    set(&server, "max_upload_speed_kbps", "1");
    server.run("BACKUP SNAPSHOT sr_hub.slow TO r ON (sr_member)");
    for statement in ["BACKUP SNAPSHOT sr_hub.other TO r ON (sr_member)", &restore] {
        assert!(server.refused(statement).contains(refusal));
    }
    assert!(server.refused("DROP REPOSITORY r").contains("job is running on this repository"));
    // In another database too there is one job for a label.
    server.run("CREATE DATABASE elsewhere; CREATE TABLE elsewhere.t (id INT)");
    let error = server.refused("BACKUP SNAPSHOT elsewhere.slow TO r ON (t)");
    assert!(error.contains("'slow' is being written by job"), "{error}");
    // Loads go on beside a backup, and are not in it.
    server.run("INSERT INTO sr_hub.sr_member VALUES (5000, 'later', 1, '2026-02-03')");
    server.run("CANCEL BACKUP FROM sr_hub");
    let (shown, _) = server.ended(SHOW_BACKUP);
    assert_eq!(shown.get("State"), "CANCELLED");
    assert_eq!(shown.get("Status"), "[COMMON_ERROR, msg: user cancelled]");
    set(&server, "max_upload_speed_kbps", "0");
    assert_eq!(server.table("SHOW SNAPSHOT ON r").column("Snapshot"), ["first"]);

    // Nothing of the cancelled one is in the way of the next of its name.
    server.run("DELETE FROM sr_hub.sr_member WHERE id = 5000");
    server.run("BACKUP SNAPSHOT sr_hub.slow TO r ON (sr_member)");
    server.finished(SHOW_BACKUP);
    let restore = member::restore_statement(&server, "r", "slow", "AS again");
    server.run(&restore);
    server.finished(SHOW_RESTORE);
    assert_eq!(member::rows(&server, "sr_hub.again"), rows);
}

#[test]
fn a_table_cannot_be_changed_until_its_restore_ends() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let server = backed_up(&place);
    let backed_up = member::rows(&server, "sr_hub.sr_member");
    server.run("CREATE TABLE sr_hub.other (id INT)");
    server.run("INSERT INTO sr_hub.sr_member VALUES (7, 'after the backup', 1, '2026-02-03')");
    let before = member::rows(&server, "sr_hub.sr_member");

    set(&server, "max_download_speed_kbps", "1");
    server.run(&member::restore_statement(&server, "r", "first", ""));
    for statement in [
        "INSERT INTO sr_hub.sr_member VALUES (8, 'lost', 1, '2026-02-03')",
        "DELETE FROM sr_hub.sr_member WHERE id = 7",
        "TRUNCATE TABLE sr_hub.sr_member",
        "ALTER TABLE sr_hub.sr_member ADD COLUMN more INT",
        "DROP TABLE sr_hub.sr_member",
    ] {
        let error = server.refused(statement);
        assert!(error.to_lowercase().contains("restore"), "{statement}: {error}");
    }
    // Whoever reads, and whoever writes elsewhere, is not disturbed.
    assert_eq!(member::rows(&server, "sr_hub.sr_member"), before);
    server.run("INSERT INTO sr_hub.other VALUES (1)");
    server.reaches(SHOW_RESTORE, "DOWNLOADING");
    server.run("CANCEL RESTORE FROM sr_hub");
    let (shown, _) = server.ended(SHOW_RESTORE);
    assert_eq!(shown.get("State"), "CANCELLED");
    let status = "[COMMON_ERROR, msg: user cancelled, current state: DOWNLOADING]";
    assert_eq!(shown.get("Status"), status);
    assert_eq!(member::rows(&server, "sr_hub.sr_member"), before);
    server.run("INSERT INTO sr_hub.sr_member VALUES (8, 'not lost', 1, '2026-02-03')");

    set(&server, "max_download_speed_kbps", "0");
    server.run(&member::restore_statement(&server, "r", "first", ""));
    server.finished(SHOW_RESTORE);
    assert_eq!(member::rows(&server, "sr_hub.sr_member"), backed_up);
    server.run("INSERT INTO sr_hub.sr_member VALUES (8, 'new', 1, '2026-02-03')");
}

#[test]
fn a_table_of_another_schema_is_not_overwritten() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let server = backed_up(&place);
    let rows = member::rows(&server, "sr_hub.sr_member");
    server.run("ALTER TABLE sr_hub.sr_member ADD COLUMN more INT");
    let before = member::rows(&server, "sr_hub.sr_member");
    server.run(&member::restore_statement(&server, "r", "first", ""));
    let (shown, _) = server.ended(SHOW_RESTORE);
    assert_eq!(shown.get("State"), "CANCELLED");
    let status = shown.get("Status");
    assert!(status.contains("sr_member already exist but with different schema"), "{status}");
    assert!(status.contains("`more` INT"), "{status}");
    assert_eq!(member::rows(&server, "sr_hub.sr_member"), before);

    // The ways out that the guide names: another name, or no such table.
    server.run(&member::restore_statement(&server, "r", "first", "AS sr_member_new"));
    let shown = server.finished(SHOW_RESTORE);
    assert_eq!(shown.get("RestoreObjs"), "sr_member AS sr_member_new");
    assert_eq!(member::rows(&server, "sr_hub.sr_member_new"), rows);
    server.run("DROP TABLE sr_hub.sr_member");
    server.run(&member::restore_statement(&server, "r", "first", ""));
    server.finished(SHOW_RESTORE);
    assert_eq!(member::rows(&server, "sr_hub.sr_member"), rows);
}

#[test]
fn partitions_are_restored_alone() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let server = backed_up(&place);
    let rows = member::rows(&server, "sr_hub.sr_member");
    server.run("TRUNCATE TABLE sr_hub.sr_member");
    server.run("INSERT INTO sr_hub.sr_member VALUES (1, 'new', 1, '2026-02-03')");
    server.run(&member::restore_statement(&server, "r", "first", "PARTITION (p2)"));
    let shown = server.finished(SHOW_RESTORE);
    assert_eq!(shown.get("RestoreObjs"), "sr_member PARTITIONS [p2]");
    let of_p2 = rows.lines().filter(|row| !row.starts_with(['8', '9']));
    let expected: Vec<&str> = ["1\tnew\t1\t2026-02-03"].into_iter().chain(of_p2).collect();
    assert_eq!(member::rows(&server, "sr_hub.sr_member").lines().collect::<Vec<_>>(), expected);
}

#[test]
fn materialized_views_come_back_with_their_tables() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let server = backed_up(&place);
    let sums = "SELECT city, COUNT(*) AS members FROM sr_hub.sr_member GROUP BY city";
    server.run(&format!(
        "CREATE MATERIALIZED VIEW sr_hub.by_city REFRESH MANUAL AS {sums}; \
         REFRESH MATERIALIZED VIEW sr_hub.by_city WITH SYNC MODE; USE sr_hub; \
         CREATE MATERIALIZED VIEW latest AS SELECT city, MAX(joined) FROM sr_member GROUP BY city"
    ));
    let of_view = "SELECT * FROM sr_hub.by_city ORDER BY city";
    let members = server.run(of_view);
    assert_eq!(members.lines().count(), 7);
    let rows = member::rows(&server, "sr_hub.sr_member");
    server.run("BACKUP SNAPSHOT sr_hub.views TO r");
    let shown = server.finished(SHOW_BACKUP);
    // Base tables before the views that read them, whatever their names.
    assert_eq!(shown.get("BackupObjs"), "[sr_hub.sr_member], [sr_hub.by_city]");

    server.run("DROP DATABASE sr_hub FORCE");
    let timestamp = server.timestamp("r", "views");
    let restore = |what: &str| {
        let statement = format!(
            "RESTORE SNAPSHOT sr_hub.views FROM r {what} PROPERTIES ('backup_timestamp' = '{timestamp}')"
        );
        server.run(&statement);
        server.finished(SHOW_RESTORE);
    };
    let state = || {
        let shown = server.table("SHOW MATERIALIZED VIEWS FROM sr_hub LIKE 'by_city'");
        (shown.get("is_active"), shown.get("inactive_reason"))
    };
    restore("ON (MATERIALIZED VIEW by_city)");
    let (is_active, reason) = state();
    assert_eq!(is_active, "false");
    assert!(reason.contains("base table sr_hub.sr_member is missing"), "{reason}");
    let error = server.refused("ALTER MATERIALIZED VIEW sr_hub.by_city ACTIVE");
    assert!(error.contains("sr_member"), "{error}");

    restore("ON (TABLE sr_member)");
    assert_eq!(state().0, "true");
    assert_eq!(server.run(of_view), members);
    assert_eq!(member::rows(&server, "sr_hub.sr_member"), rows);
    let kept = server.table("SHOW MATERIALIZED VIEWS FROM sr_hub").column("name");
    assert_eq!(kept, ["by_city", "latest"], "the synchronous one is an index of its table");
    server.run(
        "ALTER MATERIALIZED VIEW sr_hub.by_city INACTIVE; ALTER MATERIALIZED VIEW sr_hub.by_city ACTIVE",
    );
    assert_eq!(state().0, "true");
}
