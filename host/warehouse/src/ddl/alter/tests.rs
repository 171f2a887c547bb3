use super::super::definition::{PartitionBy, TableDefinition};
use super::super::testing::{
    column, every, hash, less_than, message, names, now, properties, table, text, warehouse,
};
use super::*;
use crate::ErrorKind;
use crate::catalog::model::{ColumnType, PartitionValue};
use crate::ddl::RollupDefinition;
use crate::ddl::with_rollup;

fn by_range(name: &str) -> TableDefinition {
    let partitions = vec![every("2024-01-01", "2024-01-03", "DAY")];
    TableDefinition {
        partition_by: PartitionBy::Range { columns: names(&["d"]), partitions },
        ..table(name)
    }
}

async fn with(definition: TableDefinition) -> (tempfile::TempDir, Warehouse) {
    let (directory, warehouse) = warehouse().await;
    warehouse.create_table("d", definition, now()).await.unwrap();
    (directory, warehouse)
}

async fn alter(warehouse: &Warehouse, changes: Vec<TableChange>) -> Result<()> {
    warehouse.alter_table("d", "t", changes, now()).await
}

async fn refused(warehouse: &Warehouse, change: TableChange) -> String {
    message(alter(warehouse, vec![change]).await)
}

fn of(warehouse: &Warehouse) -> Arc<Table> {
    Arc::clone(warehouse.catalog().table("d", "t").unwrap())
}

fn add(column: Column) -> TableChange {
    TableChange::AddColumn(column)
}

fn drop_column(name: &str) -> TableChange {
    TableChange::DropColumn(name.to_owned())
}

fn add_partition(partition: PartitionSpec, if_not_exists: bool) -> TableChange {
    TableChange::AddPartition { partition, if_not_exists }
}

fn drop_partition(name: &str, if_exists: bool) -> TableChange {
    TableChange::DropPartition { name: name.to_owned(), if_exists }
}

fn set(pairs: &[(&str, &str)]) -> TableChange {
    TableChange::Set(properties(pairs))
}

fn partitions(warehouse: &Warehouse) -> Vec<String> {
    of(warehouse).partitions().map(|row| row.name.clone()).collect()
}

#[tokio::test]
async fn a_new_column_says_what_older_rows_have() {
    let (_directory, warehouse) = with(table("t")).await;
    let value = |text: &str| Some(ColumnDefault::Value(text.to_owned()));
    let required = Column { nullable: false, ..column("n", ColumnType::Int) };
    let changes = vec![
        add(column("a", ColumnType::Int)),
        add(Column { default: value("5"), ..required.clone() }),
        add(Column {
            default: Some(ColumnDefault::CurrentTimestamp),
            ..column("at", ColumnType::DateTime)
        }),
    ];
    alter(&warehouse, changes).await.unwrap();
    let table = of(&warehouse);
    let initial = |name: &str| table.row().column(name).unwrap().initial.clone();
    assert_eq!(initial("a"), None);
    assert_eq!(initial("n").as_deref(), Some("5"));
    assert_eq!(initial("at").as_deref(), Some("2024-05-17 13:45:10"));

    assert_eq!(
        refused(&warehouse, add(Column { name: "m".to_owned(), ..required })).await,
        "Column m is NOT NULL: rows that are there need a DEFAULT"
    );
    assert_eq!(refused(&warehouse, add(text("K"))).await, "Duplicate column name 'K'");
    let counted =
        Column { auto_increment: true, nullable: false, ..column("i", ColumnType::BigInt) };
    assert!(refused(&warehouse, add(counted)).await.starts_with("Can not add an AUTO_INCREMENT"));
    let wrong = Column { default: value("x"), ..column("x", ColumnType::Int) };
    assert_eq!(refused(&warehouse, add(wrong)).await, "Invalid default value for 'x'");
}

#[tokio::test]
async fn a_column_does_not_inherit_the_values_of_one_that_was_dropped() {
    let (_directory, warehouse) = with(table("t")).await;
    let stored = || of(&warehouse).row().column("x").unwrap().stored_name().to_owned();
    alter(&warehouse, vec![add(text("x"))]).await.unwrap();
    let first = stored();
    alter(&warehouse, vec![drop_column("X"), add(text("x"))]).await.unwrap();
    assert_ne!(stored(), first);
    assert_eq!(of(&warehouse).row().column("v").unwrap().stored_name(), "v");
}

#[tokio::test]
async fn columns_that_the_table_stands_on_stay() {
    let (_directory, warehouse) = with(TableDefinition {
        columns: vec![
            column("k", ColumnType::Int),
            column("d", ColumnType::Date),
            column("h", ColumnType::Int),
            text("s"),
            text("r"),
            text("v"),
        ],
        keys: Some((KeysKind::Duplicate, names(&["k"]))),
        order_by: names(&["s"]),
        distribution: hash(&["h"], 1),
        ..by_range("t")
    })
    .await;
    let id = of(&warehouse).row().id;
    let rollup = RollupDefinition {
        name: "mv".to_owned(),
        columns: vec![text("r")],
        query: "SELECT r FROM d.t".to_owned(),
    };
    warehouse
        .transact(move |transaction| {
            let table = current(transaction, id)?;
            let (row, _) = with_rollup(&table, rollup, &mut || transaction.next_id())?;
            transaction.put_table(row)
        })
        .await
        .unwrap();
    for (name, problem) in [
        ("K", "Can not drop key column k"),
        ("d", "Partition column[d] cannot be dropped"),
        ("h", "Distribution column[h] cannot be dropped"),
        ("s", "Can not drop sort column s"),
        ("r", "Can not drop column r: materialized view mv reads it"),
        ("x", "Unknown column 'x' in 't'"),
    ] {
        assert_eq!(refused(&warehouse, drop_column(name)).await, problem);
    }
    alter(&warehouse, vec![drop_column("V")]).await.unwrap();
    assert!(of(&warehouse).row().column("v").is_none());
}

