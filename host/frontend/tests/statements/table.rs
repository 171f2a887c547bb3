//! CREATE, DROP, TRUNCATE and ALTER TABLE.

use std::sync::Arc;
use std::time::Duration;

use cairn_frontend::Session;
use cairn_frontend::mysql::SqlSession;
use cairn_warehouse::catalog::model::{Distribution, KeysKind};
use futures::FutureExt;

use crate::rig::Rig;

#[tokio::test]
async fn a_table_has_the_defaults_of_starrocks() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT, v VARCHAR(10), n DOUBLE)").await;
    let row = rig.table("t");
    assert_eq!(row.keys, KeysKind::Duplicate);
    assert_eq!(row.key_columns, ["k", "v"]);
    assert_eq!(row.distribution, Distribution::Random { buckets: 2 });
    assert_eq!(row.properties["replication_num"], "1");

    let error = rig.root.refusal("CREATE TABLE t (k INT)").await;
    assert_eq!((error.code, error.sqlstate), (1050, "42S01"));
    rig.root.done("CREATE TABLE IF NOT EXISTS t (other DATE)").await;
    assert_eq!(rig.table("t").columns.len(), 3);
    assert_eq!(rig.root.code("CREATE TABLE IF NOT EXISTS u (a INT, A INT)").await, 1060);
    assert_eq!(rig.root.code("CREATE TABLE u (a INT DEFAULT 'x')").await, 1054);
    assert_eq!(rig.root.code("CREATE TABLE nowhere.u (a INT)").await, 1049);
}

#[tokio::test]
async fn a_database_must_be_chosen_or_named() {
    let rig = Rig::new().await;
    let mut session = Session::of_operator(Arc::clone(&rig.frontend));
    for sql in ["CREATE TABLE t (k INT)", "INSERT INTO t VALUES (1)", "DROP VIEW v"] {
        let error = session.execute(sql).await.unwrap_err();
        assert_eq!((error.code, error.sqlstate), (1046, "3D000"), "{sql}");
    }
    session.execute("CREATE TABLE d.t (k INT)").await.unwrap();
}

#[tokio::test]
async fn a_copy_has_everything_but_rows() {
    let mut rig = Rig::new().await;
    rig.root
        .done(
            "CREATE TABLE t (k INT, d DATE) PARTITION BY RANGE (d) (PARTITION p VALUES LESS THAN ('2024-02-01'))
             DISTRIBUTED BY HASH (k) BUCKETS 3 PROPERTIES ('colocate_with' = 'g')",
        )
        .await;
    rig.root.done("INSERT INTO t VALUES (1, '2024-01-05')").await;
    rig.root.done("CREATE TABLE u LIKE t").await;
    assert!(rig.root.rows("SELECT * FROM u").await.is_empty());
    assert_eq!(rig.table("u").properties, rig.table("t").properties);
    assert_eq!(rig.table("u").distribution, rig.table("t").distribution);
    rig.root.done("INSERT INTO u SELECT * FROM t").await;
    assert_eq!(rig.root.code("CREATE TABLE u LIKE t").await, 1050);
    rig.root.done("CREATE TABLE IF NOT EXISTS u LIKE t").await;
    assert_eq!(rig.root.rows("SELECT k FROM u").await, ["1"]);
    assert_eq!(rig.root.code("CREATE TABLE w LIKE nope").await, 5502);
}

#[tokio::test]
async fn a_table_of_a_query_has_its_columns_and_rows() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT, v VARCHAR(10))").await;
    rig.root.done("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'a')").await;
    let done = rig.root.done("CREATE TABLE c AS SELECT v, COUNT(*) AS n FROM t GROUP BY v").await;
    assert_eq!(done.affected, 2);
    assert_eq!(rig.root.rows("SELECT * FROM c ORDER BY v").await, ["a|2", "b|1"]);
    let done = rig.root.done("CREATE TABLE IF NOT EXISTS c AS SELECT * FROM t").await;
    assert_eq!(done.affected, 0);
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM c").await, ["2"]);
    rig.root.done("CREATE TABLE p PRIMARY KEY (id) AS SELECT k AS id, v FROM t").await;
    assert_eq!(rig.table("p").keys, KeysKind::Primary);
    assert_eq!(rig.root.code("CREATE TABLE q AS SELECT nope FROM t").await, 1054);
}

#[tokio::test]
async fn a_table_of_a_query_that_fails_is_gone() {
    let mut rig = Rig::new().await;
    let error = rig.root.refusal("CREATE TABLE c (n TINYINT) AS SELECT 1000").await;
    assert!(error.message.contains("1000"), "{error}");
    assert!(rig.warehouse.catalog().table("d", "c").is_err());
    rig.root.done("CREATE TABLE c AS SELECT 1 AS n").await;
}

