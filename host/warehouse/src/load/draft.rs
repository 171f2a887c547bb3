//! A table as a change will leave it: partitions with the segments that were added and taken away, before anybody sees them.
//!
//! All of it becomes visible in one transaction (W1), or nothing does and the segments of the draft go with it (W2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::label::Label;
use super::refreshed::Refreshed;
use crate::catalog::model::{Id, PartitionRow, PartitionValue, Rollup, TableRow, Tablet};
use crate::catalog::{Catalog, PartitionIndex, Table};
use crate::ddl::{MAX_NEW_PARTITIONS, automatic_partition, partition_row};
use crate::segment::Segment;
use crate::{Error, ErrorKind, Result, Subject, TableLock, Warehouse};

/// How many partitions a message names.
const NAMED_PARTITIONS: usize = 8;

/// A tablet of every index of a table: that with this number in this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TabletKey {
    pub(crate) partition: Id,
    pub(crate) bucket: u32,
}

/// The draft of a table. Its lock is held while there is one (W4).
#[derive(Debug)]
pub(crate) struct TableDraft {
    warehouse: Warehouse,
    table: Arc<Table>,
    partitions: BTreeMap<Id, Draft>,
    index: PartitionIndex,
    /// Partitions that were made.
    made: usize,
    /// Whether rows go into named partitions only.
    is_restricted: bool,
    changes: RowChanges,
}

#[derive(Debug)]
struct Draft {
    row: PartitionRow,
    /// The version that the draft began with; none for a new partition.
    drafted_from: Option<u64>,
    is_touched: bool,
}

impl Draft {
    fn of(row: PartitionRow) -> Self {
        Self { drafted_from: Some(row.version), row, is_touched: false }
    }
}

/// What else of the table's row changes.
#[derive(Debug, Default)]
pub(super) struct RowChanges {
    /// Its rollups.
    pub(crate) rollups: Option<Vec<Rollup>>,
    /// Its counter.
    pub(crate) next_auto_increment: Option<u64>,
    /// What a refresh has seen.
    pub(crate) refreshed: Option<Refreshed>,
    /// What the load is called.
    pub(crate) label: Option<Label>,
}

impl TableDraft {
    /// A draft of these partitions of a table, or of all of them.
    pub(crate) fn new(warehouse: Warehouse, table: Arc<Table>, named: &[String]) -> Result<Self> {
        table.check_normal()?;
        let rows: Vec<Arc<PartitionRow>> = match named {
            [] => table.partitions().map(Arc::clone).collect(),
            named => {
                let unique: BTreeSet<_> = named.iter().collect();
                let rows = unique.into_iter().map(|name| table.partition(name).map(Arc::clone));
                rows.collect::<Result<_>>()?
            }
        };
        let draft = |row: &Arc<PartitionRow>| (row.id, Draft::of(PartitionRow::clone(row)));
        Ok(Self {
            warehouse,
            partitions: rows.iter().map(draft).collect(),
            index: PartitionIndex::new(rows),
            made: 0,
            is_restricted: !named.is_empty(),
            changes: RowChanges::default(),
            table,
        })
    }

    /// Gives the table and all its partitions other rows: those with one more rollup.
    pub(crate) fn replace_rows(&mut self, row: TableRow, partitions: Vec<PartitionRow>) {
        self.changes.rollups = Some(row.rollups.clone());
        Arc::make_mut(&mut self.table).row = Arc::new(row);
        for row in partitions {
            self.partitions.insert(row.id, Draft { is_touched: true, ..Draft::of(row) });
        }
    }

    /// The table; its partitions are those before the change.
    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// What else changes.
    pub(super) fn changes(&mut self) -> &mut RowChanges {
        &mut self.changes
    }

    /// Takes all segments out of all partitions of the draft.
    pub(crate) fn clear(&mut self) {
        for draft in self.partitions.values_mut() {
            draft.is_touched = true;
            for tablet in draft.row.indexes.iter_mut().flat_map(|index| &mut index.tablets) {
                tablet.segments.clear();
            }
        }
    }

    /// The partition of a row with these values; made if the table makes partitions.
    pub(crate) fn partition_of(&mut self, values: &[PartitionValue]) -> Result<Id> {
        if let Some(row) = self.index.find(values) {
            return Ok(row.id);
        }
        if self.is_restricted {
            return Err(self.nowhere(values));
        }
        if self.made == MAX_NEW_PARTITIONS {
            return Err(self.too_many());
        }
        let new =
            automatic_partition(self.table.row(), values).map_err(|_| self.nowhere(values))?;
        let warehouse = self.warehouse.clone();
        let row = partition_row(self.table.row(), new, None, &mut || warehouse.next_id())?;
        let id = row.id;
        self.index.add(Arc::new(row.clone()));
        self.partitions.insert(id, Draft { row, drafted_from: None, is_touched: true });
        self.made += 1;
        Ok(id)
    }

    fn nowhere(&self, values: &[PartitionValue]) -> Error {
        let key: Vec<_> = values.iter().map(ToString::to_string).collect();
        let mut names: Vec<&str> =
            self.partitions.values().map(|draft| draft.row.name.as_str()).collect();
        let count = names.len();
        names.truncate(NAMED_PARTITIONS);
        let more = if count > names.len() { ", ..." } else { "" };
        let message = format!(
            "The row is out of partition ranges of table {}: ({}). Its partitions are [{}{more}]; \
             add one for it",
            self.table.row().name,
            key.join(", "),
            names.join(", "),
        );
        Error::invalid(message).about(Subject::Partition)
    }

