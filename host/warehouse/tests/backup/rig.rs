//! Warehouses in temporary directories, an engine, a repository in memory.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use cairn_pipeline::storage::MemoryStorage;
use cairn_pipeline::tablet::SelectedItem;
use cairn_pipeline::{
    BackupReport, BackupRequest, Engine, Error, Repository, RepositorySettings, RestoreItem,
    RestoreReport, RestoreRequest, Selection,
};
use cairn_warehouse::catalog::model::{Column, ColumnType};
use cairn_warehouse::ddl::{DistributionDefinition, PartitionBy, PartitionSpec, TableDefinition};
use cairn_warehouse::{
    BackupObject, ObjectKind, RestoreSettings, Warehouse, WarehouseSink, WarehouseSource,
};
use jiff::Timestamp;
use tempfile::TempDir;

/// A day on which nothing happens.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_770_000_000, 0);

/// An engine and a repository that several warehouses share.
pub(crate) struct Cellar {
    engine: Engine,
    repository: Repository,
}

impl Cellar {
    pub(crate) fn new() -> Self {
        let engine = Engine::start().unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let repository =
            engine.create_repository_on(storage, RepositorySettings::default()).unwrap();
        Self { engine, repository }
    }

    /// Backs up tables of the database `shop`.
    pub(crate) fn back_up(&self, house: &House, label: &str, names: &[&str]) -> BackupReport {
        let object = |name: &&str| BackupObject {
            kind: house.kind_of(name),
            database: "shop".to_owned(),
            name: (*name).to_owned(),
            partitions: None,
        };
        self.back_up_objects(house, label, names.iter().map(object).collect())
    }

    pub(crate) fn back_up_objects(
        &self,
        house: &House,
        label: &str,
        objects: Vec<BackupObject>,
    ) -> BackupReport {
        let item = |object: &BackupObject| SelectedItem {
            database: object.database.clone(),
            object: Some(object.name.clone()),
            partitions: object.partitions.clone(),
        };
        let selection = Selection { items: objects.iter().map(item).collect() };
        let source = Arc::new(WarehouseSource::new(house.warehouse.clone(), objects));
        let request = BackupRequest::new(label).unwrap().select(selection);
        self.engine.backup(&self.repository, source, request).wait().unwrap()
    }

    /// Restores the database `shop`, or these of its objects, each perhaps under another name.
    pub(crate) fn restore(
        &self,
        house: &House,
        label: &str,
        into: &str,
        names: &[(&str, &str)],
    ) -> Result<RestoreReport, Error> {
        let settings =
            RestoreSettings { replication_num: 1, now: NOW, earlier: Default::default() };
        self.restore_by(WarehouseSink::new(house.warehouse.clone(), settings), label, into, names)
    }

    /// The same through this sink.
    pub(crate) fn restore_by(
        &self,
        sink: WarehouseSink,
        label: &str,
        into: &str,
        names: &[(&str, &str)],
    ) -> Result<RestoreReport, Error> {
        let mut request = RestoreRequest::new(label).unwrap();
        let whole = RestoreItem {
            database: "shop".to_owned(),
            object: None,
            partitions: None,
            as_database: Some(into.to_owned()),
            as_object: None,
        };
        if names.is_empty() {
            request = request.item(whole.clone());
        }
        for (name, alias) in names {
            let (object, as_object) = (Some((*name).to_owned()), Some((*alias).to_owned()));
            request = request.item(RestoreItem { object, as_object, ..whole.clone() });
        }
        self.engine.restore(&self.repository, Arc::new(sink), request).wait()
    }
}

