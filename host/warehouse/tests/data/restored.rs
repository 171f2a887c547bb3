//! Rows after a restore: found under the names by which they were stored, followed by what reads them.

use std::sync::Arc;

use cairn_pipeline::storage::MemoryStorage;
use cairn_pipeline::tablet::SelectedItem;
use cairn_pipeline::{
    BackupRequest, Engine, Error, Repository, RepositorySettings, RestoreItem, RestoreRequest,
    Selection,
};
use cairn_warehouse::catalog::model::{Column, ColumnDefault, ColumnType};
use cairn_warehouse::ddl::{TableChange, TableDefinition};
use cairn_warehouse::{
    BackupObject, ObjectKind, RestoreSettings, Warehouse, WarehouseSink, WarehouseSource,
};

use crate::place::{Place, column, monthly, now, table};
use crate::{materialized_view, rollup};

/// A repository that several warehouses share.
struct Vault {
    engine: Engine,
    repository: Repository,
}

impl Vault {
    fn new() -> Self {
        let engine = Engine::start().expect("starts");
        let (storage, settings) =
            (Arc::new(MemoryStorage::default()), RepositorySettings::default());
        let repository = engine.create_repository_on(storage, settings).expect("a repository");
        Self { engine, repository }
    }

    /// Backs up a table of the database `d`.
    async fn back_up(&self, warehouse: &Warehouse, label: &str, name: &str) {
        let (database, partitions) = ("d".to_owned(), None);
        let item = SelectedItem {
            database: database.clone(),
            object: Some(name.to_owned()),
            partitions: partitions.clone(),
        };
        let object =
            BackupObject { kind: ObjectKind::Table, database, name: name.to_owned(), partitions };
        let source = Arc::new(WarehouseSource::new(warehouse.clone(), vec![object]));
        let request = BackupRequest::new(label).expect("a label");
        let request = request.select(Selection { items: vec![item] });
        self.engine.backup(&self.repository, source, request).await.expect("backs up");
    }

    /// Restores a table of the database `d`, or some of its partitions, perhaps under another name.
    async fn restore(
        &self,
        warehouse: &Warehouse,
        label: &str,
        (name, alias): (&str, &str),
        partitions: Option<&[&str]>,
    ) -> Result<(), Error> {
        let item = RestoreItem {
            database: "d".to_owned(),
            object: Some(name.to_owned()),
            partitions: partitions.map(crate::place::names),
            as_database: None,
            as_object: Some(alias.to_owned()),
        };
        let settings =
            RestoreSettings { replication_num: 1, now: now(), earlier: Default::default() };
        let sink = Arc::new(WarehouseSink::new(warehouse.clone(), settings));
        let request = RestoreRequest::new(label).expect("a label").item(item);
        self.engine.restore(&self.repository, sink, request).await.map(drop)
    }
}

/// A column `c` that is 5 where nothing is said.
fn five() -> Column {
    let default = Some(ColumnDefault::Value("5".to_owned()));
    Column { default, ..column("c", ColumnType::Int) }
}

async fn alter(place: &Place, changes: Vec<TableChange>) {
    place.warehouse.alter_table("d", "t", changes, now()).await.expect("changes");
}

#[tokio::test]
async fn columns_that_were_dropped_and_added_since_find_the_restored_values() {
    let (vault, place) = (Vault::new(), Place::new().await);
    place.create(table("t")).await;
    place.insert("t", "VALUES (1, NULL, 'old')").await;
    alter(&place, vec![TableChange::AddColumn(five())]).await;
    place.insert("t", "VALUES (2, NULL, 'new', 7)").await;
    vault.back_up(&place.warehouse, "one", "t").await;
    alter(&place, vec![TableChange::DropColumn("c".to_owned())]).await;
    alter(&place, vec![TableChange::AddColumn(five())]).await;
    vault.restore(&place.warehouse, "one", ("t", "t"), None).await.expect("restores");
    assert_eq!(place.rows("SELECT k, c FROM t ORDER BY k").await, ["1|5", "2|7"]);
    place.insert("t", "VALUES (3, NULL, 'newest', 9)").await;
    assert_eq!(place.rows("SELECT k, c FROM t WHERE c > 5 ORDER BY k").await, ["2|7", "3|9"]);
}