    fn too_many(&self) -> Error {
        let message = format!(
            "One load makes at most {MAX_NEW_PARTITIONS} partitions of table {}: load fewer values of {} at a time, or \
             partition by something coarser",
            self.table.row().name,
            self.table.row().partitioning.columns().join(", "),
        );
        Error::invalid(message).about(Subject::Partition)
    }

    /// Tablets of a partition.
    pub(crate) fn bucket_count(&self, partition: Id) -> u32 {
        let draft = self.partitions.get(&partition);
        let base = draft.and_then(|draft| draft.row.indexes.first());
        base.map_or(0, |base| u32::try_from(base.tablets.len()).unwrap_or(u32::MAX))
    }

    /// All tablets, by their numbers.
    pub(crate) fn keys(&self) -> Vec<TabletKey> {
        let partitions = self.partitions.keys();
        let tablets = partitions.flat_map(|partition| {
            let buckets = 0..self.bucket_count(*partition);
            buckets.map(|bucket| TabletKey { partition: *partition, bucket })
        });
        tablets.collect()
    }

    /// The same of the partitions that are changed.
    pub(crate) fn touched_keys(&self) -> Vec<TabletKey> {
        let is_touched = |key: &TabletKey| {
            self.partitions.get(&key.partition).is_some_and(|draft| draft.is_touched)
        };
        self.keys().into_iter().filter(is_touched).collect()
    }

    /// Names of the partitions of the draft.
    pub(crate) fn partition_names(&self) -> BTreeSet<&str> {
        self.partitions.values().map(|draft| draft.row.name.as_str()).collect()
    }

    /// A tablet of an index.
    pub(crate) fn tablet(&self, key: TabletKey, index: Id) -> Result<&Tablet> {
        let draft = self.partitions.get(&key.partition);
        let tablets =
            draft.and_then(|draft| draft.row.indexes.iter().find(|tablets| tablets.index == index));
        let tablet = tablets.and_then(|tablets| tablets.tablets.get(key.bucket as usize));
        tablet.ok_or_else(|| no_tablet(&self.table, key))
    }

    /// Gives a tablet other segments.
    pub(crate) fn set_segments(
        &mut self,
        key: TabletKey,
        index: Id,
        segments: Vec<Arc<Segment>>,
    ) -> Result<()> {
        let draft = self.partitions.get_mut(&key.partition);
        let tablet = draft.and_then(|draft| {
            draft.is_touched = true;
            let tablets = draft.row.indexes.iter_mut().find(|tablets| tablets.index == index)?;
            tablets.tablets.get_mut(key.bucket as usize)
        });
        match tablet {
            Some(tablet) => tablet.segments = segments,
            None => return Err(no_tablet(&self.table, key)),
        }
        Ok(())
    }

    /// Adds a segment to a tablet.
    pub(crate) fn add_segment(
        &mut self,
        key: TabletKey,
        index: Id,
        segment: Arc<Segment>,
    ) -> Result<()> {
        let mut segments = self.tablet(key, index)?.segments.clone();
        segments.push(segment);
        self.set_segments(key, index, segments)
    }

    /// Makes the change visible and durable, and then lets the table go.
    pub(crate) async fn commit(self, lock: TableLock) -> Result<()> {
        let Self { warehouse, table, partitions, mut changes, .. } = self;
        let id = table.row().id;
        let touched = partitions.into_values().filter(|draft| draft.is_touched);
        let rows: Vec<_> = touched.map(|draft| (draft.drafted_from, draft.row)).collect();
        warehouse
            .transact_under(lock, move |transaction| {
                let now = transaction.catalog().table_by_id(id);
                let now = now.ok_or_else(|| gone(&table))?;
                now.check_normal()?;
                let versions: BTreeMap<_, _> =
                    now.partitions().map(|row| (row.id, row.version)).collect();
                if rows.iter().any(|(old, row)| versions.get(&row.id).copied() != *old) {
                    return Err(changed(&table));
                }
                let database = now.row().database;
                let label = changes.label.take();
                let before = TableRow::clone(now.row());
                let after = changes.apply(transaction.catalog(), before.clone())?;
                if after != before {
                    transaction.put_table(after)?;
                }
                for (_, mut row) in rows {
                    row.version += 1;
                    transaction.put_partition(id, row)?;
                }
                label.map_or(Ok(()), |label| label.take(transaction, database))
            })
            .await
    }
}

impl RowChanges {
    fn apply(self, catalog: &Catalog, mut row: TableRow) -> Result<TableRow> {
        row.next_auto_increment = self.next_auto_increment.unwrap_or(row.next_auto_increment);
        if let Some(refreshed) = self.refreshed {
            row.materialized_view = Some(refreshed.apply(catalog, &row)?);
        }
        row.rollups = self.rollups.unwrap_or(row.rollups);
        Ok(row)
    }
}

fn no_tablet(table: &Table, key: TabletKey) -> Error {
    let TabletKey { partition, bucket } = key;
    let message = format!("table {} has no tablet {bucket} in {partition}", table.row().name);
    Error::new(ErrorKind::Corrupt, message)
}

/// The lock of the table (W4) says that this never happens; rows that readers saw are not undone if it does.
fn changed(table: &Table) -> Error {
    let message = format!("table {} was changed meanwhile; try again", table.row().name);
    Error::new(ErrorKind::Busy, message).about(Subject::Table)
}

fn gone(table: &Table) -> Error {
    let message = format!("table {} was dropped meanwhile", table.row().name);
    Error::new(ErrorKind::NotFound, message).about(Subject::Table)
}
