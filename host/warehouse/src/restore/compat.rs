//! Whether a snapshot's table may take the place of an existing one: StarRocks' rules, in its words. Pure.
//!
//! A table matches when it is of the same kind, key, partitioning and distribution, and its columns are equal one by one; a
//! partition when it holds the same rows. What differs is said column by column.

use std::sync::Arc;

use super::PlannedPartition;
use super::names::RestoredNames;
use crate::catalog::model::{
    Column, ColumnDefault, Distribution, PartitionBounds, PartitionRow, Partitioning, Rollup,
    TableRow,
};
use crate::catalog::{Table, overlap};
use crate::definition::{SnapshotPartition, SnapshotTable};
use crate::{Error, Result};

/// Refuses when rows of the snapshot's table cannot be rows of the existing one.
pub(super) fn check_table(local: &Table, remote: &TableRow) -> Result<()> {
    let row = local.row();
    let name = &row.name;
    let differs = |what: &str| {
        let message = format!(
            "Table {name} already exist but with different schema, errMsg: {what} is inconsistent"
        );
        Err(Error::invalid(message))
    };
    if row.materialized_view.is_some() != remote.materialized_view.is_some() {
        return differs("Table type");
    }
    if row.keys != remote.keys {
        return Err(Error::invalid(format!(
            "Table {name} already exist but with different key type"
        )));
    }
    let kind = std::mem::discriminant::<Partitioning>;
    if kind(&row.partitioning) != kind(&remote.partitioning) {
        return Err(Error::invalid(format!("Table {name}'s partition type is different")));
    }
    if partition_columns(&row.partitioning) != partition_columns(&remote.partitioning) {
        return differs("partition columns");
    }
    match (&row.distribution, &remote.distribution) {
        (Distribution::Hash { columns, .. }, Distribution::Hash { columns: others, .. })
            if columns != others =>
        {
            return differs("partition distribution col hash");
        }
        (Distribution::Hash { .. }, Distribution::Random { .. })
        | (Distribution::Random { .. }, Distribution::Hash { .. }) => {
            return differs("partition distribution type");
        }
        _ => {}
    }
    check_columns(row, remote)?;
    if row.key_columns != remote.key_columns {
        return differs("short key column count");
    }
    Ok(())
}

/// For each rollup of the existing table the name in the snapshot of the one that holds the same rows: it may have got
/// another name at an earlier restore.
pub(super) fn rollups(
    database: &str,
    local: &TableRow,
    remote: &SnapshotTable,
) -> Result<Vec<String>> {
    let ours = local.rollups.iter().map(|rollup| shape(rollup, database, &local.name));
    let ours: Vec<Shape<'_>> = ours.collect::<Result<_>>()?;
    let theirs = remote.row.rollups.iter();
    let theirs = theirs.map(|rollup| shape(rollup, &remote.database, &remote.row.name));
    let mut theirs: Vec<Shape<'_>> = theirs.collect::<Result<_>>()?;
    let found: Option<Vec<String>> = ours
        .iter()
        .map(|ours| {
            let is_it = |theirs: &Shape<'_>| {
                theirs.query == ours.query
                    && theirs.columns.len() == ours.columns.len()
                    && theirs.columns.iter().zip(ours.columns).all(|(a, b)| is_same_column(a, b))
            };
            let same_name = theirs.iter().position(|it| it.name == ours.name && is_it(it));
            let at = same_name.or_else(|| theirs.iter().position(is_it))?;
            Some(theirs.swap_remove(at).name.to_owned())
        })
        .collect();
    found.filter(|_| theirs.is_empty()).ok_or_else(|| {
        let name = &local.name;
        Error::invalid(format!(
            "Table {name} already exist but with different schema, errMsg: indexName is inconsistent: {} in existed \
             table, {} in the backup snapshot",
            index_names(local),
            index_names(&remote.row)
        ))
    })
}

/// What a rollup holds, whatever its table is called.
struct Shape<'a> {
    name: &'a str,
    query: String,
    columns: &'a [Column],
}

fn shape<'a>(rollup: &'a Rollup, database: &str, table: &str) -> Result<Shape<'a>> {
    let table = (database.to_owned(), table.to_owned());
    let names = RestoredNames::from_iter([(table, (String::new(), String::new()))]);
    Ok(Shape { name: &rollup.name, query: names.apply(&rollup.query)?, columns: &rollup.columns })
}

