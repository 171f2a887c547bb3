//! Rows find their partition, and queries leave out the others.

use cairn_warehouse::catalog::model::ColumnType;
use cairn_warehouse::ddl::{PartitionBy, PartitionSpec, TableDefinition};
use cairn_warehouse::load::LoadRequest;

use crate::place::{Place, column, hash, into, monthly, names, parse, table};

fn less_than(name: &str, bound: Option<&str>) -> PartitionSpec {
    PartitionSpec::LessThan { name: name.to_owned(), bound: vec![bound.map(str::to_owned)] }
}

fn ranged() -> TableDefinition {
    let partitions = vec![less_than("p1", Some("2024-02-01")), less_than("p2", Some("2024-03-01"))];
    let partition_by = PartitionBy::Range { columns: names(&["d"]), partitions };
    TableDefinition { partition_by, ..table("t") }
}

/// How many partitions a query reads, of how many.
async fn read(place: &Place, sql: &str) -> (usize, usize) {
    let stream = place.stream(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let scan = stream.scans().first().expect("one scan").clone();
    (scan.selected_partitions, scan.partitions)
}

#[tokio::test]
async fn partitions_are_made_for_rows_and_left_out_by_filters() {
    let place = Place::new().await;
    place.create(monthly("t")).await;
    place
        .insert("t", "VALUES (1, '2024-01-31', 'a'), (2, '2024-02-01', 'b'), (3, NULL, 'c')")
        .await;
    let names =
        place.rows("SELECT PARTITION_NAME FROM information_schema.partitions_meta ORDER BY 1");
    assert_eq!(names.await, ["p202401", "p202402", "pNULL"]);
    for (condition, expected) in [
        ("d = '2024-01-15'", 1),
        ("d >= '2024-02-01'", 1),
        ("d < '2024-02-01'", 2),
        ("d BETWEEN '2024-01-01' AND '2024-02-29'", 2),
        ("d IN ('2023-01-01', '2024-02-02')", 1),
        ("d IS NULL", 1),
        ("d = '2030-01-01'", 0),
        ("d >= DATE_SUB('2024-03-15', INTERVAL 1 MONTH)", 1),
        ("d > '2024-01-31' OR k = 1", 3),
        ("CAST(d AS DATETIME) >= '2024-02-01 00:00:00'", 1),
    ] {
        let sql = format!("SELECT v FROM t WHERE {condition}");
        assert_eq!(read(&place, &sql).await, (expected, 3), "{condition}");
    }
    assert_eq!(place.value("SELECT v FROM t WHERE d > '2024-01-31'").await, "b");
    assert_eq!(place.value("SELECT v FROM t WHERE d = '2024-01-31'").await, "a");
    let (session, query) = (place.session(), parse("SELECT v FROM t WHERE d IS NULL"));
    let explained = place.engine.explain(&session, query).await.expect("explains");
    assert_eq!(explained.last().map(String::as_str), Some("t: partitions=1/3, segments=1"));
}

#[tokio::test]
async fn a_row_without_a_partition_is_refused_with_those_that_there_are() {
    let place = Place::new().await;
    place.create(ranged()).await;
    let refusal =
        place.insert_refusal("t", "VALUES (1, '2024-01-01', ''), (2, '2024-03-01', '')").await;
    assert_eq!(
        refusal,
        "The row is out of partition ranges of table t: (2024-03-01). Its partitions are \
         [p1, p2]; add one for it"
    );
    assert_eq!(place.value("SELECT COUNT(*) FROM t").await, "0");
    assert!(place.tablet_files().is_empty());
}

#[tokio::test]
async fn named_partitions_take_their_own_rows_only() {
    let place = Place::new().await;
    place.create(ranged()).await;
    place.insert("t", "VALUES (1, '2024-01-01', 'a'), (2, '2024-02-01', 'b')").await;
    let only = |overwrite| LoadRequest { partitions: names(&["p2"]), overwrite, ..into("t") };
    let outside = place.try_insert(only(false), "VALUES (3, '2024-01-01', '')").await;
    assert!(outside.expect_err("is in p1").to_string().contains("partitions are [p2]"));
    place.try_insert(only(true), "VALUES (4, '2024-02-02', 'c')").await.expect("overwrites");
    assert_eq!(place.rows("SELECT v FROM t ORDER BY k").await, ["a", "c"]);
    assert_eq!(place.rows("SELECT v FROM t PARTITION (p1)").await, ["a"]);
    assert_eq!(place.rows("SELECT x.v FROM d.t PARTITION (p2) x").await, ["c"]);
    let unknown = place.refusal("SELECT v FROM t PARTITION (p9)").await;
    assert_eq!(unknown, "Unknown partition 'p9' in table 't'");
}

#[tokio::test]
async fn an_overwrite_replaces_everything() {
    let place = Place::new().await;
    place.create(monthly("t")).await;
    place.insert("t", "VALUES (1, '2024-01-01', 'a'), (2, '2024-02-01', 'b')").await;
    let overwrite = LoadRequest { overwrite: true, ..into("t") };
    place.try_insert(overwrite, "SELECT k + 10, d, v FROM t WHERE k = 2").await.expect("replaces");
    assert_eq!(place.rows("SELECT * FROM t").await, ["12|2024-02-01|b"]);
    assert_eq!(place.tablet_files().len(), 1);
}

#[tokio::test]
async fn lists_hold_the_rows_of_their_values() {
    let place = Place::new().await;
    let mut definition = table("t");
    definition.columns[2].nullable = true;
    let value = |text: &str| vec![Some(text.to_owned())];
    let spec = |name: &str, values| PartitionSpec::In { name: name.to_owned(), values };
    let partitions =
        vec![spec("north", vec![value("no"), value("se")]), spec("south", vec![value("it")])];
    definition.partition_by = PartitionBy::List { columns: names(&["v"]), partitions };
    place.create(definition).await;
    place.insert("t", "VALUES (1, NULL, 'no'), (2, NULL, 'it'), (3, NULL, 'se')").await;
    assert_eq!(read(&place, "SELECT k FROM t WHERE v = 'se'").await, (1, 2));
    assert_eq!(read(&place, "SELECT k FROM t WHERE v IN ('it', 'xx')").await, (1, 2));
    assert_eq!(place.rows("SELECT k FROM t WHERE v <> 'it' ORDER BY k").await, ["1", "3"]);
    assert!(place.insert_refusal("t", "VALUES (4, NULL, 'fr')").await.contains("(fr)"));
}

#[tokio::test]
async fn rows_in_turn_fill_every_tablet() {
    let place = Place::new().await;
    let mut definition = table("t");
    definition.columns.push(column("w", ColumnType::Int));
    definition.distribution =
        Some(cairn_warehouse::ddl::DistributionDefinition { hash: None, buckets: Some(3) });
    place.create(definition).await;
    for _ in 0..3 {
        place.insert("t", "VALUES (1, NULL, '', 1)").await;
    }
    let tablets: std::collections::BTreeSet<_> = place
        .tablet_files()
        .into_iter()
        .map(|path| path.split('/').next().expect("a tablet").to_owned())
        .collect();
    assert_eq!(tablets.len(), 3);
}

#[tokio::test]
async fn one_load_makes_a_bounded_number_of_partitions() {
    let place = Place::new().await;
    let partition_by = PartitionBy::Automatic { unit: None, columns: names(&["k"]) };
    place
        .create(TableDefinition { partition_by, distribution: hash(&["k"], 1), ..table("t") })
        .await;
    let rows = |count: usize| {
        let rows: Vec<_> = (0..count).map(|k| format!("({k}, NULL, 'x')")).collect();
        format!("VALUES {}", rows.join(", "))
    };
    let refusal = place.insert_refusal("t", &rows(4097)).await;
    assert!(refusal.contains("at most 4096 partitions of table t"), "{refusal}");
    assert_eq!(place.insert("t", &rows(300)).await, 300);
    assert_eq!(place.insert("t", &rows(310)).await, 310);
    let sql = "SELECT COUNT(*), COUNT(DISTINCT k), MIN(k), MAX(k) FROM t";
    assert_eq!(place.rows(sql).await, ["610|310|0|309"]);
    assert_eq!(place.segment_numbers("t").len(), 610);
    let catalog = place.warehouse.catalog();
    assert_eq!(catalog.table("d", "t").expect("is there").partitions().count(), 310);
}
