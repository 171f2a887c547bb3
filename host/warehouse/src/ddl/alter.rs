//! Changes of a table: columns, partitions, name, properties. All of one statement, or none.

use std::sync::Arc;

use jiff::Timestamp;

use crate::catalog::model::{
    Column, ColumnDefault, Id, KeysKind, PartitionRow, Partitioning, Properties, TableRow,
};
use crate::catalog::{PartitionSet, Table, calendar};
use crate::store::Transaction;
use crate::{Error, Result, Subject, Warehouse};

use super::definition::{PartitionSpec, TableChange};
use super::partition::{self, partition_row};
use super::{column, dependent, dynamic, name, property, table};

impl Warehouse {
    /// Changes a table, in the order of `changes`. `now` is what older rows have in a new column whose default is the
    /// current time, and when dynamic partitions are due.
    pub async fn alter_table(
        &self,
        database: &str,
        name: &str,
        changes: Vec<TableChange>,
        now: Timestamp,
    ) -> Result<()> {
        self.change_table(database, name, move |transaction, table| {
            table::check_base_table(table)?;
            let id = table.row().id;
            for change in changes {
                // Each one builds on what the one before left.
                let table = current(transaction, id)?;
                apply(transaction, &table, change, now)?;
            }
            dynamic::apply(transaction, id, now).map(drop)
        })
        .await
    }
}

fn current(transaction: &Transaction<'_>, id: Id) -> Result<Arc<Table>> {
    let table = transaction.catalog().table_by_id(id).map(Arc::clone);
    table.ok_or_else(|| Error::invalid(format!("table {id} went while it was changed")))
}

fn apply(
    transaction: &mut Transaction<'_>,
    table: &Table,
    change: TableChange,
    now: Timestamp,
) -> Result<()> {
    match change {
        TableChange::AddColumn(column) => {
            let stored_as = transaction.unique_name(&column.name)?;
            transaction.put_table(with_column(table.row(), column, stored_as, now)?)
        }
        TableChange::DropColumn(column) => {
            transaction.put_table(without_column(table.row(), &column)?)?;
            dependent::column_dropped(transaction, table, &column)
        }
        TableChange::AddPartition { partition, if_not_exists } => {
            add_partition(transaction, table, &partition, if_not_exists)
        }
        TableChange::DropPartition { name, if_exists } => {
            drop_partition(transaction, table, &name, if_exists)
        }
        TableChange::Rename(new) => rename(transaction, table, new),
        TableChange::Set(properties) => set(transaction, table, properties),
    }
}

/// The row with one more column. Old segments do not have it, and must not have one of its name: it is stored under a
/// name of its own.
fn with_column(
    row: &TableRow,
    mut column: Column,
    stored_as: String,
    now: Timestamp,
) -> Result<TableRow> {
    column::check_column(&column)?;
    if row.column(&column.name).is_some() {
        return Err(column::duplicate(&column.name));
    }
    if column.auto_increment {
        return Err(Error::invalid("Can not add an AUTO_INCREMENT column to a table")
            .about(Subject::Column));
    }
    column.initial = match &column.default {
        Some(ColumnDefault::Value(text)) => Some(text.clone()),
        Some(ColumnDefault::CurrentTimestamp) => {
            let utc = || calendar::show(now.to_zoned(jiff::tz::TimeZone::UTC).datetime());
            column.initial.take().or_else(|| Some(utc()))
        }
        None if column.nullable => None,
        None => {
            let message =
                format!("Column {} is NOT NULL: rows that are there need a DEFAULT", column.name);
            return Err(Error::invalid(message).about(Subject::Column));
        }
    };
    column.stored_as = Some(stored_as);
    let mut row = row.clone();
    row.columns.push(column);
    column::check_columns(&row.columns)?;
    Ok(row)
}

