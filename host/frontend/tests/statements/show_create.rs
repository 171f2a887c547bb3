//! SHOW CREATE: the statement that is shown makes the same object once more.

use cairn_frontend::mysql::Answer;
use cairn_warehouse::catalog::model::{MaterializedView, PartitionBounds, TableRow, ViewRow};

use crate::rig::{Client, Rig};

/// The statement that is shown.
async fn created(client: &mut Client, sql: &str) -> String {
    match client.run(sql).await {
        Ok(Answer::Rows(rows)) => rows.rows[0][1].clone().unwrap(),
        other => panic!("{sql}: {other:?}"),
    }
}

/// A row without what is new in every table.
fn anonymous(row: &TableRow) -> TableRow {
    let view = row.materialized_view.as_ref().map(|view| MaterializedView {
        // As typed, where the statement that is shown has every name qualified.
        text: String::new(),
        ..view.clone()
    });
    TableRow { id: 0, index: 0, materialized_view: view, ..row.clone() }
}

fn bounds(rig: &Rig, table: &str) -> Vec<(String, PartitionBounds)> {
    let catalog = rig.warehouse.catalog();
    let table = catalog.table("d", table).unwrap();
    table.partitions().map(|row| (row.name.clone(), row.bounds.clone())).collect()
}

#[tokio::test]
async fn tables_are_made_once_more() {
    let mut rig = Rig::new().await;
    for sql in [
        "CREATE TABLE t (k INT)",
        "CREATE TABLE t (
           a BOOLEAN, b TINYINT, c SMALLINT, d INT NOT NULL DEFAULT '-7', e BIGINT, f LARGEINT, g FLOAT, h DOUBLE DEFAULT '1.5',
           i DECIMAL(38, 10), j DATE, k DATETIME DEFAULT CURRENT_TIMESTAMP, l CHAR(7), m VARCHAR(1048576) DEFAULT 'it''s \\\\ \"x\"',
           n VARBINARY, o JSON COMMENT 'say \"what\"\nand why', `select` STRING, `a``b` INT
         ) DUPLICATE KEY (a, b) COMMENT 'with \"quotes\" and \\\\' DISTRIBUTED BY HASH (d, `select`) BUCKETS 5 ORDER BY (c, a)
         PROPERTIES ('compression' = 'ZSTD', 'replication_num' = '3')",
        "CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT, v INT) PRIMARY KEY (id) DISTRIBUTED BY HASH (id) BUCKETS 1",
        "CREATE TABLE t (k INT, d DATE) PARTITION BY RANGE (d) (
           PARTITION z VALUES LESS THAN ('2024-01-01'), PARTITION y VALUES [('2024-03-01'), ('2024-04-01')),
           PARTITION x VALUES LESS THAN (MAXVALUE))",
        "CREATE TABLE t (k INT, d DATE) PARTITION BY RANGE (d) (START ('2024-01-15') END ('2024-06-01') EVERY (INTERVAL 1 MONTH))
         PROPERTIES ('dynamic_partition.enable' = 'false', 'dynamic_partition.time_unit' = 'MONTH', 'dynamic_partition.end' = '2')",
        "CREATE TABLE t (k INT, n BIGINT) PARTITION BY RANGE (k, n) (
           PARTITION a VALUES LESS THAN ('5'), PARTITION b VALUES LESS THAN ('5', '10'), PARTITION c VALUES LESS THAN ('9', MAXVALUE),
           PARTITION e VALUES [('20'), ('30', '4')))",
        "CREATE TABLE t (c VARCHAR(9), n INT) PARTITION BY LIST (c) (PARTITION p VALUES IN ('a', 'b\"c'), PARTITION q VALUES IN ('d'))",
        "CREATE TABLE t (c VARCHAR(9), n INT) PARTITION BY LIST (c, n) (PARTITION p VALUES IN (('a', '1'), ('a', '2')))",
        "CREATE TABLE t (c VARCHAR(9), n INT) PARTITION BY (c, n) DISTRIBUTED BY RANDOM BUCKETS 7",
        "CREATE TABLE t (k INT, at DATETIME) PARTITION BY date_trunc('hour', at) PROPERTIES ('storage_medium' = 'SSD')",
    ] {
        rig.root.done(sql).await;
        let (before, partitions) = (rig.table("t"), bounds(&rig, "t"));
        let shown = created(&mut rig.root, "SHOW CREATE TABLE t").await;
        rig.root.done("DROP TABLE t FORCE").await;
        rig.root.done(&shown).await;
        assert_eq!(anonymous(&rig.table("t")), anonymous(&before), "{shown}");
        assert_eq!(bounds(&rig, "t"), partitions, "{shown}");
        assert_eq!(created(&mut rig.root, "SHOW CREATE TABLE d.t").await, shown);
        rig.root.done("DROP TABLE t FORCE").await;
    }
}

