use super::super::definition::{TableChange, TableDefinition, ViewDefinition};
use super::super::testing::{column, every, message, names, now, table, text, warehouse};
use super::*;
use crate::catalog::model::{BaseTable, ColumnType, Properties, Refresh};
use crate::ddl::PartitionBy;

/// An asynchronous materialized view over tables of database `d`.
fn view(name: &str, bases: &[&str], query: &str) -> TableDefinition {
    let base = |name: &&str| BaseTable {
        database: "d".to_owned(),
        name: (*name).to_owned(),
        seen: [("p20240101".to_owned(), 3)].into(),
    };
    TableDefinition {
        materialized_view: Some(MaterializedView {
            query: query.to_owned(),
            text: query.to_owned(),
            refresh: Refresh::Manual,
            base_tables: bases.iter().map(base).collect(),
            inactive_reason: None,
            refreshed_at: None,
        }),
        ..table(name)
    }
}

fn partitioned(name: &str) -> TableDefinition {
    let partitions = vec![every("2024-01-01", "2024-01-03", "DAY")];
    TableDefinition {
        partition_by: PartitionBy::Range { columns: names(&["d"]), partitions },
        ..table(name)
    }
}

/// A table `t`, a view `mv` over it, and `mv2` over `mv`.
async fn with_views() -> (tempfile::TempDir, Warehouse) {
    let (directory, warehouse) = warehouse().await;
    for definition in [
        partitioned("t"),
        view("mv", &["t"], "SELECT k, v FROM d.t"),
        view("mv2", &["mv"], "SELECT k FROM d.mv"),
    ] {
        warehouse.create_table("d", definition, now()).await.unwrap();
    }
    (directory, warehouse)
}

fn of(warehouse: &Warehouse, name: &str) -> MaterializedView {
    let catalog = warehouse.catalog();
    catalog.table("d", name).unwrap().row().materialized_view.clone().unwrap()
}

fn reason(warehouse: &Warehouse, name: &str) -> Option<String> {
    of(warehouse, name).inactive_reason
}

async fn alter_table(warehouse: &Warehouse, change: TableChange) {
    warehouse.alter_table("d", "t", vec![change], now()).await.unwrap();
}

async fn alter(warehouse: &Warehouse, name: &str, change: MaterializedViewChange) -> Result<()> {
    warehouse.alter_materialized_view("d", name, change).await
}

#[tokio::test]
async fn views_follow_the_fate_of_what_they_read() {
    let (_directory, warehouse) = with_views().await;
    warehouse.drop_table("d", "t").await.unwrap();
    assert_eq!(reason(&warehouse, "mv").as_deref(), Some("base-table dropped: t"));
    assert_eq!(reason(&warehouse, "mv2").as_deref(), Some("base-mv inactive: mv"));

    let (_directory, warehouse) = with_views().await;
    alter_table(&warehouse, TableChange::Rename("u".to_owned())).await;
    assert_eq!(reason(&warehouse, "mv").as_deref(), Some("base-table renamed: t"));

    let (_directory, warehouse) = with_views().await;
    warehouse.drop_materialized_view("d", "mv").await.unwrap();
    assert_eq!(reason(&warehouse, "mv2").as_deref(), Some("base-table dropped: mv"));

    let (_directory, warehouse) = with_views().await;
    let rename = MaterializedViewChange::Rename("other".to_owned());
    alter(&warehouse, "mv", rename).await.unwrap();
    assert_eq!(reason(&warehouse, "mv2").as_deref(), Some("base-table renamed: mv"));
    assert_eq!(reason(&warehouse, "other"), None);
}

#[tokio::test]
async fn a_dropped_column_counts_where_it_is_read() {
    let (_directory, warehouse) = with_views().await;
    alter_table(&warehouse, TableChange::AddColumn(text("x"))).await;
    alter_table(&warehouse, TableChange::DropColumn("x".to_owned())).await;
    assert_eq!(reason(&warehouse, "mv"), None);
    let wide = TableDefinition {
        keys: Some((crate::catalog::model::KeysKind::Duplicate, names(&["k"]))),
        ..table("w")
    };
    warehouse.create_table("d", wide, now()).await.unwrap();
    let reader = view("reader", &["w"], "SELECT k, v FROM d.w");
    warehouse.create_table("d", reader, now()).await.unwrap();
    let change = vec![TableChange::DropColumn("v".to_owned())];
    warehouse.alter_table("d", "w", change, now()).await.unwrap();
    assert_eq!(
        reason(&warehouse, "reader").as_deref(),
        Some("base-table schema changed for columns: v")
    );
}

#[tokio::test]
async fn what_was_seen_of_a_partition_goes_with_it() {
    let (_directory, warehouse) = with_views().await;
    let seen = |warehouse: &Warehouse| of(warehouse, "mv").base_tables[0].seen.len();
    let drop = |name: &str| TableChange::DropPartition { name: name.to_owned(), if_exists: false };
    alter_table(&warehouse, drop("p20240102")).await;
    assert_eq!(seen(&warehouse), 1);
    alter_table(&warehouse, drop("p20240101")).await;
    assert_eq!(seen(&warehouse), 0);
    assert_eq!(reason(&warehouse, "mv"), None);
}

