//! What a restore makes of a table that is there, in part there, or not there.

use super::{Cellar, back_up, restore, restore_with};
use crate::rig::Rig;

const TABLE: &str = "CREATE TABLE t (k INT NOT NULL, v VARCHAR(10), n BIGINT DEFAULT '7') DUPLICATE KEY (k) \
     PARTITION BY RANGE (k) (PARTITION p1 VALUES LESS THAN ('10'), PARTITION p2 VALUES LESS THAN ('20')) \
     DISTRIBUTED BY HASH (k) BUCKETS 2";

const ROWS: &str = "SELECT * FROM d.t ORDER BY k";

/// A server whose snapshot `s` holds `d` with the table `t`.
async fn backed_up(cellar: &Cellar) -> Rig {
    let mut rig = cellar.server().await;
    rig.root.done(TABLE).await;
    rig.root.done("INSERT INTO t VALUES (1, 'a', 10), (2, 'b', 20), (11, 'c', 30)").await;
    back_up(&mut rig, "d", "s", "").await;
    rig
}

#[tokio::test]
async fn what_is_missing_is_made_with_its_database() {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    let (rows, shown) = (rig.root.rows(ROWS).await, rig.root.rows("SHOW CREATE TABLE d.t").await);
    rig.root.done("DROP DATABASE d FORCE").await;
    restore(&mut rig, "d", "s", "").await.unwrap();
    assert_eq!(rig.root.rows(ROWS).await, rows);
    assert_eq!(rig.root.rows("SHOW CREATE TABLE d.t").await, shown);
    // Also at a server that has never seen it, under other names.
    let mut other = cellar.server().await;
    restore(&mut other, "e", "s", "DATABASE d AS e ON (t AS u)").await.unwrap();
    assert_eq!(other.root.rows("SELECT * FROM e.u ORDER BY k").await, rows);
}

#[tokio::test]
async fn a_table_of_another_schema_is_refused_with_the_difference() {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    let schema = "Table t already exist but with different schema";
    let column = |existed: &str, snapshot: &str| {
        format!(
            "{schema}, column: {existed} in existed table is different from the column in backup snapshot, column: {snapshot}"
        )
    };
    let of = |from: &str, to: &str| TABLE.replace(from, to);
    for (definition, message) in [
        (
            of("DUPLICATE", "PRIMARY"),
            "Table t already exist but with different key type".to_owned(),
        ),
        (
            of("VARCHAR(10)", "VARCHAR(20)"),
            column("`v` VARCHAR(20) NULL", "`v` VARCHAR(10) NULL"),
        ),
        (
            of("v VARCHAR(10)", "v VARCHAR(10) NOT NULL"),
            column("`v` VARCHAR(10) NOT NULL", "`v` VARCHAR(10) NULL"),
        ),
        (
            of("DEFAULT '7'", "DEFAULT '8'"),
            column("`n` BIGINT NULL DEFAULT \"8\"", "`n` BIGINT NULL DEFAULT \"7\""),
        ),
        (of(", n BIGINT DEFAULT '7'", ""), column("none", "`n` BIGINT NULL DEFAULT \"7\"")),
        (
            of("'7')", "'7', x INT)"),
            column("`x` INT NULL", "none"),
        ),
        (
            "CREATE TABLE t (k INT NOT NULL, v VARCHAR(10), n BIGINT DEFAULT '7') DISTRIBUTED BY HASH (k) BUCKETS 2".to_owned(),
            "Table t's partition type is different".to_owned(),
        ),
        (
            of("HASH (k)", "HASH (k, v)"),
            format!("{schema}, errMsg: partition distribution col hash is inconsistent"),
        ),
        (
            of("BY HASH (k) BUCKETS 2", "BY RANDOM BUCKETS 2"),
            format!("{schema}, errMsg: partition distribution type is inconsistent"),
        ),
        (
            of("BUCKETS 2", "BUCKETS 3"),
            format!("{schema}, errMsg: bucket num of partition p1 is inconsistent"),
        ),
        (
            of("'10'", "'9'"),
            "Partition p1 in table t has different range with partition in repository".to_owned(),
        ),
        (
            of("PARTITION p1", "PARTITION q"),
            "Partition p1 in table t has conflict range with existing ranges".to_owned(),
        ),
        ("CREATE VIEW t AS SELECT 1 AS k".to_owned(), "Table: t has existed and it is a View".to_owned()),
    ] {
        let gone = if rig.root.run("DROP TABLE d.t").await.is_ok() { "" } else { "DROP VIEW d.t" };
        if !gone.is_empty() {
            rig.root.done(gone).await;
        }
        rig.root.done(&definition).await;
        let refused = restore(&mut rig, "d", "s", "").await.unwrap_err();
        assert_eq!(refused, format!("[COMMON_ERROR, msg: {message}]"), "{definition}");
        assert!(rig.root.rows("SELECT * FROM d.t").await.len() <= 1, "it is as it was");
    }
}

