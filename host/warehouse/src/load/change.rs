//! [`Loader`], which begins changes, and [`Change`], a table that is being changed: what inserts, deletes and refreshes have in
//! common.
//!
//! The table's lock is held from the first row to the end of the commit (W4). What takes time on a thread leaves the runtime's.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::draft::{TableDraft, TabletKey};
use super::run::RowOrder;
use super::segment_file::SegmentLayout;
use crate::catalog::model::{Id, TableRow};
use crate::query::QueryEngine;
use crate::{Error, ErrorKind, Result, TableLock, Warehouse};

/// What a load may hold in memory, and how it leaves tablets.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// Bytes that wait for one tablet before they become a segment.
    pub tablet_buffer_bytes: usize,
    /// Bytes that wait for all tablets.
    pub buffer_bytes: usize,
    /// Segments of a tablet; a load that finds more merges them.
    pub max_segments: usize,
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self { tablet_buffer_bytes: 64 << 20, buffer_bytes: 256 << 20, max_segments: 16 }
    }
}

/// Loads, deletes and refreshes; a clone is the same one.
#[derive(Debug, Clone)]
pub struct Loader {
    pub(super) warehouse: Warehouse,
    pub(super) engine: QueryEngine,
    pub(super) config: LoadConfig,
}

/// A table that is being changed, and what all changes need of it.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) loader: Loader,
    pub(super) draft: TableDraft,
    pub(super) order: RowOrder,
    pub(super) layout: SegmentLayout,
    /// Tablets whose rollups must be computed anew, because rows went away.
    pub(super) stale: BTreeSet<TabletKey>,
    /// Held to the end of the commit (W4).
    pub(super) lock: TableLock,
}

impl Loader {
    /// A loader of a warehouse, which computes with an engine.
    pub fn new(warehouse: Warehouse, engine: QueryEngine, config: LoadConfig) -> Self {
        Self { warehouse, engine, config }
    }

    /// Takes a table's lock and drafts a change of it.
    pub(super) async fn begin(
        &self,
        database: &str,
        name: &str,
        partitions: &[String],
    ) -> Result<Change> {
        let found = self.warehouse.catalog().table(database, name)?.row().id;
        let lock = self.warehouse.write_lock(found).await;
        // What the lock protects is read under it.
        let catalog = self.warehouse.catalog();
        let table = Arc::clone(catalog.table(database, name)?);
        if table.row().id != found {
            return Err(Error::unknown_table(name));
        }
        let row = Arc::clone(table.row());
        Ok(Change {
            loader: self.clone(),
            order: RowOrder::of(&row)?,
            layout: SegmentLayout::new(&row.columns, &row.properties),
            draft: TableDraft::new(self.warehouse.clone(), table, partitions)?,
            stale: BTreeSet::new(),
            lock,
        })
    }
}

impl Change {
    /// The row of the table before the change.
    pub(super) fn row(&self) -> &Arc<TableRow> {
        self.draft.table().row()
    }

    /// The id of the table's own index.
    pub(super) fn base_index(&self) -> Id {
        self.row().index
    }
}

/// Runs what blocks away from the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorKind::Io, "a part of a load was given up").with_source(error)
    })?
}
