use crate::statement::{
    AlterTable, ColumnDefinition, CreateTable, DataType, Distribution, KeysKind,
    PartitionDefinition, Partitioning, Statement,
};
use crate::testing::{error, name, one};

fn table(text: &str) -> CreateTable {
    match one(text) {
        Statement::CreateTable(table) => table,
        other => panic!("{other:?}"),
    }
}

fn column(name: &str, data_type: DataType) -> ColumnDefinition {
    ColumnDefinition {
        name: name.into(),
        data_type,
        nullable: true,
        default: None,
        auto_increment: false,
        comment: String::new(),
    }
}

#[test]
fn create_with_everything() {
    let created = table(
        r#"CREATE TABLE IF NOT EXISTS `d`.`orders` (
            `id` BIGINT NOT NULL COMMENT "the id",
            day DATE,
            price DECIMAL(15, 2) DEFAULT "0"
        ) ENGINE=OLAP
        PRIMARY KEY (id, day)
        COMMENT "orders"
        PARTITION BY RANGE (day) (START ("2024-01-01") END ("2024-04-01") EVERY (INTERVAL 1 MONTH))
        DISTRIBUTED BY HASH (`id`) BUCKETS 8
        ORDER BY (day, id)
        PROPERTIES ("replication_num" = "1");"#,
    );
    assert_eq!(created.name, name("d.orders"));
    assert!(created.if_not_exists);
    assert_eq!(created.columns.len(), 3);
    assert_eq!(created.columns[0].comment, "the id");
    assert_eq!(created.keys, Some((KeysKind::Primary, vec!["id".into(), "day".into()])));
    assert_eq!(created.comment.as_deref(), Some("orders"));
    assert!(
        matches!(created.partitioning, Partitioning::Range { ref partitions, .. } if partitions.len() == 1)
    );
    assert_eq!(
        created.distribution,
        Some(Distribution { hash: Some(vec!["id".into()]), buckets: Some(8) })
    );
    assert_eq!(created.order_by, ["day", "id"]);
    assert_eq!(created.properties, [("replication_num".into(), "1".into())]);
    assert_eq!(created.query, None);
}

#[test]
fn create_with_least() {
    let created = table("CREATE TABLE t (a INT)");
    assert_eq!(created.columns, [column("a", DataType::Int)]);
    assert_eq!((created.keys, created.distribution), (None, None));
    assert_eq!(created.partitioning, Partitioning::None);
    assert_eq!(
        table("CREATE TABLE t (a INT) DUPLICATE KEY(a) DISTRIBUTED BY RANDOM").distribution,
        Some(Distribution { hash: None, buckets: None })
    );
    assert_eq!(
        table("CREATE TABLE t (a INT) PARTITION BY date_trunc('day', a) DEFAULT CHARSET=utf8")
            .partitioning,
        Partitioning::Automatic { unit: Some("day".into()), columns: vec!["a".into()] }
    );
}

#[test]
fn create_as_select_and_like() {
    let created = table(
        "CREATE TABLE t PRIMARY KEY (a) DISTRIBUTED BY HASH(a) PROPERTIES ('x' = 'y') AS SELECT a, b FROM s WHERE c = \"x\"",
    );
    assert!(created.columns.is_empty());
    assert_eq!(created.query.unwrap().to_string(), "SELECT a, b FROM s WHERE c = 'x'");
    assert!(table("CREATE TABLE t AS (SELECT 1)").query.is_some());
    assert_eq!(
        one("CREATE TABLE IF NOT EXISTS t LIKE d.s"),
        Statement::CreateTableLike { name: name("t"), like: name("d.s"), if_not_exists: true }
    );
}

