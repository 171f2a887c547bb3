use futures::FutureExt;

use super::super::testing::{
    column, every, hash, less_than, message, names, now, properties, table, warehouse,
};
use super::*;
use crate::catalog::model::{ColumnDefault, ColumnType, PartitionValue};
use crate::ddl::{TableChange, automatic_partition};

fn by_range(name: &str, partitions: Vec<PartitionSpec>) -> TableDefinition {
    TableDefinition {
        partition_by: PartitionBy::Range { columns: names(&["D"]), partitions },
        ..table(name)
    }
}

fn by_list(name: &str, columns: &[&str], partitions: Vec<PartitionSpec>) -> TableDefinition {
    TableDefinition {
        partition_by: PartitionBy::List { columns: names(columns), partitions },
        ..table(name)
    }
}

fn within(name: &str, values: &[&[Option<&str>]]) -> PartitionSpec {
    let tuple =
        |tuple: &&[Option<&str>]| tuple.iter().map(|text| text.map(str::to_owned)).collect();
    PartitionSpec::In { name: name.to_owned(), values: values.iter().map(tuple).collect() }
}

/// Makes the table and returns it.
async fn made(warehouse: &Warehouse, definition: TableDefinition) -> Arc<Table> {
    let id = warehouse.create_table("d", definition, now()).await.unwrap();
    Arc::clone(warehouse.catalog().table_by_id(id).unwrap())
}

/// Why it is not made.
async fn refused(definition: TableDefinition) -> String {
    let (_directory, warehouse) = warehouse().await;
    message(warehouse.create_table("d", definition, now()).await)
}

fn shown(table: &Table) -> Vec<String> {
    table.partitions().map(|row| format!("{} {}", row.name, row.bounds)).collect()
}

#[tokio::test]
async fn a_table_of_which_little_is_said() {
    let (_directory, warehouse) = warehouse().await;
    let definition = TableDefinition { distribution: None, ..table("t") };
    let table = made(&warehouse, definition).await;
    let row = table.row();
    assert_eq!(row.keys, KeysKind::Duplicate);
    assert_eq!(row.key_columns, ["k", "d", "v"]);
    assert_eq!(row.distribution, Distribution::Random { buckets: DEFAULT_BUCKETS });
    assert_eq!(row.properties, properties(&[("replication_num", "1")]));
    assert_eq!(row.next_auto_increment, 1);
    assert_eq!(shown(&table), ["t all rows"]);
    let partition = table.partition("t").unwrap();
    assert_eq!(partition.indexes.len(), 1);
    assert_eq!(partition.indexes[0].index, row.index);
    assert_eq!(partition.indexes[0].tablets.len(), 2);
}

#[tokio::test]
async fn names_keys_and_order_are_those_of_the_columns() {
    let (_directory, warehouse) = warehouse().await;
    let definition = TableDefinition {
        keys: Some((KeysKind::Primary, names(&["K"]))),
        order_by: names(&["V"]),
        distribution: None,
        ..table("t")
    };
    let table = made(&warehouse, definition).await;
    let row = table.row();
    assert_eq!(
        (&row.key_columns[..], row.sort_columns()),
        (&names(&["k"])[..], &names(&["v"])[..])
    );
    assert_eq!(row.distribution, Distribution::Hash { columns: names(&["k"]), buckets: 2 });
    assert!(!row.columns[0].nullable);
    assert!(row.columns[1].nullable);
}

