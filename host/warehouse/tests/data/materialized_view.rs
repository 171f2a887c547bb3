//! Asynchronous materialized views: what a refresh shows and remembers.

use cairn_warehouse::catalog::model::{BaseTable, ColumnType, MaterializedView, Refresh};
use cairn_warehouse::ddl::TableDefinition;
use cairn_warehouse::load::needs_refresh;

use crate::place::{NOW_MICROS, Place, column, hash, table};

pub(crate) async fn create(place: &Place) {
    place.create(table("t")).await;
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
