//! SELECT, EXPLAIN, INSERT and DELETE.

use crate::rig::Rig;

#[tokio::test]
async fn a_query_sees_its_session() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.root.rows("SELECT DATABASE(), USER()").await, ["d|'root'@'%'"]);
    assert_eq!(rig.root.rows("SELECT 1 + 1 AS two, 'x'").await, ["2|x"]);
    assert_eq!(rig.root.code("SELECT * FROM nope").await, 5502);
    assert_eq!(rig.root.code("SELECT * FROM nowhere.t").await, 1049);
    assert_eq!(rig.root.code("SELECT nope").await, 1054);
    assert_eq!(rig.root.code("SELECT FROM").await, 1064);
}

#[tokio::test]
async fn what_goes_wrong_between_rows_has_its_number_and_its_words() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (c DECIMAL(38, 0))").await;
    rig.root.done(&format!("INSERT INTO t VALUES (1{})", "0".repeat(30))).await;
    let error = rig.root.refusal("SELECT c * c FROM t").await;
    assert_eq!(error.code, 1064);
    assert!(error.message.to_lowercase().contains("overflow"), "{error}");
    assert!(!error.message.contains("External"), "{error}");
}

#[tokio::test]
async fn an_insert_counts_its_rows_and_numbers() {
    let mut rig = Rig::new().await;
    rig.root
        .done("CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT, v VARCHAR(10) DEFAULT 'none', n INT)")
        .await;
    let done = rig.root.done("INSERT INTO t (v, n) VALUES ('a', 1), ('b', 2)").await;
    assert_eq!((done.affected, done.last_insert_id), (2, 1));
    let done = rig.root.done("INSERT INTO t VALUES (DEFAULT, DEFAULT, DEFAULT)").await;
    assert_eq!((done.affected, done.last_insert_id), (1, 3));
    let done = rig.root.done("INSERT INTO t VALUES (10, 'c', 3)").await;
    assert_eq!((done.affected, done.last_insert_id), (1, 0));
    let done = rig.root.done("INSERT INTO t (n) SELECT n + 10 FROM t WHERE n IS NOT NULL").await;
    assert_eq!((done.affected, done.last_insert_id), (3, 11));
    assert_eq!(
        rig.root.rows("SELECT * FROM t WHERE id < 11 ORDER BY id").await,
        ["1|a|1", "2|b|2", "3|none|NULL", "10|c|3"]
    );
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_whole() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k TINYINT NOT NULL, v VARCHAR(3))").await;
    for sql in [
        "INSERT INTO t VALUES (1, 'ok'), (1000, 'x')",
        "INSERT INTO t VALUES (1, 'too long')",
        "INSERT INTO t VALUES (NULL, 'x')",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t (v) VALUES ('x')",
        "INSERT INTO t (k, nope) VALUES (1, 2)",
        "INSERT INTO t PARTITION (nope) VALUES (1, 'x')",
    ] {
        let error = rig.root.refusal(sql).await;
        assert!(matches!(error.code, 1054 | 1064), "{sql}: {error:?}");
    }
    assert!(rig.root.rows("SELECT * FROM t").await.is_empty());
    assert_eq!(rig.root.code("INSERT INTO nope VALUES (1)").await, 5502);
}

#[tokio::test]
async fn an_overwrite_replaces_a_table_or_partitions_of_it() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT, v INT) PARTITION BY (k)").await;
    rig.root.done("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    rig.root.done("INSERT OVERWRITE t PARTITION (p2) VALUES (2, 3)").await;
    assert_eq!(rig.root.rows("SELECT * FROM t ORDER BY k").await, ["1|1", "2|3"]);
    rig.root.done("INSERT OVERWRITE t SELECT k, v + 10 FROM t WHERE k = 2").await;
    assert_eq!(rig.root.rows("SELECT * FROM t").await, ["2|13"]);
}

#[tokio::test]
async fn a_delete_counts_what_went() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT, v INT) PARTITION BY (k)").await;
    rig.root.done("INSERT INTO t VALUES (1, 1), (1, 2), (2, 1), (3, NULL)").await;
    assert_eq!(rig.root.done("DELETE FROM t PARTITION (p1) WHERE v = 1").await.affected, 1);
    let done = rig.root.done("DELETE FROM t WHERE v IN (SELECT MAX(v) FROM t)").await;
    assert_eq!(done.affected, 1);
    assert_eq!(rig.root.rows("SELECT * FROM t ORDER BY k").await, ["2|1", "3|NULL"]);
    let error = rig.root.refusal("DELETE FROM t").await;
    assert!(error.message.contains("where clause"), "{error}");
}

