//! The hash that chooses a row's bucket. Pure, and for ever: rows of one key meet in one tablet across restarts, versions of
//! Arrow, and a restore into another warehouse.
//!
//! # Definition
//! The hash of a row is the CRC-32C (Castagnoli) of its distribution columns in order, each written as a tag byte and its
//! value in little endian; the bucket is the hash modulo the number of buckets.
//!
//! | value | tag | bytes |
//! |---|---|---|
//! | NULL | 0 | none |
//! | BOOLEAN, TINYINT, SMALLINT, INT, BIGINT | 1 | 8: the number |
//! | LARGEINT, DECIMAL | 2 | 16: all digits as a number, without the point |
//! | FLOAT, DOUBLE | 3 | 8: the bits of the double; both zeros are +0, every NaN is one |
//! | DATE | 4 | 4: days since 1970-01-01 |
//! | DATETIME | 5 | 8: microseconds since 1970-01-01 |
//! | CHAR, VARCHAR, JSON, VARBINARY | 6 | the bytes, then their number in 4 |

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};

use crate::{Error, Result};

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const DECIMAL: u8 = 2;
const FLOAT: u8 = 3;
const DATE: u8 = 4;
const DATETIME: u8 = 5;
const BYTES: u8 = 6;

/// The bucket of each of `rows` rows with these distribution columns, which hold what a load stores.
pub(crate) fn buckets(columns: &[ArrayRef], rows: usize, buckets: u32) -> Result<Vec<u32>> {
    let mut hashes = vec![0; rows];
    for column in columns {
        add_column(&mut hashes, column)?;
    }
    let buckets = buckets.max(1);
    hashes.iter_mut().for_each(|hash| *hash %= buckets);
    Ok(hashes)
}

fn add_column(hashes: &mut [u32], column: &ArrayRef) -> Result<()> {
    match column.data_type() {
        DataType::Boolean => add(hashes, column.as_boolean().iter(), |h, v| integer(h, v.into())),
        DataType::Int8 => {
            add(hashes, column.as_primitive::<Int8Type>().iter(), |h, v| integer(h, v.into()));
        }
        DataType::Int16 => {
            add(hashes, column.as_primitive::<Int16Type>().iter(), |h, v| integer(h, v.into()));
        }
        DataType::Int32 => {
            add(hashes, column.as_primitive::<Int32Type>().iter(), |h, v| integer(h, v.into()));
        }
        DataType::Int64 => add(hashes, column.as_primitive::<Int64Type>().iter(), integer),
        DataType::Decimal128(..) => {
            add(hashes, column.as_primitive::<Decimal128Type>().iter(), decimal);
        }
        DataType::Float32 => {
            add(hashes, column.as_primitive::<Float32Type>().iter(), |h, v| float(h, v.into()));
        }
        DataType::Float64 => add(hashes, column.as_primitive::<Float64Type>().iter(), float),
        DataType::Date32 => add(hashes, column.as_primitive::<Date32Type>().iter(), date),
        DataType::Timestamp(..) => {
            add(hashes, column.as_primitive::<TimestampMicrosecondType>().iter(), datetime);
        }
        DataType::Utf8 => {
            add(hashes, column.as_string::<i32>().iter(), |h, v| bytes(h, v.as_bytes()))
        }
        DataType::Binary => add(hashes, column.as_binary::<i32>().iter(), bytes),
        other => return Err(Error::unsupported(format!("no distribution by a column of {other}"))),
    }
    Ok(())
}

fn add<T>(
    hashes: &mut [u32],
    values: impl Iterator<Item = Option<T>>,
    update: impl Fn(u32, T) -> u32,
) {
    for (hash, value) in hashes.iter_mut().zip(values) {
        *hash = match value {
            Some(value) => update(*hash, value),
            None => crc32c::crc32c_append(*hash, &[NULL]),
        };
    }
}

fn tagged(hash: u32, tag: u8, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(hash, &[tag]), bytes)
}

