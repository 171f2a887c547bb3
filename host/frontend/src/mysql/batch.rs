//! Arrow's columns as those of MySQL.
//!
//! Pure. A column is first made one of the types that [`cell`] knows; then every value is read where it lies.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DecimalType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cell::Cell;
use super::error;
use super::result::{self, Form};
use super::service::{SqlError, SqlType};

/// The columns of a schema.
pub(super) fn columns(schema: &Schema) -> Vec<(String, SqlType)> {
    let fields = schema.fields().iter();
    fields.map(|field| (field.name().clone(), sql_type(field.data_type()))).collect()
}

/// A batch whose columns are of the types that are written.
pub(super) struct Rows {
    columns: Vec<ArrayRef>,
    count: usize,
}

impl Rows {
    pub(super) fn new(batch: &RecordBatch) -> Result<Self, SqlError> {
        let columns = batch.columns().iter().map(known).collect::<Result<_, _>>();
        Ok(Self { columns: columns.map_err(error::bad_rows)?, count: batch.num_rows() })
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// A row as people read it.
    pub(super) fn text(&self, row: usize) -> Result<Vec<Option<String>>, SqlError> {
        self.columns.iter().map(|column| Ok(cell(column, row)?.into_text())).collect()
    }

    /// Writes a row; `kinds` are those of the schema.
    pub(super) fn put(
        &self,
        out: &mut Vec<u8>,
        form: Form,
        kinds: &[SqlType],
        row: usize,
    ) -> Result<(), SqlError> {
        if kinds.len() != self.columns.len() {
            return Err(error::bad_rows("a batch has not the columns of its schema"));
        }
        result::put_row(out, form, kinds, self.columns.iter().map(|column| cell(column, row)))
    }
}

fn sql_type(data_type: &DataType) -> SqlType {
    match data_type {
        DataType::Null => SqlType::Null,
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 => SqlType::TinyInt,
        DataType::Int16 | DataType::UInt8 => SqlType::SmallInt,
        DataType::Int32 | DataType::UInt16 => SqlType::Int,
        DataType::Int64 | DataType::UInt32 => SqlType::BigInt,
        DataType::UInt64 => SqlType::UnsignedBigInt,
        DataType::Float16 | DataType::Float32 => SqlType::Float,
        DataType::Float64 => SqlType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => SqlType::Decimal {
            precision: *precision,
            scale: u8::try_from(*scale).unwrap_or_default(),
        },
        DataType::Date32 => SqlType::Date,
        DataType::Date64 | DataType::Timestamp(..) => SqlType::DateTime,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => SqlType::Varbinary,
        DataType::Dictionary(_, values) => sql_type(values),
        _ => SqlType::Varchar,
    }
}

/// The same values in one of the types that [`cell`] reads, which has the same [`sql_type`].
fn known(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::UInt8 => cast(array, &DataType::Int16),
        DataType::UInt16 => cast(array, &DataType::Int32),
        DataType::UInt32 => cast(array, &DataType::Int64),
        DataType::Float16 => cast(array, &DataType::Float32),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            cast(array, &DataType::Decimal128(*precision, *scale))
        }
        DataType::Date64 | DataType::Timestamp(..) => {
            cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        DataType::LargeBinary | DataType::FixedSizeBinary(_) => cast(array, &DataType::BinaryView),
        DataType::LargeUtf8 => cast(array, &DataType::Utf8View),
        DataType::Dictionary(_, values) => known(&cast(array, values)?),
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Date32
        | DataType::Binary
        | DataType::BinaryView
        | DataType::Utf8
        | DataType::Utf8View => Ok(Arc::clone(array)),
        _ => shown(array),
    }
}

/// Lists, structs, times, longer decimals and whatever else MySQL has no type for, as people read them.
fn shown(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let text = (0..array.len())
        .map(|row| array.is_valid(row).then(|| formatter.value(row).try_to_string()).transpose())
        .collect::<Result<StringArray, _>>()?;
    Ok(Arc::new(text))
}

fn cell(array: &ArrayRef, row: usize) -> Result<Cell<'_>, SqlError> {
    if array.is_null(row) {
        return Ok(Cell::Null);
    }
    Ok(match array.data_type() {
        // It has no bits for what is all NULL.
        DataType::Null => Cell::Null,
        DataType::Boolean => Cell::Int(array.as_boolean().value(row).into()),
        DataType::Int8 => Cell::Int(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Cell::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => Cell::Unsigned(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Cell::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(precision, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            Cell::of_text(Decimal128Type::format_decimal(value, *precision, *scale))
        }
        DataType::Date32 => {
            let days = i64::from(array.as_primitive::<Date32Type>().value(row));
            Cell::Date(instant(SignedDuration::from_hours(days * 24))?.date())
        }
        DataType::Timestamp(..) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Cell::DateTime(instant(SignedDuration::from_micros(micros))?)
        }
        DataType::Utf8 => Cell::of_text(array.as_string::<i32>().value(row)),
        DataType::Utf8View => Cell::of_text(array.as_string_view().value(row)),
        DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row).into()),
        DataType::BinaryView => Cell::Bytes(array.as_binary_view().value(row).into()),
        // What `known` never makes.
        other => return Err(error::bad_rows(format_args!("a column is of type {other}"))),
    })
}

/// `since` 1970-01-01.
fn instant(since: SignedDuration) -> Result<DateTime, SqlError> {
    Timestamp::from_duration(since)
        .map(|instant| instant.to_zoned(TimeZone::UTC).datetime())
        .map_err(|_| error::bad_rows("a date lies beyond the year 9999"))
}

#[cfg(test)]
mod tests;