/// A warehouse of its own.
pub(crate) struct House {
    pub(crate) warehouse: Warehouse,
    runtime: tokio::runtime::Runtime,
    place: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let warehouse = Warehouse::open(place.path()).unwrap();
        Self { warehouse, runtime, place }
    }

    /// With the database `shop`.
    pub(crate) fn with_shop() -> Self {
        let house = Self::new();
        house.run(house.warehouse.create_database("shop", BTreeMap::new())).unwrap();
        house
    }

    pub(crate) fn run<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.block_on(task)
    }

    /// Makes a table of the database `shop`: two buckets; partitions of ten ids each, below these bounds.
    pub(crate) fn create(&self, name: &str, bounds: &[u32]) {
        self.create_with(name, bounds, |_| {});
    }

    pub(crate) fn create_with(
        &self,
        name: &str,
        bounds: &[u32],
        change: impl FnOnce(&mut TableDefinition),
    ) {
        let column = |name: &str, nullable| Column {
            name: name.to_owned(),
            column_type: ColumnType::Int,
            nullable,
            default: None,
            auto_increment: false,
            comment: String::new(),
            initial: None,
            stored_as: None,
        };
        let partition = |bound: &u32| PartitionSpec::Fixed {
            name: format!("p{bound}"),
            from: vec![Some((bound - 10).to_string())],
            to: vec![Some(bound.to_string())],
        };
        let columns = vec!["id".to_owned()];
        let mut definition = TableDefinition {
            name: name.to_owned(),
            columns: vec![column("id", false), column("value", true)],
            distribution: Some(DistributionDefinition {
                hash: Some(columns.clone()),
                buckets: Some(2),
            }),
            ..TableDefinition::default()
        };
        if !bounds.is_empty() {
            let partitions = bounds.iter().map(partition).collect();
            definition.partition_by = PartitionBy::Range { columns, partitions };
        }
        change(&mut definition);
        self.run(self.warehouse.create_table("shop", definition, NOW)).unwrap();
    }

    /// Puts a segment with these bytes into a tablet of a partition.
    pub(crate) fn add_segment(&self, table: &str, partition: &str, bucket: usize, bytes: &[u8]) {
        let store = self.warehouse.store();
        let catalog = self.warehouse.catalog();
        let table = catalog.table("shop", table).unwrap();
        let mut row = (**table.partition(partition).unwrap()).clone();
        let tablet = &mut row.indexes[0].tablets[bucket];
        let number = self.warehouse.next_id().unwrap();
        let writer = self.warehouse.files().create(tablet.id, number).unwrap();
        writer.file().write_all(bytes).unwrap();
        tablet
            .segments
            .push(writer.publish(bytes.len() as u64, Some(crc32c::crc32c(bytes))).unwrap());
        row.version += 1;
        store.transact(|tx| tx.put_partition(table.row().id, row)).unwrap();
    }

    fn kind_of(&self, name: &str) -> ObjectKind {
        let catalog = self.warehouse.catalog();
        match catalog.table("shop", name) {
            Ok(table) if table.row().materialized_view.is_some() => ObjectKind::MaterializedView,
            Ok(_) => ObjectKind::Table,
            Err(_) => ObjectKind::View,
        }
    }

    /// What every tablet of a table holds: bytes of its segments by partition and bucket.
    pub(crate) fn content(
        &self,
        database: &str,
        table: &str,
    ) -> BTreeMap<(String, usize), Vec<Vec<u8>>> {
        let catalog = self.warehouse.catalog();
        let mut content = BTreeMap::new();
        for partition in catalog.table(database, table).unwrap().partitions() {
            for (bucket, tablet) in partition.indexes[0].tablets.iter().enumerate() {
                let files = self.warehouse.files();
                let read = |segment: &Arc<_>| std::fs::read(files.path(segment)).unwrap();
                let bytes = tablet.segments.iter().map(read).collect();
                content.insert((partition.name.clone(), bucket), bytes);
            }
        }
        content
    }

    /// Files below the directory of tablets.
    pub(crate) fn num_files(&self) -> usize {
        count(&self.place.path().join("tablets"))
    }

    /// The warehouse in a copy of its directory, as it is now: to be put back later.
    pub(crate) fn copied(self) -> (Self, TempDir) {
        let Self { warehouse, runtime, place } = self;
        drop(warehouse);
        let copy = tempfile::tempdir().unwrap();
        copy_directory(place.path(), copy.path());
        let warehouse = Warehouse::open(place.path()).unwrap();
        (Self { warehouse, runtime, place }, copy)
    }

    /// The warehouse as the copy has it.
    pub(crate) fn put_back(self, copy: TempDir) -> Self {
        let warehouse = Warehouse::open(copy.path()).unwrap();
        Self { warehouse, runtime: self.runtime, place: copy }
    }

    /// The same warehouse after a restart.
    pub(crate) fn reopened(self) -> Self {
        let Self { warehouse, runtime, place } = self;
        drop(warehouse);
        let warehouse = Warehouse::open(place.path()).unwrap();
        Self { warehouse, runtime, place }
    }
}

fn copy_directory(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn count(path: &Path) -> usize {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}
