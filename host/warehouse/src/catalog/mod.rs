//! The catalog in memory: an immutable tree of shared nodes.
//!
//! A statement holds one [`Catalog`] and sees all its tables at one instant (W3). A commit copies the nodes on the way
//! from the root to what it touched and shares the rest. Only [`crate::store::Transaction`] makes a new tree; it keeps
//! the rules of names: tables, materialized views, their rollups and views of a database have different names.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Error, Result};

mod account;
mod bounds;
pub(crate) mod calendar;
pub(crate) mod id;
pub mod model;
mod value;

pub use bounds::PartitionIndex;
pub(crate) use bounds::{PartitionSet, duplicate, intersected, overlap, tuple};

use model::{
    DatabaseRow, FunctionRow, Id, PartitionRow, ResourceGroupRow, RoleRow, Rollup, TableRow,
    UserRow, ViewRow,
};

/// Everything but rows of tables, at one instant.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub(crate) databases: BTreeMap<Arc<str>, Arc<Database>>,
    pub(crate) users: BTreeMap<(Arc<str>, Arc<str>), Arc<UserRow>>,
    pub(crate) roles: BTreeMap<Arc<str>, Arc<RoleRow>>,
    pub(crate) resource_groups: BTreeMap<Arc<str>, Arc<ResourceGroupRow>>,
}

impl Catalog {
    /// The databases by name.
    pub fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.databases.values()
    }

    /// A database, or `Unknown database`.
    pub fn database(&self, name: &str) -> Result<&Arc<Database>> {
        self.databases.get(name).ok_or_else(|| Error::unknown_database(name))
    }

    /// A table or materialized view by its id.
    pub fn table_by_id(&self, id: Id) -> Option<&Arc<Table>> {
        self.databases.values().find_map(|database| database.table_by_id(id))
    }

    /// A table or materialized view, or `Unknown database`, `Unknown table`.
    pub fn table(&self, database: &str, name: &str) -> Result<&Arc<Table>> {
        self.database(database)?.table(name)
    }

    /// The users by name and host.
    pub fn users(&self) -> impl Iterator<Item = &Arc<UserRow>> {
        self.users.values()
    }

    /// A user.
    pub fn user(&self, name: &str, host: &str) -> Option<&Arc<UserRow>> {
        self.users.get(&(name.into(), host.into()))
    }

    /// The roles by name.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<RoleRow>> {
        self.roles.values()
    }

    /// A role.
    pub fn role(&self, name: &str) -> Option<&Arc<RoleRow>> {
        self.roles.get(name)
    }

    /// The resource groups by name.
    pub fn resource_groups(&self) -> impl Iterator<Item = &Arc<ResourceGroupRow>> {
        self.resource_groups.values()
    }

    /// A resource group.
    pub fn resource_group(&self, name: &str) -> Option<&Arc<ResourceGroupRow>> {
        self.resource_groups.get(name)
    }

    /// The databases, tables and views that are shown, and nothing else. A database is asked for without a relation, and
    /// its functions go with it.
    pub fn only(&self, is_shown: &dyn Fn(&str, Option<Relation<'_>>) -> bool) -> Self {
        let shown = self.databases.iter().filter(|(name, _)| is_shown(name, None));
        let databases = shown.map(|(name, database)| {
            (Arc::clone(name), Arc::new(database.only(&|relation| is_shown(name, Some(relation)))))
        });
        Self { databases: databases.collect(), ..Self::default() }
    }

    pub(crate) fn database_by_id(&self, id: Id) -> Option<&Arc<Database>> {
        self.databases.values().find(|database| database.row.id == id)
    }
}

/// A database and what is in it.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) row: Arc<DatabaseRow>,
    pub(crate) tables: BTreeMap<Arc<str>, Arc<Table>>,
    /// Names of the tables by id.
    pub(crate) table_names: BTreeMap<Id, Arc<str>>,
    pub(crate) views: BTreeMap<Arc<str>, Arc<ViewRow>>,
    /// By name and arguments.
    pub(crate) functions: BTreeMap<(Arc<str>, Vec<String>), Arc<FunctionRow>>,
}