#[tokio::test]
async fn the_text_is_that_of_starrocks() {
    let mut rig = Rig::new().await;
    rig.root
        .done(
            "CREATE TABLE t (k INT NOT NULL, v VARCHAR(20) DEFAULT 'x') PRIMARY KEY (k) COMMENT 'c'
             PARTITION BY RANGE (k) (PARTITION p1 VALUES LESS THAN ('10'), PARTITION p2 VALUES LESS THAN ('20'))
             DISTRIBUTED BY HASH (k) BUCKETS 4",
        )
        .await;
    assert_eq!(
        created(&mut rig.root, "SHOW CREATE TABLE t").await,
        r#"CREATE TABLE `t` (
  `k` int(11) NOT NULL COMMENT "",
  `v` varchar(20) NULL DEFAULT "x" COMMENT ""
) ENGINE=OLAP
PRIMARY KEY(`k`)
COMMENT "c"
PARTITION BY RANGE(`k`)
(PARTITION `p1` VALUES LESS THAN ("10"),
PARTITION `p2` VALUES [("10"), ("20")))
DISTRIBUTED BY HASH(`k`) BUCKETS 4
PROPERTIES (
"replication_num" = "1"
);"#
    );
}

#[tokio::test]
async fn databases_and_views_are_made_once_more() {
    let mut rig = Rig::new().await;
    for sql in [
        "CREATE DATABASE e PROPERTIES ('colour' = 'red \"wine\"')",
        "CREATE TABLE t (k INT, v VARCHAR(10))",
        "CREATE VIEW v (`key`, w) COMMENT 'it''s' AS SELECT k, UPPER(v) FROM t WHERE v LIKE 'a%' OR v = 'b\"'",
    ] {
        rig.root.done(sql).await;
    }
    let shown = created(&mut rig.root, "SHOW CREATE DATABASE e").await;
    rig.root.done("DROP DATABASE e FORCE").await;
    rig.root.done(&shown).await;
    assert_eq!(created(&mut rig.root, "SHOW CREATE SCHEMA e").await, shown);
    let view = |rig: &Rig| {
        let catalog = rig.warehouse.catalog();
        let view = catalog.database("d").unwrap().view("v").unwrap();
        ViewRow { id: 0, ..ViewRow::clone(view) }
    };
    let before = view(&rig);
    let shown = created(&mut rig.root, "SHOW CREATE VIEW v").await;
    rig.root.done("DROP VIEW v").await;
    rig.root.done(&shown).await;
    assert_eq!(view(&rig), before, "{shown}");
    assert_eq!(created(&mut rig.root, "SHOW CREATE TABLE v").await, shown);
}

#[tokio::test]
async fn materialized_views_are_made_once_more() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT, day DATE, n BIGINT)").await;
    for clauses in [
        "REFRESH DEFERRED MANUAL",
        "COMMENT 'c' DISTRIBUTED BY HASH (day) BUCKETS 2 REFRESH DEFERRED ASYNC",
        "PARTITION BY date_trunc('month', day) REFRESH DEFERRED ASYNC START ('2030-01-01 10:00:00') EVERY (INTERVAL 90 MINUTE)",
        "PARTITION BY (day) REFRESH DEFERRED ASYNC START ('2030-01-01') EVERY (INTERVAL 1 WEEK) PROPERTIES ('replication_num' = '3')",
    ] {
        rig.root
            .done(&format!(
                "CREATE MATERIALIZED VIEW m {clauses} AS SELECT day, SUM(n) AS total FROM t WHERE k > 0 GROUP BY day"
            ))
            .await;
        let before = rig.table("m");
        let shown = created(&mut rig.root, "SHOW CREATE MATERIALIZED VIEW m").await;
        rig.root.done("DROP MATERIALIZED VIEW m").await;
        rig.root.done(&shown).await;
        rig.frontend.refreshed().await;
        let after = rig.table("m");
        let definition = |row: &TableRow| {
            let mut row = anonymous(row);
            let view = row.materialized_view.as_mut().unwrap();
            view.refreshed_at = None;
            view.base_tables.iter_mut().for_each(|base| base.seen.clear());
            row
        };
        assert_eq!(definition(&after), definition(&before), "{shown}");
        rig.root.done("DROP MATERIALIZED VIEW m").await;
    }
    rig.root
        .done("CREATE MATERIALIZED VIEW r AS SELECT k, SUM(n) AS total FROM t GROUP BY k")
        .await;
    let before = rig.table("t").rollups[0].clone();
    let shown = created(&mut rig.root, "SHOW CREATE MATERIALIZED VIEW r").await;
    rig.root.done("DROP MATERIALIZED VIEW r").await;
    rig.root.done(&shown).await;
    let after = rig.table("t").rollups[0].clone();
    assert_eq!(
        (after.name, after.columns, after.query),
        (before.name, before.columns, before.query)
    );
}
