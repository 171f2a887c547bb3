//! SHOW and DESC: what is listed, in which columns, and to whom.

use std::sync::Arc;

use cairn_frontend::mysql::{Answer, Interrupt, Login, ResultSet, Service, SqlSession};
use cairn_frontend::{FrontendService, Session};
use cairn_warehouse::catalog::model::{GrantScope, TableRow};

use crate::rig::{Client, Rig};

async fn shown(client: &mut Client, sql: &str) -> ResultSet {
    match client.run(sql).await {
        Ok(Answer::Rows(rows)) => rows,
        other => panic!("{sql}: {other:?}"),
    }
}

fn names(shown: &ResultSet) -> Vec<&str> {
    shown.columns.iter().map(|(name, _)| name.as_str()).collect()
}

/// A value of the only row.
fn value<'a>(shown: &'a ResultSet, column: &str) -> Option<&'a str> {
    assert_eq!(shown.rows.len(), 1, "{shown:?}");
    let place = names(shown).iter().position(|name| *name == column).unwrap();
    shown.rows[0][place].as_deref()
}

fn on_table(database: &str, table: &str) -> GrantScope {
    GrantScope::Table(Some(database.to_owned()), Some(table.to_owned()))
}

/// A table, a view, a materialized view with a table of its own and one that is an index, in `d`.
async fn furnished() -> Rig {
    let mut rig = Rig::new().await;
    for sql in [
        "CREATE TABLE orders (id BIGINT NOT NULL, day DATE, amount DECIMAL(10, 2) DEFAULT '1.5' COMMENT 'net')
         DUPLICATE KEY (id) COMMENT 'what was bought' PARTITION BY RANGE (day)
         (PARTITION p2 VALUES [('2024-02-01'), ('2024-03-01')), PARTITION p1 VALUES LESS THAN ('2024-02-01'))
         DISTRIBUTED BY HASH (id) BUCKETS 3",
        "INSERT INTO orders VALUES (1, '2024-01-05', 2), (2, '2024-02-05', 3), (3, '2024-02-06', 4)",
        "CREATE VIEW recent AS SELECT id FROM orders",
        "CREATE MATERIALIZED VIEW totals DISTRIBUTED BY HASH (day) BUCKETS 1 REFRESH DEFERRED MANUAL
         AS SELECT day, SUM(amount) AS total FROM orders GROUP BY day",
        "CREATE MATERIALIZED VIEW by_day AS SELECT day, SUM(amount) AS total FROM orders GROUP BY day",
    ] {
        rig.root.done(sql).await;
    }
    rig
}

#[tokio::test]
async fn databases_and_tables_are_listed_by_name() {
    let mut rig = furnished().await;
    rig.root.done("CREATE DATABASE zoo").await;
    let all = ["d", "information_schema", "zoo"];
    assert_eq!(rig.root.rows("SHOW DATABASES").await, all);
    assert_eq!(rig.root.rows("SHOW DATABASES LIKE 'Z%'").await, ["zoo"]);
    assert_eq!(rig.root.rows("SHOW SCHEMAS WHERE `Database` IN ('d', 'x')").await, ["d"]);
    assert_eq!(rig.root.rows("SHOW TABLES").await, ["orders", "recent", "totals"]);
    assert_eq!(rig.root.rows("SHOW TABLES FROM d LIKE 'o%'").await, ["orders"]);
    assert!(rig.root.rows("SHOW TABLES FROM zoo").await.is_empty());
    let full = shown(&mut rig.root, "SHOW FULL TABLES WHERE Table_type != 'VIEW'").await;
    assert_eq!(names(&full), ["Tables_in_d", "Table_type"]);
    assert_eq!(
        rig.root.rows("SHOW FULL TABLES LIKE '%s'").await,
        ["orders|BASE TABLE", "totals|VIEW"]
    );
    let listed = rig.root.rows("SHOW TABLES FROM information_schema").await;
    assert!(listed.contains(&"tables".to_owned()), "{listed:?}");
    assert_eq!(rig.root.code("SHOW TABLES FROM nowhere").await, 1049);
    let status = shown(&mut rig.root, "SHOW TABLE STATUS FROM d LIKE 'orders'").await;
    assert_eq!(value(&status, "Rows"), Some("3"));
    assert_eq!(value(&status, "Comment"), Some("what was bought"));
}