#[tokio::test]
async fn an_inactive_view_begins_anew() {
    let (_directory, warehouse) = with_views().await;
    alter(&warehouse, "mv", MaterializedViewChange::Inactivate).await.unwrap();
    assert_eq!(
        reason(&warehouse, "mv").as_deref(),
        Some("user use alter materialized view set status to inactive")
    );
    alter(&warehouse, "mv", MaterializedViewChange::Activate).await.unwrap();
    assert_eq!(reason(&warehouse, "mv"), None);
    assert!(of(&warehouse, "mv").base_tables[0].seen.is_empty());

    warehouse.drop_table("d", "t").await.unwrap();
    assert_eq!(
        message(alter(&warehouse, "mv", MaterializedViewChange::Activate).await),
        "Can not active materialized view [mv] because base-table dropped: t"
    );
    assert_eq!(
        message(alter(&warehouse, "mv2", MaterializedViewChange::Activate).await),
        "Can not active materialized view [mv2] because base-mv inactive: mv"
    );
    warehouse.create_table("d", partitioned("t"), now()).await.unwrap();
    for name in ["mv", "mv2"] {
        alter(&warehouse, name, MaterializedViewChange::Activate).await.unwrap();
    }
}

#[tokio::test]
async fn views_of_other_databases_follow_a_dropped_database() {
    let (_directory, warehouse) = with_views().await;
    warehouse.create_database("e", Properties::new()).await.unwrap();
    let far = view("far", &["t"], "SELECT k FROM d.t");
    warehouse.create_table("e", far, now()).await.unwrap();
    warehouse.drop_database("d").await.unwrap();
    let catalog = warehouse.catalog();
    let view = catalog.table("e", "far").unwrap().row().materialized_view.clone().unwrap();
    assert_eq!(view.inactive_reason.as_deref(), Some("base-table dropped: t"));
}

#[tokio::test]
async fn views_over_views_follow_them() {
    let (_directory, warehouse) = with_views().await;
    let logical = |query: &str| ViewDefinition {
        name: "v".to_owned(),
        comment: String::new(),
        columns: vec![text("v")],
        query: query.to_owned(),
        base_tables: vec![("d".to_owned(), "t".to_owned())],
    };
    warehouse.create_view("d", logical("SELECT v FROM d.t"), false).await.unwrap();
    warehouse.create_table("d", view("over", &["v"], "SELECT v FROM d.v"), now()).await.unwrap();
    warehouse.create_view("d", logical("SELECT 'x' AS v"), true).await.unwrap();
    assert_eq!(reason(&warehouse, "over").as_deref(), Some("base-view changed: v"));
    alter(&warehouse, "over", MaterializedViewChange::Activate).await.unwrap();
    warehouse.drop_view("d", "v").await.unwrap();
    assert_eq!(reason(&warehouse, "over").as_deref(), Some("base-table dropped: v"));
}

#[tokio::test]
async fn a_view_of_totals_needs_no_key() {
    let (_directory, warehouse) = with_views().await;
    let totals = TableDefinition {
        columns: vec![column("total", ColumnType::Double)],
        distribution: None,
        ..view("totals", &["t"], "SELECT sum(k) AS total FROM d.t")
    };
    let id = warehouse.create_table("d", totals, now()).await.unwrap();
    let catalog = warehouse.catalog();
    assert!(catalog.table_by_id(id).unwrap().row().sort_columns().is_empty());
}

#[tokio::test]
async fn each_kind_has_its_own_statements() {
    let (_directory, warehouse) = with_views().await;
    let refused = "is a materialized view, not a table";
    assert!(message(warehouse.drop_table("d", "mv").await).contains(refused));
    assert!(message(warehouse.truncate_table("d", "mv", &[]).await).contains(refused));
    let change = vec![TableChange::DropColumn("v".to_owned())];
    assert!(message(warehouse.alter_table("d", "mv", change, now()).await).contains(refused));
    let refused = "'t' is not a materialized view";
    assert_eq!(message(warehouse.drop_materialized_view("d", "t").await), refused);
    let inactivate = MaterializedViewChange::Inactivate;
    assert_eq!(message(alter(&warehouse, "t", inactivate).await), refused);
    assert_eq!(message(warehouse.drop_materialized_view("d", "x").await), "Unknown table 'x'");
}

#[tokio::test]
async fn a_rollup_is_an_index_of_its_table_and_of_its_partitions() {
    let (_directory, warehouse) = with_views().await;
    let definition = RollupDefinition {
        name: "r".to_owned(),
        columns: vec![text("v")],
        query: "SELECT v FROM d.t".to_owned(),
    };
    warehouse
        .transact(move |transaction| {
            let table = Arc::clone(transaction.catalog().table("d", "t")?);
            let (row, partitions) = with_rollup(&table, definition, &mut || transaction.next_id())?;
            let id = row.id;
            transaction.put_table(row)?;
            partitions.into_iter().try_for_each(|row| transaction.put_partition(id, row))
        })
        .await
        .unwrap();
    let state = || {
        let catalog = warehouse.catalog();
        let table = catalog.table("d", "t").unwrap();
        let tablets = |row: &Arc<PartitionRow>| {
            row.indexes.iter().map(|index| index.tablets.len()).collect::<Vec<_>>()
        };
        (table.row().rollups.len(), table.partitions().map(tablets).collect::<Vec<_>>())
    };
    assert_eq!(state(), (1, vec![vec![2, 2], vec![2, 2]]));
    let partition = TableChange::AddPartition {
        partition: every("2024-01-03", "2024-01-04", "DAY"),
        if_not_exists: false,
    };
    alter_table(&warehouse, partition).await;
    assert_eq!(state(), (1, vec![vec![2, 2], vec![2, 2], vec![2, 2]]));
    let taken = message(warehouse.create_table("d", table("r"), now()).await);
    assert_eq!(taken, "Table 'r' already exists");
    warehouse.drop_materialized_view("d", "r").await.unwrap();
    assert_eq!(state(), (0, vec![vec![2], vec![2], vec![2]]));
}