#[tokio::test]
async fn a_table_of_a_query_that_is_given_up_is_gone() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT)").await;
    let rows: Vec<String> = (0..1000).map(|number| format!("({number})")).collect();
    rig.root.done(&format!("INSERT INTO t VALUES {}", rows.join(", "))).await;
    let is_there = || rig.warehouse.catalog().table("d", "c").is_ok();
    let within = Duration::from_secs(60);
    {
        let endless = "CREATE TABLE c AS SELECT a.k FROM t a, t b, t c, t d";
        let mut statement = Box::pin(rig.root.run(endless));
        let begun = async {
            while !is_there() {
                assert!(statement.as_mut().now_or_never().is_none(), "it has no end");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(within, begun).await.expect("the table is made");
    }
    let gone = async {
        while is_there() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(within, gone).await.expect("the table is dropped");
}

#[tokio::test]
async fn what_is_dropped_is_gone() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT)").await;
    rig.root.done("DROP TABLE d.t FORCE").await;
    let error = rig.root.refusal("DROP TABLE t").await;
    assert_eq!((error.code, error.sqlstate), (5502, "42S02"));
    rig.root.done("DROP TABLE IF EXISTS t").await;
    assert_eq!(rig.root.code("DROP TABLE IF EXISTS nowhere.t").await, 1049);
    assert_eq!(rig.root.code("SELECT * FROM t").await, 5502);
}

#[tokio::test]
async fn rows_are_removed_from_all_partitions_or_from_some() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT) PARTITION BY (k)").await;
    rig.root.done("INSERT INTO t VALUES (1), (2), (3)").await;
    rig.root.done("TRUNCATE TABLE t PARTITION (p2)").await;
    assert_eq!(rig.root.rows("SELECT k FROM t ORDER BY k").await, ["1", "3"]);
    assert!(rig.root.refusal("TRUNCATE TABLE t PARTITION (p9)").await.message.contains("p9"));
    rig.root.done("TRUNCATE TABLE t").await;
    assert!(rig.root.rows("SELECT k FROM t").await.is_empty());
}

#[tokio::test]
async fn all_changes_of_a_statement_or_none() {
    let mut rig = Rig::new().await;
    rig.root
        .done("CREATE TABLE t (k INT, v INT) DUPLICATE KEY (k) PARTITION BY RANGE (k) (PARTITION a VALUES LESS THAN ('10'))")
        .await;
    rig.root.done("INSERT INTO t VALUES (1, 2)").await;
    rig.root
        .done("ALTER TABLE t ADD COLUMN w VARCHAR(5) DEFAULT 'old', DROP COLUMN v, ADD PARTITION b VALUES LESS THAN ('20')")
        .await;
    assert_eq!(rig.root.rows("SELECT * FROM t").await, ["1|old"]);
    rig.root.done("INSERT INTO t VALUES (11, 'new')").await;
    let both = "ALTER TABLE t DROP PARTITION b, DROP COLUMN nope";
    assert_eq!(rig.root.code(both).await, 1054);
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM t").await, ["2"]);
    rig.root.done("ALTER TABLE t DROP PARTITION IF EXISTS b").await;
    rig.root.done("ALTER TABLE t SET ('default.replication_num' = '3')").await;
    rig.root.done("ALTER TABLE t RENAME u").await;
    assert_eq!(rig.root.rows("SELECT * FROM u").await, ["1|old"]);
    assert_eq!(rig.root.code("ALTER TABLE t RENAME w").await, 5502);
    assert_eq!(rig.root.code("ALTER TABLE u ADD COLUMN K INT").await, 1060);
}

#[tokio::test]
async fn the_time_of_a_new_column_is_that_of_the_session() {
    let mut rig = Rig::new().await;
    rig.root.done("SET time_zone = '+08:00'").await;
    rig.root.done("CREATE TABLE t (k INT)").await;
    rig.root.done("INSERT INTO t VALUES (1)").await;
    rig.root.done("ALTER TABLE t ADD COLUMN at DATETIME DEFAULT CURRENT_TIMESTAMP").await;
    rig.root.done("INSERT INTO t (k) VALUES (2)").await;
    let old_and_new = "SELECT TIMESTAMPDIFF(HOUR, MIN(at), MAX(at)) FROM t";
    assert_eq!(rig.root.rows(old_and_new).await, ["0"]);
    let utc = "SELECT FROM_UNIXTIME(UNIX_TIMESTAMP()) = LEFT(CAST(NOW() AS VARCHAR(30)), 19)";
    assert_eq!(rig.root.rows(utc).await, ["true"]);
}
