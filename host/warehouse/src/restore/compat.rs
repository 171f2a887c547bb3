//! Whether a snapshot's table may take the place of an existing one: StarRocks' rules, in its words. Pure.
//!
//! A table matches when it is of the same kind, key, partitioning and distribution, and its columns are equal one by one; a
//! partition when it holds the same rows. What differs is said column by column.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

use super::PlannedPartition;
use crate::catalog::model::{
    Column, ColumnDefault, Distribution, Id, PartitionBounds, PartitionRow, Partitioning, Rollup,
    TableRow,
};
use crate::catalog::{Table, overlap};
use crate::definition::{SnapshotPartition, SnapshotTable};
use crate::query::renamed_query;
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
    if rollup_queries(row)? == rollup_queries(remote)? { Ok(()) } else { differs("indexName") }
}

/// What its rollups are, whatever they and the table are called.
fn rollup_queries(row: &TableRow) -> Result<Vec<String>> {
    let query = |rollup: &Rollup| {
        renamed_query(&rollup.query, |table| *table = ObjectName::from(vec![Ident::new("t")]))
    };
    row.rollups.iter().map(query).collect()
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

/// Refuses when rows that stay are stored under other names than those of the snapshot: the table has one layout. Where no
/// rows stay, it takes that of the snapshot.
pub(super) fn check_layout(
    local: &Table,
    remote: &TableRow,
    partitions: &[PlannedPartition],
) -> Result<()> {
    let row = local.row();
    let layout = |row: &TableRow| -> Vec<(String, Option<String>)> {
        let stored =
            |column: &Column| (column.stored_name().to_lowercase(), column.initial.clone());
        row.columns.iter().map(stored).collect()
    };
    if layout(row) == layout(remote) {
        return Ok(());
    }
    let goes = |id: Id| {
        partitions.iter().filter_map(|it| it.existing.as_ref()).any(|existing| existing.id == id)
    };
    let stays = local.partitions().find(|it| !goes(it.id) && it.segments().next().is_some());
    let Some(partition) = stays else { return Ok(()) };
    let (name, partition) = (&row.name, &partition.name);
    Err(Error::invalid(format!(
        "Table {name} has dropped or added columns since the snapshot, and its partition {partition} would stay as it is: \
         restore all partitions, or under another name with AS"
    )))
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
