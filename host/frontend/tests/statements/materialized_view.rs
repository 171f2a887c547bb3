//! CREATE, DROP, ALTER and REFRESH MATERIALIZED VIEW, and what keeps views up to date.

use cairn_warehouse::catalog::model::{Distribution, MaterializedView, Partitioning, Refresh};

use crate::rig::Rig;

async fn rig() -> Rig {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT, v VARCHAR(10), n BIGINT)").await;
    rig.root.done("INSERT INTO t VALUES (1, 'a', 10), (2, 'b', 20), (3, 'a', 30)").await;
    rig
}

fn view(rig: &Rig, name: &str) -> MaterializedView {
    rig.table(name).materialized_view.clone().unwrap()
}

#[tokio::test]
async fn a_synchronous_view_is_kept_by_each_load() {
    let mut rig = rig().await;
    rig.root
        .done("CREATE MATERIALIZED VIEW r AS SELECT v, SUM(n), COUNT(*) FROM t GROUP BY v")
        .await;
    let rollup = rig.table("t").rollups[0].clone();
    let names: Vec<_> = rollup.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((rollup.name.as_str(), names), ("r", vec!["v", "mv_sum_n", "mv_count"]));
    let rows = "SELECT v, mv_sum_n, mv_count FROM r ORDER BY v";
    assert_eq!(rig.root.rows(rows).await, ["a|40|2", "b|20|1"]);
    rig.root.done("INSERT INTO t VALUES (4, 'b', 1)").await;
    assert_eq!(rig.root.rows(rows).await, ["a|40|2", "b|21|2"]);

    assert_eq!(rig.root.code("CREATE MATERIALIZED VIEW r AS SELECT v FROM t").await, 1050);
    rig.root.done("CREATE MATERIALIZED VIEW IF NOT EXISTS r AS SELECT v FROM t").await;
    assert_eq!(rig.root.code("REFRESH MATERIALIZED VIEW r").await, 5502);
    rig.root.done("DROP MATERIALIZED VIEW r").await;
    assert!(rig.table("t").rollups.is_empty());
}

#[tokio::test]
async fn what_cannot_be_kept_at_load_says_so() {
    let mut rig = rig().await;
    rig.root.done("CREATE VIEW v AS SELECT k FROM t").await;
    for (query, code) in [
        ("SELECT AVG(n) FROM t", 1235),
        ("SELECT a.k FROM t a JOIN t b ON a.k = b.k", 1235),
        ("SELECT k FROM v", 1064),
        ("SELECT 1", 1235),
        ("SELECT table_name FROM information_schema.tables", 1235),
    ] {
        let sql = format!("CREATE MATERIALIZED VIEW r AS {query}");
        assert_eq!(rig.root.code(&sql).await, code, "{query}");
    }
    let sql = "CREATE MATERIALIZED VIEW r PROPERTIES ('x' = 'y') AS SELECT k FROM t";
    assert!(rig.root.refusal(sql).await.message.contains("x=y"));
}

#[tokio::test]
async fn an_asynchronous_view_follows_its_base_tables() {
    let mut rig = rig().await;
    rig.root
        .done("CREATE MATERIALIZED VIEW m COMMENT 'sums' REFRESH ASYNC AS SELECT v, SUM(n) AS s FROM t GROUP BY v")
        .await;
    let row = rig.table("m");
    assert_eq!((row.comment.as_str(), &row.partitioning), ("sums", &Partitioning::Single));
    assert_eq!(row.distribution, Distribution::Random { buckets: 2 });
    let kept = view(&rig, "m");
    assert_eq!(kept.refresh, Refresh::OnLoad);
    assert_eq!(kept.text, "SELECT v, SUM(n) AS s FROM t GROUP BY v");
    assert_eq!(kept.query, "SELECT v, SUM(n) AS s FROM `d`.`t` AS `t` GROUP BY v");

    let rows = "SELECT * FROM m ORDER BY v";
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows(rows).await, ["a|40", "b|20"]);
    for (change, expected) in [
        ("INSERT INTO t VALUES (4, 'c', 1)", vec!["a|40", "b|20", "c|1"]),
        ("DELETE FROM t WHERE v = 'b'", vec!["a|40", "c|1"]),
        ("TRUNCATE TABLE t", vec![]),
    ] {
        rig.root.done(change).await;
        rig.frontend.refreshed().await;
        assert_eq!(rig.root.rows(rows).await, expected, "{change}");
    }
}