#[tokio::test]
async fn columns_are_described() {
    let mut rig = furnished().await;
    let columns = shown(&mut rig.root, "DESC orders").await;
    assert_eq!(names(&columns), ["Field", "Type", "Null", "Key", "Default", "Extra"]);
    assert_eq!(
        rig.root.rows("DESC d.orders").await,
        [
            "id|bigint|NO|true|NULL|",
            "day|date|YES|false|NULL|",
            "amount|decimal(10,2)|YES|false|1.5|"
        ]
    );
    assert_eq!(
        rig.root.rows("SHOW FULL COLUMNS FROM orders FROM d LIKE 'am%'").await,
        ["amount|decimal(10,2)|NULL|YES|NO|1.5|||net"]
    );
    assert_eq!(rig.root.rows("SHOW COLUMNS FROM recent").await, ["id|bigint|YES|false|NULL|"]);
    assert_eq!(rig.root.rows("DESC by_day").await.len(), 2);
    let of_tables = rig.root.rows("DESC information_schema.tables").await;
    assert!(of_tables[0].starts_with("TABLE_CATALOG|varchar("), "{of_tables:?}");
    assert_eq!(rig.root.code("DESC nothing").await, 5502);
    assert_eq!(rig.root.code("DESC information_schema.nothing").await, 5502);
}

#[tokio::test]
async fn partitions_and_tablets_are_those_of_the_catalog() {
    let mut rig = furnished().await;
    let partitions = shown(&mut rig.root, "SHOW PARTITIONS FROM orders").await;
    assert_eq!(
        names(&partitions),
        [
            "PartitionId",
            "PartitionName",
            "VisibleVersion",
            "VisibleVersionTime",
            "VisibleVersionHash",
            "State",
            "PartitionKey",
            "Range",
            "DistributionKey",
            "Buckets",
            "ReplicationNum",
            "StorageMedium",
            "CooldownTime",
            "LastConsistencyCheckTime",
            "DataSize",
            "IsInMemory",
            "RowCount"
        ]
    );
    let listed: Vec<_> = partitions.rows.iter().map(|row| row[1].as_deref().unwrap()).collect();
    assert_eq!(listed, ["p1", "p2"], "in the order of their bounds");
    let p2 = shown(&mut rig.root, "SHOW PARTITIONS FROM d.orders WHERE PartitionName = 'p2'").await;
    assert_eq!(value(&p2, "PartitionKey"), Some("day"));
    assert_eq!(
        value(&p2, "Range"),
        Some("[types: [DATE]; keys: [2024-02-01]; ..types: [DATE]; keys: [2024-03-01]; )")
    );
    assert_eq!(value(&p2, "Buckets"), Some("3"));
    assert_eq!(value(&p2, "RowCount"), Some("2"));
    assert!(rig.root.rows("SHOW PARTITIONS FROM orders WHERE Buckets > 3").await.is_empty());
    // Two partitions of three buckets, each with an index for `by_day`.
    assert_eq!(rig.root.rows("SHOW TABLET FROM orders").await.len(), 12);
    assert_eq!(rig.root.code("SHOW PARTITIONS FROM recent").await, 1064);
    rig.root.done("CREATE TABLE l (k INT, c VARCHAR(5)) PARTITION BY LIST (c) (PARTITION p VALUES IN ('a', 'b'))").await;
    let listed = shown(&mut rig.root, "SHOW PARTITIONS FROM l").await;
    assert_eq!(value(&listed, "List"), Some("(('a'), ('b'))"));
}

#[tokio::test]
async fn materialized_views_of_both_kinds_are_listed() {
    let mut rig = furnished().await;
    let views = shown(&mut rig.root, "SHOW MATERIALIZED VIEWS FROM d LIKE 'tot%'").await;
    assert_eq!(
        names(&views)[..9],
        [
            "id",
            "database_name",
            "name",
            "refresh_type",
            "is_active",
            "inactive_reason",
            "partition_type",
            "task_id",
            "task_name"
        ]
    );
    assert_eq!(names(&views)[20..], ["rows", "text"]);
    assert_eq!(value(&views, "refresh_type"), Some("MANUAL"));
    assert_eq!(value(&views, "is_active"), Some("true"));
    assert_eq!(value(&views, "last_refresh_state"), None);
    rig.root.done("REFRESH MATERIALIZED VIEW totals WITH SYNC MODE").await;
    let views = shown(&mut rig.root, "SHOW MATERIALIZED VIEWS WHERE name = 'totals'").await;
    assert_eq!(value(&views, "last_refresh_state"), Some("SUCCESS"));
    assert_eq!(value(&views, "rows"), Some("3"));
    let index = shown(&mut rig.root, "SHOW MATERIALIZED VIEWS WHERE name = 'by_day'").await;
    assert_eq!(value(&index, "refresh_type"), Some("ROLLUP"));
    rig.root.done("DROP TABLE orders FORCE").await;
    let views = shown(&mut rig.root, "SHOW MATERIALIZED VIEWS").await;
    assert_eq!(value(&views, "is_active"), Some("false"));
    assert_eq!(value(&views, "inactive_reason"), Some("base-table dropped: orders"));
}

