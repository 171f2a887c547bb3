//! What goes wrong with the file of the store, and what that means for whoever runs it.

use std::fmt::Debug;
use std::io;
use std::path::Path;

use redb::{Key, TableDefinition, TableHandle};

use crate::{Error, ErrorKind};

/// A failure before it is known which file it is about.
#[derive(Debug)]
pub(super) enum Fault {
    /// The store's own.
    Store(Box<redb::Error>),
    /// The file is whole, what is in it makes no sense.
    Content(String),
    /// A commit that was reported as failed happened, and the tree in memory does not have it.
    Behind,
    /// It was written by a later program.
    Newer(u64),
}

impl Fault {
    /// A row that is not what it should be.
    pub(super) fn row<K: Key + 'static>(
        table: TableDefinition<'static, K, &'static [u8]>,
        key: &impl Debug,
        error: serde_json::Error,
    ) -> Self {
        Self::Content(format!("row {key:?} of {}: {error}", table.name()))
    }

    /// The error about the store's file at `path`.
    pub(super) fn of(self, path: &Path) -> Error {
        let error = match self {
            Self::Store(error) => *error,
            Self::Content(problem) => return damaged(path, &problem),
            Self::Behind => {
                return Error::new(
                    ErrorKind::Io,
                    format!(
                        "{} has a change that failed earlier: restart to go on",
                        path.display()
                    ),
                );
            }
            Self::Newer(format) => {
                return Error::unsupported(format!(
                    "{} has format {format}, this program reads formats up to {}: start a newer one",
                    path.display(),
                    super::FORMAT,
                ));
            }
        };
        match error {
            redb::Error::DatabaseAlreadyOpen => Error::new(
                ErrorKind::Busy,
                format!("{} is in use: another process has this data directory", path.display()),
            ),
            redb::Error::PreviousIo => Error::new(
                ErrorKind::Io,
                format!("{} could not be written earlier: restart to go on", path.display()),
            ),
            redb::Error::Io(error) if !is_damage(&error) => Error::io("use", path, error),
            error @ (redb::Error::Backend(_) | redb::Error::LockPoisoned(_)) => {
                Error::new(ErrorKind::Io, format!("cannot use {}: {error}", path.display()))
                    .with_source(error)
            }
            error => damaged(path, &error.to_string()).with_source(error),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Store(Box::new(error.into()))
    }
}

/// How the file itself being something else, or too short, is reported.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// A catalog that cannot be believed: nobody goes on from here but from a backup.
pub(super) fn damaged(path: &Path, problem: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "the catalog {} is damaged ({problem}); nothing was started. Keep this directory, start with --data on a new one, \
             name the repository there with CREATE REPOSITORY as it was named here, and RESTORE the last snapshot of each \
             database",
            path.display(),
        ),
    )
}
