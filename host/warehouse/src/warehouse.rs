//! The warehouse as a whole: store, files, locks of writers.
//!
//! Writers of a table are one at a time (W4): a load, a change or a restore takes the [`TableLock`] first and commits
//! under it. Whoever needs several takes them in the order of ids.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use crate::catalog::model::Id;
use crate::catalog::{Catalog, Table};
use crate::segment::SegmentFiles;
use crate::store::{Store, Transaction};
use crate::{Error, ErrorKind, Result};

/// An open warehouse; a clone is the same one.
#[derive(Debug, Clone)]
pub struct Warehouse {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    locks: Mutex<HashMap<Id, Weak<tokio::sync::Mutex<()>>>>,
}

/// The right to write to a table, until it is dropped.
#[derive(Debug)]
pub struct TableLock {
    /// Held, never read.
    _guard: OwnedMutexGuard<()>,
}

impl Warehouse {
    /// The warehouse in a data directory, which is made if it is missing.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let store = Store::open(data_dir)?;
        Ok(Self { shared: Arc::new(Shared { store, locks: Mutex::default() }) })
    }

    /// The catalog as it is now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.store.catalog()
    }

    /// Its store, for threads that may block.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Its files.
    pub fn files(&self) -> &Arc<SegmentFiles> {
        self.shared.store.files()
    }

    /// Where it lives.
    pub fn data_dir(&self) -> &Path {
        self.shared.store.data_dir()
    }

    /// Tells this warehouse from all others.
    pub fn cluster_id(&self) -> u64 {
        self.shared.store.cluster_id()
    }

    /// A number that nothing else in this warehouse has or will have: an id, or the number of a segment.
    pub fn next_id(&self) -> Result<Id> {
        self.shared.store.next_id()
    }

    /// Waits for the right to write to a table.
    pub async fn write_lock(&self, table: Id) -> TableLock {
        TableLock { _guard: self.table_mutex(table).lock_owned().await }
    }

    /// The same on a thread that may block.
    pub fn blocking_write_lock(&self, table: Id) -> TableLock {
        TableLock { _guard: self.table_mutex(table).blocking_lock_owned() }
    }

    /// [`Store::transact`] away from the caller's thread.
    pub async fn transact<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.transact_holding((), change).await
    }

    /// The same with a table's lock, which goes with the change: a caller that is given up does not end a commit, so it
    /// must not let the next writer in before it (W4).
    pub(crate) async fn transact_under<T: Send + 'static>(
        &self,
        lock: TableLock,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.transact_holding(lock, change).await
    }

    async fn transact_holding<T: Send + 'static>(
        &self,
        held: impl Send + 'static,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let warehouse = self.clone();
        let work = move || {
            let answer = warehouse.shared.store.transact(change);
            drop(held);
            answer
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            Error::new(ErrorKind::Io, "a change of the catalog was given up").with_source(error)
        })?
    }

    /// A change of one table under its lock, unless it is being restored (W5).
    pub(crate) async fn change_table<T: Send + 'static>(
        &self,
        database: &str,
        name: &str,
        change: impl FnOnce(&mut Transaction<'_>, &Table) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let id = self.catalog().table(database, name)?.row().id;
        let lock = self.write_lock(id).await;
        let name = name.to_owned();
        self.transact_under(lock, move |transaction| {
            // It may have gone while the lock was waited for, or become another one's.
            let table = transaction.catalog().table_by_id(id).map(Arc::clone);
            let table = table.ok_or_else(|| Error::unknown_table(&name))?;
            table.check_normal()?;
            change(transaction, &table)
        })
        .await
    }

    fn table_mutex(&self, table: Id) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.shared.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mutex) = locks.get(&table).and_then(Weak::upgrade) {
            return mutex;
        }
        // A lock that nobody has or waits for is as good as none.
        locks.retain(|_, mutex| mutex.strong_count() > 0);
        let mutex = Arc::default();
        locks.insert(table, Arc::downgrade(&mutex));
        mutex
    }
}
