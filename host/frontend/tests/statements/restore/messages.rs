//! Statements that are refused before a job begins, in StarRocks' words.

use super::{Cellar, back_up, taken_at};
use crate::rig::Rig;

async fn backed_up(cellar: &Cellar) -> Rig {
    let mut rig = cellar.server().await;
    for sql in [
        "CREATE TABLE t (k INT NOT NULL) PARTITION BY RANGE (k) (PARTITION p1 VALUES LESS THAN ('10'))",
        "INSERT INTO t VALUES (1)",
        "CREATE TABLE u (k INT)",
        "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('symbol' = 'F')",
        "CREATE DATABASE empty",
        "CREATE ROLE w",
    ] {
        rig.root.done(sql).await;
    }
    back_up(&mut rig, "d", "s", "ON (t, u, FUNCTION f)").await;
    rig
}

/// What StarRocks says before what was found before anything was done.
fn analysis(message: &str) -> String {
    format!("Getting analyzing error. Detail message: {message}.")
}

#[tokio::test]
async fn restores_are_refused_in_the_words_of_starrocks() {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    let at = taken_at(&mut rig, "s").await;
    let wrong = "2020-01-01-00-00-00-000";
    for (rest, message) in [
        (
            "s FROM none PROPERTIES ('backup_timestamp' = '$at')",
            "Repository none does not exist".to_owned(),
        ),
        ("s FROM repo ON (t)", analysis("Missing backup_timestamp property")),
        (
            "s FROM repo PROPERTIES ('replication_num' = '1')",
            analysis("Missing backup_timestamp property"),
        ),
        (
            "s FROM repo PROPERTIES ('backup_timestamp' = '2020-01-01-00-00-00-000')",
            format!(
                "Failed to get info of snapshot 's' because: it was taken at {at}, not at {wrong}. Maybe specified wrong backup timestamp"
            ),
        ),
        (
            "s FROM repo PROPERTIES ('backup_timestamp' = '$at', 'timeout' = '10')",
            analysis("timeout must be at least 10 min"),
        ),
        (
            "s FROM repo PROPERTIES ('backup_timestamp' = '$at', 'timeout' = 'x')",
            analysis("Invalid timeout format: x"),
        ),
        (
            "s FROM repo PROPERTIES ('backup_timestamp' = '$at', 'allow_load' = '1')",
            analysis("Invalid allow load value: 1"),
        ),
        (
            "s FROM repo PROPERTIES ('backup_timestamp' = '$at', 'meta_version' = 'x')",
            analysis("Invalid meta version format: x"),
        ),
        (
            "s FROM repo PROPERTIES ('backup_timestamp' = '$at', 'starrocks_meta_version' = 'x')",
            analysis("Invalid meta version format: x"),
        ),
        (
            "s FROM repo PROPERTIES ('backup_timestamp' = '$at', 'a' = '1', 'b' = '2')",
            analysis("Unknown restore job properties: [a, b]"),
        ),
        (
            "s FROM repo DATABASE x PROPERTIES ('backup_timestamp' = '$at')",
            "target database: x is not existed in snapshot".to_owned(),
        ),
        (
            "s FROM repo ON (x) PROPERTIES ('backup_timestamp' = '$at')",
            "Table x does not exist in snapshot s".to_owned(),
        ),
        (
            "s FROM repo ON (t PARTITION (p1, p9)) PROPERTIES ('backup_timestamp' = '$at')",
            "Partition p9 of table t does not exist in snapshot s".to_owned(),
        ),
        (
            "s FROM repo ON (t TEMPORARY PARTITION (p1)) PROPERTIES ('backup_timestamp' = '$at')",
            "Do not support restoring temporary partitions".to_owned(),
        ),
        (
            "s FROM repo ON (FUNCTION x) PROPERTIES ('backup_timestamp' = '$at')",
            "Can not find restore function: x".to_owned(),
        ),
        (
            "s FROM repo ON (t, u, t) PROPERTIES ('backup_timestamp' = '$at')",
            analysis("Duplicated table: t"),
        ),
        (
            "s FROM repo ON (t AS u, u) PROPERTIES ('backup_timestamp' = '$at')",
            analysis("Duplicated alias name: u"),
        ),
        (
            "s FROM repo ON (t AS x, u AS x) PROPERTIES ('backup_timestamp' = '$at')",
            analysis("Duplicated alias name: x"),
        ),
        (
            "s FROM repo ON (ROLE w) PROPERTIES ('backup_timestamp' = '$at')",
            "The role w does not exist in snapshot s".to_owned(),
        ),
    ] {
        let sql = format!("RESTORE SNAPSHOT {}", rest.replace("$at", &at));
        assert_eq!(rig.root.refusal(&sql).await.message, message, "{sql}");
    }
    let sql = format!("RESTORE SNAPSHOT x FROM repo PROPERTIES ('backup_timestamp' = '{at}')");
    let message = rig.root.refusal(&sql).await.message;
    assert!(message.starts_with("Failed to get info of snapshot 'x' because: "), "{message}");
    assert!(message.ends_with(". Maybe specified wrong backup timestamp"), "{message}");
}