fn without_column(row: &TableRow, name: &str) -> Result<TableRow> {
    let column = row.column(name).ok_or_else(|| Error::unknown_column(name, &row.name))?;
    let is_in = |names: &[String]| names.iter().any(|other| column.is_named(other));
    let name = &column.name;
    let problem = if is_in(&row.key_columns) {
        match row.keys {
            KeysKind::Primary => "Can not drop key column in primary data model table".to_owned(),
            KeysKind::Duplicate => format!("Can not drop key column {name}"),
        }
    } else if is_in(&row.order_by) {
        format!("Can not drop sort column {name}")
    } else if is_in(row.partitioning.columns()) {
        format!("Partition column[{name}] cannot be dropped")
    } else if is_in(row.distribution.columns()) {
        format!("Distribution column[{name}] cannot be dropped")
    } else if let Some(rollup) =
        row.rollups.iter().find(|rollup| dependent::mentions(&rollup.query, name))
    {
        format!("Can not drop column {name}: materialized view {} reads it", rollup.name)
    } else {
        let mut row = row.clone();
        row.columns.retain(|other| !other.is_named(name));
        return Ok(row);
    };
    Err(Error::invalid(problem).about(Subject::Column))
}

fn add_partition(
    transaction: &mut Transaction<'_>,
    table: &Table,
    spec: &PartitionSpec,
    if_not_exists: bool,
) -> Result<()> {
    let row = table.row();
    if matches!(row.partitioning, Partitioning::Single) {
        let message = format!("Table {} is not partitioned: it has no other partition", row.name);
        return Err(Error::invalid(message).about(Subject::Partition));
    }
    let mut set = PartitionSet::of(table.partitions().map(Arc::clone))?;
    for new in partition::expand(spec, &row.partitioning, &row.columns, &set)? {
        if if_not_exists && set.has(&new.name) {
            continue;
        }
        set.insert(&new.name, &new.bounds)?;
        let partition = partition_row(row, new, None, &mut || transaction.next_id())?;
        transaction.put_partition(row.id, partition)?;
    }
    Ok(())
}

fn drop_partition(
    transaction: &mut Transaction<'_>,
    table: &Table,
    name: &str,
    if_exists: bool,
) -> Result<()> {
    if matches!(table.row().partitioning, Partitioning::Single) {
        let message = format!("Table {} is not partitioned: drop or truncate it", table.row().name);
        return Err(Error::invalid(message).about(Subject::Partition));
    }
    match table.partition(name) {
        Ok(partition) => dependent::remove_partition(transaction, table, partition.id),
        Err(_) if if_exists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Gives a table another name, and its only partition with it.
pub(crate) fn rename(transaction: &mut Transaction<'_>, table: &Table, new: String) -> Result<()> {
    name::check_table(&new)?;
    dependent::base_renamed(transaction, table)?;
    let row = current(transaction, table.row().id)?;
    transaction.put_table(TableRow { name: new.clone(), ..TableRow::clone(row.row()) })?;
    if matches!(table.row().partitioning, Partitioning::Single)
        && let Some(partition) = table.partitions().next()
    {
        let partition = PartitionRow { name: new, ..PartitionRow::clone(partition) };
        transaction.put_partition(table.row().id, partition)?;
    }
    Ok(())
}

fn set(transaction: &mut Transaction<'_>, table: &Table, changes: Properties) -> Result<()> {
    property::check(&changes)?;
    let is_single = matches!(table.row().partitioning, Partitioning::Single);
    let copies = changes.get(property::REPLICATION_NUM).cloned();
    if copies.is_some() && !is_single {
        let message = format!(
            "This is a partitioned table, set \"{}\" for partitions to come",
            property::DEFAULT_REPLICATION_NUM
        );
        return Err(Error::invalid(message).about(Subject::Table));
    }
    let mut row = TableRow::clone(table.row());
    property::merge(&mut row.properties, changes);
    let database = transaction.catalog().database_by_id(row.database).map(Arc::clone);
    if let Some(database) = database {
        table::check(&row, &database)?;
    }
    let id = row.id;
    let replication_num = property::replication_num(&row.properties);
    transaction.put_table(row)?;
    match table.partitions().next() {
        Some(partition) if copies.is_some() => {
            let partition = PartitionRow { replication_num, ..PartitionRow::clone(partition) };
            transaction.put_partition(id, partition)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
