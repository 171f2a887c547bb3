//! Partitions: from their specifications to names and bounds, from the values of rows where they are automatic, and the
//! rows they become. Pure.

use std::fmt::Write as _;

use crate::catalog::calendar::{self, TimeUnit};
use crate::catalog::model::{
    Column, ColumnType, Id, IndexTablets, PartitionBounds, PartitionRow, PartitionValue,
    Partitioning, TableRow, Tablet,
};
use crate::catalog::{PartitionSet, tuple};
use crate::{Error, Result, Subject};

use super::definition::{NewPartition, PartitionSpec};
use super::{every, name, property};

/// Tablets of a partition: each one is a file for each load.
const MAX_BUCKETS: u32 = 1024;

/// Bytes of the values in the name of an automatic partition; its prefix and digest need the rest of the 64.
const MAX_VALUE_BYTES: usize = 50;

/// What a specification makes of a table's partition columns. `existing` is where LESS THAN begins.
pub(crate) fn expand(
    spec: &PartitionSpec,
    partitioning: &Partitioning,
    columns: &[Column],
    existing: &PartitionSet,
) -> Result<Vec<NewPartition>> {
    let keys = key_columns(partitioning, columns)?;
    let is_list = matches!(partitioning, Partitioning::List { .. });
    let made = match spec {
        PartitionSpec::In { name, values } if is_list => {
            vec![NewPartition { name: name.clone(), bounds: list(values, &keys)? }]
        }
        PartitionSpec::LessThan { name, bound } if !is_list => {
            let to = bound_of(bound, &keys)?;
            let lowest = || vec![PartitionValue::Min; keys.len()];
            let from = existing.end_below(&to).map_or_else(lowest, <[_]>::to_vec);
            vec![NewPartition { name: name.clone(), bounds: PartitionBounds::Range { from, to } }]
        }
        PartitionSpec::Fixed { name, from, to } if !is_list => {
            let (from, to) = (bound_of(from, &keys)?, bound_of(to, &keys)?);
            vec![NewPartition { name: name.clone(), bounds: PartitionBounds::Range { from, to } }]
        }
        PartitionSpec::Every { start, end, step, unit } if !is_list => {
            let [key] = keys.as_slice() else {
                let message = "Batch build partition only support single range column.";
                return Err(refused(message));
            };
            every::expand(start, end, *step, unit.as_deref(), key.column_type)?
        }
        _ => {
            let kind = if is_list { "list" } else { "range" };
            return Err(refused(format!(
                "The table is partitioned by {kind}: its partitions are defined by {kind}s"
            )));
        }
    };
    made.iter().try_for_each(check)?;
    Ok(made)
}

fn check(partition: &NewPartition) -> Result<()> {
    name::check_common("partition", &partition.name)?;
    match &partition.bounds {
        PartitionBounds::Range { from, to } if from >= to => Err(refused(format!(
            "Invalid range of partition {}: {} is not below {}",
            partition.name,
            tuple(from),
            tuple(to)
        ))),
        _ => Ok(()),
    }
}

/// The partition columns, or why a table cannot have them.
pub(crate) fn key_columns<'a>(
    partitioning: &Partitioning,
    columns: &'a [Column],
) -> Result<Vec<&'a Column>> {
    let is_list = matches!(partitioning, Partitioning::List { .. });
    let find = |name: &String| {
        let column = columns.iter().find(|column| column.is_named(name));
        let column =
            column.ok_or_else(|| refused(format!("Partition column[{name}] does not found")))?;
        if can_partition(column.column_type, is_list) {
            return Ok(column);
        }
        Err(refused(format!(
            "Column[{name}] type[{}] cannot be a {} partition key.",
            column.column_type,
            if is_list { "list" } else { "range" }
        )))
    };
    partitioning.columns().iter().map(find).collect()
}

fn can_partition(column_type: ColumnType, by_list: bool) -> bool {
    match column_type {
        ColumnType::TinyInt
        | ColumnType::SmallInt
        | ColumnType::Int
        | ColumnType::BigInt
        | ColumnType::LargeInt
        | ColumnType::Date
        | ColumnType::DateTime => true,
        ColumnType::Boolean | ColumnType::Char(_) | ColumnType::Varchar(_) => by_list,
        _ => false,
    }
}

/// A bound of a range: what is not said is MIN, as StarRocks has it.
fn bound_of(values: &[Option<String>], keys: &[&Column]) -> Result<Vec<PartitionValue>> {
    if values.is_empty() || values.len() > keys.len() {
        let message = "The number of values of a partition bound must not exceed that of the partition columns";
        return Err(refused(message));
    }
    let mut bound = vec![PartitionValue::Min; keys.len()];
    for ((place, value), key) in bound.iter_mut().zip(values).zip(keys) {
        *place = match value {
            Some(text) => PartitionValue::parse(text, key.column_type)?,
            None => PartitionValue::Max,
        };
    }
    Ok(bound)
}