#[test]
fn create_refuses_what_is_not_kept() {
    for (text, message) in [
        (
            "CREATE TABLE t",
            "expected columns in parentheses, LIKE or AS, found end of statement at line 1, column 15",
        ),
        (
            "CREATE TABLE t (a INT) COMMENT 'x' COMMENT 'y'",
            "expected a clause that was not there before, found COMMENT at line 1, column 36",
        ),
        (
            "CREATE TABLE t (a INT) DUPLICATE KEY(a) PRIMARY KEY(a)",
            "expected a clause that was not there before, found PRIMARY at line 1, column 41",
        ),
        ("CREATE TABLE t (a INT,)", "expected a column name, found ) at line 1, column 23"),
        ("CREATE TABLE t (a INT b INT)", "expected , or ), found b at line 1, column 23"),
        (
            "CREATE TABLE t (a INT) ENGINE=mysql",
            "this engine is not supported: every table is an OLAP table at line 1, column 31",
        ),
        (
            "CREATE EXTERNAL TABLE t (a INT)",
            "CREATE EXTERNAL is not supported: create a table of default_catalog at line 1, column 8",
        ),
        (
            "CREATE TABLE t (a INT) DISTRIBUTED BY HASH(a) BUCKETS 0",
            "expected a number greater than 0, found 0 at line 1, column 55",
        ),
    ] {
        assert_eq!(error(text), message);
    }
    let message = error("CREATE TABLE t (a INT, INDEX i (a) USING BITMAP)");
    assert!(message.starts_with("INDEX is not supported: "), "{message}");
}

#[test]
fn drop_table() {
    assert_eq!(
        one("DROP TABLE IF EXISTS d.t FORCE"),
        Statement::DropTable { name: name("d.t"), if_exists: true }
    );
}

#[test]
fn alter_table() {
    let Statement::AlterTable { name: altered, changes } = one(
        r#"ALTER TABLE d.t ADD COLUMN a INT DEFAULT "0", ADD COLUMN (b DATE, c JSON), DROP COLUMN d,
           ADD PARTITION IF NOT EXISTS p VALUES LESS THAN ("x"), DROP PARTITION IF EXISTS q FORCE,
           DROP PARTITIONS (r, s), ADD PARTITIONS START ("1") END ("9") EVERY (2), SET ("k" = "v"), RENAME u"#,
    ) else {
        panic!()
    };
    assert_eq!(altered, name("d.t"));
    let dropped =
        |name: &str, if_exists| AlterTable::DropPartition { name: name.into(), if_exists };
    assert!(matches!(&changes[0], AlterTable::AddColumn(column) if column.name == "a"));
    assert_eq!(
        changes[1..],
        [
            AlterTable::AddColumn(column("b", DataType::Date)),
            AlterTable::AddColumn(column("c", DataType::Json)),
            AlterTable::DropColumn("d".into()),
            AlterTable::AddPartition {
                partition: PartitionDefinition::LessThan {
                    name: "p".into(),
                    bound: vec![Some("x".into())]
                },
                if_not_exists: true,
            },
            dropped("q", true),
            dropped("r", false),
            dropped("s", false),
            AlterTable::AddPartition {
                partition: PartitionDefinition::Every {
                    start: "1".into(),
                    end: "9".into(),
                    step: 2,
                    unit: None
                },
                if_not_exists: false,
            },
            AlterTable::Set(vec![("k".into(), "v".into())]),
            AlterTable::Rename("u".into()),
        ]
    );
    for (text, message) in [
        (
            "ALTER TABLE t MODIFY COLUMN a INT",
            "expected ADD, DROP, RENAME or SET, found MODIFY at line 1, column 15",
        ),
        (
            "ALTER TABLE t ADD TEMPORARY PARTITION p",
            "expected COLUMN, PARTITION or PARTITIONS, found TEMPORARY at line 1, column 19",
        ),
        (
            "ALTER TABLE t ADD COLUMN a INT AFTER b",
            "expected end of statement, found AFTER at line 1, column 32",
        ),
    ] {
        assert_eq!(error(text), message);
    }
    let message = error("ALTER TABLE t RENAME COLUMN a TO b");
    assert!(message.starts_with("RENAME COLUMN is not supported: "), "{message}");
}
