//! Asynchronous materialized views: what a refresh shows and remembers.

use cairn_warehouse::catalog::model::{BaseTable, ColumnType, MaterializedView, Refresh};
use cairn_warehouse::ddl::{TableChange, TableDefinition};
use cairn_warehouse::load::needs_refresh;

use crate::given_up::run;
use crate::place::{NOW_MICROS, Place, column, hash, monthly, now, table};

pub(crate) async fn create(place: &Place) {
    create_over(place, table("t")).await;
}

async fn create_over(place: &Place, base: TableDefinition) {
    place.create(base).await;
    let base = BaseTable {
        database: "d".to_owned(),
        name: "t".to_owned(),
        seen: std::collections::BTreeMap::new(),
    };
    let definition = TableDefinition {
        name: "m".to_owned(),
        columns: vec![column("v", ColumnType::Varchar(1000)), column("n", ColumnType::BigInt)],
        distribution: hash(&["v"], 2),
        materialized_view: Some(MaterializedView {
            query: "SELECT v, COUNT(*) AS n FROM `d`.`t` AS `t` GROUP BY v".to_owned(),
            text: "SELECT v, COUNT(*) AS n FROM t GROUP BY v".to_owned(),
            refresh: Refresh::OnLoad,
            base_tables: vec![base],
            inactive_reason: None,
            refreshed_at: None,
        }),
        ..TableDefinition::default()
    };
    place.create(definition).await;
}

pub(crate) fn is_stale(place: &Place) -> bool {
    let catalog = place.warehouse.catalog();
    needs_refresh(&catalog, catalog.table("d", "m").expect("is there").row())
}

pub(crate) async fn refresh(place: &Place) {
    place.loader.refresh("d", "m", NOW_MICROS, 1234).await.expect("refreshes");
}

#[tokio::test]
async fn a_refresh_replaces_the_rows_and_remembers_what_it_saw() {
    let place = Place::new().await;
    create(&place).await;
    assert!(is_stale(&place));
    refresh(&place).await;
    assert!(!is_stale(&place));
    assert!(place.rows("SELECT * FROM m").await.is_empty());

    place.insert("t", "VALUES (1, NULL, 'a'), (2, NULL, 'b'), (3, NULL, 'a')").await;
    assert!(is_stale(&place));
    refresh(&place).await;
    assert!(!is_stale(&place));
    assert_eq!(place.rows("SELECT * FROM m ORDER BY v").await, ["a|2", "b|1"]);

    place.delete("t", "v = 'b'").await;
    assert!(is_stale(&place));
    refresh(&place).await;
    assert_eq!(place.rows("SELECT * FROM m ORDER BY v").await, ["a|2"]);
    let catalog = place.warehouse.catalog();
    let view = catalog.table("d", "m").expect("is there").row().materialized_view.clone();
    assert_eq!(view.expect("is a view").refreshed_at, Some(1234));
}

#[tokio::test]
async fn a_view_takes_no_rows_but_those_of_its_query() {
    let place = Place::new().await;
    create(&place).await;
    let refusal = place.insert_refusal("m", "VALUES ('x', 1)").await;
    assert!(refusal.contains("because it is a materialized view"), "{refusal}");
    place.warehouse.drop_table("d", "t").await.expect("drops");
    assert!(!is_stale(&place));
    let error = place.loader.refresh("d", "m", NOW_MICROS, 1).await.expect_err("has no base");
    assert!(error.to_string().contains("not active"), "{error}");
}

#[tokio::test]
async fn a_base_that_goes_during_a_refresh_leaves_the_view_inactive() {
    let place = Place::new().await;
    create(&place).await;
    place.insert("t", "VALUES (1, NULL, 'a')").await;
    let mut refresh = Box::pin(place.loader.refresh("d", "m", NOW_MICROS, 1));
    assert!(!run(&mut refresh, 1).await, "it has read the catalog and goes on");
    place.warehouse.drop_table("d", "t").await.expect("drops");
    let error = refresh.await.expect_err("its base is gone");
    assert!(error.to_string().contains("base-table dropped: t"), "{error}");
    let catalog = place.warehouse.catalog();
    let view = catalog.table("d", "m").expect("is there").row().materialized_view.clone();
    let reason = view.expect("is a view").inactive_reason;
    assert_eq!(reason.as_deref(), Some("base-table dropped: t"));
}

#[tokio::test]
async fn a_partition_that_goes_during_a_refresh_was_not_seen() {
    let place = Place::new().await;
    create_over(&place, monthly("t")).await;
    place.insert("t", "VALUES (1, '2024-01-05', 'a'), (1, '2024-02-05', 'a')").await;
    let mut refresh = Box::pin(place.loader.refresh("d", "m", NOW_MICROS, 1));
    assert!(!run(&mut refresh, 1).await, "it has read the catalog and goes on");
    let drop = TableChange::DropPartition { name: "p202401".to_owned(), if_exists: false };
    place.warehouse.alter_table("d", "t", vec![drop], now()).await.expect("drops");
    refresh.await.expect("refreshes");
    // Another partition of the same name and version.
    place.insert("t", "VALUES (2, '2024-01-07', 'b')").await;
    assert!(is_stale(&place));
    let catalog = place.warehouse.catalog();
    let view = catalog.table("d", "m").expect("is there").row().materialized_view.clone();
    let seen: Vec<_> = view.expect("is a view").base_tables[0].seen.keys().cloned().collect();
    assert_eq!(seen, ["p202402"]);
}
