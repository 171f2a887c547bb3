use cairn_sql::statement::Statement;
use cairn_warehouse::catalog::model::{Column, ColumnDefault as Default, ColumnType};

use super::*;

fn parsed(sql: &str) -> CreateTable {
    match cairn_sql::parse_one(sql).unwrap() {
        Statement::CreateTable(statement) => statement,
        other => panic!("{other:?}"),
    }
}

fn defined(sql: &str) -> TableDefinition {
    table(parsed(sql), Vec::new()).unwrap()
}

#[test]
fn columns_keep_types_defaults_and_comments() {
    let definition = defined(
        "CREATE TABLE d.t (
           id BIGINT NOT NULL AUTO_INCREMENT,
           name VARCHAR(20) NOT NULL DEFAULT 'x' COMMENT 'who',
           amount DECIMAL(10, 2) DEFAULT NULL,
           at DATETIME DEFAULT CURRENT_TIMESTAMP
         ) PRIMARY KEY (id) COMMENT 'all of it' ORDER BY (name)
         PROPERTIES ('replication_num' = '1', 'replication_num' = '2')",
    );
    assert_eq!((definition.name.as_str(), definition.comment.as_str()), ("t", "all of it"));
    assert_eq!(definition.keys, Some((model::KeysKind::Primary, vec!["id".to_owned()])));
    assert_eq!(definition.order_by, ["name"]);
    assert_eq!(definition.properties.get("replication_num").map(String::as_str), Some("2"));
    let [id, name, amount, at] = definition.columns.as_slice() else { panic!() };
    assert!(id.auto_increment && !id.nullable);
    assert_eq!(name.default, Some(Default::Value("x".to_owned())));
    assert_eq!((name.nullable, name.comment.as_str()), (false, "who"));
    assert_eq!(amount.column_type, ColumnType::Decimal { precision: 10, scale: 2 });
    assert_eq!((amount.nullable, amount.default.clone()), (true, None));
    assert_eq!(at.default, Some(Default::CurrentTimestamp));
}

#[test]
fn null_is_no_default_of_what_is_not_null() {
    let statement = parsed("CREATE TABLE t (a INT NOT NULL DEFAULT NULL)");
    assert_eq!(table(statement, Vec::new()).unwrap_err().code, 1067);
}

#[test]
fn what_says_nothing_leaves_the_choice_to_the_warehouse() {
    let definition = defined("CREATE TABLE t (a INT)");
    assert_eq!((definition.keys, definition.distribution), (None, None));
    assert_eq!(definition.partition_by, PartitionBy::Nothing);
    let random = defined("CREATE TABLE t (a INT) DISTRIBUTED BY RANDOM BUCKETS 3").distribution;
    assert_eq!(random, Some(DistributionDefinition { hash: None, buckets: Some(3) }));
}

#[test]
fn partitions_of_all_kinds() {
    let by =
        |clause: &str| defined(&format!("CREATE TABLE t (a INT, d DATE) {clause}")).partition_by;
    let columns = || vec!["d".to_owned()];
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        by("PARTITION BY RANGE (d) (PARTITION p VALUES LESS THAN ('2024-01-01'),
            PARTITION q VALUES [('2024-01-01'), ('2024-02-01')),
            START ('2024-02-01') END ('2024-04-01') EVERY (INTERVAL 1 MONTH))"),
        PartitionBy::Range {
            columns: columns(),
            partitions: vec![
                PartitionSpec::LessThan { name: "p".to_owned(), bound: vec![some("2024-01-01")] },
                PartitionSpec::Fixed {
                    name: "q".to_owned(),
                    from: vec![some("2024-01-01")],
                    to: vec![some("2024-02-01")],
                },
                PartitionSpec::Every {
                    start: "2024-02-01".to_owned(),
                    end: "2024-04-01".to_owned(),
                    step: 1,
                    unit: some("month"),
                },
            ],
        }
    );
    assert_eq!(
        by("PARTITION BY LIST (a) (PARTITION p VALUES IN ('1', '2'))"),
        PartitionBy::List {
            columns: vec!["a".to_owned()],
            partitions: vec![PartitionSpec::In {
                name: "p".to_owned(),
                values: vec![vec![some("1")], vec![some("2")]],
            }],
        }
    );
    assert_eq!(
        by("PARTITION BY date_trunc('day', d)"),
        PartitionBy::Automatic { unit: some("day"), columns: columns() }
    );
}

#[test]
fn kinds_of_keys_that_there_are_not_say_what_to_use() {
    for (kind, instead) in [("UNIQUE", "PRIMARY KEY"), ("AGGREGATE", "DUPLICATE KEY")] {
        let statement = parsed(&format!("CREATE TABLE t (a INT) {kind} KEY (a)"));
        let error = table(statement, Vec::new()).unwrap_err();
        assert_eq!(error.code, 1235);
        assert!(error.message.contains(instead), "{error}");
    }
}

#[test]
fn a_table_of_a_query_has_its_columns_unless_it_names_its_own() {
    let described = || {
        vec![Column {
            name: "n".to_owned(),
            column_type: ColumnType::BigInt,
            nullable: true,
            default: None,
            auto_increment: false,
            comment: String::new(),
            stored_as: None,
            initial: None,
        }]
    };
    let of_query = table(parsed("CREATE TABLE t AS SELECT 1 n"), described()).unwrap();
    assert_eq!(of_query.columns, described());
    let own = table(parsed("CREATE TABLE t (m INT) AS SELECT 1 n"), described()).unwrap();
    assert_eq!(own.columns[0].name, "m");
}

#[test]
fn changes_of_all_kinds() {
    let changed = |clause: &str| match cairn_sql::parse_one(&format!("ALTER TABLE t {clause}")) {
        Ok(Statement::AlterTable { changes, .. }) => {
            let changes: Result<Vec<_>, _> = changes.into_iter().map(change).collect();
            changes.unwrap().remove(0)
        }
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        changed("ADD COLUMN c INT DEFAULT '1'"),
        TableChange::AddColumn(column) if column.name == "c"
    ));
    assert_eq!(changed("DROP COLUMN c"), TableChange::DropColumn("c".to_owned()));
    assert!(matches!(
        changed("ADD PARTITION IF NOT EXISTS p VALUES LESS THAN ('3')"),
        TableChange::AddPartition { if_not_exists: true, .. }
    ));
    assert_eq!(
        changed("DROP PARTITION IF EXISTS p"),
        TableChange::DropPartition { name: "p".to_owned(), if_exists: true }
    );
    assert_eq!(changed("RENAME u"), TableChange::Rename("u".to_owned()));
    assert!(matches!(changed("SET ('colocate_with' = 'g')"), TableChange::Set(_)));
}