/// What a name in a database means.
#[derive(Debug, Clone, Copy)]
pub enum Relation<'a> {
    /// A table or an asynchronous materialized view.
    Table(&'a Arc<Table>),
    /// A synchronous materialized view of a table.
    Rollup(&'a Arc<Table>, &'a Rollup),
    /// A view.
    View(&'a Arc<ViewRow>),
}

impl Database {
    pub(crate) fn empty(row: DatabaseRow) -> Self {
        Self {
            row: Arc::new(row),
            tables: BTreeMap::new(),
            table_names: BTreeMap::new(),
            views: BTreeMap::new(),
            functions: BTreeMap::new(),
        }
    }

    fn only(&self, is_shown: &dyn Fn(Relation<'_>) -> bool) -> Self {
        let mut shown = self.clone();
        shown.tables.retain(|_, table| is_shown(Relation::Table(table)));
        shown.table_names.retain(|_, name| shown.tables.contains_key(name));
        shown.views.retain(|_, view| is_shown(Relation::View(view)));
        shown
    }

    /// Its row.
    pub fn row(&self) -> &Arc<DatabaseRow> {
        &self.row
    }

    /// Its tables and asynchronous materialized views by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// A table or asynchronous materialized view, or `Unknown table`.
    pub fn table(&self, name: &str) -> Result<&Arc<Table>> {
        self.tables.get(name).ok_or_else(|| Error::unknown_table(name))
    }

    /// A table or asynchronous materialized view by its id.
    pub fn table_by_id(&self, id: Id) -> Option<&Arc<Table>> {
        self.tables.get(self.table_names.get(&id)?)
    }

    /// Its views by name.
    pub fn views(&self) -> impl Iterator<Item = &Arc<ViewRow>> {
        self.views.values()
    }

    /// A view, or `Unknown table`.
    pub fn view(&self, name: &str) -> Result<&Arc<ViewRow>> {
        self.views.get(name).ok_or_else(|| Error::unknown_table(name))
    }

    /// Whatever has this name.
    pub fn relation(&self, name: &str) -> Option<Relation<'_>> {
        let table = || self.tables.get(name).map(Relation::Table);
        let view = || self.views.get(name).map(Relation::View);
        table().or_else(view).or_else(|| {
            self.tables.values().find_map(|table| {
                let rollup = table.row.rollups.iter().find(|rollup| rollup.name == name)?;
                Some(Relation::Rollup(table, rollup))
            })
        })
    }

    /// Its functions by name and arguments.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<FunctionRow>> {
        self.functions.values()
    }

    /// A function by its name and the types of its arguments.
    pub fn function(&self, name: &str, arguments: &[String]) -> Option<&Arc<FunctionRow>> {
        self.functions.get(&(name.into(), arguments.to_vec()))
    }

    /// The tables of a colocation group by name.
    pub fn colocated(&self, group: &str) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values().filter(move |table| {
            table.row.properties.get(crate::ddl::COLOCATE_WITH).is_some_and(|name| name == group)
        })
    }
}

/// A table or an asynchronous materialized view with its partitions.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) row: Arc<TableRow>,
    pub(crate) partitions: BTreeMap<Arc<str>, Arc<PartitionRow>>,
}

impl Table {
    /// Its row.
    pub fn row(&self) -> &Arc<TableRow> {
        &self.row
    }

    /// Its partitions by name.
    pub fn partitions(&self) -> impl Iterator<Item = &Arc<PartitionRow>> {
        self.partitions.values()
    }

    /// A partition, or `Unknown partition`.
    pub fn partition(&self, name: &str) -> Result<&Arc<PartitionRow>> {
        self.partitions.get(name).ok_or_else(|| Error::unknown_partition(name, &self.row.name))
    }

    /// Finds partitions by the values of rows; made once for many rows.
    pub fn partition_index(&self) -> PartitionIndex {
        PartitionIndex::new(self.partitions.values().cloned())
    }

    /// Refuses a table that is being restored (W5).
    pub fn check_normal(&self) -> Result<()> {
        if self.row.restoring { Err(Error::restoring(&self.row.name)) } else { Ok(()) }
    }
}