#[tokio::test]
async fn a_view_of_a_view_of_a_view_follows() {
    let mut rig = rig().await;
    rig.root
        .done("CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT v, n FROM t WHERE n > 5")
        .await;
    rig.root.done("CREATE VIEW w AS SELECT v, SUM(n) AS s FROM m GROUP BY v").await;
    rig.root
        .done("CREATE MATERIALIZED VIEW top REFRESH ASYNC AS SELECT MAX(s) AS most FROM w")
        .await;
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT * FROM top").await, ["40"]);
    rig.root.done("INSERT INTO t VALUES (5, 'b', 100), (6, 'b', 1)").await;
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT * FROM top").await, ["120"]);
}

#[tokio::test]
async fn a_view_that_is_refreshed_by_hand_waits_for_it() {
    let mut rig = rig().await;
    rig.root
        .done("CREATE MATERIALIZED VIEW m DISTRIBUTED BY HASH (k) BUCKETS 3 REFRESH DEFERRED MANUAL AS SELECT k FROM t")
        .await;
    rig.frontend.refreshed().await;
    assert!(rig.root.rows("SELECT * FROM m").await.is_empty());
    rig.root.done("REFRESH MATERIALIZED VIEW m WITH SYNC MODE").await;
    assert_eq!(rig.root.rows("SELECT * FROM m ORDER BY k").await, ["1", "2", "3"]);
    rig.root.done("INSERT INTO t VALUES (4, 'c', 1)").await;
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM m").await, ["3"]);
    rig.root.done("CREATE MATERIALIZED VIEW n REFRESH MANUAL AS SELECT k FROM t").await;
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM n").await, ["4"]);
}

#[tokio::test]
async fn a_view_by_the_clock_is_refreshed_when_its_time_has_come() {
    let mut rig = rig().await;
    for (name, start) in [("past", "2020-01-01"), ("future", "2999-01-01 00:00:00")] {
        rig.root
            .done(&format!(
                "CREATE MATERIALIZED VIEW {name} REFRESH DEFERRED ASYNC START ('{start}') EVERY (INTERVAL 1 DAY)
                 AS SELECT k FROM t"
            ))
            .await;
    }
    rig.frontend.maintain().await.unwrap();
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM past").await, ["3"]);
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM future").await, ["0"]);
    assert_eq!(
        view(&rig, "future").refresh,
        Refresh::Every { seconds: 86_400, start: Some(32_472_144_000_000) }
    );
}

#[tokio::test]
async fn a_view_has_partitions_of_its_own() {
    let mut rig = rig().await;
    rig.root.done("CREATE TABLE s (at DATETIME, n INT)").await;
    rig.root
        .done(
            "INSERT INTO s VALUES ('2024-01-05 10:00:00', 1), ('2024-01-20', 2), ('2024-02-01', 3)",
        )
        .await;
    rig.root
        .done("CREATE MATERIALIZED VIEW m PARTITION BY date_trunc('month', at) REFRESH MANUAL AS SELECT at, n FROM s")
        .await;
    rig.frontend.refreshed().await;
    let catalog = rig.warehouse.catalog();
    let partitions = catalog.table("d", "m").unwrap().partitions();
    let names: Vec<_> = partitions.map(|partition| partition.name.clone()).collect();
    assert_eq!(names, ["p202401", "p202402"]);
    let sql = "CREATE MATERIALIZED VIEW x PARTITION BY n + 1 REFRESH MANUAL AS SELECT n FROM s";
    assert_eq!(rig.root.code(sql).await, 1064);
}