#[tokio::test]
async fn partitions_are_exchanged_added_and_left_alone() {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    rig.root.done("ALTER TABLE t ADD PARTITION p3 VALUES LESS THAN ('30')").await;
    rig.root.done("INSERT INTO t VALUES (3, 'new', 1), (12, 'new', 1), (21, 'new', 1)").await;
    restore(&mut rig, "d", "s", "ON (t PARTITION (p1))").await.unwrap();
    let rows = ["1|a|10", "2|b|20", "11|c|30", "12|new|1", "21|new|1"];
    assert_eq!(rig.root.rows(ROWS).await, rows);
    rig.root.done("ALTER TABLE t DROP PARTITION p2").await;
    restore(&mut rig, "d", "s", "ON (t PARTITIONS (p2))").await.unwrap();
    assert_eq!(rig.root.rows(ROWS).await, ["1|a|10", "2|b|20", "11|c|30", "21|new|1"]);
    // A table of some partitions.
    restore(&mut rig, "d", "s", "ON (t PARTITION p2 AS some)").await.unwrap();
    assert_eq!(rig.root.rows("SELECT * FROM some").await, ["11|c|30"]);
    let partitions = rig.root.rows("SHOW PARTITIONS FROM some").await;
    assert_eq!(partitions.len(), 1);
}

#[tokio::test]
async fn partitions_by_lists_come_back_too() {
    let cellar = Cellar::new();
    let mut rig = cellar.server().await;
    let sql = "CREATE TABLE l (c VARCHAR(5) NOT NULL, k INT) PARTITION BY LIST (c) \
               (PARTITION pa VALUES IN ('a'), PARTITION pb VALUES IN ('b'))";
    rig.root.done(sql).await;
    rig.root.done("INSERT INTO l VALUES ('a', 1), ('b', 2)").await;
    back_up(&mut rig, "d", "s", "").await;
    rig.root.done("ALTER TABLE l DROP PARTITION pb").await;
    rig.root.done("INSERT INTO l VALUES ('a', 3)").await;
    restore(&mut rig, "d", "s", "").await.unwrap();
    assert_eq!(rig.root.rows("SELECT * FROM l ORDER BY k").await, ["a|1", "b|2"]);
}

#[tokio::test]
async fn replication_is_what_was_asked_for() {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    let three = "'replication_num' = '3'";
    let refused = restore_with(&mut rig, "d", "s", "", three).await.unwrap_err();
    let message = "Partition p1 in table t has different replication num '1' with partition in repository, which is 3";
    assert_eq!(refused, format!("[COMMON_ERROR, msg: {message}]"));
    restore_with(&mut rig, "d", "s", "ON (t AS three)", three).await.unwrap();
    let shown = rig.root.rows("SHOW CREATE TABLE three").await;
    assert!(shown[0].contains("\"replication_num\" = \"3\""), "{shown:?}");
    let partitions = rig.root.rows("SHOW PARTITIONS FROM three").await;
    assert!(partitions.iter().all(|row| row.split('|').nth(10) == Some("3")), "{partitions:?}");
}

#[tokio::test]
async fn dynamic_partitions_stay_on_unless_they_would_drop_what_came_back() {
    let cellar = Cellar::new();
    let mut rig = cellar.server().await;
    let sql = "CREATE TABLE y (day DATE NOT NULL, n INT) PARTITION BY RANGE (day) \
               (PARTITION old VALUES [('2020-01-01'), ('2020-01-02'))) \
               PROPERTIES ('dynamic_partition.enable' = 'false', 'dynamic_partition.time_unit' = 'DAY', \
               'dynamic_partition.start' = '-3', 'dynamic_partition.end' = '1', 'dynamic_partition.prefix' = 'p')";
    rig.root.done(sql).await;
    rig.root.done("INSERT INTO y VALUES ('2020-01-01', 1)").await;
    back_up(&mut rig, "d", "old", "").await;
    rig.root.done("ALTER TABLE y SET ('dynamic_partition.enable' = 'true')").await;
    assert!(rig.root.rows("SELECT * FROM y").await.is_empty(), "the rule has dropped it");
    let is_on = |rig: &Rig| rig.table("y").properties["dynamic_partition.enable"].clone();
    back_up(&mut rig, "d", "new", "").await;
    restore(&mut rig, "d", "new", "").await.unwrap();
    assert_eq!(is_on(&rig), "true");
    restore(&mut rig, "d", "old", "ON (y)").await.unwrap();
    assert_eq!(is_on(&rig), "false");
    rig.frontend.maintain().await.unwrap();
    assert_eq!(rig.root.rows("SELECT * FROM y").await, ["2020-01-01|1"]);
}

