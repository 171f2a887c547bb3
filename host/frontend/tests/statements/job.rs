//! Backups and restores: what their journal says after a crash at the last instant, and what a restore may bring to whom.

use cairn_warehouse::catalog::model::GrantScope;
use serde_json::{Value, json};

use crate::rig::Rig;

/// A server with the table `t` of one row and the repository `r`.
async fn rig() -> Rig {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT)").await;
    rig.root.done("INSERT INTO t VALUES (1)").await;
    rig.repository("r").await;
    rig
}

async fn back_up(rig: &mut Rig, label: &str, objects: &str) {
    rig.root.done(&format!("BACKUP SNAPSHOT d.{label} TO r {objects}")).await;
    rig.frontend.jobs().idle().await;
}

/// State, start of the message, and label of the jobs of `d`, the newest first.
async fn jobs(rig: &mut Rig, kind: &str) -> Vec<(String, String)> {
    let rows = rig.root.rows(&format!("SHOW {kind} FROM d")).await;
    let is_state = |cell: &&str| {
        ["PENDING", "SNAPSHOTING", "UPLOADING", "SAVE_META", "COMMITTING", "FINISHED", "CANCELLED"]
            .contains(cell)
    };
    let row = |row: String| {
        let cells: Vec<&str> = row.split('|').collect();
        let state = cells.iter().find(|cell| is_state(cell)).unwrap();
        ((*state).to_owned(), cells[cells.len() - 2].to_owned())
    };
    rows.into_iter().map(row).collect()
}

/// The time of a snapshot.
async fn taken(rig: &mut Rig, label: &str) -> String {
    let rows = rig.root.rows(&format!("SHOW SNAPSHOT ON r WHERE SNAPSHOT = '{label}'")).await;
    rows[0].split('|').nth(1).unwrap().to_owned()
}

async fn restore(rig: &mut Rig, label: &str, objects: &str) {
    let taken = taken(rig, label).await;
    let sql = format!(
        "RESTORE SNAPSHOT d.{label} FROM r {objects} PROPERTIES ('backup_timestamp' = '{taken}')"
    );
    rig.root.done(&sql).await;
    rig.frontend.jobs().idle().await;
}

