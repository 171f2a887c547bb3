//! The tree from its rows, once, at the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::ReadTransaction;

use super::fault::Fault;
use super::row::{
    DATABASES, FUNCTIONS, PARTITIONS, RESOURCE_GROUPS, ROLES, TABLES, USERS, VIEWS, for_each,
};
use crate::catalog::model::{
    DatabaseRow, FunctionRow, Id, PartitionRow, ResourceGroupRow, RoleRow, TableRow, UserRow,
    ViewRow,
};
use crate::catalog::{Catalog, Database, Table};

/// Reads all rows. What a row refers to must be there.
pub(super) fn load(transaction: &ReadTransaction) -> Result<Catalog, Fault> {
    let mut tables = load_tables(transaction)?;
    let mut databases = BTreeMap::new();
    for_each(transaction, DATABASES, |id, row: DatabaseRow| {
        databases.insert(id, Database::empty(row));
        Ok(())
    })?;
    for (id, table) in std::mem::take(&mut tables) {
        let database = parent(&mut databases, table.row.database, "table", id)?;
        let name: Arc<str> = table.row.name.as_str().into();
        database.table_names.insert(id, Arc::clone(&name));
        database.tables.insert(name, Arc::new(table));
    }
    for_each(transaction, VIEWS, |id, row: ViewRow| {
        let database = parent(&mut databases, row.database, "view", id)?;
        database.views.insert(row.name.as_str().into(), Arc::new(row));
        Ok(())
    })?;
    for_each(transaction, FUNCTIONS, |id, row: FunctionRow| {
        let database = parent(&mut databases, row.database, "function", id)?;
        let key = (row.name.as_str().into(), row.arguments.clone());
        database.functions.insert(key, Arc::new(row));
        Ok(())
    })?;
    let mut catalog = Catalog::default();
    for database in databases.into_values() {
        catalog.databases.insert(database.row.name.as_str().into(), Arc::new(database));
    }
    load_accounts(transaction, &mut catalog)?;
    Ok(catalog)
}

fn load_tables(transaction: &ReadTransaction) -> Result<BTreeMap<Id, Table>, Fault> {
    let mut tables = BTreeMap::new();
    for_each(transaction, TABLES, |id, row: TableRow| {
        tables.insert(id, Table { row: Arc::new(row), partitions: BTreeMap::new() });
        Ok(())
    })?;
    for_each(transaction, PARTITIONS, |(table, id), row: PartitionRow| {
        let table = parent(&mut tables, table, "partition", id)?;
        table.partitions.insert(row.name.as_str().into(), Arc::new(row));
        Ok(())
    })?;
    Ok(tables)
}

fn load_accounts(transaction: &ReadTransaction, catalog: &mut Catalog) -> Result<(), Fault> {
    for_each(transaction, USERS, |_, row: UserRow| {
        let key = (row.name.as_str().into(), row.host.as_str().into());
        catalog.users.insert(key, Arc::new(row));
        Ok(())
    })?;
    for_each(transaction, ROLES, |_, row: RoleRow| {
        catalog.roles.insert(row.name.as_str().into(), Arc::new(row));
        Ok(())
    })?;
    for_each(transaction, RESOURCE_GROUPS, |_, row: ResourceGroupRow| {
        catalog.resource_groups.insert(row.name.as_str().into(), Arc::new(row));
        Ok(())
    })
}

fn parent<'a, T>(
    parents: &'a mut BTreeMap<Id, T>,
    parent: Id,
    what: &str,
    id: Id,
) -> Result<&'a mut T, Fault> {
    let missing = || Fault::Content(format!("{what} {id} belongs to {parent}, which is missing"));
    parents.get_mut(&parent).ok_or_else(missing)
}