fn index_names(row: &TableRow) -> String {
    let names: Vec<&str> = row.rollups.iter().map(|rollup| rollup.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Whether the existing table must take over how its columns are stored in the snapshot. It cannot where it keeps rows that
/// are stored in another way.
pub(super) fn takes_columns(
    local: &Table,
    remote: &TableRow,
    partitions: &[PlannedPartition],
) -> Result<bool> {
    let columns = local.row().columns.iter().zip(&remote.columns);
    let differs = |(ours, theirs): &(&Column, &Column)| {
        !ours.stored_name().eq_ignore_ascii_case(theirs.stored_name())
            || ours.initial != theirs.initial
    };
    let Some((column, _)) = columns.clone().find(differs) else { return Ok(false) };
    let is_replaced = |row: &PartitionRow| {
        let mut existing = partitions.iter().filter_map(|partition| partition.existing.as_ref());
        existing.any(|existing| existing.id == row.id)
    };
    match local.partitions().find(|row| row.segments().next().is_some() && !is_replaced(row)) {
        None => Ok(true),
        Some(kept) => Err(Error::invalid(format!(
            "Table {table} has dropped or added columns since the snapshot, such as {column}, and its partition {partition} \
             would stay as it is: restore all partitions, or under another name with AS",
            table = local.row().name,
            column = column.name,
            partition = kept.name
        ))),
    }
}

fn check_columns(local: &TableRow, remote: &TableRow) -> Result<()> {
    let differences: Vec<String> = (0..local.columns.len().max(remote.columns.len()))
        .filter_map(|at| {
            let (ours, theirs) = (local.columns.get(at), remote.columns.get(at));
            let is_same = ours.zip(theirs).is_some_and(|(ours, theirs)| is_same_column(ours, theirs));
            let shown = |column: Option<&Column>| column.map_or_else(|| "none".to_owned(), describe);
            (!is_same).then(|| {
                format!(
                    "column: {} in existed table is different from the column in backup snapshot, column: {}",
                    shown(ours),
                    shown(theirs)
                )
            })
        })
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    let (name, differences) = (&local.name, differences.join("; "));
    Err(Error::invalid(format!(
        "Table {name} already exist but with different schema, {differences}"
    )))
}

/// A column as it was defined.
fn describe(column: &Column) -> String {
    let mut text = format!("`{}` {}", column.name, column.column_type);
    text.push_str(if column.nullable { " NULL" } else { " NOT NULL" });
    match &column.default {
        Some(ColumnDefault::Value(value)) => text.push_str(&format!(" DEFAULT \"{value}\"")),
        Some(ColumnDefault::CurrentTimestamp) => text.push_str(" DEFAULT CURRENT_TIMESTAMP"),
        None => {}
    }
    if column.auto_increment {
        text.push_str(" AUTO_INCREMENT");
    }
    text
}

/// Comments are for people.
fn is_same_column(ours: &Column, theirs: &Column) -> bool {
    ours.name.eq_ignore_ascii_case(&theirs.name)
        && ours.column_type == theirs.column_type
        && ours.nullable == theirs.nullable
        && ours.default == theirs.default
        && ours.auto_increment == theirs.auto_increment
}

fn partition_columns(partitioning: &Partitioning) -> &[String] {
    match partitioning {
        Partitioning::Single => &[],
        Partitioning::Range { columns, .. } | Partitioning::List { columns, .. } => columns,
    }
}

/// The partition of an existing table whose place one of the snapshot takes; nothing when it is added.
pub(super) fn place(
    local: &Table,
    remote: &SnapshotTable,
    partition: &SnapshotPartition,
    replication_num: u16,
) -> Result<Option<Arc<PartitionRow>>> {
    let (name, table) = (local_name(local, remote, &partition.name), &local.row().name);
    if let Ok(existing) = local.partition(name) {
        if existing.bounds != partition.bounds {
            return Err(Error::invalid(format!(
                "Partition {name} in table {table} has different range with partition in repository"
            )));
        }
        let buckets = existing.indexes.first().map_or(0, |index| index.tablets.len());
        if buckets != partition.buckets as usize {
            return Err(Error::invalid(format!(
                "Table {table} already exist but with different schema, errMsg: bucket num of partition {name} is \
                 inconsistent"
            )));
        }
        if existing.replication_num != replication_num {
            let ours = existing.replication_num;
            return Err(Error::invalid(format!(
                "Partition {name} in table {table} has different replication num '{ours}' with partition in \
                 repository, which is {replication_num}"
            )));
        }
        return Ok(Some(Arc::clone(existing)));
    }
    if partition.bounds == PartitionBounds::All {
        return Err(Error::invalid(format!(
            "No partition exist in single partitioned table {table}"
        )));
    }
    if local.partitions().any(|other| overlap(&other.bounds, &partition.bounds)) {
        return Err(Error::invalid(format!(
            "Partition {name} in table {table} has conflict range with existing ranges"
        )));
    }
    Ok(None)
}

/// The only partition of an unpartitioned table has its name, under which name ever it is restored.
pub(super) fn local_name<'a>(
    local: &'a Table,
    remote: &SnapshotTable,
    partition: &'a str,
) -> &'a str {
    let is_single = local.row().partitioning == Partitioning::Single;
    if is_single && partition == remote.row.name { &local.row().name } else { partition }
}