#[tokio::test]
async fn an_inactive_view_says_why_and_is_made_active_again() {
    let mut rig = rig().await;
    rig.root.done("CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT k, v FROM t").await;
    rig.frontend.refreshed().await;
    rig.root.done("ALTER MATERIALIZED VIEW m INACTIVE").await;
    let reason = "user use alter materialized view set status to inactive";
    assert_eq!(view(&rig, "m").inactive_reason.as_deref(), Some(reason));
    assert!(rig.root.refusal("REFRESH MATERIALIZED VIEW m").await.message.contains(reason));
    rig.root.done("INSERT INTO t VALUES (4, 'c', 1)").await;
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM m").await, ["3"]);
    rig.root.done("ALTER MATERIALIZED VIEW m ACTIVE").await;
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM m").await, ["4"]);

    rig.root.done("DROP TABLE t").await;
    assert_eq!(view(&rig, "m").inactive_reason.as_deref(), Some("base-table dropped: t"));
    let error = rig.root.refusal("ALTER MATERIALIZED VIEW m ACTIVE").await;
    assert_eq!(error.message, "Can not active materialized view [m] because base-table dropped: t");
    rig.root.done("CREATE TABLE t (k INT)").await;
    let error = rig.root.refusal("ALTER MATERIALIZED VIEW m ACTIVE").await;
    assert!(error.message.contains("analyze materialized view failed: Unknown column"), "{error}");
    rig.root.done("ALTER TABLE t ADD COLUMN v BIGINT").await;
    let error = rig.root.refusal("ALTER MATERIALIZED VIEW m ACTIVE").await;
    assert!(error.message.contains("column schema not compatible"), "{error}");
    assert!(error.message.contains("v VARCHAR"), "{error}");
    rig.root.done("DROP TABLE t").await;
    rig.root.done("CREATE TABLE t (k INT, v VARCHAR(10))").await;
    rig.root.done("ALTER MATERIALIZED VIEW m ACTIVE").await;
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM m").await, ["0"]);
}

#[tokio::test]
async fn a_view_is_renamed_and_dropped_as_a_view() {
    let mut rig = rig().await;
    rig.root.done("CREATE MATERIALIZED VIEW m REFRESH MANUAL AS SELECT k FROM t").await;
    rig.frontend.refreshed().await;
    rig.root.done("ALTER MATERIALIZED VIEW m RENAME n").await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM n").await, ["3"]);
    assert_eq!(rig.root.code("ALTER MATERIALIZED VIEW m RENAME x").await, 5502);
    assert_eq!(rig.root.code("ALTER MATERIALIZED VIEW n RENAME t").await, 1050);
    assert_eq!(rig.root.code("DROP TABLE n").await, 1064);
    assert_eq!(rig.root.code("DROP MATERIALIZED VIEW t").await, 1064);
    assert_eq!(rig.root.code("INSERT INTO n VALUES (1)").await, 1064);
    rig.root.done("DROP MATERIALIZED VIEW n").await;
    assert_eq!(rig.root.code("DROP MATERIALIZED VIEW n").await, 5502);
    rig.root.done("DROP MATERIALIZED VIEW IF EXISTS n").await;
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_rows_as_they_were() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT, c DECIMAL(38, 0))").await;
    rig.root.done("INSERT INTO t VALUES (1, 2)").await;
    rig.root.done("CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT k, c * c AS s FROM t").await;
    rig.frontend.refreshed().await;
    let too_large = format!("INSERT INTO t VALUES (2, 1{})", "0".repeat(30));
    rig.root.done(&too_large).await;
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT * FROM m").await, ["1|4"]);
    assert_eq!(rig.root.code("REFRESH MATERIALIZED VIEW m").await, 1064);
    rig.root.done("DELETE FROM t WHERE k = 2").await;
    rig.root.done("INSERT INTO t VALUES (3, 3)").await;
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT * FROM m ORDER BY k").await, ["1|4", "3|9"]);
}

#[tokio::test]
async fn a_change_that_nobody_followed_is_caught_up_with() {
    let mut rig = rig().await;
    rig.root.done("CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT k FROM t").await;
    rig.frontend.refreshed().await;
    // As if the server had ended behind it.
    rig.warehouse.truncate_table("d", "t", &[]).await.unwrap();
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM m").await, ["3"]);
    rig.frontend.maintain().await.unwrap();
    rig.frontend.refreshed().await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM m").await, ["0"]);
}
