//! A change of the catalog before it is committed: a draft of the tree, and the rows that were touched.
//!
//! Every method leaves a consistent tree or refuses: what a row refers to is there, and no name is taken twice. Nothing
//! here touches the disk; the store writes what [`Transaction`] collected, or drops it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Store;
use super::row::RowKey;
use crate::catalog::model::{
    DatabaseRow, FunctionRow, Id, PartitionRow, ResourceGroupRow, RoleRow, TableRow, UserRow,
    ViewRow,
};
use crate::catalog::{Catalog, Database, Relation, Table, duplicate, intersected, overlap};
use crate::segment::Segment;
use crate::{Error, ErrorKind, Result, Subject};

/// A change that becomes visible and durable as a whole, or not at all.
#[derive(Debug)]
pub struct Transaction<'a> {
    store: &'a Store,
    pub(super) draft: Catalog,
    /// What becomes of each row: its JSON, or nothing.
    pub(super) rows: BTreeMap<RowKey, Option<Vec<u8>>>,
    /// Segments that rows gained or lost, and how many more rows name each one.
    pub(super) segments: HashMap<u64, (Arc<Segment>, i32)>,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(store: &'a Store, current: &Catalog) -> Self {
        Self { store, draft: current.clone(), rows: BTreeMap::new(), segments: HashMap::new() }
    }

    /// The catalog with what was changed so far.
    pub fn catalog(&self) -> &Catalog {
        &self.draft
    }

    /// See [`Store::next_id`].
    pub fn next_id(&self) -> Result<Id> {
        self.store.next_id()
    }

    /// A longer name that nothing else has, here or in another warehouse whose tables are restored into this one.
    pub fn unique_name(&self, name: &str) -> Result<String> {
        Ok(format!("{name}#{:x}-{}", self.store.cluster_id(), self.next_id()?))
    }

    /// Makes a database, or changes that of the same id, also its name.
    pub fn put_database(&mut self, row: DatabaseRow) -> Result<()> {
        if self.draft.databases.get(&*row.name).is_some_and(|other| other.row.id != row.id) {
            let message = format!("Can't create database '{}'; database exists", row.name);
            return Err(Error::new(ErrorKind::AlreadyExists, message).about(Subject::Database));
        }
        self.touch(RowKey::Database(row.id), &row)?;
        let old = self.draft.database_by_id(row.id).map(|database| Arc::clone(&database.row));
        let old = old.and_then(|old| self.draft.databases.remove(&*old.name));
        let name: Arc<str> = row.name.as_str().into();
        let mut database = old.unwrap_or_else(|| Arc::new(Database::empty(row.clone())));
        Arc::make_mut(&mut database).row = Arc::new(row);
        self.draft.databases.insert(name, database);
        Ok(())
    }

    /// Removes a database with everything in it; without effect where there is none.
    pub fn remove_database(&mut self, id: Id) {
        let Some(database) = self.draft.database_by_id(id).map(Arc::clone) else { return };
        for table in database.tables() {
            self.remove_table(table.row.id);
        }
        for view in database.views() {
            self.forget(RowKey::View(view.id));
        }
        for function in database.functions() {
            self.forget(RowKey::Function(function.id));
        }
        self.forget(RowKey::Database(id));
        self.draft.databases.remove(&*database.row.name);
    }

    /// Makes a table without partitions, or changes that of the same id, also its name.
    pub fn put_table(&mut self, row: TableRow) -> Result<()> {
        let database = self.database(row.database)?;
        let names = || row.rollups.iter().map(|rollup| &rollup.name).chain([&row.name]);
        for name in names() {
            if names().filter(|other| *other == name).count() > 1 {
                return Err(Error::table_exists(name));
            }
            let owner = database.relation(name).map(|relation| match relation {
                Relation::Table(table) | Relation::Rollup(table, _) => table.row.id,
                Relation::View(view) => view.id,
            });
            if owner.is_some_and(|owner| owner != row.id) {
                return Err(Error::table_exists(name));
            }
        }
        if self.draft.table_by_id(row.id).is_some_and(|old| old.row.database != row.database) {
            return Err(Error::unsupported("a table cannot move to another database"));
        }
        self.touch(RowKey::Table(row.id), &row)?;
        self.replace_table_row(row)
    }

    /// Says whether a table is being restored (W5). Not stored.
    pub fn set_restoring(&mut self, table: Id, restoring: bool) -> Result<()> {
        let row = TableRow { restoring, ..TableRow::clone(self.table(table)?.row()) };
        self.replace_table_row(row)
    }

    /// Removes a table with its partitions; without effect where there is none.
    pub fn remove_table(&mut self, id: Id) {
        let Some(table) = self.draft.table_by_id(id).map(Arc::clone) else { return };
        for partition in table.partitions() {
            self.forget(RowKey::Partition(id, partition.id));
            self.count_segments(partition, -1);
        }
        self.forget(RowKey::Table(id));
        if let Ok(database) = self.database_mut(table.row.database) {
            database.tables.remove(&*table.row.name);
            database.table_names.remove(&id);
        }
    }

    /// Makes a partition of a table, or changes that of the same id, also its name. It may overlap no other.
    pub fn put_partition(&mut self, table: Id, row: PartitionRow) -> Result<()> {
        let siblings = self.table(table)?;
        let same_name = siblings.partitions.get(&*row.name).filter(|other| other.id == row.id);
        let same_id = || siblings.partitions().find(|other| other.id == row.id);
        let old = same_name.or_else(same_id).map(Arc::clone);
        check_segments(&row)?;
        if old.as_ref().is_none_or(|old| (&old.name, &old.bounds) != (&row.name, &row.bounds)) {
            check_partition(siblings, &row)?;
        }
        self.touch(RowKey::Partition(table, row.id), &row)?;
        self.count_segments(&row, 1);
        let partitions = &mut self.table_mut(table)?.partitions;
        if let Some(old) = &old {
            partitions.remove(&*old.name);
        }
        partitions.insert(row.name.as_str().into(), Arc::new(row));
        if let Some(old) = &old {
            self.count_segments(old, -1);
        }
        Ok(())
    }

    /// Removes a partition; without effect where there is none.
    pub fn remove_partition(&mut self, table: Id, partition: Id) {
        let found = self.draft.table_by_id(table);
        let found = found.and_then(|table| table.partitions().find(|row| row.id == partition));
        let Some(row) = found.map(Arc::clone) else { return };
        self.forget(RowKey::Partition(table, partition));
        self.count_segments(&row, -1);
        if let Ok(table) = self.table_mut(table) {
            table.partitions.remove(&*row.name);
        }
    }

    /// Makes a view, or changes that of the same id, also its name.
    pub fn put_view(&mut self, row: ViewRow) -> Result<()> {
        let database = self.database(row.database)?;
        match database.relation(&row.name) {
            Some(Relation::View(view)) if view.id == row.id => {}
            Some(_) => return Err(Error::table_exists(&row.name)),
            None => {}
        }
        self.touch(RowKey::View(row.id), &row)?;
        let views = &mut self.database_mut(row.database)?.views;
        views.retain(|_, view| view.id != row.id);
        views.insert(row.name.as_str().into(), Arc::new(row));
        Ok(())
    }

    /// Removes a view; without effect where there is none.
    pub fn remove_view(&mut self, id: Id) {
        self.forget(RowKey::View(id));
        self.change_database_with(
            |database| database.views().any(|view| view.id == id),
            |database| database.views.retain(|_, view| view.id != id),
        );
    }

    /// Makes a function, or changes that of the same id.
    pub fn put_function(&mut self, row: FunctionRow) -> Result<()> {
        let database = self.database(row.database)?;
        if database.function(&row.name, &row.arguments).is_some_and(|other| other.id != row.id) {
            let message = format!("Function with name {} already exists", row.name);
            return Err(Error::new(ErrorKind::AlreadyExists, message).about(Subject::Function));
        }
        self.touch(RowKey::Function(row.id), &row)?;
        let functions = &mut self.database_mut(row.database)?.functions;
        functions.retain(|_, function| function.id != row.id);
        functions.insert((row.name.as_str().into(), row.arguments.clone()), Arc::new(row));
        Ok(())
    }

    /// Removes a function; without effect where there is none.
    pub fn remove_function(&mut self, id: Id) {
        self.forget(RowKey::Function(id));
        self.change_database_with(
            |database| database.functions().any(|function| function.id == id),
            |database| database.functions.retain(|_, function| function.id != id),
        );
    }

    /// Makes a resource group, or changes that of the same id, also its name.
    pub fn put_resource_group(&mut self, row: ResourceGroupRow) -> Result<()> {
        if self.draft.resource_group(&row.name).is_some_and(|other| other.id != row.id) {
            let message = format!("resource_group({}) already exists", row.name);
            return Err(Error::new(ErrorKind::AlreadyExists, message).about(Subject::ResourceGroup));
        }
        self.touch(RowKey::ResourceGroup(row.id), &row)?;
        self.draft.resource_groups.retain(|_, group| group.id != row.id);
        self.draft.resource_groups.insert(row.name.as_str().into(), Arc::new(row));
        Ok(())
    }

    /// Removes a resource group; without effect where there is none.
    pub fn remove_resource_group(&mut self, id: Id) {
        self.forget(RowKey::ResourceGroup(id));
        self.draft.resource_groups.retain(|_, group| group.id != id);
    }

    /// Makes or changes a user.
    pub fn put_user(&mut self, row: UserRow) -> Result<()> {
        self.touch(RowKey::User(row.name.clone(), row.host.clone()), &row)?;
        let key = (row.name.as_str().into(), row.host.as_str().into());
        self.draft.users.insert(key, Arc::new(row));
        Ok(())
    }

    /// Removes a user; without effect where there is none.
    pub fn remove_user(&mut self, name: &str, host: &str) {
        self.forget(RowKey::User(name.to_owned(), host.to_owned()));
        self.draft.users.remove(&(name.into(), host.into()));
    }

    /// Makes or changes a role.
    pub fn put_role(&mut self, row: RoleRow) -> Result<()> {
        self.touch(RowKey::Role(row.name.clone()), &row)?;
        self.draft.roles.insert(row.name.as_str().into(), Arc::new(row));
        Ok(())
    }

    /// Removes a role; without effect where there is none.
    pub fn remove_role(&mut self, name: &str) {
        self.forget(RowKey::Role(name.to_owned()));
        self.draft.roles.remove(name);
    }

    /// Makes or changes a document: a value of the embedder's own, by collection and key.
    pub fn put_document(&mut self, collection: &str, key: &str, value: &Value) -> Result<()> {
        self.touch(RowKey::Document(collection.to_owned(), key.to_owned()), value)
    }

    /// Removes a document; without effect where there is none.
    pub fn remove_document(&mut self, collection: &str, key: &str) {
        self.forget(RowKey::Document(collection.to_owned(), key.to_owned()));
    }

    /// A document with what was changed so far.
    pub fn document(&self, collection: &str, key: &str) -> Result<Option<Value>> {
        match self.rows.get(&RowKey::Document(collection.to_owned(), key.to_owned())) {
            Some(Some(json)) => serde_json::from_slice(json).map(Some).map_err(unreadable),
            Some(None) => Ok(None),
            None => self.store.document(collection, key),
        }
    }

    fn touch(&mut self, key: RowKey, row: &impl Serialize) -> Result<()> {
        let json = serde_json::to_vec(row).map_err(unreadable)?;
        self.rows.insert(key, Some(json));
        Ok(())
    }

    fn forget(&mut self, key: RowKey) {
        self.rows.insert(key, None);
    }

    fn database(&self, id: Id) -> Result<&Arc<Database>> {
        self.draft.database_by_id(id).ok_or_else(|| gone(Subject::Database, id))
    }

    fn table(&self, id: Id) -> Result<&Arc<Table>> {
        self.draft.table_by_id(id).ok_or_else(|| gone(Subject::Table, id))
    }

    fn database_mut(&mut self, id: Id) -> Result<&mut Database> {
        let mut databases = self.draft.databases.values_mut();
        let database = databases.find(|database| database.row.id == id);
        database.map(Arc::make_mut).ok_or_else(|| gone(Subject::Database, id))
    }

    fn table_mut(&mut self, id: Id) -> Result<&mut Table> {
        let database = self.table(id)?.row.database;
        let database = self.database_mut(database)?;
        let table = database.table_names.get(&id).and_then(|name| database.tables.get_mut(name));
        table.map(Arc::make_mut).ok_or_else(|| gone(Subject::Table, id))
    }

    fn change_database_with(
        &mut self,
        is_it: impl Fn(&Database) -> bool,
        change: impl FnOnce(&mut Database),
    ) {
        let mut databases = self.draft.databases.values_mut();
        if let Some(database) = databases.find(|database| is_it(database)) {
            change(Arc::make_mut(database));
        }
    }

    fn replace_table_row(&mut self, row: TableRow) -> Result<()> {
        let (id, name): (_, Arc<str>) = (row.id, row.name.as_str().into());
        let database = self.database_mut(row.database)?;
        let old = database.table_names.insert(id, Arc::clone(&name));
        let table = old.and_then(|old| database.tables.remove(&old));
        let row = Arc::new(row);
        let mut table = table.unwrap_or_else(|| {
            Arc::new(Table { row: Arc::clone(&row), partitions: BTreeMap::new() })
        });
        Arc::make_mut(&mut table).row = row;
        database.tables.insert(name, table);
        Ok(())
    }

    fn count_segments(&mut self, partition: &PartitionRow, change: i32) {
        for segment in partition.segments() {
            let entry = self.segments.entry(segment.number);
            entry.or_insert_with(|| (Arc::clone(segment), 0)).1 += change;
        }
    }
}

fn check_partition(table: &Table, row: &PartitionRow) -> Result<()> {
    for other in table.partitions().filter(|other| other.id != row.id) {
        if other.name == row.name {
            return Err(duplicate(&row.name));
        }
        if overlap(&other.bounds, &row.bounds) {
            return Err(intersected(&row.bounds, &other.bounds, &other.name));
        }
    }
    Ok(())
}

fn check_segments(row: &PartitionRow) -> Result<()> {
    match row.segments().find(|segment| !segment.is_adopted()) {
        Some(foreign) => {
            Err(Error::invalid(format!("{foreign:?} was not written by this warehouse")))
        }
        None => Ok(()),
    }
}

/// What a change refers to went away while it was prepared.
fn gone(subject: Subject, id: Id) -> Error {
    let what = if subject == Subject::Database { "database" } else { "table" };
    let message = format!("the {what} with id {id} was dropped meanwhile");
    Error::new(ErrorKind::NotFound, message).about(subject)
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "a row cannot be written as JSON and read back")
        .with_source(error)
}