#[tokio::test]
async fn a_table_that_was_made_anew_finds_the_restored_values() {
    let (vault, place) = (Vault::new(), Place::new().await);
    place.create(table("t")).await;
    place.insert("t", "VALUES (1, NULL, 'old')").await;
    alter(&place, vec![TableChange::AddColumn(five())]).await;
    place.insert("t", "VALUES (2, NULL, 'new', 7)").await;
    vault.back_up(&place.warehouse, "one", "t").await;
    let elsewhere = Place::new().await;
    let mut anew = table("t");
    anew.columns.push(five());
    elsewhere.create(anew).await;
    vault.restore(&elsewhere.warehouse, "one", ("t", "t"), None).await.expect("restores");
    assert_eq!(elsewhere.rows("SELECT k, c FROM t ORDER BY k").await, ["1|5", "2|7"]);
}

#[tokio::test]
async fn partitions_of_two_layouts_do_not_come_into_one_table() {
    let (vault, place) = (Vault::new(), Place::new().await);
    place.create(monthly("t")).await;
    place.insert("t", "VALUES (1, '2024-01-05', 'a'), (2, '2024-02-05', 'b')").await;
    alter(&place, vec![TableChange::AddColumn(five())]).await;
    vault.back_up(&place.warehouse, "one", "t").await;
    alter(&place, vec![TableChange::DropColumn("c".to_owned())]).await;
    alter(&place, vec![TableChange::AddColumn(five())]).await;
    let catalog = place.warehouse.catalog();
    let mut partitions = catalog.table("d", "t").expect("is there").partitions();
    let january = partitions.next().expect("a partition").name.clone();
    let error = vault.restore(&place.warehouse, "one", ("t", "t"), Some(&[&january])).await;
    let error = error.expect_err("is refused").to_string();
    assert!(error.contains("restore all partitions, or under another name"), "{error}");
    vault.restore(&place.warehouse, "one", ("t", "t"), None).await.expect("restores all");
    assert_eq!(place.rows("SELECT k, c FROM t ORDER BY k").await, ["1|5", "2|5"]);
}

#[tokio::test]
async fn a_materialized_view_follows_a_restore_of_its_base_table() {
    let (vault, place) = (Vault::new(), Place::new().await);
    materialized_view::create(&place).await;
    place.insert("t", "VALUES (1, NULL, 'a')").await;
    vault.back_up(&place.warehouse, "one", "t").await;
    place.insert("t", "VALUES (2, NULL, 'b')").await;
    materialized_view::refresh(&place).await;
    vault.restore(&place.warehouse, "one", ("t", "t"), None).await.expect("restores");
    assert!(materialized_view::is_stale(&place));
    // As many loads as the view had seen.
    place.insert("t", "VALUES (9, NULL, 'z')").await;
    assert!(materialized_view::is_stale(&place));
    materialized_view::refresh(&place).await;
    assert_eq!(place.rows("SELECT * FROM m ORDER BY v").await, ["a|1", "z|1"]);
}

#[tokio::test]
async fn a_rollup_comes_along_under_a_name_of_its_own() {
    let (vault, place) = (Vault::new(), Place::new().await);
    rollup::create(&place, table("t")).await;
    vault.back_up(&place.warehouse, "one", "t").await;
    vault.restore(&place.warehouse, "one", ("t", "copy"), None).await.expect("restores");
    let rows = place.rows("SELECT * FROM r ORDER BY v").await;
    assert_eq!(place.rows("SELECT * FROM r_copy ORDER BY v").await, rows);
    place.insert("copy", "VALUES (4, NULL, 'b')").await;
    assert_eq!(place.value("SELECT n FROM r_copy WHERE v = 'b'").await, "2");
    // And over it.
    vault.restore(&place.warehouse, "one", ("t", "copy"), None).await.expect("restores again");
    assert_eq!(place.rows("SELECT * FROM r_copy ORDER BY v").await, rows);
    assert_eq!(place.rows("SELECT * FROM r ORDER BY v").await, rows);
}

#[tokio::test]
async fn a_fresh_table_with_an_equal_rollup_is_taken() {
    let (vault, place) = (Vault::new(), Place::new().await);
    rollup::create(&place, TableDefinition { comment: "first".to_owned(), ..table("t") }).await;
    vault.back_up(&place.warehouse, "one", "t").await;
    let rows = place.rows("SELECT * FROM r ORDER BY v").await;
    let elsewhere = Place::new().await;
    rollup::create(&elsewhere, table("t")).await;
    elsewhere.insert("t", "VALUES (5, NULL, 'gone')").await;
    vault.restore(&elsewhere.warehouse, "one", ("t", "t"), None).await.expect("restores");
    assert_eq!(elsewhere.rows("SELECT * FROM r ORDER BY v").await, rows);
}