/// Makes the journal say of the last job what it said before that job ended.
fn before_the_end(rig: &Rig, state: &str, change: impl FnOnce(&mut Value)) -> String {
    let store = rig.warehouse.store();
    let (key, mut row) = store.documents("jobs").unwrap().pop().unwrap();
    row["state"] = json!(state);
    row["finished_at"] = Value::Null;
    change(&mut row);
    store.put_document("jobs", &key, &row).unwrap();
    key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_had_made_its_snapshot_has_finished() {
    let mut rig = rig().await;
    back_up(&mut rig, "one", "ON (t)").await;
    before_the_end(&rig, "save_meta", |_| {});
    rig.again().await;
    assert_eq!(jobs(&mut rig, "BACKUP").await, [("FINISHED".into(), "[OK]".into())]);
    // Whatever was wished when it was too late.
    before_the_end(&rig, "save_meta", |row| {
        row["is_cancelled"] = json!(true);
        row["timeout_seconds"] = json!(0);
    });
    rig.again().await;
    assert_eq!(jobs(&mut rig, "BACKUP").await, [("FINISHED".into(), "[OK]".into())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_another_job_is_not_taken_for_ones_own() {
    let mut rig = rig().await;
    back_up(&mut rig, "one", "ON (t)").await;
    // The label was free when the job was asked for, which was later.
    before_the_end(&rig, "uploading", |row| {
        row["created_at"] = json!(row["created_at"].as_i64().unwrap() + 3_600_000);
    });
    rig.again().await;
    let (state, status) = jobs(&mut rig, "BACKUP").await.remove(0);
    assert_eq!(state, "CANCELLED");
    assert!(status.contains("the label one belongs to a snapshot"), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_had_become_visible_is_not_done_again() {
    let mut rig = rig().await;
    back_up(&mut rig, "one", "ON (t)").await;
    restore(&mut rig, "one", "ON (t)").await;
    let store = rig.warehouse.store();
    assert!(
        store.documents("installed_restores").unwrap().is_empty(),
        "the end has removed the receipt"
    );
    let key = before_the_end(&rig, "committing", |_| {});
    rig.warehouse.store().put_document("installed_restores", &key, &json!(true)).unwrap();
    rig.root.done("INSERT INTO t VALUES (2)").await;
    rig.again().await;
    assert_eq!(jobs(&mut rig, "RESTORE").await, [("FINISHED".into(), "[OK]".into())]);
    assert_eq!(rig.root.rows("SELECT k FROM t ORDER BY k").await, ["1", "2"], "loaded meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_was_not_visible_is_done_again() {
    let mut rig = rig().await;
    back_up(&mut rig, "one", "ON (t)").await;
    restore(&mut rig, "one", "ON (t)").await;
    before_the_end(&rig, "downloading", |_| {});
    rig.root.done("INSERT INTO t VALUES (2)").await;
    rig.again().await;
    assert_eq!(jobs(&mut rig, "RESTORE").await, [("FINISHED".into(), "[OK]".into())]);
    assert_eq!(rig.root.rows("SELECT k FROM t").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_of_the_snapshot_that_was_asked_for() {
    let mut rig = rig().await;
    back_up(&mut rig, "one", "ON (t)").await;
    restore(&mut rig, "one", "ON (t)").await;
    // The label was taken by another snapshot meanwhile.
    before_the_end(&rig, "pending", |row| {
        row["task"]["restore"]["timestamp"] = json!("2026-01-01-00-00-00-000");
    });
    rig.again().await;
    let (state, status) = jobs(&mut rig, "RESTORE").await.remove(0);
    assert_eq!(state, "CANCELLED");
    assert!(status.contains("not at 2026-01-01-00-00-00-000"), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_remembered() {
    let mut rig = rig().await;
    // Long enough to be cancelled: a kilobyte in a second.
    rig.root.done("ADMIN SET FRONTEND CONFIG ('max_upload_speed_kbps' = '1')").await;
    let values: Vec<String> = (0..20_000).map(|k| format!("({})", k * 7919 % 104_729)).collect();
    rig.root.done(&format!("INSERT INTO t VALUES {}", values.join(","))).await;
    rig.root.done("BACKUP SNAPSHOT d.slow TO r ON (t)").await;
    rig.root.done("CANCEL BACKUP FROM d").await;
    let (_, row) = rig.warehouse.store().documents("jobs").unwrap().pop().unwrap();
    assert_eq!(row["is_cancelled"], json!(true), "it is written down before it is answered");
    rig.frontend.jobs().idle().await;
    assert_eq!(jobs(&mut rig, "BACKUP").await[0].0, "CANCELLED");
    // A crash before it had an effect.
    before_the_end(&rig, "uploading", |row| row["failure"] = Value::Null);
    rig.root.done("ADMIN SET FRONTEND CONFIG ('max_upload_speed_kbps' = '0')").await;
    rig.again().await;
    let (state, status) = jobs(&mut rig, "BACKUP").await.remove(0);
    assert_eq!(state, "CANCELLED");
    assert!(status.contains("user cancelled"), "{status}");
}

/// A user who may restore into `mine`, and read and change its views.
fn restorer(rig: &Rig, of_views: &[&'static str]) -> crate::rig::Client {
    let mine = || Some("mine".to_owned());
    let mut grants =
        vec![("REPOSITORY", GrantScope::System), ("CREATE TABLE", GrantScope::Database(mine()))];
    grants.extend(of_views.iter().map(|privilege| (*privilege, GrantScope::View(mine(), None))));
    rig.user("bk", &grants)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_brings_nothing_that_who_restores_it_may_not_read() {
    let mut rig = rig().await;
    rig.root.done("CREATE VIEW vv AS SELECT k FROM t").await;
    rig.root.done("CREATE DATABASE mine").await;
    back_up(&mut rig, "withview", "ON (VIEW vv)").await;
    let taken = taken(&mut rig, "withview").await;
    let sql = format!(
        "RESTORE SNAPSHOT mine.withview FROM r DATABASE d AS mine ON (VIEW vv) PROPERTIES ('backup_timestamp' = '{taken}')"
    );
    let mut user = restorer(&rig, &["SELECT"]);
    user.done(&sql).await;
    rig.frontend.jobs().idle().await;
    let rows = user.rows("SHOW RESTORE FROM mine").await;
    assert!(
        rows[0].contains("CANCELLED") && rows[0].contains("SELECT privilege(s) on TABLE t"),
        "{rows:?}"
    );
    assert!(user.run("SELECT * FROM mine.vv").await.is_err());
    rig.root.done("GRANT SELECT ON TABLE d.t TO bk").await;
    user.done(&sql).await;
    rig.frontend.jobs().idle().await;
    assert_eq!(user.rows("SELECT * FROM mine.vv").await, ["1"]);
    // Now it is there, and to restore over it is to change it.
    let error = user.refusal(&sql).await;
    assert_eq!(error.code, 5203, "{error}");
    rig.root.done("GRANT ALTER ON VIEW mine.vv TO bk").await;
    user.done(&sql).await;
    rig.frontend.jobs().idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_is_restored_with_its_table() {
    let mut rig = rig().await;
    rig.root.done("CREATE VIEW vv AS SELECT 'it''s \\\\' AS a, k FROM t").await;
    rig.root.done("CREATE DATABASE mine").await;
    back_up(&mut rig, "both", "").await;
    let taken = taken(&mut rig, "both").await;
    let mut user = restorer(&rig, &["SELECT"]);
    user.done(&format!(
        "RESTORE SNAPSHOT mine.both FROM r DATABASE d AS mine ON (t AS u, VIEW vv) PROPERTIES ('backup_timestamp' = '{taken}')"
    ))
    .await;
    rig.frontend.jobs().idle().await;
    assert_eq!(user.rows("SELECT a, k FROM mine.vv").await, ["it's \\|1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_many_rows_a_condition_meets_is_told_to_readers_alone() {
    let rig = rig().await;
    let of_t = || GrantScope::Table(Some("d".to_owned()), Some("t".to_owned()));
    let mut user = rig.user("cleaner", &[("DELETE", of_t())]);
    let error = user.refusal("DELETE FROM d.t WHERE k > 0").await;
    assert!(error.code == 5203 && error.message.contains("SELECT"), "{error}");
    let mut user = rig.user("reader", &[("DELETE", of_t()), ("SELECT", of_t())]);
    assert_eq!(user.done("DELETE FROM d.t WHERE k > 0").await.affected, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_that_makes_no_sense_changes_nothing() {
    let mut rig = rig().await;
    let sql = "ADMIN SET FRONTEND CONFIG ('backup_job_default_timeout_ms' = '0')";
    let error = rig.root.refusal(sql).await;
    assert!(error.message.contains("Invalid value"), "{error}");
    back_up(&mut rig, "one", "ON (t)").await;
    assert_eq!(jobs(&mut rig, "BACKUP").await, [("FINISHED".into(), "[OK]".into())]);
}
