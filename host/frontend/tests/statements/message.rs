//! What repositories, backups and restores refuse: numbers, states and texts of StarRocks, in its order.

use crate::rig::{Client, Rig};

/// A server with a repository `r` that holds a snapshot `s` of `d`: a table with two partitions, a view, a materialized
/// view and a function. Also the time of the snapshot.
async fn with_snapshot() -> (Rig, String) {
    let mut rig = Rig::new().await;
    for sql in [
        "CREATE TABLE t (k INT, v INT) PARTITION BY RANGE (k) (PARTITION p1 VALUES LESS THAN (10), PARTITION p2 VALUES LESS THAN (20))",
        "INSERT INTO t VALUES (1, 1), (11, 2)",
        "CREATE VIEW w AS SELECT k FROM t",
        "CREATE DATABASE empty",
    ] {
        rig.root.done(sql).await;
    }
    let sql = create(&rig, "r");
    rig.root.done(&sql).await;
    rig.root.done("BACKUP SNAPSHOT d.s TO r").await;
    rig.frontend.jobs().idle().await;
    let listed = rig.root.rows("SHOW SNAPSHOT ON r").await;
    let time = listed[0].split('|').nth(1).unwrap().to_owned();
    (rig, time)
}

fn create(rig: &Rig, name: &str) -> String {
    let location = rig.files().display().to_string();
    format!(r#"CREATE REPOSITORY {name} WITH BROKER ON LOCATION "file://{location}""#)
}

/// The whole text of a refusal, and its number with its state.
#[track_caller]
fn told(sql: &str, error: cairn_frontend::mysql::SqlError, code: u16, state: &str, text: &str) {
    assert_eq!((error.code, error.sqlstate), (code, state), "{sql}: {error}");
    let analysis = "Getting analyzing error. Detail message: ";
    let message = match error.message.strip_prefix(analysis) {
        Some(message) => message.strip_suffix('.').unwrap(),
        None => &error.message,
    };
    let fits = match text.strip_suffix("[..]") {
        Some(begin) => message.starts_with(begin),
        None => message == text,
    };
    assert!(fits, "{sql}: {message}");
}

async fn refused(client: &mut Client, sql: &str, text: &str) {
    told(sql, client.refusal(sql).await, 1064, "HY000", text);
}

#[tokio::test]
async fn repositories() {
    let (mut rig, _) = with_snapshot().await;
    let root = &mut rig.root;
    for (sql, text) in [
        (
            r#"CREATE REPOSITORY x WITH BROKER ON LOCATION """#,
            "You must specify a location on the repository",
        ),
        (
            r#"CREATE REPOSITORY `2x` WITH BROKER ON LOCATION "/x""#,
            "Incorrect Repository name '2x'[..]",
        ),
        (
            r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "/x""#,
            "Repository with same name already exist: r",
        ),
        (
            r#"CREATE REPOSITORY x WITH BROKER ON LOCATION "gopher://x/y""#,
            "Failed to create repository: [..]",
        ),
        (
            r#"CREATE READ ONLY REPOSITORY x WITH BROKER ON LOCATION "s3://b/x" PROPERTIES ("aws.s3.colour" = "red")"#,
            "Failed to create repository: [..]",
        ),
        ("DROP REPOSITORY nope", "Repository does not exist"),
        ("SHOW SNAPSHOT ON nope", "Repository nope does not exist"),
    ] {
        refused(root, sql, text).await;
    }
}

#[tokio::test]
async fn backups() {
    let (mut rig, _) = with_snapshot().await;
    let location = rig.files().display().to_string();
    let root = &mut rig.root;
    // The same place and name for a reader is a repository of its own on a second server; here the first is given up.
    for (sql, code, state, text) in [
        ("BACKUP SNAPSHOT nope.x TO r", 1049, "42000", "Unknown database 'nope'"),
        ("BACKUP SNAPSHOT d.x TO nope", 1064, "HY000", "Repository [nope] does not exist"),
        ("BACKUP SNAPSHOT empty.x TO r", 1064, "HY000", "Database: empty is empty"),
        ("BACKUP SNAPSHOT d.x TO r ON (nope)", 1103, "42000", "Incorrect table name 'd.nope'[..]"),
        ("BACKUP SNAPSHOT d.x TO r ON (t AS w)", 1064, "HY000", "table [w] existed"),
        (
            "BACKUP SNAPSHOT d.x TO r ON (t AS u)",
            1064,
            "HY000",
            "Can not set alias for table in Backup Stmt: t",
        ),
        ("BACKUP SNAPSHOT d.x TO r ON (t, t)", 1064, "HY000", "Duplicated table: t"),
        (
            "BACKUP SNAPSHOT d.x TO r ON (t PARTITION (p9))",
            1064,
            "HY000",
            "partition[p9] does not exist  in tablet",
        ),
        (
            "BACKUP SNAPSHOT d.x TO r ON (t TEMPORARY PARTITION (p1))",
            1064,
            "HY000",
            "Do not support backing up temp partitions",
        ),
        (
            "BACKUP SNAPSHOT d.x TO r ON (w PARTITION (p1))",
            1103,
            "42000",
            "Incorrect table name 'd.w'[..]",
        ),
        (
            "BACKUP SNAPSHOT d.x TO r ON (FUNCTION nope)",
            1064,
            "HY000",
            "Invalid backup function(s), function name: nope",
        ),
        (
            "BACKUP SNAPSHOT d.s TO r",
            1064,
            "HY000",
            "Snapshot with name 's' already exist in repository",
        ),
        (
            r#"BACKUP SNAPSHOT d.s TO r PROPERTIES ("type" = "incremental")"#,
            1064,
            "HY000",
            "Currently does not support incremental backup[..]",
        ),
        (
            r#"BACKUP SNAPSHOT d.x TO r PROPERTIES ("type" = "half")"#,
            1064,
            "HY000",
            "Invalid backup job type: half",
        ),
        (
            r#"BACKUP SNAPSHOT d.x TO r PROPERTIES ("timeout" = "soon")"#,
            1064,
            "HY000",
            "Invalid timeout format: soon",
        ),
        (
            r#"BACKUP SNAPSHOT d.x TO r PROPERTIES ("timeout" = "599")"#,
            1064,
            "HY000",
            "timeout must be at least 10 min",
        ),
        (
            r#"BACKUP SNAPSHOT d.x TO r PROPERTIES ("colour" = "red")"#,
            1064,
            "HY000",
            "Unknown backup job properties: [colour]",
        ),
        ("CANCEL RESTORE FROM d", 1064, "HY000", "No restore is currently running"),
        ("CANCEL BACKUP FROM empty", 1064, "HY000", "No backup job is currently running"),
        (
            "CANCEL BACKUP FROM d",
            1064,
            "HY000",
            "Failed to cancel job: Job with label s can not be cancelled. state: FINISHED",
        ),
    ] {
        told(sql, root.refusal(sql).await, code, state, text);
    }
    root.done("DROP REPOSITORY r").await;
    root.done(&format!(
        r#"CREATE READ ONLY REPOSITORY r WITH BROKER ON LOCATION "file://{location}""#
    ))
    .await;
    refused(root, "BACKUP SNAPSHOT d.x TO r", "Repository r is read only").await;
}

#[tokio::test]
async fn restores() {
    let (mut rig, time) = with_snapshot().await;
    let root = &mut rig.root;
    let at = format!(r#"PROPERTIES ("backup_timestamp" = "{time}")"#);
    for (part, text) in [
        ("d.s FROM nope", "Repository nope does not exist"),
        ("d.nope FROM r", "Failed to get info of snapshot 'nope' because: [..]"),
        ("d.s FROM r DATABASE other", "target database: other is not existed in snapshot"),
        ("d.s FROM r ON (nope)", "Table nope does not exist in snapshot s"),
        (
            "d.s FROM r ON (t PARTITION (p9))",
            "Partition p9 of table t does not exist in snapshot s",
        ),
        (
            "d.s FROM r ON (t TEMPORARY PARTITION (p1))",
            "Do not support restoring temporary partitions",
        ),
        ("d.s FROM r ON (t, t)", "Duplicated table: t"),
        ("d.s FROM r ON (t AS w, w)", "Duplicated alias name: w"),
        ("d.s FROM r ON (t AS x, w AS x)", "Duplicated alias name: x"),
        ("d.s FROM r ON (FUNCTION nope)", "Can not find restore function: nope"),
    ] {
        refused(root, &format!("RESTORE SNAPSHOT {part} {at}"), text).await;
    }
    for (properties, text) in [
        ("", "Missing backup_timestamp property"),
        (
            r#"PROPERTIES ("backup_timestamp" = "2020-01-01-00-00-00-000")"#,
            "Failed to get info of snapshot 's' because: [..]",
        ),
        (
            r#"PROPERTIES ("backup_timestamp" = "T", "allow_load" = "maybe")"#,
            "Invalid allow load value: maybe",
        ),
        (
            r#"PROPERTIES ("backup_timestamp" = "T", "meta_version" = "x")"#,
            "Invalid meta version format: x",
        ),
        (
            r#"PROPERTIES ("backup_timestamp" = "T", "timeout" = "1")"#,
            "timeout must be at least 10 min",
        ),
        (
            r#"PROPERTIES ("backup_timestamp" = "T", "colour" = "red")"#,
            "Unknown restore job properties: [colour]",
        ),
    ] {
        let sql = format!("RESTORE SNAPSHOT d.s FROM r {properties}");
        refused(root, &sql, text).await;
    }
    let wrong =
        root.refusal(r#"RESTORE SNAPSHOT d.s FROM r PROPERTIES ("backup_timestamp" = "x")"#).await;
    assert!(wrong.message.ends_with("Maybe specified wrong backup timestamp"), "{wrong}");
}

#[tokio::test]
async fn external_catalogs_are_none_of_this_server() {
    let (mut rig, _) = with_snapshot().await;
    for sql in [
        "BACKUP ALL EXTERNAL CATALOGS SNAPSHOT x TO r",
        "CANCEL BACKUP FOR EXTERNAL CATALOG",
        "BACKUP EXTERNAL CATALOG (c) SNAPSHOT x TO r",
    ] {
        let error = rig.root.refusal(sql).await;
        assert!(
            error.code == 1064 && error.message.contains("EXTERNAL CATALOG is not supported"),
            "{error}"
        );
    }
}