#[tokio::test]
async fn numbers_go_on_behind_the_largest() {
    let cellar = Cellar::new();
    let mut rig = cellar.server().await;
    rig.root.done("CREATE TABLE a (id BIGINT NOT NULL AUTO_INCREMENT, v INT)").await;
    rig.root.done("INSERT INTO a (v) VALUES (1), (2), (3)").await;
    back_up(&mut rig, "d", "s", "").await;
    rig.root.done("INSERT INTO a (v) VALUES (4), (5)").await;
    restore(&mut rig, "d", "s", "").await.unwrap();
    restore(&mut rig, "d", "s", "ON (a AS b)").await.unwrap();
    // A number that was given away is not given to another row.
    for (table, number) in [("a", "6"), ("b", "4")] {
        rig.root.done(&format!("INSERT INTO {table} (v) VALUES (9)")).await;
        let sql = format!("SELECT id FROM {table} WHERE v = 9");
        assert_eq!(rig.root.rows(&sql).await, [number], "{table}");
    }
}

#[tokio::test]
async fn a_table_stays_in_its_colocation_group_where_it_fits() {
    let cellar = Cellar::new();
    let mut rig = cellar.server().await;
    let table = |name: &str, buckets: u32| {
        format!(
            "CREATE TABLE {name} (k INT) DISTRIBUTED BY HASH (k) BUCKETS {buckets} PROPERTIES ('colocate_with' = 'g')"
        )
    };
    rig.root.done(&table("a", 4)).await;
    back_up(&mut rig, "d", "s", "").await;
    let group = |rig: &Rig, name: &str| rig.table(name).properties.get("colocate_with").cloned();
    restore(&mut rig, "d", "s", "ON (a AS b)").await.unwrap();
    assert_eq!(group(&rig, "b").as_deref(), Some("g"));
    for name in ["a", "b"] {
        rig.root.done(&format!("DROP TABLE {name}")).await;
    }
    rig.root.done(&table("other", 8)).await;
    restore(&mut rig, "d", "s", "").await.unwrap();
    assert_eq!(group(&rig, "a"), None);
    assert_eq!(group(&rig, "other").as_deref(), Some("g"));
}

#[tokio::test]
async fn rows_are_found_whatever_the_file_calls_their_columns() {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    let rows = rig.root.rows(ROWS).await;
    rig.root.done("ALTER TABLE t ADD PARTITION p3 VALUES LESS THAN ('30')").await;
    // Of the same name and type, but another column.
    rig.root.done("ALTER TABLE t DROP COLUMN n").await;
    rig.root.done("ALTER TABLE t ADD COLUMN n BIGINT DEFAULT '7'").await;
    rig.root.done("INSERT INTO t VALUES (21, 'z', 99)").await;
    let refused = restore(&mut rig, "d", "s", "").await.unwrap_err();
    let message = "Table t has dropped or added columns since the snapshot, such as n, and its partition p3 would stay";
    assert!(refused.contains(message), "{refused}");
    rig.root.done("ALTER TABLE t DROP PARTITION p3").await;
    restore(&mut rig, "d", "s", "").await.unwrap();
    assert_eq!(rig.root.rows(ROWS).await, rows);
    rig.root.done("INSERT INTO t VALUES (3, 'd', 40)").await;
    assert_eq!(rig.root.rows("SELECT SUM(n) FROM t").await, ["100"]);
}

#[tokio::test]
async fn views_and_functions_come_back_under_any_name() {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    for sql in [
        "CREATE VIEW w AS SELECT k FROM t WHERE k > 10",
        "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('symbol' = 'F', 'file' = 'http://h/f.jar')",
    ] {
        rig.root.done(sql).await;
    }
    back_up(&mut rig, "d", "whole", "").await;
    // Over another view of its name, without a look at it.
    rig.root.done("CREATE OR REPLACE VIEW w AS SELECT 'x' AS k").await;
    restore(&mut rig, "d", "whole", "ON (VIEW w, FUNCTION f AS g)").await.unwrap();
    assert_eq!(rig.root.rows("SELECT * FROM w").await, ["11"]);
    let functions = rig.root.rows("SHOW FUNCTIONS FROM d").await;
    assert_eq!(functions.len(), 2, "{functions:?}");
    // With its table under new names.
    restore(&mut rig, "e", "whole", "DATABASE d AS e ON (t AS t2, w AS w2)").await.unwrap();
    rig.root.done("INSERT INTO e.t2 VALUES (12, 'x', 1)").await;
    assert_eq!(rig.root.rows("SELECT * FROM e.w2 ORDER BY k").await, ["11", "12"]);
    rig.root.done("DROP VIEW w").await;
    rig.root.done("CREATE TABLE w (k INT)").await;
    let refused = restore(&mut rig, "d", "whole", "ON (w)").await.unwrap_err();
    assert_eq!(refused, "[COMMON_ERROR, msg: Table: w has existed and it is not a View]");
}
