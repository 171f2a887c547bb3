//! Which tablet each row belongs to: its partition by the values of the partition columns, its bucket by the hash of the
//! distribution columns or in turn.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};

use super::draft::{TableDraft, TabletKey};
use super::hash;
use crate::catalog::model::{Distribution, PartitionValue, TableRow};
use crate::query::failure::query_error;
use crate::{Error, Result};

/// Sends rows of one table to their tablets.
#[derive(Debug)]
pub(crate) struct Router {
    partition_columns: Vec<usize>,
    /// None distributes in turn.
    hash_columns: Option<Vec<usize>>,
    /// Batches so far, for distribution in turn.
    turn: u64,
}

impl Router {
    /// A router; distribution in turn begins at `turn`.
    pub(crate) fn new(table: &TableRow, turn: u64) -> Result<Self> {
        let places = |names: &[String]| -> Result<Vec<usize>> {
            names.iter().map(|name| place_of(table, name)).collect()
        };
        Ok(Self {
            partition_columns: places(table.partitioning.columns())?,
            hash_columns: match &table.distribution {
                Distribution::Hash { columns, .. } => Some(places(columns)?),
                Distribution::Random { .. } => None,
            },
            turn,
        })
    }

    /// The rows of a batch by tablet. Partitions that rows need and that can be made are added to the draft.
    pub(crate) fn split(
        &mut self,
        batch: &RecordBatch,
        draft: &mut TableDraft,
    ) -> Result<Vec<(TabletKey, RecordBatch)>> {
        let mut rows: BTreeMap<TabletKey, Vec<u32>> = BTreeMap::new();
        // Most partitions have as many tablets as the others.
        let mut by_count: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (partition, members) in self.by_partition(batch, draft)? {
            let bucket_of = match by_count.entry(draft.bucket_count(partition)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let buckets = self.buckets(batch, *unknown.key())?;
                    unknown.insert(buckets)
                }
            };
            for row in members {
                let bucket = bucket_of.get(row as usize).copied().unwrap_or(0);
                rows.entry(TabletKey { partition, bucket }).or_default().push(row);
            }
        }
        self.turn += 1;
        let part = |(key, rows): (TabletKey, Vec<u32>)| {
            if rows.len() == batch.num_rows() {
                return Ok((key, batch.clone()));
            }
            let rows = take_record_batch(batch, &UInt32Array::from(rows));
            Ok((key, rows.map_err(|error| query_error(error.into()))?))
        };
        rows.into_iter().map(part).collect()
    }

    fn by_partition(
        &self,
        batch: &RecordBatch,
        draft: &mut TableDraft,
    ) -> Result<BTreeMap<u64, Vec<u32>>> {
        let columns = self.partition_columns.iter().map(|place| values(batch.column(*place)));
        let columns: Vec<Vec<PartitionValue>> = columns.collect::<Result<_>>()?;
        let mut found: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut key = Vec::new();
        let mut last: Option<(Vec<PartitionValue>, u64)> = None;
        for row in 0..batch.num_rows() {
            key.clear();
            key.extend(columns.iter().filter_map(|column| column.get(row).cloned()));
            let partition = match &last {
                Some((known, partition)) if *known == key => *partition,
                _ => {
                    let partition = draft.partition_of(&key)?;
                    last = Some((key.clone(), partition));
                    partition
                }
            };
            found.entry(partition).or_default().push(u32::try_from(row).unwrap_or(u32::MAX));
        }
        Ok(found)
    }

    fn buckets(&self, batch: &RecordBatch, buckets: u32) -> Result<Vec<u32>> {
        match &self.hash_columns {
            Some(columns) => {
                let columns: Vec<ArrayRef> =
                    columns.iter().map(|place| batch.column(*place)).cloned().collect();
                hash::buckets(&columns, batch.num_rows(), buckets)
            }
            None => {
                let turn = self.turn % u64::from(buckets.max(1));
                Ok(vec![u32::try_from(turn).unwrap_or(0); batch.num_rows()])
            }
        }
    }
}

/// The place of a column in its table.
pub(crate) fn place_of(table: &TableRow, name: &str) -> Result<usize> {
    let place = table.columns.iter().position(|column| column.is_named(name));
    place.ok_or_else(|| Error::unknown_column(name, &table.name))
}

/// The values of a partition column.
fn values(array: &ArrayRef) -> Result<Vec<PartitionValue>> {
    let int = |number: Option<i128>| number.map_or(PartitionValue::Null, PartitionValue::Int);
    Ok(match array.data_type() {
        DataType::Boolean => {
            array.as_boolean().iter().map(|value| int(value.map(i128::from))).collect()
        }
        DataType::Int8 => array
            .as_primitive::<Int8Type>()
            .iter()
            .map(|value| int(value.map(i128::from)))
            .collect(),
        DataType::Int16 => array
            .as_primitive::<Int16Type>()
            .iter()
            .map(|value| int(value.map(i128::from)))
            .collect(),
        DataType::Int32 => array
            .as_primitive::<Int32Type>()
            .iter()
            .map(|value| int(value.map(i128::from)))
            .collect(),
        DataType::Int64 => array
            .as_primitive::<Int64Type>()
            .iter()
            .map(|value| int(value.map(i128::from)))
            .collect(),
        DataType::Decimal128(_, 0) => {
            array.as_primitive::<Decimal128Type>().iter().map(int).collect()
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().iter();
            days.map(|days| days.map_or(PartitionValue::Null, PartitionValue::Date)).collect()
        }
        DataType::Timestamp(..) => {
            let times = array.as_primitive::<TimestampMicrosecondType>().iter();
            times.map(|time| time.map_or(PartitionValue::Null, PartitionValue::DateTime)).collect()
        }
        DataType::Utf8 => {
            let text = |text: &str| PartitionValue::Text(text.to_owned());
            array
                .as_string::<i32>()
                .iter()
                .map(|value| value.map_or(PartitionValue::Null, text))
                .collect()
        }
        other => return Err(Error::unsupported(format!("no partitions by a column of {other}"))),
    })
}
