//! Rows on disk: which table of the store each kind of row is in, under which key, as JSON.

use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::de::DeserializeOwned;

use super::fault::Fault;

/// Found by an id.
type ById = TableDefinition<'static, u64, &'static [u8]>;
/// Found by two ids.
type ByIds = TableDefinition<'static, (u64, u64), &'static [u8]>;
/// Found by a name.
type ByName = TableDefinition<'static, &'static str, &'static [u8]>;
/// Found by two names.
type ByNames = TableDefinition<'static, (&'static str, &'static str), &'static [u8]>;

pub(super) const DATABASES: ById = TableDefinition::new("databases");
pub(super) const TABLES: ById = TableDefinition::new("tables");
/// By table, then partition.
pub(super) const PARTITIONS: ByIds = TableDefinition::new("partitions");
pub(super) const VIEWS: ById = TableDefinition::new("views");
pub(super) const FUNCTIONS: ById = TableDefinition::new("functions");
pub(super) const RESOURCE_GROUPS: ById = TableDefinition::new("resource_groups");
/// By name, then host.
pub(super) const USERS: ByNames = TableDefinition::new("users");
pub(super) const ROLES: ByName = TableDefinition::new("roles");
/// By collection, then key.
pub(super) const DOCUMENTS: ByNames = TableDefinition::new("documents");
pub(super) const META: ByName = TableDefinition::new("meta");

/// Where a row is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RowKey {
    Database(u64),
    Table(u64),
    Partition(u64, u64),
    View(u64),
    Function(u64),
    ResourceGroup(u64),
    User(String, String),
    Role(String),
    Document(String, String),
    Meta(&'static str),
}

impl RowKey {
    /// Writes the row, or removes it.
    pub(super) fn write(
        &self,
        transaction: &WriteTransaction,
        json: Option<&[u8]>,
    ) -> Result<(), redb::Error> {
        match self {
            Self::Database(id) => set(transaction, DATABASES, *id, json),
            Self::Table(id) => set(transaction, TABLES, *id, json),
            Self::Partition(table, id) => set(transaction, PARTITIONS, (*table, *id), json),
            Self::View(id) => set(transaction, VIEWS, *id, json),
            Self::Function(id) => set(transaction, FUNCTIONS, *id, json),
            Self::ResourceGroup(id) => set(transaction, RESOURCE_GROUPS, *id, json),
            Self::User(name, host) => set(transaction, USERS, (name, host), json),
            Self::Role(name) => set(transaction, ROLES, name.as_str(), json),
            Self::Document(collection, key) => set(transaction, DOCUMENTS, (collection, key), json),
            Self::Meta(name) => set(transaction, META, *name, json),
        }
    }
}

fn set<'a, K: Key + 'static>(
    transaction: &WriteTransaction,
    table: TableDefinition<'static, K, &'static [u8]>,
    key: K::SelfType<'a>,
    json: Option<&[u8]>,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(table)?;
    match json {
        Some(json) => drop(table.insert(key, json)?),
        None => drop(table.remove(key)?),
    }
    Ok(())
}

/// Calls `each` with the key and the value of every row of a table; a table that was never written has none.
pub(super) fn for_each<K: Key + 'static, R: DeserializeOwned>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'static, K, &'static [u8]>,
    mut each: impl FnMut(K::SelfType<'_>, R) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let table = match transaction.open_table(definition) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        table => table?,
    };
    for entry in table.iter()? {
        let (key, json) = entry?;
        let row = serde_json::from_slice(json.value())
            .map_err(|error| Fault::row(definition, &key.value(), error))?;
        each(key.value(), row)?;
    }
    Ok(())
}

/// One row of a table.
pub(super) fn read<'a, K: Key + 'static, R: DeserializeOwned>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'static, K, &'static [u8]>,
    key: K::SelfType<'a>,
) -> Result<Option<R>, Fault> {
    let table = match transaction.open_table(definition) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        table => table?,
    };
    let named = format!("{key:?}");
    let Some(json) = table.get(key)? else { return Ok(None) };
    serde_json::from_slice(json.value())
        .map(Some)
        .map_err(|error| Fault::row(definition, &named, error))
}

/// The documents of a collection in the order of their keys.
pub(super) fn read_prefix(
    transaction: &ReadTransaction,
    collection: &str,
) -> Result<Vec<(String, serde_json::Value)>, Fault> {
    let table = match transaction.open_table(DOCUMENTS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let mut documents = Vec::new();
    for entry in table.range((collection, "")..)? {
        let (key, json) = entry?;
        let (of, key) = key.value();
        if of != collection {
            break;
        }
        let value = serde_json::from_slice(json.value())
            .map_err(|error| Fault::row(DOCUMENTS, &(of, key), error))?;
        documents.push((key.to_owned(), value));
    }
    Ok(documents)
}