fn integer(hash: u32, value: i64) -> u32 {
    tagged(hash, INTEGER, &value.to_le_bytes())
}

fn decimal(hash: u32, value: i128) -> u32 {
    tagged(hash, DECIMAL, &value.to_le_bytes())
}

fn float(hash: u32, value: f64) -> u32 {
    let canonical = if value.is_nan() { f64::NAN } else { value + 0.0 };
    tagged(hash, FLOAT, &canonical.to_bits().to_le_bytes())
}

fn date(hash: u32, days: i32) -> u32 {
    tagged(hash, DATE, &days.to_le_bytes())
}

fn datetime(hash: u32, micros: i64) -> u32 {
    tagged(hash, DATETIME, &micros.to_le_bytes())
}

fn bytes(hash: u32, value: &[u8]) -> u32 {
    // Longer values than VARCHAR holds do not exist.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    crc32c::crc32c_append(tagged(hash, BYTES, value), &length.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array,
        Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };

    use super::*;

    fn hash(column: impl Array + 'static) -> u32 {
        let mut hashes = [0];
        add_column(&mut hashes, &(Arc::new(column) as ArrayRef)).expect("has a hash");
        hashes[0]
    }

    /// These numbers are on disk, in the order of rows in tablets: they never change.
    #[test]
    fn golden_values() {
        let decimal = Decimal128Array::from(vec![-12_345]).with_precision_and_scale(9, 2);
        assert_eq!(hash(Int64Array::from(vec![None])), 0x527d_5351);
        assert_eq!(hash(BooleanArray::from(vec![true])), 0x06e7_c3cc);
        assert_eq!(hash(Int32Array::from(vec![42])), 0x9298_25e6);
        assert_eq!(hash(Int64Array::from(vec![-1])), 0x8b94_47a6);
        assert_eq!(hash(decimal.expect("fits")), 0xd67f_b111);
        assert_eq!(hash(Float64Array::from(vec![2.5])), 0xadbb_18ea);
        assert_eq!(hash(Date32Array::from(vec![19_723])), 0xf5fa_aa22);
        assert_eq!(hash(TimestampMicrosecondArray::from(vec![1])), 0xd828_01ff);
        assert_eq!(hash(StringArray::from(vec!["cairn"])), 0x019a_63cd);
        assert_eq!(hash(StringArray::from(vec![""])), 0xd515_17dd);
        assert_eq!(hash(BinaryArray::from(vec![b"cairn".as_slice()])), 0x019a_63cd);
    }

    #[test]
    fn equal_values_of_different_widths_meet() {
        assert_eq!(hash(Int8Array::from(vec![7])), hash(Int64Array::from(vec![7])));
        assert_eq!(hash(Float64Array::from(vec![0.0])), hash(Float64Array::from(vec![-0.0])));
        assert_eq!(
            hash(Float64Array::from(vec![f64::NAN])),
            hash(Float64Array::from(vec![-f64::NAN]))
        );
    }

    #[test]
    fn several_columns_are_one_key() {
        let pair = |a: &str, b: &str| {
            let column = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
            buckets(&[column(a), column(b)], 1, u32::MAX).expect("has a hash")
        };
        assert_ne!(pair("ab", "c"), pair("a", "bc"));
        assert_eq!(pair("ab", "c"), pair("ab", "c"));
    }

    #[test]
    fn consecutive_keys_spread_over_the_buckets() {
        let keys = Arc::new(Int64Array::from_iter_values(0..12_000)) as ArrayRef;
        for count in [2_u32, 3, 8, 12] {
            let mut rows = vec![0_u32; count as usize];
            for bucket in buckets(&[Arc::clone(&keys)], 12_000, count).expect("has a hash") {
                rows[bucket as usize] += 1;
            }
            let fair = 12_000 / count;
            assert!(rows.iter().all(|rows| rows.abs_diff(fair) < fair / 5), "{count}: {rows:?}");
        }
    }
}
