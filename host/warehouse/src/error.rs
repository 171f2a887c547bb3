//! The one error of this crate: a kind that says what the caller can do, what it is about, and a message in StarRocks'
//! words where StarRocks has some.
//!
//! A fault is classified once, where it is born. The kind and the [`Subject`] together choose the error number of a
//! client, so that nobody reads messages.

use std::io;
use std::path::Path;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The named thing does not exist.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// What was asked for makes no sense: a wrong type, an overlap, a missing default.
    Invalid,
    /// Nothing is wrong with it, but this warehouse does not do it.
    Unsupported,
    /// Something else has it: a restore, another process.
    Busy,
    /// Whoever asks may not have it.
    Denied,
    /// A device fault, a missing right.
    Io,
    /// No space left.
    NoSpace,
    /// What was stored cannot be believed.
    Corrupt,
    /// A query failed: its plan or its execution.
    Query,
}

/// What an [`Error`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// A database.
    Database,
    /// A table or a materialized view.
    Table,
    /// A view.
    View,
    /// A column.
    Column,
    /// A partition.
    Partition,
    /// A function.
    Function,
    /// A resource group.
    ResourceGroup,
    /// A user.
    User,
    /// A role.
    Role,
    /// The list of a SELECT.
    Select,
}

/// What to do about a full device.
const FREE_SPACE: &str = ": free space there and try again";

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A failure of the warehouse.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    subject: Option<Subject>,
    message: String,
    #[source]
    source: Option<Source>,
}

impl Error {
    /// An error with its message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, subject: None, message: message.into(), source: None }
    }

    /// [`ErrorKind::Invalid`] with its message.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// [`ErrorKind::Unsupported`] with its message.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// The same, about a kind of thing.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The same with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A failed operation on a file or a directory: `operation` is a verb phrase such as `write`.
    pub fn io(operation: &str, path: &Path, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => ErrorKind::NoSpace,
            _ => ErrorKind::Io,
        };
        let advice = if kind == ErrorKind::NoSpace { FREE_SPACE } else { "" };
        Self::new(kind, format!("cannot {operation} {}: {error}{advice}", path.display()))
            .with_source(error)
    }

    /// A database that does not exist.
    pub fn unknown_database(name: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("Unknown database '{name}'"))
            .about(Subject::Database)
    }

    /// A table, view or materialized view that does not exist.
    pub fn unknown_table(name: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("Unknown table '{name}'")).about(Subject::Table)
    }

    /// A column that does not exist.
    pub fn unknown_column(name: &str, table: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("Unknown column '{name}' in '{table}'"))
            .about(Subject::Column)
    }

    /// A partition that does not exist.
    pub fn unknown_partition(name: &str, table: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("Unknown partition '{name}' in table '{table}'"))
            .about(Subject::Partition)
    }

    /// A name that a table, a view or a materialized view has.
    pub fn table_exists(name: &str) -> Self {
        Self::new(ErrorKind::AlreadyExists, format!("Table '{name}' already exists"))
            .about(Subject::Table)
    }

    /// A table that a restore has (W5).
    pub fn restoring(table: &str) -> Self {
        Self::new(ErrorKind::Busy, format!("Table {table}'s state is not NORMAL: RESTORE"))
            .about(Subject::Table)
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What it is about, where it is about one thing.
    pub fn subject(&self) -> Option<Subject> {
        self.subject
    }
}