#[tokio::test]
async fn ranges_follow_one_another() {
    let (_directory, warehouse) = warehouse().await;
    let specs = vec![
        less_than("p1", Some("2024-01-01")),
        every("2024-01-01", "2024-03-01", "MONTH"),
        less_than("p9", None),
    ];
    let table = made(&warehouse, by_range("t", specs)).await;
    assert_eq!(table.row().partitioning.columns(), ["d"]);
    assert_eq!(
        shown(&table),
        [
            r#"p1 [(MINVALUE), ("2024-01-01"))"#,
            r#"p202401 [("2024-01-01"), ("2024-02-01"))"#,
            r#"p202402 [("2024-02-01"), ("2024-03-01"))"#,
            r#"p9 [("2024-03-01"), (MAXVALUE))"#,
        ]
    );
    let index = table.partition_index();
    let day = |text| [PartitionValue::parse(text, ColumnType::Date).unwrap()];
    assert_eq!(index.find(&day("2024-02-29")).unwrap().name, "p202402");
    assert_eq!(index.find(&[PartitionValue::Null]).unwrap().name, "p1");
}

#[tokio::test]
async fn a_range_of_two_columns_is_filled_up_with_min() {
    let (_directory, warehouse) = warehouse().await;
    let bound =
        |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).collect::<Vec<_>>();
    let fixed = PartitionSpec::Fixed {
        name: "p".to_owned(),
        from: bound(&["1"]),
        to: bound(&["1", "2024-01-01"]),
    };
    let definition = TableDefinition {
        partition_by: PartitionBy::Range { columns: names(&["k", "d"]), partitions: vec![fixed] },
        ..table("t")
    };
    let table = made(&warehouse, definition).await;
    assert_eq!(shown(&table), [r#"p [("1", MINVALUE), ("1", "2024-01-01"))"#]);
}

#[tokio::test]
async fn lists_hold_values_and_null() {
    let (_directory, warehouse) = warehouse().await;
    let specs =
        vec![within("p1", &[&[Some("beijing")], &[None]]), within("p2", &[&[Some("berlin")]])];
    let table = made(&warehouse, by_list("t", &["v"], specs)).await;
    assert_eq!(shown(&table), [r#"p1 (("beijing"), (NULL))"#, r#"p2 (("berlin"))"#]);
}

#[tokio::test]
async fn partitions_that_make_no_sense_are_refused() {
    let of_range = |specs| refused(by_range("t", specs));
    assert_eq!(
        of_range(vec![less_than("p", Some("2024-01-01")), less_than("p", Some("2025-01-01"))])
            .await,
        "Duplicate partition name p"
    );
    let overlapping = vec![
        every("2024-01-01", "2024-02-01", "MONTH"),
        PartitionSpec::Fixed {
            name: "q".to_owned(),
            from: vec![Some("2024-01-31".to_owned())],
            to: vec![Some("2024-02-15".to_owned())],
        },
    ];
    assert!(of_range(overlapping).await.contains("is intersected with range"));
    let falling = vec![less_than("p", Some("2024-01-01")), less_than("q", Some("2024-01-01"))];
    assert!(of_range(falling).await.starts_with("Invalid range of partition q"));
    assert_eq!(of_range(vec![less_than("p", Some("soon"))]).await, "Invalid DATE value: 'soon'");
    assert_eq!(
        of_range(vec![less_than("p-1", Some("2024-01-01"))]).await,
        "Incorrect partition name 'p-1'"
    );
    assert!(of_range(vec![within("p", &[&[Some("x")]])]).await.contains("partitioned by range"));

    let twice = vec![within("p", &[&[Some("x")], &[Some("x")]])];
    assert!(refused(by_list("t", &["v"], twice)).await.starts_with("Duplicate values in list"));
    let short = vec![within("p", &[&[Some("x")]])];
    assert!(refused(by_list("t", &["v", "k"], short)).await.starts_with("Each list of values"));

    let by_text = TableDefinition {
        partition_by: PartitionBy::Range { columns: names(&["v"]), partitions: Vec::new() },
        ..table("t")
    };
    assert_eq!(
        refused(by_text).await,
        "Column[v] type[VARCHAR(100)] cannot be a range partition key."
    );
    assert_eq!(
        refused(by_list("t", &["x"], Vec::new())).await,
        "Partition column[x] does not found"
    );
}

#[tokio::test]
async fn distributions_that_make_no_sense_are_refused() {
    let of = |distribution| refused(TableDefinition { distribution, ..table("t") });
    assert_eq!(of(hash(&["x"], 1)).await, "Distribution column(x) doesn't exist");
    assert_eq!(of(hash(&["k"], 0)).await, "Number of hash buckets should be greater than zero.");
    assert!(of(hash(&["k"], 5000)).await.starts_with("max buckets per partition"));
    let primary = |distribution, partition_by| {
        let keys = Some((KeysKind::Primary, names(&["k"])));
        refused(TableDefinition { keys, distribution, partition_by, ..table("t") })
    };
    assert_eq!(
        primary(hash(&["v"], 1), PartitionBy::Nothing).await,
        "Distribution column[v] is not key column"
    );
    let random = Some(DistributionDefinition { hash: None, buckets: None });
    assert_eq!(
        primary(random, PartitionBy::Nothing).await,
        "PRIMARY KEY must use hash distribution"
    );
    let by_value = PartitionBy::Range { columns: names(&["d"]), partitions: Vec::new() };
    assert!(primary(None, by_value).await.starts_with("The partition column could not be"));
    let mut floating = table("t");
    floating.columns.push(column("f", ColumnType::Float));
    floating.distribution = hash(&["f"], 1);
    assert_eq!(refused(floating).await, "FLOAT column can not be distribution column");
}

#[tokio::test]
async fn names_are_checked_and_taken_once() {
    let (_directory, warehouse) = warehouse().await;
    made(&warehouse, table("t")).await;
    let error = warehouse.create_table("d", table("t"), now()).await.unwrap_err();
    assert_eq!(error.to_string(), "Table 't' already exists");
    assert_eq!((error.kind(), error.subject()), (ErrorKind::AlreadyExists, Some(Subject::Table)));
    let error = warehouse.create_table("x", table("t"), now()).await.unwrap_err();
    assert_eq!(error.to_string(), "Unknown database 'x'");
    assert_eq!((error.kind(), error.subject()), (ErrorKind::NotFound, Some(Subject::Database)));
    assert_eq!(refused(table(" ")).await, "Incorrect table name ' '");
    let other = TableDefinition { properties: properties(&[("colour", "red")]), ..table("u") };
    assert_eq!(
        message(warehouse.create_table("d", other, now()).await),
        "Unknown properties: {colour=red}"
    );
}

#[tokio::test]
async fn a_table_begins_with_a_key() {
    let definition = TableDefinition {
        columns: vec![column("f", ColumnType::Double)],
        distribution: None,
        ..table("t")
    };
    assert_eq!(refused(definition).await, "Data type of first column cannot be DOUBLE");
}

#[tokio::test]
async fn colocated_tables_are_distributed_alike() {
    let (_directory, warehouse) = warehouse().await;
    let colocated = |name: &str, columns: &[&str], buckets| TableDefinition {
        properties: properties(&[("colocate_with", "g")]),
        distribution: hash(columns, buckets),
        ..table(name)
    };
    made(&warehouse, colocated("a", &["k"], 2)).await;
    made(&warehouse, colocated("b", &["k"], 2)).await;
    let refused = async |definition| message(warehouse.create_table("d", definition, now()).await);
    assert_eq!(
        refused(colocated("c", &["k"], 3)).await,
        "Colocate tables must have same bucket num: 3 should be 2"
    );
    assert_eq!(
        refused(colocated("c", &["k", "v"], 2)).await,
        "Colocate tables distribution columns size must be same: 2 should be 1"
    );
    assert_eq!(
        refused(colocated("c", &["d"], 2)).await,
        "Colocate tables distribution columns must have the same data type: DATE should be INT"
    );
    let random = TableDefinition { distribution: None, ..colocated("c", &[], 2) };
    assert_eq!(refused(random).await, "Colocate table must use hash distribution");
    let catalog = warehouse.catalog();
    let group: Vec<_> = catalog.database("d").unwrap().colocated("g").collect();
    assert_eq!(group.len(), 2);
}

#[tokio::test]
async fn a_copy_has_its_own_ids_and_no_rows() {
    let (_directory, warehouse) = warehouse().await;
    let model = made(
        &warehouse,
        TableDefinition {
            comment: "c".to_owned(),
            ..by_range("t", vec![every("2024-01-01", "2024-01-03", "DAY")])
        },
    )
    .await;
    let added = TableChange::AddColumn(Column {
        default: Some(ColumnDefault::Value("1".to_owned())),
        ..column("n", ColumnType::Int)
    });
    warehouse.alter_table("d", "t", vec![added], now()).await.unwrap();
    warehouse.create_table_like("d", "u", ("d", "t"), now()).await.unwrap();
    let catalog = warehouse.catalog();
    let copy = catalog.table("d", "u").unwrap();
    assert_eq!(shown(copy), shown(&model));
    assert_eq!(copy.row().comment, "c");
    let added = copy.row().column("n").unwrap();
    assert_eq!((added.stored_name(), &added.initial), ("n", &None));
    assert_ne!(copy.row().id, model.row().id);
    let tablets = |table: &Table| -> Vec<Id> {
        let indexes = table.partitions().flat_map(|row| row.indexes.clone());
        indexes.flat_map(|index| index.tablets).map(|tablet| tablet.id).collect()
    };
    assert!(tablets(copy).iter().all(|id| !tablets(&model).contains(id)));

    made(&warehouse, table("single")).await;
    warehouse.create_table_like("d", "other", ("d", "single"), now()).await.unwrap();
    let catalog = warehouse.catalog();
    assert_eq!(shown(catalog.table("d", "other").unwrap()), ["other all rows"]);
}

#[tokio::test]
async fn truncation_empties_partitions_and_says_so_by_their_version() {
    let (_directory, warehouse) = warehouse().await;
    let table =
        made(&warehouse, by_range("t", vec![every("2024-01-01", "2024-01-03", "DAY")])).await;
    let filled = |name: &str| {
        let mut row = PartitionRow::clone(table.partition(name).unwrap());
        let tablet = &mut row.indexes[0].tablets[0];
        let writer = warehouse.files().create(tablet.id, warehouse.next_id().unwrap()).unwrap();
        tablet.segments.push(writer.publish(5, None).unwrap());
        row.version = 2;
        row
    };
    for row in [filled("p20240101"), filled("p20240102")] {
        let id = table.row().id;
        warehouse.transact(move |transaction| transaction.put_partition(id, row)).await.unwrap();
    }
    let state = || -> Vec<_> {
        let catalog = warehouse.catalog();
        let partitions = catalog.table("d", "t").unwrap().partitions();
        partitions.map(|row| (row.version, row.segments().count())).collect()
    };
    assert_eq!(state(), [(2, 1), (2, 1)]);
    warehouse.truncate_table("d", "t", &names(&["p20240101"])).await.unwrap();
    assert_eq!(state(), [(3, 0), (2, 1)]);
    warehouse.truncate_table("d", "t", &[]).await.unwrap();
    assert_eq!(state(), [(4, 0), (3, 0)]);
    let error = warehouse.truncate_table("d", "t", &names(&["x"])).await.unwrap_err();
    assert_eq!(error.to_string(), "Unknown partition 'x' in table 't'");
    drop(table);
    let left = std::fs::read_dir(warehouse.data_dir().join("tablets")).unwrap().count();
    assert_eq!(left, 0, "the files went with their rows");
}

#[tokio::test]
async fn w5_a_table_that_is_being_restored_is_left_alone() {
    let (_directory, warehouse) = warehouse().await;
    let id = made(&warehouse, table("t")).await.row().id;
    warehouse.transact(move |transaction| transaction.set_restoring(id, true)).await.unwrap();
    let busy = "Table t's state is not NORMAL: RESTORE";
    assert_eq!(message(warehouse.drop_table("d", "t").await), busy);
    assert_eq!(message(warehouse.truncate_table("d", "t", &[]).await), busy);
    let rename = vec![TableChange::Rename("u".to_owned())];
    let error = warehouse.alter_table("d", "t", rename, now()).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.kind()), (busy, ErrorKind::Busy));
    assert_eq!(message(warehouse.drop_database("d").await), busy);
    warehouse.maintain(now()).await.unwrap();
    warehouse.transact(move |transaction| transaction.set_restoring(id, false)).await.unwrap();
    warehouse.drop_table("d", "t").await.unwrap();
    assert_eq!(message(warehouse.drop_table("d", "t").await), "Unknown table 't'");
}

#[tokio::test]
async fn w4_a_change_waits_for_the_writer() {
    let (_directory, warehouse) = warehouse().await;
    let id = made(&warehouse, table("t")).await.row().id;
    let lock = warehouse.write_lock(id).await;
    let mut drop_table = Box::pin(warehouse.drop_table("d", "t"));
    assert!((&mut drop_table).now_or_never().is_none(), "the lock is taken");
    let other = warehouse.write_lock(id + 1).await;
    drop((lock, other));
    drop_table.await.unwrap();
}

fn automatic(unit: Option<&str>, columns: &[&str]) -> TableDefinition {
    let unit = unit.map(str::to_owned);
    TableDefinition {
        partition_by: PartitionBy::Automatic { unit, columns: names(columns) },
        ..table("t")
    }
}

#[tokio::test]
async fn automatic_partitions_are_made_of_the_values_of_rows() {
    let day = |text: &str| PartitionValue::parse(text, ColumnType::Date).unwrap();
    let text = |text: &str| PartitionValue::Text(text.to_owned());
    let (_directory, warehouse) = warehouse().await;
    let table = made(&warehouse, automatic(Some("month"), &["d"])).await;
    assert_eq!(shown(&table), [""; 0]);
    let of = |values: &[PartitionValue]| {
        let new = automatic_partition(table.row(), values).unwrap();
        assert!(new.bounds.contains(values));
        format!("{} {}", new.name, new.bounds)
    };
    assert_eq!(of(&[day("2024-02-29")]), r#"p202402 [("2024-02-01"), ("2024-03-01"))"#);
    assert_eq!(of(&[day("9999-12-31")]), r#"p999912 [("9999-12-01"), (MAXVALUE))"#);
    assert_eq!(of(&[PartitionValue::Null]), r#"pNULL [(MINVALUE), ("0000-01-01"))"#);

    warehouse.drop_table("d", "t").await.unwrap();
    let table = made(&warehouse, automatic(None, &["d", "v"])).await;
    let name = |date: &str, city: &str| {
        let new = automatic_partition(table.row(), &[day(date), text(city)]).unwrap();
        name::check_common("partition", &new.name).unwrap();
        new.name
    };
    assert_eq!(name("2024-01-31", "berlin"), "p20240131_berlin");
    assert!(name("2024-01-31", "são paulo").starts_with("p20240131_s_o_paulo_"));
    assert_ne!(name("2024-01-31", "a-b"), name("2024-01-31", "a b"));
    assert_ne!(name("2024-01-31", &"x".repeat(99)), name("2024-01-31", &"x".repeat(98)));
    assert_ne!(name("2024-01-31", "a_b"), name("2024-01-31", "a b"));
}

#[tokio::test]
async fn automatic_partitioning_needs_a_column_of_time() {
    assert!(refused(automatic(Some("month"), &["k"])).await.contains("unit of time"));
    assert!(refused(automatic(Some("hour"), &["d"])).await.contains("DATETIME"));
    assert!(refused(automatic(Some("month"), &["d", "k"])).await.contains("takes one column"));
    assert!(refused(automatic(Some("decade"), &["d"])).await.starts_with("Unsupported time unit"));
    let (_directory, warehouse) = warehouse().await;
    let table = made(&warehouse, by_range("t", Vec::new())).await;
    let error = automatic_partition(table.row(), &[PartitionValue::Date(0)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"The row is out of partition ranges of table t: ("1970-01-01")"#
    );
}
