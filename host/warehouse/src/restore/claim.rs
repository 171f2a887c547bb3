//! [`RestoreClaim`]: the tables that a restore has claimed for itself (W5), and the receipt for what it installed.
//!
//! Whoever accepts a restore before it runs claims its tables at once: a load that was acknowledged in between would be
//! undone by the restore. The receipt is a document that the switch writes in its own transaction, so that after a crash
//! everybody knows whether it happened.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::catalog::model::Id;
use crate::store::Transaction;
use crate::{Error, Result, Warehouse};

/// Marks tables as being restored until it is released or dropped.
#[derive(Debug)]
pub struct RestoreClaim {
    warehouse: Warehouse,
    /// Collection and key of the document.
    receipt: Option<(String, String)>,
    /// Guards that a table is claimed and released once.
    tables: Mutex<BTreeSet<Id>>,
}

impl RestoreClaim {
    /// Claims nothing yet.
    pub fn new(warehouse: Warehouse) -> Self {
        Self { warehouse, receipt: None, tables: Mutex::default() }
    }

    /// With a document of this name, which the switch writes.
    pub fn with_receipt(mut self, collection: &str, key: &str) -> Self {
        self.receipt = Some((collection.to_owned(), key.to_owned()));
        self
    }

    /// Claims those of these tables that there are: [`crate::ErrorKind::Busy`], and none, when another restore has one. Blocks
    /// for the catalog, not for loads.
    pub fn claim_named<'a>(
        &self,
        database: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<()> {
        let catalog = self.warehouse.catalog();
        let Ok(database) = catalog.database(database) else { return Ok(()) };
        let tables = names.filter_map(|name| database.table(name).ok());
        self.claim(tables.map(|table| table.row().id))
    }

    /// The same by their ids.
    pub(super) fn claim(&self, tables: impl Iterator<Item = Id>) -> Result<()> {
        let mut claimed = self.lock();
        let new: BTreeSet<Id> = tables.filter(|id| !claimed.contains(id)).collect();
        self.warehouse.store().transact(|tx| {
            for &id in &new {
                let table = tx.catalog().table_by_id(id);
                table.ok_or_else(|| Error::unknown_table(&id.to_string()))?.check_normal()?;
                tx.set_restoring(id, true)?;
            }
            Ok(())
        })?;
        claimed.extend(new);
        Ok(())
    }

    /// Waits for loads that began before their table was claimed. Blocks.
    pub(super) fn wait_for_writers(&self) {
        let tables = self.lock().clone();
        for id in tables {
            drop(self.warehouse.blocking_write_lock(id));
        }
    }

    /// Part of the switch: ends the claim, and writes the receipt.
    pub(super) fn fulfil(&self, tx: &mut Transaction<'_>) -> Result<()> {
        for &id in &*self.lock() {
            if tx.catalog().table_by_id(id).is_some() {
                tx.set_restoring(id, false)?;
            }
        }
        match &self.receipt {
            Some((collection, key)) => tx.put_document(collection, key, &json!(true)),
            None => Ok(()),
        }
    }

    /// The switch is done: nothing is claimed any more.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// Ends the claim. Blocks for the catalog.
    pub fn release(&self) {
        let mut claimed = self.lock();
        if claimed.is_empty() {
            return;
        }
        let released = self.warehouse.store().transact(|tx| {
            for &id in &*claimed {
                if tx.catalog().table_by_id(id).is_some() {
                    tx.set_restoring(id, false)?;
                }
            }
            Ok(())
        });
        if let Err(error) = released {
            tracing::error!(%error, "tables stay marked as being restored until the next start");
        }
        claimed.clear();
    }

    /// It is changed in single steps, so what a dead thread left is whole.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<Id>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RestoreClaim {
    fn drop(&mut self) {
        self.release();
    }
}
