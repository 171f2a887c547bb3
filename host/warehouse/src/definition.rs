//! [`Definition`]: an object as a snapshot keeps it, apart from its rows.
//!
//! It is what the engine carries as opaque bytes: JSON with one member that names the kind, so that a person and a later
//! version can read it. It holds the row of the catalog and, for what has partitions, what each of them is; ids are those of
//! the warehouse that wrote it and mean nothing elsewhere.

use serde::{Deserialize, Serialize};

use crate::catalog::model::{
    Column, Distribution, FunctionRow, KeysKind, PartitionBounds, Partitioning, ResourceGroupRow,
    RoleRow, TableRow, UserRow, ViewRow,
};
use crate::catalog::{Catalog, Table};
use crate::{Error, ErrorKind, Result, Subject};

/// Kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A native table.
    Table,
    /// An asynchronous materialized view; a synchronous one is a part of its table.
    MaterializedView,
    /// A logical view.
    View,
    /// A function.
    Function,
    /// A resource group.
    ResourceGroup,
    /// A role.
    Role,
    /// A user.
    User,
}

impl ObjectKind {
    /// All kinds, in the order of restoring.
    pub const ALL: [Self; 7] = [
        Self::Table,
        Self::MaterializedView,
        Self::View,
        Self::Function,
        Self::ResourceGroup,
        Self::Role,
        Self::User,
    ];

    /// Its name in manifests and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::MaterializedView => "materialized view",
            Self::View => "view",
            Self::Function => "function",
            Self::ResourceGroup => "resource group",
            Self::Role => "role",
            Self::User => "user",
        }
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An object to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its database; empty for what is in none.
    pub database: String,
    /// Its name; of a function with the types of its arguments, of a user with its host.
    pub name: String,
    /// Only these partitions; none is all of them.
    pub partitions: Option<Vec<String>>,
}

/// An object as a snapshot keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// A table or a materialized view.
    Table(Box<SnapshotTable>),
    /// A view.
    View {
        /// The name of its database.
        database: String,
        /// The view.
        row: ViewRow,
    },
    /// A function.
    Function(FunctionRow),
    /// A resource group.
    ResourceGroup(ResourceGroupRow),
    /// A role.
    Role(RoleRow),
    /// A user.
    User(UserRow),
}

/// What has partitions, as a snapshot keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotTable {
    /// The name of its database.
    pub database: String,
    /// The table.
    pub row: TableRow,
    /// The partitions of the snapshot.
    pub partitions: Vec<SnapshotPartition>,
}

/// A partition as a snapshot keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPartition {
    /// Its name.
    pub name: String,
    /// Which rows it holds.
    pub bounds: PartitionBounds,
    /// Its version.
    pub version: u64,
    /// Tablets of each of its indexes.
    pub buckets: u32,
}

impl Definition {
    /// The definition of an object of a catalog.
    pub(crate) fn of(catalog: &Catalog, object: &BackupObject) -> Result<Self> {
        let BackupObject { kind, database, name, partitions } = object;
        Ok(match kind {
            ObjectKind::Table | ObjectKind::MaterializedView => {
                let table = catalog.table(database, name)?;
                let table = SnapshotTable::of(database, table, partitions.as_deref());
                Self::Table(Box::new(table))
            }
            ObjectKind::View => {
                let row = catalog.database(database)?.view(name)?;
                Self::View { database: database.clone(), row: ViewRow::clone(row) }
            }
            ObjectKind::Function => {
                let mut functions = catalog.database(database)?.functions();
                let found = functions.find(|function| function.signature() == *name);
                Self::Function(FunctionRow::clone(
                    found.ok_or_else(|| missing(*kind, name, Subject::Function))?,
                ))
            }
            ObjectKind::ResourceGroup => {
                let found = catalog.resource_group(name);
                Self::ResourceGroup(ResourceGroupRow::clone(
                    found.ok_or_else(|| missing(*kind, name, Subject::ResourceGroup))?,
                ))
            }
            ObjectKind::Role => {
                let found = catalog.role(name);
                Self::Role(RoleRow::clone(
                    found.ok_or_else(|| missing(*kind, name, Subject::Role))?,
                ))
            }
            ObjectKind::User => {
                let mut users = catalog.users();
                let found = users.find(|user| user.identity() == *name);
                Self::User(UserRow::clone(
                    found.ok_or_else(|| missing(*kind, name, Subject::User))?,
                ))
            }
        })
    }

