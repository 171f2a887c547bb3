use super::super::definition::{PartitionBy, TableChange, TableDefinition};
use super::super::testing::{column, every, message, names, now, properties, table, warehouse};
use super::*;

const DAYS: [(&str, &str); 3] = [
    ("dynamic_partition.time_unit", "DAY"),
    ("dynamic_partition.start", "-2"),
    ("dynamic_partition.end", "1"),
];

fn dynamic(pairs: &[(&str, &str)]) -> TableDefinition {
    TableDefinition {
        partition_by: PartitionBy::Range { columns: names(&["d"]), partitions: Vec::new() },
        properties: properties(pairs),
        ..table("t")
    }
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn partitions(warehouse: &Warehouse) -> Vec<String> {
    let catalog = warehouse.catalog();
    let partitions = catalog.table("d", "t").unwrap().partitions();
    partitions.map(|row| format!("{} {}", row.name, row.bounds)).collect()
}

fn partition_names(warehouse: &Warehouse) -> Vec<String> {
    let catalog = warehouse.catalog();
    catalog.table("d", "t").unwrap().partitions().map(|row| row.name.clone()).collect()
}

async fn refused(definition: TableDefinition) -> String {
    let (_directory, warehouse) = warehouse().await;
    message(warehouse.create_table("d", definition, now()).await)
}

#[tokio::test]
async fn partitions_move_with_the_time() {
    let (_directory, warehouse) = warehouse().await;
    warehouse.create_table("d", dynamic(&DAYS), now()).await.unwrap();
    assert_eq!(
        partitions(&warehouse),
        [
            r#"p20240517 [("2024-05-17"), ("2024-05-18"))"#,
            r#"p20240518 [("2024-05-18"), ("2024-05-19"))"#,
        ]
    );
    assert_eq!(warehouse.maintain(now()).await.unwrap(), Maintenance::default());
    let done = warehouse.maintain(at("2024-05-18T00:00:00Z")).await.unwrap();
    assert_eq!(done, Maintenance { added: 1, removed: 0 });
    let done = warehouse.maintain(at("2024-05-20T23:59:59Z")).await.unwrap();
    assert_eq!(done, Maintenance { added: 2, removed: 1 });
    let expected = ["p20240518", "p20240519", "p20240520", "p20240521"];
    assert_eq!(partition_names(&warehouse), expected);
    // A clock that is set back removes nothing and adds what it can.
    let done = warehouse.maintain(at("2024-05-17T00:00:00Z")).await.unwrap();
    assert_eq!(done, Maintenance { added: 1, removed: 0 });
}

#[tokio::test]
async fn every_unit_has_its_bounds_and_names() {
    for (unit, expected) in [
        ("week", r#"p2024_20 [("2024-05-13"), ("2024-05-20"))"#),
        ("MONTH", r#"p202405 [("2024-05-01"), ("2024-06-01"))"#),
        ("year", r#"p2024 [("2024-01-01"), ("2025-01-01"))"#),
    ] {
        let (_directory, warehouse) = warehouse().await;
        let pairs = [("dynamic_partition.time_unit", unit), ("dynamic_partition.end", "1")];
        warehouse.create_table("d", dynamic(&pairs), now()).await.unwrap();
        assert_eq!(partitions(&warehouse)[0], expected);
    }
    let (_directory, warehouse) = warehouse().await;
    let pairs = [
        ("dynamic_partition.time_unit", "HOUR"),
        ("dynamic_partition.end", "1"),
        ("dynamic_partition.prefix", "h_"),
        ("dynamic_partition.buckets", "7"),
        ("dynamic_partition.time_zone", "+08:00"),
    ];
    let mut definition = dynamic(&pairs);
    definition.columns[1] = column("d", ColumnType::DateTime);
    warehouse.create_table("d", definition, now()).await.unwrap();
    assert_eq!(
        partitions(&warehouse)[0],
        r#"h_2024051721 [("2024-05-17 21:00:00"), ("2024-05-17 22:00:00"))"#
    );
    let catalog = warehouse.catalog();
    let partition = catalog.table("d", "t").unwrap().partition("h_2024051721").unwrap();
    assert_eq!(partition.indexes[0].tablets.len(), 7);
}

#[tokio::test]
async fn what_is_there_is_respected_and_what_is_over_goes() {
    let (_directory, warehouse) = warehouse().await;
    let mut definition = dynamic(&DAYS);
    definition.partition_by = PartitionBy::Range {
        columns: names(&["d"]),
        partitions: vec![
            every("2024-05-13", "2024-05-17", "DAY"),
            every("2024-05-18", "2024-05-25", "WEEK"),
        ],
    };
    warehouse.create_table("d", definition, now()).await.unwrap();
    // The 18th is inside another partition, the days up to the 14th are over.
    assert_eq!(
        partition_names(&warehouse),
        ["p20240515", "p20240516", "p20240517", "p2024_20", "p2024_21"]
    );
}

#[tokio::test]
async fn a_rule_can_be_switched_off_and_on() {
    let (_directory, warehouse) = warehouse().await;
    let mut pairs = DAYS.to_vec();
    pairs.push(("dynamic_partition.enable", "false"));
    warehouse.create_table("d", dynamic(&pairs), now()).await.unwrap();
    assert!(partitions(&warehouse).is_empty());
    warehouse.maintain(now()).await.unwrap();
    assert!(partitions(&warehouse).is_empty());
    let on = TableChange::Set(properties(&[("dynamic_partition.enable", "true")]));
    warehouse.alter_table("d", "t", vec![on], now()).await.unwrap();
    assert_eq!(partition_names(&warehouse), ["p20240517", "p20240518"]);
}

#[tokio::test]
async fn without_a_start_nothing_goes() {
    let (_directory, warehouse) = warehouse().await;
    for start in [None, Some(("dynamic_partition.start", "-2147483648"))] {
        let mut pairs = vec![DAYS[0], DAYS[2]];
        pairs.extend(start);
        warehouse.create_table("d", dynamic(&pairs), now()).await.unwrap();
        let done = warehouse.maintain(at("2030-01-01T00:00:00Z")).await.unwrap();
        assert_eq!(done, Maintenance { added: 2, removed: 0 });
        warehouse.drop_table("d", "t").await.unwrap();
    }
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused() {
    let with = |name: &'static str, value: &'static str| {
        let mut pairs = DAYS.to_vec();
        pairs.retain(|(other, _)| *other != name);
        pairs.push((name, value));
        refused(dynamic(&pairs))
    };
    for (name, value, expected) in [
        ("dynamic_partition.time_unit", "", "Must assign dynamic_partition.time_unit properties"),
        ("dynamic_partition.end", "", "Must assign dynamic_partition.end properties"),
        ("dynamic_partition.end", "0", "Dynamic partition end must greater than 0"),
        ("dynamic_partition.end", "x", "Invalid dynamic partition end x"),
        ("dynamic_partition.start", "0", "Dynamic partition start must less than 0"),
        ("dynamic_partition.start", "x", "Invalid dynamic partition start x"),
        ("dynamic_partition.buckets", "x", "Invalid dynamic partition buckets x"),
        ("dynamic_partition.prefix", "1", "Incorrect partition name '1'"),
        ("dynamic_partition.enable", "maybe", "Invalid dynamic partition enable: maybe"),
        ("dynamic_partition.colour", "red", "Unknown properties: {dynamic_partition.colour=red}"),
        (
            "dynamic_partition.time_unit",
            "eon",
            "Unsupported time unit eon. Expect HOUR/DAY/WEEK/MONTH/YEAR.",
        ),
        (
            "dynamic_partition.time_zone",
            "Mars",
            "Unsupported time zone Mars: write UTC or an offset such as +08:00",
        ),
    ] {
        assert_eq!(with(name, value).await, expected);
    }
    let single = TableDefinition { properties: properties(&DAYS), ..table("t") };
    assert_eq!(
        refused(single).await,
        "Dynamic partition only support single-column range partition"
    );
}

#[tokio::test]
async fn a_table_that_is_loaded_into_does_not_hold_up_the_others() {
    let (_directory, warehouse) = warehouse().await;
    // Before and behind it, by any order.
    for name in ["s", "t", "u"] {
        let definition = TableDefinition { name: name.to_owned(), ..dynamic(&DAYS) };
        warehouse.create_table("d", definition, now()).await.unwrap();
    }
    let catalog = warehouse.catalog();
    let lock = warehouse.write_lock(catalog.table("d", "t").unwrap().row().id).await;
    let count = |name: &str| {
        let catalog = warehouse.catalog();
        catalog.table("d", name).unwrap().partitions().filter(|row| row.name == "p20240519").count()
    };
    let maintained = warehouse.maintain(at("2024-05-18T00:00:00Z"));
    let others = async {
        while count("s") + count("u") < 2 {
            tokio::task::yield_now().await;
        }
    };
    let both = async {
        tokio::select! { _ = maintained => panic!("t is locked"), () = others => {} }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), both).await.unwrap();
    assert_eq!(count("t"), 0);
    drop(lock);
}
