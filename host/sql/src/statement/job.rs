//! Repositories, backups, restores, snapshots.

use super::{Properties, QualifiedName};

/// `CREATE [READ ONLY] REPOSITORY name WITH BROKER [broker] ON LOCATION "url" [PROPERTIES (...)]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRepository {
    /// Its name.
    pub name: String,
    /// Whether backups into it are refused.
    pub read_only: bool,
    /// The broker, where one was named.
    pub broker: Option<String>,
    /// Where it is.
    pub location: String,
    /// What the storage is told.
    pub properties: Properties,
}

/// `BACKUP [DATABASE d] SNAPSHOT [d.]label TO repository [ON (...)] [PROPERTIES (...)]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The database of `DATABASE d` or of `d.label`; none is the session's.
    pub database: Option<String>,
    /// The label.
    pub label: String,
    /// The repository.
    pub repository: String,
    /// What; nothing is the whole database.
    pub objects: Vec<JobObject>,
    /// `type`, `timeout`, `ttl`.
    pub properties: Properties,
}

/// `RESTORE SNAPSHOT [d.]label FROM repository [DATABASE d [AS e]] [ON (...)] [PROPERTIES (...)]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The database of `d.label`: into which to restore.
    pub target: Option<String>,
    /// The database of `DATABASE d`: the one in the snapshot.
    pub database: Option<String>,
    /// The name after `DATABASE d AS`.
    pub database_alias: Option<String>,
    /// The label.
    pub label: String,
    /// The repository.
    pub repository: String,
    /// What; nothing is all of the snapshot.
    pub objects: Vec<JobObject>,
    /// `backup_timestamp`, `replication_num`, `timeout`, ...
    pub properties: Properties,
}

/// One entry of the `ON (...)` of a backup or restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobObject {
    /// `ALL TABLES`, `ALL VIEWS`, ...
    All(ObjectKind),
    /// One object.
    One {
        /// What it is; none where only a name was typed, which is a table or materialized view.
        kind: Option<ObjectKind>,
        /// Its name.
        name: QualifiedName,
        /// Only these partitions.
        partitions: Vec<String>,
        /// Whether the partitions were called temporary.
        temporary: bool,
        /// The name after `AS`.
        alias: Option<String>,
    },
}

/// Kinds of objects that `ON (...)` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// `TABLE`
    Table,
    /// `MATERIALIZED VIEW`
    MaterializedView,
    /// `VIEW`
    View,
    /// `FUNCTION`
    Function,
    /// `USER`, named as `name@host`; not of StarRocks'
    User,
    /// `ROLE`; not of StarRocks'
    Role,
    /// `RESOURCE GROUP`; not of StarRocks'
    ResourceGroup,
}

impl ObjectKind {
    /// Whether it is in no database.
    pub fn is_of_server(self) -> bool {
        matches!(self, Self::User | Self::Role | Self::ResourceGroup)
    }
}

impl JobObject {
    /// What it is, where that was typed.
    pub fn kind(&self) -> Option<ObjectKind> {
        match self {
            Self::All(kind) => Some(*kind),
            Self::One { kind, .. } => *kind,
        }
    }
}

/// What `ALTER SNAPSHOT` changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterSnapshot {
    /// `ADD HOLD name [COMMENT "reason"]`: nobody forgets the snapshot any more.
    AddHold {
        /// Its name.
        name: String,
        /// Why; empty where nothing was said.
        reason: String,
    },
    /// `DROP HOLD name`
    DropHold {
        /// Its name.
        name: String,
    },
}

/// Which snapshots `SHOW SNAPSHOT` and `DROP SNAPSHOT` mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotFilter {
    /// `SNAPSHOT = "x"`, `SNAPSHOT IN (...)`; empty is any.
    pub labels: Vec<String>,
    /// `SNAPSHOT LIKE "x%"`
    pub like: Option<String>,
    /// `TIMESTAMP = "t"`
    pub timestamp: Option<String>,
    /// `TIMESTAMP <= "t"`
    pub not_after: Option<String>,
    /// `TIMESTAMP >= "t"`
    pub not_before: Option<String>,
    /// `TIMESTAMP < "t"`
    pub before: Option<String>,
    /// `TIMESTAMP > "t"`
    pub after: Option<String>,
}