fn list(tuples: &[Vec<Option<String>>], keys: &[&Column]) -> Result<PartitionBounds> {
    let mut parsed: Vec<Vec<PartitionValue>> = Vec::new();
    for texts in tuples {
        if texts.len() != keys.len() {
            let message = "Each list of values must have one value for each partition column";
            return Err(refused(message));
        }
        let value = |(text, key): (&Option<String>, &&Column)| match text {
            Some(text) => PartitionValue::parse(text, key.column_type),
            None if key.nullable => Ok(PartitionValue::Null),
            None => Err(refused(format!("Partition column[{}] is NOT NULL", key.name))),
        };
        let values = texts.iter().zip(keys).map(value).collect::<Result<Vec<_>>>()?;
        if parsed.contains(&values) {
            return Err(refused(format!(
                "Duplicate values in list of partition: {}",
                tuple(&values)
            )));
        }
        parsed.push(values);
    }
    if parsed.is_empty() {
        return Err(refused("A list partition needs at least one value"));
    }
    Ok(PartitionBounds::List(parsed))
}

/// The partition that an automatic table makes for a row with these values of its partition columns.
pub fn automatic_partition(table: &TableRow, values: &[PartitionValue]) -> Result<NewPartition> {
    let partition = match (&table.partitioning, values) {
        (Partitioning::Range { automatic: Some(unit), columns }, [value]) => {
            let column = columns.first().and_then(|name| table.column(name));
            let unit = TimeUnit::parse(unit).zip(column);
            unit.and_then(|(unit, column)| automatic_range(unit, value, column.column_type))
        }
        (Partitioning::List { automatic: true, .. }, values) => Some(NewPartition {
            name: format!("p{}", name_of(values)),
            bounds: PartitionBounds::List(vec![values.to_vec()]),
        }),
        _ => None,
    };
    partition.ok_or_else(|| {
        let message = format!(
            "The row is out of partition ranges of table {}: {}",
            table.name,
            tuple(values)
        );
        Error::invalid(message).about(Subject::Partition)
    })
}

fn automatic_range(
    unit: TimeUnit,
    value: &PartitionValue,
    column_type: ColumnType,
) -> Option<NewPartition> {
    let first = || PartitionValue::of_time(calendar::FIRST_DAY.into(), column_type);
    let (name, from, to) = match value {
        PartitionValue::Null => ("pNULL".to_owned(), PartitionValue::Min, first()?),
        value => {
            let begin = unit.begin(value.time()?);
            let to = unit.add(begin, 1).and_then(|end| PartitionValue::of_time(end, column_type));
            let from = PartitionValue::of_time(begin, column_type)?;
            (format!("p{}", unit.name(begin)), from, to.unwrap_or(PartitionValue::Max))
        }
    };
    Some(NewPartition { name, bounds: PartitionBounds::Range { from: vec![from], to: vec![to] } })
}

/// Values as part of a name. Where letters were left out, or the values may be told apart in another way, a digest of
/// them keeps names of different values different.
fn name_of(values: &[PartitionValue]) -> String {
    let mut text = String::new();
    let mut is_exact = true;
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            text.push('_');
        }
        let is_text = matches!(value, PartitionValue::Text(_));
        for letter in value.to_string().chars() {
            match letter {
                letter if letter.is_ascii_alphanumeric() => text.push(letter),
                '-' | ':' | ' ' if !is_text && !matches!(value, PartitionValue::Int(_)) => {}
                _ => {
                    is_exact = false;
                    text.push('_');
                }
            }
        }
        is_exact &=
            !matches!(value, PartitionValue::Text(text) if text.is_empty() || text == "NULL");
    }
    if text.len() > MAX_VALUE_BYTES {
        is_exact = false;
        text.truncate(MAX_VALUE_BYTES);
    }
    if !is_exact {
        let digest = blake3::hash(format!("{values:?}").as_bytes()).to_hex();
        // Writing to a string does not fail.
        let _ = write!(text, "_{}", digest.get(..8).unwrap_or_default());
    }
    text
}

/// The row of a new partition, with empty tablets for every index of its table. `buckets` is the table's number where
/// nothing else is said.
pub fn partition_row(
    table: &TableRow,
    partition: NewPartition,
    buckets: Option<u32>,
    next_id: &mut dyn FnMut() -> Result<Id>,
) -> Result<PartitionRow> {
    let buckets = buckets.unwrap_or(table.distribution.buckets());
    let indexes = [table.index].into_iter().chain(table.rollups.iter().map(|rollup| rollup.index));
    Ok(PartitionRow {
        id: next_id()?,
        name: partition.name,
        bounds: partition.bounds,
        replication_num: property::replication_num(&table.properties),
        version: 1,
        indexes: indexes
            .map(|index| empty_index(index, buckets, next_id))
            .collect::<Result<_>>()?,
    })
}

/// A number of tablets, or why it cannot be.
pub(crate) fn check_buckets(buckets: u32) -> Result<u32> {
    match buckets {
        0 => Err(Error::invalid("Number of hash buckets should be greater than zero.")),
        1..=MAX_BUCKETS => Ok(buckets),
        _ => Err(Error::invalid(format!("max buckets per partition: {MAX_BUCKETS}"))),
    }
}

/// The tablets of an index without rows.
pub(crate) fn empty_index(
    index: Id,
    buckets: u32,
    next_id: &mut dyn FnMut() -> Result<Id>,
) -> Result<IndexTablets> {
    let tablet = |_| Ok(Tablet { id: next_id()?, segments: Vec::new() });
    Ok(IndexTablets { index, tablets: (0..buckets).map(tablet).collect::<Result<_>>()? })
}

fn refused(message: impl Into<String>) -> Error {
    Error::invalid(message).about(Subject::Partition)
}
