//! A run: rows of one tablet that become one segment, sorted, and for a primary key only the last of each key. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{cast, concat_batches, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, Rows, SortField};

use super::route::place_of;
use crate::Result;
use crate::catalog::model::{KeysKind, TableRow};
use crate::query::failure::query_error;

/// By what rows of a table are told apart and sorted.
#[derive(Debug, Clone)]
pub(crate) struct RowOrder {
    /// Places of the columns that sort.
    sort: Vec<usize>,
    /// Places of those that tell rows apart, where something does.
    pub(crate) key: Option<Vec<usize>>,
}

impl RowOrder {
    pub(crate) fn of(table: &TableRow) -> Result<Self> {
        let places = |names: &[String]| -> Result<Vec<usize>> {
            names.iter().map(|name| place_of(table, name)).collect()
        };
        Ok(Self {
            sort: places(table.sort_columns())?,
            key: match table.keys {
                KeysKind::Primary => Some(places(&table.key_columns)?),
                KeysKind::Duplicate => None,
            },
        })
    }
}

/// One batch of several, in order, as a run. NULL sorts first; equal rows keep their order.
pub(crate) fn make_run(
    batches: &[RecordBatch],
    schema: &SchemaRef,
    order: &RowOrder,
) -> Result<RecordBatch> {
    arrange(batches, schema, order).map_err(|error| query_error(error.into()))
}

fn arrange(
    batches: &[RecordBatch],
    schema: &SchemaRef,
    order: &RowOrder,
) -> Result<RecordBatch, ArrowError> {
    let batch = concat_batches(schema, batches)?;
    let mut rows: Vec<u32> = (0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX)).collect();
    if let Some(key) = &order.key {
        let keys = encode(&batch, key)?;
        let mut seen = HashSet::with_capacity(rows.len());
        rows.reverse();
        rows.retain(|row| seen.insert(keys.row(*row as usize)));
        rows.reverse();
    }
    if !order.sort.is_empty() {
        let sorted = encode(&batch, &order.sort)?;
        rows.sort_by(|a, b| sorted.row(*a as usize).cmp(&sorted.row(*b as usize)));
    }
    let is_arranged = rows.len() == batch.num_rows() && rows.is_sorted();
    if is_arranged { Ok(batch) } else { take_record_batch(&batch, &UInt32Array::from(rows)) }
}

fn encode(batch: &RecordBatch, places: &[usize]) -> Result<Rows, ArrowError> {
    let columns: Vec<ArrayRef> =
        places.iter().map(|place| Arc::clone(batch.column(*place))).collect();
    convert_rows(&columns)
}

fn convert_rows(columns: &[ArrayRef]) -> Result<Rows, ArrowError> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
    RowConverter::new(fields.collect())?.convert_columns(columns)
}

/// Keys of a run, to find rows that it replaces.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: HashSet<Box<[u8]>>,
    /// Types of the key, which rows are brought to before they are compared.
    schema: SchemaRef,
}

impl KeySet {
    /// The keys of a run.
    pub(crate) fn of(run: &RecordBatch, key: &[usize]) -> Result<Self> {
        let projected = run.project(key).map_err(|error| query_error(error.into()))?;
        let rows = convert_rows(projected.columns()).map_err(|error| query_error(error.into()))?;
        let keys = rows.iter().map(|row| row.as_ref().into()).collect();
        Ok(Self { keys, schema: projected.schema() })
    }

    /// For each row with these values of the key, whether its key is not one of these.
    pub(crate) fn survivors(&self, columns: &[ArrayRef]) -> Result<BooleanArray> {
        let survivors = || -> Result<BooleanArray, ArrowError> {
            let types = self.schema.fields().iter().map(|field| field.data_type());
            let columns = columns.iter().zip(types).map(|(column, to)| cast(column, to));
            let rows = convert_rows(&columns.collect::<Result<Vec<_>, _>>()?)?;
            Ok(rows.iter().map(|row| Some(!self.keys.contains(row.as_ref()))).collect())
        };
        survivors().map_err(|error| query_error(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Int32Array, StringArray};
    use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema};

    use super::*;

    fn batch(rows: &[(Option<i32>, &str)]) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("k", DataType::Int32, true),
            Field::new("v", DataType::Utf8, true),
        ]);
        let keys: Int32Array = rows.iter().map(|(key, _)| *key).collect();
        let values: StringArray = rows.iter().map(|(_, value)| Some(*value)).collect();
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(keys), Arc::new(values)])
            .expect("a batch")
    }

    fn content(batch: &RecordBatch) -> Vec<(Option<i32>, String)> {
        let keys = batch.column(0).as_primitive::<Int32Type>().iter();
        let values = batch.column(1).as_string::<i32>().iter();
        keys.zip(values.map(|value| value.expect("no NULL").to_owned())).collect()
    }

    fn run(key: Option<Vec<usize>>) -> Vec<(Option<i32>, String)> {
        let batches = [
            batch(&[(Some(2), "a"), (Some(1), "b"), (None, "c")]),
            batch(&[(Some(1), "d"), (Some(2), "e"), (Some(3), "f")]),
        ];
        let order = RowOrder { sort: vec![0], key };
        content(&make_run(&batches, &batches[0].schema(), &order).expect("a run"))
    }

    fn rows(rows: &[(Option<i32>, &str)]) -> Vec<(Option<i32>, String)> {
        rows.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
    }

    #[test]
    fn rows_are_sorted_and_equal_ones_keep_their_order() {
        let expected = [
            (None, "c"),
            (Some(1), "b"),
            (Some(1), "d"),
            (Some(2), "a"),
            (Some(2), "e"),
            (Some(3), "f"),
        ];
        assert_eq!(run(None), rows(&expected));
    }

    #[test]
    fn of_a_primary_key_the_last_row_stays() {
        let expected = [(None, "c"), (Some(1), "d"), (Some(2), "e"), (Some(3), "f")];
        assert_eq!(run(Some(vec![0])), rows(&expected));
    }

    #[test]
    fn rows_with_other_keys_survive() {
        let keys = KeySet::of(&batch(&[(Some(1), "x"), (None, "y")]), &[0]).expect("keys");
        let old = batch(&[(None, "a"), (Some(1), "b"), (Some(2), "c")]);
        let survivors = keys.survivors(&[Arc::clone(old.column(0))]).expect("compares");
        assert_eq!(survivors, BooleanArray::from(vec![false, false, true]));
    }
}