#[tokio::test]
async fn partitions_come_and_go() {
    let (_directory, warehouse) = with(by_range("t")).await;
    let changes = vec![
        add_partition(less_than("p3", Some("2024-02-01")), false),
        add_partition(every("2024-02-01", "2024-02-03", "DAY"), false),
        drop_partition("p20240101", false),
    ];
    alter(&warehouse, changes).await.unwrap();
    assert_eq!(partitions(&warehouse), ["p20240102", "p20240201", "p20240202", "p3"]);
    let bounds = of(&warehouse).partition("p3").unwrap().bounds.to_string();
    assert_eq!(bounds, r#"[("2024-01-03"), ("2024-02-01"))"#);

    let change = add_partition(less_than("p3", Some("2025-02-01")), false);
    assert_eq!(refused(&warehouse, change).await, "Duplicate partition name p3");
    let change = add_partition(less_than("p4", Some("2024-01-20")), false);
    assert!(refused(&warehouse, change).await.contains("is intersected with range"));
    let change = add_partition(less_than("p3", Some("2025-02-01")), true);
    alter(&warehouse, vec![change, drop_partition("x", true)]).await.unwrap();
    assert_eq!(
        refused(&warehouse, drop_partition("x", false)).await,
        "Unknown partition 'x' in table 't'"
    );
}

#[tokio::test]
async fn changes_of_one_statement_happen_together() {
    let (_directory, warehouse) = with(by_range("t")).await;
    let before = format!("{:?}", of(&warehouse));
    let changes = vec![
        add(text("x")),
        drop_partition("p20240101", false),
        TableChange::Rename("u".to_owned()),
        drop_column("nonsense"),
    ];
    let error = alter(&warehouse, changes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(format!("{:?}", of(&warehouse)), before);
}

#[tokio::test]
async fn the_only_partition_has_the_name_of_its_table_and_stays() {
    let (_directory, warehouse) = with(table("t")).await;
    let change = add_partition(less_than("p", None), false);
    assert!(refused(&warehouse, change).await.starts_with("Table t is not partitioned"));
    let change = drop_partition("t", false);
    assert!(refused(&warehouse, change).await.starts_with("Table t is not partitioned"));
    warehouse.create_table("d", table("taken"), now()).await.unwrap();
    let change = TableChange::Rename("taken".to_owned());
    assert_eq!(refused(&warehouse, change).await, "Table 'taken' already exists");
    alter(&warehouse, vec![TableChange::Rename("u".to_owned())]).await.unwrap();
    let catalog = warehouse.catalog();
    assert_eq!(message(catalog.table("d", "t").map(drop)), "Unknown table 't'");
    let table = catalog.table("d", "u").unwrap();
    assert_eq!(table.partitions().map(|row| &row.name).collect::<Vec<_>>(), ["u"]);
    let index = table.partition_index();
    assert!(index.find(&[PartitionValue::Null]).is_some());
}

#[tokio::test]
async fn properties_are_checked_with_the_table_that_has_them() {
    let (_directory, warehouse) = with(table("t")).await;
    alter(&warehouse, vec![set(&[("replication_num", "3")])]).await.unwrap();
    let table = of(&warehouse);
    assert_eq!(table.row().properties.get("replication_num").map(String::as_str), Some("3"));
    assert_eq!(table.partition("t").unwrap().replication_num, 3);
    assert_eq!(
        refused(&warehouse, set(&[("dynamic_partition.enable", "true")])).await,
        "Dynamic partition only support single-column range partition"
    );
    alter(&warehouse, vec![set(&[("colocate_with", "g")])]).await.unwrap();
    let other = TableDefinition {
        properties: properties(&[("colocate_with", "h")]),
        distribution: hash(&["k"], 5),
        ..by_range("u")
    };
    warehouse.create_table("d", other, now()).await.unwrap();
    assert_eq!(
        refused(&warehouse, set(&[("colocate_with", "h")])).await,
        "Colocate tables must have same bucket num: 2 should be 5"
    );
    alter(&warehouse, vec![set(&[("colocate_with", "")])]).await.unwrap();
    assert!(!of(&warehouse).row().properties.contains_key("colocate_with"));
    let copies = vec![set(&[("replication_num", "2")])];
    let error = warehouse.alter_table("d", "u", copies, now()).await.unwrap_err();
    assert!(error.to_string().starts_with("This is a partitioned table"));
    let copies =
        vec![set(&[("default.replication_num", "2")]), add_partition(less_than("p9", None), false)];
    warehouse.alter_table("d", "u", copies, now()).await.unwrap();
    let catalog = warehouse.catalog();
    let copies = |name| catalog.table("d", "u").unwrap().partition(name).unwrap().replication_num;
    assert_eq!((copies("p20240101"), copies("p9")), (1, 2));
}