#[tokio::test]
async fn other_objects_are_listed() {
    let mut rig = furnished().await;
    for sql in [
        "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('symbol' = 'F')",
        "CREATE RESOURCE GROUP g TO (user = 'u'), (db = 'd') WITH ('cpu_core_limit' = '4', 'mem_limit' = '20%')",
        "CREATE TABLE a (k INT, n VARCHAR(5)) DISTRIBUTED BY HASH (k) BUCKETS 4 PROPERTIES ('colocate_with' = 'together')",
        "CREATE TABLE b (k INT) DISTRIBUTED BY HASH (k) BUCKETS 4 PROPERTIES ('colocate_with' = 'together')",
    ] {
        rig.root.done(sql).await;
    }
    assert_eq!(
        rig.root.rows("SHOW FULL FUNCTIONS FROM d").await,
        [r#"f(INT)|INT|Scalar|NULL|{"symbol":"F"}"#]
    );
    let groups = shown(&mut rig.root, "SHOW RESOURCE GROUPS ALL").await;
    assert_eq!(names(&groups)[..3], ["name", "id", "cpu_weight"]);
    let classifiers: Vec<_> = groups.rows.iter().filter_map(|row| row.last()?.as_deref()).collect();
    assert_eq!(classifiers, ["(user = 'u')", "(db = 'd')"]);
    assert_eq!(groups.rows[0][2].as_deref(), Some("4"));
    assert!(rig.root.refusal("SHOW RESOURCE GROUP x").await.message.contains("does not exist"));
    let colocated = shown(&mut rig.root, "SHOW PROC '/colocation_group'").await;
    assert!(value(&colocated, "GroupName").unwrap().ends_with("_together"));
    assert_eq!(value(&colocated, "BucketsNum"), Some("4"));
    assert_eq!(value(&colocated, "DistCols"), Some("int"));
    let frontends = shown(&mut rig.root, "SHOW FRONTENDS").await;
    assert_eq!(value(&frontends, "Alive"), Some("true"));
    assert_eq!(value(&frontends, "Role"), Some("LEADER"));
    let backends = shown(&mut rig.root, "SHOW PROC '/backends'").await;
    assert_eq!(value(&backends, "Alive"), Some("true"));
}

#[tokio::test]
async fn what_drivers_ask_for_is_answered() {
    let mut rig = Rig::new().await;
    for sql in [
        "SHOW WARNINGS",
        "SHOW ENGINES",
        "SHOW COLLATION",
        "SHOW CHARSET",
        "SHOW CHARACTER SET",
        "SHOW PLUGINS",
        "SHOW STATUS",
        "SHOW INDEX FROM t",
        "SHOW KEYS FROM t",
        "SHOW TRIGGERS",
        "SHOW EVENTS",
        "SHOW OPEN TABLES",
        "SHOW PROCEDURE STATUS",
        "SHOW PRIVILEGES",
        "SHOW CATALOGS",
        "SHOW BROKER",
        "SHOW BINARY LOGS",
        "SHOW COMPUTE NODES",
        "SHOW AUTHENTICATION",
        "SHOW PROCESSLIST",
    ] {
        assert!(!shown(&mut rig.root, sql).await.columns.is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn only_what_the_user_may_see_is_listed() {
    let mut rig = furnished().await;
    rig.root.done("CREATE DATABASE other").await;
    rig.root.done("CREATE TABLE other.t (k INT)").await;
    let mut guest = rig.user("guest", &[("SELECT", on_table("d", "orders"))]);
    assert_eq!(guest.rows("SHOW DATABASES").await, ["d", "information_schema"]);
    assert_eq!(guest.rows("SHOW TABLES FROM d").await, ["orders"]);
    assert_eq!(guest.rows("SHOW TABLE STATUS FROM d").await.len(), 1);
    // The index of a table goes with it, the other view does not.
    let views = shown(&mut guest, "SHOW MATERIALIZED VIEWS FROM d").await;
    assert_eq!(value(&views, "name"), Some("by_day"));
    assert_eq!(guest.rows("DESC d.orders").await.len(), 3);
    for sql in [
        "SHOW TABLES FROM other",
        "SHOW TABLES FROM nowhere",
        "SHOW CREATE DATABASE other",
        "DESC d.recent",
        "DESC d.nothing",
        "DESC other.t",
        "SHOW CREATE TABLE other.t",
        "SHOW CREATE VIEW d.recent",
        "SHOW PARTITIONS FROM other.t",
        "SHOW TABLET FROM d.totals",
        "SHOW FUNCTIONS FROM other",
        "SHOW FRONTENDS",
        "SHOW BACKENDS",
        "SHOW PROC '/colocation_group'",
        "SHOW USERS",
        "SHOW ROLES",
    ] {
        let error = guest.refusal(sql).await;
        assert_eq!(error.code, 5203, "{sql}: {error}");
    }
}

/// Connections as a client of the protocol has them.
fn connect(rig: &Rig, user: &str, connection_id: u32, interrupt: &Interrupt) -> Session {
    let service = FrontendService(Arc::clone(&rig.frontend));
    let login = Login {
        account: service.account(user, [10, 0, 0, 1].into()).unwrap(),
        database: Some("d".to_owned()),
        peer: ([10, 0, 0, 1], 5000).into(),
        connection_id,
        tls: false,
        interrupt: interrupt.clone(),
    };
    service.open(login).unwrap()
}

async fn connections(session: &mut Session) -> Vec<String> {
    let Ok(Answer::Rows(rows)) = session.execute("SHOW FULL PROCESSLIST").await else {
        panic!("the list is rows");
    };
    let cell = |row: &[Option<String>], place: usize| row[place].clone().unwrap_or_default();
    let row = |row: Vec<Option<String>>| [0, 1, 3, 4, 8].map(|place| cell(&row, place)).join("|");
    rows.rows.into_iter().map(row).collect()
}

#[tokio::test]
async fn connections_are_listed_and_ended() {
    let rig = Rig::new().await;
    let everywhere = GrantScope::Table(None, None);
    drop(rig.user("guest", &[("SELECT", everywhere)]));
    let interrupt = Interrupt::default();
    let mut root = connect(&rig, "root", 1, &interrupt);
    let mut guest = connect(&rig, "guest", 2, &interrupt);
    let running = "SHOW FULL PROCESSLIST";
    assert_eq!(
        connections(&mut root).await,
        [format!("1|root|d|Query|{running}"), "2|guest|d|Sleep|".to_owned()]
    );
    assert_eq!(connections(&mut guest).await, [format!("2|guest|d|Query|{running}")]);
    assert_eq!(guest.execute("KILL 1").await.unwrap_err().code, 5203);
    assert_eq!(root.execute("KILL 99").await.unwrap_err().code, 1094);
    root.execute("KILL 2").await.unwrap();
    guest.execute("KILL QUERY 2").await.unwrap();
    drop(guest);
    assert_eq!(connections(&mut root).await.len(), 1);
}

#[tokio::test]
async fn a_thousand_tables_are_listed() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT, v VARCHAR(10))").await;
    let model = rig.table("t");
    rig.warehouse
        .store()
        .transact(|tx| {
            for number in 0..1000 {
                let (id, index) = (tx.next_id()?, tx.next_id()?);
                let name = format!("t{number}");
                tx.put_table(TableRow { id, index, name, ..TableRow::clone(&model) })?;
            }
            Ok(())
        })
        .unwrap();
    let mut guest = rig.user("guest", &[("SELECT", GrantScope::Table(Some("d".to_owned()), None))]);
    for client in [&mut rig.root, &mut guest] {
        for (sql, rows) in [
            ("SHOW FULL TABLES FROM d WHERE Table_type = 'BASE TABLE'", 1001),
            ("SHOW TABLE STATUS FROM d", 1001),
            ("SHOW DATABASES", 2),
            ("SHOW MATERIALIZED VIEWS FROM d", 0),
            ("DESC d.t999", 2),
        ] {
            assert_eq!(client.rows(sql).await.len(), rows, "{sql}");
        }
    }
}