#[tokio::test]
async fn backups_are_refused_in_the_words_of_starrocks() {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    for (rest, message) in [
        ("SNAPSHOT x.l TO repo", "Unknown database 'x'".to_owned()),
        ("SNAPSHOT l TO none", analysis("Repository [none] does not exist")),
        ("SNAPSHOT empty.l TO repo", "Database: empty is empty".to_owned()),
        ("SNAPSHOT s TO repo", "Snapshot with name 's' already exist in repository".to_owned()),
        (
            "SNAPSHOT l TO repo ON (x)",
            "Incorrect table name 'd.x': there is no such table or view".to_owned(),
        ),
        (
            "SNAPSHOT l TO repo ON (t AS x)",
            analysis("Can not set alias for table in Backup Stmt: t"),
        ),
        ("SNAPSHOT l TO repo ON (t, t)", analysis("Duplicated table: t")),
        (
            "SNAPSHOT l TO repo ON (t PARTITION (p9))",
            analysis("partition[p9] does not exist  in tablet"),
        ),
        (
            "SNAPSHOT l TO repo ON (t TEMPORARY PARTITION (p1))",
            "Do not support backing up temp partitions".to_owned(),
        ),
        (
            "SNAPSHOT l TO repo ON (FUNCTION x)",
            "Invalid backup function(s), function name: x".to_owned(),
        ),
        ("SNAPSHOT l TO repo ON (USER x)", analysis("cannot find user x@%")),
        ("SNAPSHOT l TO repo ON (ROLE x)", analysis("cannot find role x")),
        ("SNAPSHOT l TO repo ON (RESOURCE GROUP x)", analysis("cannot find resource group x")),
        (
            "SNAPSHOT l TO repo PROPERTIES ('type' = 'half')",
            analysis("Invalid backup job type: half"),
        ),
        (
            "SNAPSHOT l TO repo PROPERTIES ('timeout' = '599')",
            analysis("timeout must be at least 10 min"),
        ),
        (
            "SNAPSHOT l TO repo PROPERTIES ('colour' = 'red')",
            analysis("Unknown backup job properties: [colour]"),
        ),
    ] {
        let sql = format!("BACKUP {rest}");
        assert_eq!(rig.root.refusal(&sql).await.message, message, "{sql}");
    }
    for (sql, message) in [
        (
            "CANCEL BACKUP",
            "Failed to cancel job: Job with label s can not be cancelled. state: FINISHED",
        ),
        ("CANCEL RESTORE", "No restore is currently running"),
    ] {
        assert_eq!(rig.root.refusal(sql).await.message, message);
    }
}

#[tokio::test]
async fn a_read_only_repository_takes_no_backup() {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    rig.root.done("DROP REPOSITORY repo").await;
    let place = cellar.location();
    let sql = format!("CREATE READ ONLY REPOSITORY repo WITH BROKER ON LOCATION '{place}'");
    rig.root.done(&sql).await;
    let message = rig.root.refusal("BACKUP SNAPSHOT l TO repo").await.message;
    assert_eq!(message, "Repository repo is read only");
    super::restore(&mut rig, "d", "s", "ON (t AS again)").await.unwrap();
}
