//! [`StoreFile`]: the redb file, which a device that fails for a while does not end.
//!
//! After a failed write redb writes nothing more: it cannot know what reached the disk. So the file is opened anew, which
//! throws half a commit away, and the number that each commit carries tells whether the failed one happened. While the file
//! cannot be opened nothing is written, and each later write tries again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{Database, ReadTransaction, ReadableDatabase};

use super::fault::Fault;
use super::row::{self, RowKey};

/// Memory for pages of the file. The tree is in memory anyway, so pages are read to be rewritten only.
const CACHE_BYTES: usize = 16 << 20;
/// The row with the number of the last commit; a file without it had none.
const COMMITS: &str = "commits";

/// The file of a store.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    /// Held for one read or one commit.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None after a failure, until it could be opened anew.
    database: Option<Database>,
    /// The number of the last commit that is known to have happened.
    commits: u64,
}

/// A commit that is not known to have happened.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    /// Whether it is known that it did not: what it would have named may go.
    pub(super) is_undone: bool,
}

impl StoreFile {
    /// Opens the file, which is made where there is none.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let database = builder().create(path)?;
        let commits = number_of(&database)?;
        let state = Mutex::new(State { database: Some(database), commits });
        Ok(Self { path: path.to_owned(), state })
    }

    /// Reads at one instant.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        read(&self.lock().database(&self.path)?.begin_read()?)
    }

    /// One durable transaction.
    pub(super) fn write(&self, rows: &BTreeMap<RowKey, Option<Vec<u8>>>) -> Result<(), Failed> {
        let mut state = self.lock();
        let number = state.commits + 1;
        let unwritten = |fault| Failed { fault, is_undone: true };
        let written = write(state.database(&self.path).map_err(unwritten)?, rows, number);
        let Err(fault) = written else {
            state.commits = number;
            return Ok(());
        };
        // What it has in memory is worth nothing any more, and it holds the lock of the file.
        state.database = None;
        match state.reopen(&self.path) {
            Ok(()) if state.commits == number => {
                tracing::warn!(
                    ?fault,
                    "a commit of the catalog was reported as failed and happened"
                );
                Ok(())
            }
            Ok(()) => Err(unwritten(fault)),
            Err(_) => Err(Failed { fault, is_undone: false }),
        }
    }

    /// What it guards is changed in single steps.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn database(&mut self, path: &Path) -> Result<&Database, Fault> {
        if self.database.is_none() {
            let known = self.commits;
            self.reopen(path)?;
            if self.commits != known {
                // The tree in memory does not know of it.
                (self.database, self.commits) = (None, known);
                return Err(Fault::Behind);
            }
        }
        self.database.as_ref().ok_or(Fault::Behind)
    }

    fn reopen(&mut self, path: &Path) -> Result<(), Fault> {
        let database = builder().open(path)?;
        self.commits = number_of(&database)?;
        self.database = Some(database);
        Ok(())
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn number_of(database: &Database) -> Result<u64, Fault> {
    Ok(row::read(&database.begin_read()?, row::META, COMMITS)?.unwrap_or_default())
}

fn write(
    database: &Database,
    rows: &BTreeMap<RowKey, Option<Vec<u8>>>,
    number: u64,
) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    for (key, json) in rows {
        key.write(&transaction, json.as_deref())?;
    }
    RowKey::Meta(COMMITS).write(&transaction, Some(number.to_string().as_bytes()))?;
    transaction.commit()?;
    Ok(())
}