    /// What it is a definition of.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Table(table) if table.row.materialized_view.is_some() => {
                ObjectKind::MaterializedView
            }
            Self::Table(_) => ObjectKind::Table,
            Self::View { .. } => ObjectKind::View,
            Self::Function(_) => ObjectKind::Function,
            Self::ResourceGroup(_) => ObjectKind::ResourceGroup,
            Self::Role(_) => ObjectKind::Role,
            Self::User(_) => ObjectKind::User,
        }
    }

    /// What its query reads, as (database, name).
    pub(crate) fn reads(&self) -> impl Iterator<Item = (&str, &str)> {
        let (bases, names) = match self {
            Self::Table(table) => (table.row.materialized_view.as_ref(), None),
            Self::View { row, .. } => (None, Some(&row.base_tables)),
            _ => (None, None),
        };
        let bases = bases.into_iter().flat_map(|view| &view.base_tables);
        let bases = bases.map(|base| (base.database.as_str(), base.name.as_str()));
        let names = names.into_iter().flatten();
        bases.chain(names.map(|(database, name)| (database.as_str(), name.as_str())))
    }

    /// As the engine carries it.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "a definition cannot be written as JSON")
                .with_source(error)
        })
    }

    /// Reads what a snapshot holds; `what` names the object.
    pub fn decode(what: &str, bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            let message =
                format!("the definition of {what} in the snapshot cannot be read: {error}");
            Error::new(ErrorKind::Corrupt, message).with_source(error)
        })
    }

    /// Names of the objects of the same database that must be restored before it.
    pub(crate) fn depends_on(&self) -> Vec<String> {
        let own = match self {
            Self::Table(table) => &table.database,
            Self::View { database, .. } => database,
            _ => return Vec::new(),
        };
        let here = self.reads().filter(|(database, _)| database == own);
        here.map(|(_, name)| name.to_owned()).collect()
    }
}

impl SnapshotTable {
    fn of(database: &str, table: &Table, partitions: Option<&[String]>) -> Self {
        let is_wanted = |name: &String| partitions.is_none_or(|names| names.contains(name));
        let definition = |row: &std::sync::Arc<crate::catalog::model::PartitionRow>| {
            let (name, bounds, version) = (row.name.clone(), row.bounds.clone(), row.version);
            let buckets = row
                .indexes
                .first()
                .map_or(0, |index| u32::try_from(index.tablets.len()).unwrap_or(u32::MAX));
            SnapshotPartition { name, bounds, version, buckets }
        };
        let wanted = table.partitions().filter(|row| is_wanted(&row.name));
        Self {
            database: database.to_owned(),
            row: TableRow::clone(table.row()),
            partitions: wanted.map(definition).collect(),
        }
    }

    /// The partition of this name.
    pub(crate) fn partition(&self, name: &str) -> Option<&SnapshotPartition> {
        self.partitions.iter().find(|partition| partition.name == name)
    }
}

/// Changes when rows of one cannot be rows of the other.
pub(crate) fn fingerprint(definition: &Definition) -> Vec<u8> {
    #[derive(Serialize)]
    struct Shape<'a> {
        columns: &'a [Column],
        keys: KeysKind,
        key_columns: &'a [String],
        partitioning: &'a Partitioning,
        distribution: &'a Distribution,
        rollups: Vec<(&'a str, &'a str)>,
    }
    let Definition::Table(table) = definition else { return Vec::new() };
    let row = &table.row;
    let rollups = row.rollups.iter().map(|rollup| (&*rollup.name, &*rollup.query)).collect();
    let shape = Shape {
        columns: &row.columns,
        keys: row.keys,
        key_columns: &row.key_columns,
        partitioning: &row.partitioning,
        distribution: &row.distribution,
        rollups,
    };
    // A value without maps and floats: its JSON is always the same, and writing it cannot fail.
    let json = serde_json::to_vec(&shape).unwrap_or_default();
    blake3::hash(&json).as_bytes().to_vec()
}

fn missing(kind: ObjectKind, name: &str, subject: Subject) -> Error {
    Error::new(ErrorKind::NotFound, format!("Unknown {} '{name}'", kind.as_str())).about(subject)
}