#[tokio::test]
async fn a_plan_tells_what_is_read() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT) PARTITION BY (k)").await;
    rig.root.done("INSERT INTO t VALUES (1), (2), (3)").await;
    let lines = rig.root.rows("EXPLAIN SELECT * FROM t WHERE k = 2").await;
    assert!(lines.iter().any(|line| line.contains("partitions=1/3")), "{lines:?}");
    assert_eq!(rig.root.code("EXPLAIN SELECT * FROM nope").await, 5502);
}

#[tokio::test]
async fn files_are_read_where_that_is_allowed() {
    let mut rig = Rig::new().await;
    let file = rig.files().join("rows.csv");
    std::fs::write(&file, "1,a\n2,b\n").unwrap();
    rig.root.done("CREATE TABLE t (k INT, v VARCHAR(10))").await;
    let from = format!(
        "FILES('path' = '{}', 'format' = 'csv', 'csv.column_separator' = ',')",
        file.display()
    );
    let done = rig.root.done(&format!("INSERT INTO t SELECT * FROM {from}")).await;
    assert_eq!(done.affected, 2);
    assert_eq!(rig.root.rows("SELECT * FROM t ORDER BY k").await, ["1|a", "2|b"]);
    let outside = "SELECT * FROM FILES('path' = '/etc/passwd', 'format' = 'csv')";
    rig.root.refusal(outside).await;
}

#[tokio::test]
async fn a_label_is_used_once_in_a_database() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT)").await;
    rig.root.done("CREATE TABLE u (k INT)").await;
    let done = rig.root.done("INSERT INTO t WITH LABEL l1 VALUES (1), (2)").await;
    assert_eq!(done.info, "{'label':'l1', 'status':'VISIBLE'}");
    for table in ["t", "u"] {
        let sql = format!("INSERT INTO {table} WITH LABEL l1 VALUES (3)");
        assert_eq!(rig.root.refusal(&sql).await.message, "Label [l1] has already been used");
    }
    // One that failed is free.
    assert!(rig.root.run("INSERT INTO t WITH LABEL l2 VALUES (1, 2)").await.is_err());
    rig.root.done("INSERT INTO u WITH LABEL l2 VALUES (3)").await;
    rig.root.done("CREATE DATABASE e").await;
    rig.root.done("CREATE TABLE e.t (k INT)").await;
    rig.root.done("INSERT INTO e.t WITH LABEL l1 VALUES (1)").await;
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM t").await, ["2"]);
    let message = rig.root.refusal("INSERT INTO t WITH LABEL `a b` VALUES (1)").await.message;
    assert!(message.contains("Incorrect label name 'a b'"), "{message}");
    // Those of these days are kept.
    rig.frontend.maintain().await.unwrap();
    assert!(rig.root.run("INSERT INTO t WITH LABEL l1 VALUES (1)").await.is_err());
}

#[tokio::test]
async fn a_query_reads_the_partitions_that_it_names() {
    let mut rig = Rig::new().await;
    let sql = "CREATE TABLE t (k INT NOT NULL) PARTITION BY RANGE (k) \
               (PARTITION p1 VALUES LESS THAN ('10'), PARTITION p2 VALUES LESS THAN ('20'), PARTITION p3 VALUES LESS THAN ('30'))";
    rig.root.done(sql).await;
    rig.root.done("INSERT INTO t VALUES (1), (11), (21)").await;
    for (from, rows) in [
        ("t PARTITION (p2)", vec!["11"]),
        ("t PARTITION p2", vec!["11"]),
        ("d.t PARTITIONS (p1, `p3`)", vec!["1", "21"]),
        ("t PARTITION (p1, p2) AS x WHERE x.k > 5", vec!["11"]),
        ("t PARTITION (p1) x JOIN t PARTITION (p1) y USING (k)", vec!["1"]),
        ("t PARTITION (p1) WHERE k > 5", vec![]),
        ("t [_SYNC_MV_] WHERE k = 1", vec!["1"]),
    ] {
        assert_eq!(
            rig.root.rows(&format!("SELECT k FROM {from} ORDER BY k")).await,
            rows,
            "{from}"
        );
    }
    let unknown = rig.root.refusal("SELECT k FROM t PARTITION (p9)").await;
    assert_eq!(unknown.message, "Unknown partition 'p9' in table 't'");
    let message = rig.root.refusal("SELECT k FROM t TEMPORARY PARTITION (p1)").await.message;
    assert!(message.starts_with("TEMPORARY PARTITION is not supported"), "{message}");
}
