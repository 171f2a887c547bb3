//! CREATE and DROP VIEW.

use std::sync::Arc;

use cairn_frontend::Session;
use cairn_frontend::mysql::SqlSession;

use crate::rig::Rig;

/// The text of a view of `d`, and what it reads.
fn kept(rig: &Rig, name: &str) -> (String, Vec<String>) {
    let catalog = rig.warehouse.catalog();
    let view = catalog.database("d").unwrap().view(name).unwrap();
    let bases = view.base_tables.iter().map(|(database, name)| format!("{database}.{name}"));
    (view.query.clone(), bases.collect())
}

async fn rig() -> Rig {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT, v VARCHAR(10))").await;
    rig.root.done("INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    rig
}

#[tokio::test]
async fn a_view_names_the_databases_of_what_it_reads() {
    let mut rig = rig().await;
    rig.root.done("CREATE DATABASE e").await;
    rig.root.done("CREATE TABLE e.u (k INT)").await;
    rig.root
        .done("CREATE VIEW v AS WITH c AS (SELECT k FROM t) SELECT t.v FROM t JOIN c ON c.k = t.k LEFT JOIN e.u ON u.k = t.k")
        .await;
    let (text, bases) = kept(&rig, "v");
    assert_eq!(
        text,
        "WITH c AS (SELECT k FROM `d`.`t` AS `t`) SELECT t.v FROM `d`.`t` AS `t` \
         JOIN c ON c.k = t.k LEFT JOIN `e`.`u` ON u.k = t.k"
    );
    assert_eq!(bases, ["d.t", "e.u"]);
    rig.root.done("USE e").await;
    assert_eq!(rig.root.rows("SELECT * FROM d.v ORDER BY 1").await, ["a", "b"]);
    // Its own database is not where it looks for names.
    assert_eq!(rig.root.code("CREATE VIEW d.w AS SELECT * FROM t").await, 5502);

    let mut nowhere = Session::of_operator(Arc::clone(&rig.frontend));
    let error = nowhere.execute("CREATE VIEW d.w AS SELECT * FROM t").await.unwrap_err();
    assert_eq!(error.code, 1046);
    nowhere.execute("CREATE VIEW d.w AS SELECT * FROM d.t").await.unwrap();
}

#[tokio::test]
async fn texts_of_a_view_stay_what_they_are() {
    let mut rig = rig().await;
    rig.root.done(r"CREATE VIEW v AS SELECT 'it''s', '\\d', '''''' AS q, 'a\nb' AS n").await;
    let expected = rig.root.rows(r"SELECT 'it''s', '\\d', '''''', 'a\nb'").await;
    assert_eq!(expected, ["it's|\\d|''|a\nb"]);
    assert_eq!(rig.root.rows("SELECT * FROM v").await, expected);
}

#[tokio::test]
async fn columns_are_those_of_the_query_or_those_that_are_named() {
    let mut rig = rig().await;
    rig.root.done("CREATE VIEW v (a, `b`) COMMENT 'two' AS SELECT k, k + 1 FROM t").await;
    assert_eq!(rig.root.rows("SELECT b FROM v WHERE a = 1").await, ["2"]);
    let error = rig.root.refusal("CREATE VIEW w (a) AS SELECT k, v FROM t").await;
    assert_eq!(error.code, 1353);
    assert_eq!(rig.root.code("CREATE VIEW w AS SELECT k, k FROM t").await, 1060);
    rig.root.done("CREATE VIEW w (x, y) AS SELECT k, k FROM t").await;
    rig.root.done("CREATE VIEW n AS SELECT COUNT(*), MAX(k) FROM t").await;
    assert_eq!(rig.root.rows("SELECT `COUNT(*)` FROM n").await, ["2"]);
    assert_eq!(rig.root.code("CREATE VIEW x AS SELECT nope FROM t").await, 1054);
    assert_eq!(rig.root.code("CREATE VIEW x AS SELECT * FROM nope").await, 5502);
    assert_eq!(rig.root.code("CREATE VIEW x AS SELECT @@version AS v").await, 1064);
    assert_eq!(rig.root.code("CREATE VIEW x AS SELECT * FROM FILES('path' = '/x')").await, 1235);
}

#[tokio::test]
async fn a_view_is_replaced_when_that_is_said() {
    let mut rig = rig().await;
    rig.root.done("CREATE VIEW v AS SELECT k FROM t").await;
    assert_eq!(rig.root.code("CREATE VIEW v AS SELECT v FROM t").await, 1050);
    rig.root.done("CREATE VIEW IF NOT EXISTS v AS SELECT v FROM t").await;
    assert_eq!(rig.root.rows("SELECT * FROM v ORDER BY 1").await, ["1", "2"]);
    rig.root.done("CREATE OR REPLACE VIEW v AS SELECT v FROM t").await;
    assert_eq!(rig.root.rows("SELECT * FROM v ORDER BY 1").await, ["a", "b"]);
    assert_eq!(rig.root.code("CREATE OR REPLACE VIEW t AS SELECT 1").await, 1050);

    rig.root.done("CREATE VIEW w AS SELECT * FROM v").await;
    let error = rig.root.refusal("CREATE OR REPLACE VIEW v AS SELECT * FROM w").await;
    assert!(error.message.contains("View 'v' would read itself"), "{error}");
    assert_eq!(rig.root.rows("SELECT * FROM w ORDER BY 1").await, ["a", "b"]);
}

#[tokio::test]
async fn a_view_is_dropped_as_a_view() {
    let mut rig = rig().await;
    rig.root.done("CREATE VIEW v AS SELECT k FROM t").await;
    assert_eq!(rig.root.code("DROP VIEW t").await, 5502);
    assert_eq!(rig.root.code("DROP TABLE v").await, 5502);
    rig.root.done("DROP VIEW d.v").await;
    assert_eq!(rig.root.code("DROP VIEW v").await, 5502);
    rig.root.done("DROP VIEW IF EXISTS v").await;
}

#[tokio::test]
async fn views_of_views_are_read_up_to_a_depth() {
    let mut rig = rig().await;
    rig.root.done("CREATE VIEW v0 AS SELECT k FROM t").await;
    for depth in 1..40 {
        let sql = format!("CREATE VIEW v{depth} AS SELECT k FROM v{}", depth - 1);
        if let Err(error) = rig.root.run(&sql).await {
            assert!(depth > 16 && error.message.contains("nested too deeply"), "{depth}: {error}");
            return;
        }
    }
    panic!("there is a bound");
}
