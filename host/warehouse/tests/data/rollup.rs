//! Rollups show what their query would, after loads, replaced rows and deletes.

use cairn_warehouse::catalog::model::{Column, ColumnType};
use cairn_warehouse::ddl::{RollupDefinition, TableDefinition};
use cairn_warehouse::load::{LoadConfig, LoadRequest};

use crate::place::{Place, column, into, keyed, table};

const QUERY: &str = "SELECT v, SUM(k) AS total, COUNT(*) AS n, MIN(k) AS least FROM t GROUP BY v";

fn columns() -> Vec<Column> {
    vec![
        column("v", ColumnType::Varchar(20)),
        column("total", ColumnType::BigInt),
        column("n", ColumnType::BigInt),
        column("least", ColumnType::Int),
    ]
}

pub(crate) async fn create(place: &Place, definition: TableDefinition) {
    place.create(definition).await;
    place.insert("t", "VALUES (1, NULL, 'a'), (2, NULL, 'b'), (3, NULL, 'a')").await;
    let definition =
        RollupDefinition { name: "r".to_owned(), columns: columns(), query: QUERY.to_owned() };
    place.loader.create_rollup("d", "t", definition).await.expect("a rollup");
}

/// Checks the rollup against its query.
async fn check(place: &Place) {
    let expected = place.rows(&format!("{QUERY} ORDER BY v")).await;
    assert_eq!(place.rows("SELECT * FROM r ORDER BY v").await, expected);
    let total = place.value("SELECT SUM(total), COUNT(*) FROM r").await;
    assert_eq!(total, place.value(&format!("SELECT SUM(total), COUNT(*) FROM ({QUERY}) q")).await);
}

#[tokio::test]
async fn a_rollup_is_filled_and_follows_loads() {
    let place = Place::with(LoadConfig { max_segments: 2, ..LoadConfig::default() }).await;
    create(&place, table("t")).await;
    check(&place).await;
    for number in 4..12 {
        place.insert("t", &format!("VALUES ({number}, NULL, 'a'), (0, NULL, 'c{number}')")).await;
        check(&place).await;
    }
    assert_eq!(place.value("SELECT total FROM r WHERE v = 'a'").await, "64");
}

#[tokio::test]
async fn a_rollup_follows_replaced_and_deleted_rows() {
    let place = Place::new().await;
    create(&place, keyed("t")).await;
    place.insert("t", "VALUES (1, NULL, 'b'), (9, NULL, 'a')").await;
    check(&place).await;
    assert_eq!(place.delete("t", "v = 'b' AND k > 1").await, 1);
    check(&place).await;
    let overwrite = LoadRequest { overwrite: true, ..into("t") };
    place.try_insert(overwrite, "VALUES (5, NULL, 'z')").await.expect("replaces");
    check(&place).await;
    place.warehouse.truncate_table("d", "t", &[]).await.expect("truncates");
    check(&place).await;
}

#[tokio::test]
async fn a_rollup_without_groups_shows_its_rows() {
    let place = Place::new().await;
    place.create(table("t")).await;
    let definition = RollupDefinition {
        name: "r".to_owned(),
        columns: vec![column("v", ColumnType::Varchar(20)), column("double_k", ColumnType::BigInt)],
        query: "SELECT v, k * 2 AS double_k FROM t WHERE k > 1".to_owned(),
    };
    place.loader.create_rollup("d", "t", definition).await.expect("a rollup");
    place.insert("t", "VALUES (1, NULL, 'a'), (2, NULL, 'b'), (2, NULL, 'b')").await;
    assert_eq!(place.rows("SELECT * FROM r").await, ["b|4", "b|4"]);
    assert_eq!(place.refusal("SELECT k FROM r").await, "Unknown column 'k'");
}

#[tokio::test]
async fn a_count_over_no_rows_is_0() {
    let place = Place::new().await;
    place.create(table("t")).await;
    let definition = RollupDefinition {
        name: "r".to_owned(),
        columns: vec![column("n", ColumnType::BigInt), column("s", ColumnType::BigInt)],
        query: "SELECT COUNT(*) AS n, SUM(k) AS s FROM t".to_owned(),
    };
    place.loader.create_rollup("d", "t", definition).await.expect("a rollup");
    assert_eq!(place.rows("SELECT n, s FROM r").await, ["0|NULL"]);
    place.insert("t", "VALUES (1, NULL, 'a'), (2, NULL, 'b'), (3, NULL, 'b')").await;
    place.insert("t", "VALUES (4, NULL, 'b')").await;
    assert_eq!(place.rows("SELECT n, s FROM r").await, ["4|10"]);
}

#[tokio::test]
async fn what_several_loads_cannot_add_up_is_refused() {
    let place = Place::new().await;
    place.create(table("t")).await;
    let kept = [
        "SELECT v AS a, SUM(k) AS b FROM t GROUP BY v",
        "SELECT v AS a, MAX(k) AS b FROM t x WHERE x.k > 1 GROUP BY 1 ORDER BY 1",
        "SELECT UPPER(v) AS a, COUNT(*) AS b FROM t GROUP BY UPPER(v)",
        "SELECT k AS a, k + 1 AS b FROM t GROUP BY k",
        "SELECT v AS a, k + 1 AS b FROM t",
    ];
    let refused = [
        "SELECT v AS a, MEDIAN(k) AS b FROM t GROUP BY v",
        "SELECT v AS a, BIT_OR(k) AS b FROM t GROUP BY v",
        "SELECT v AS a, FIRST_VALUE(k) AS b FROM t GROUP BY v",
        "SELECT v AS a, ROW_NUMBER() OVER () AS b FROM t",
        "SELECT v AS a, SUM(k) AS b FROM t GROUP BY v, d",
        "SELECT k + 1 AS a, SUM(k) AS b FROM t GROUP BY k",
        "SELECT 1 AS a, SUM(k) AS b FROM t",
        "SELECT v AS a, RAND() AS b FROM t",
    ];
    let columns = || vec![column("a", ColumnType::Varchar(20)), column("b", ColumnType::BigInt)];
    for (number, query) in kept.iter().chain(&refused).enumerate() {
        let definition = RollupDefinition {
            name: format!("r{number}"),
            columns: columns(),
            query: (*query).to_owned(),
        };
        let made = place.loader.create_rollup("d", "t", definition).await;
        assert_eq!(made.is_ok(), number < kept.len(), "{query}: {made:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let place = Place::new().await;
    place.create(table("t")).await;
    let definition = RollupDefinition {
        name: "r".to_owned(),
        columns: vec![column("a", ColumnType::Double)],
        query: "SELECT AVG(k) AS a FROM t".to_owned(),
    };
    let error = place.loader.create_rollup("d", "t", definition).await.expect_err("refused");
    assert!(error.to_string().contains("SUM, COUNT, MIN and MAX"), "{error}");
}
