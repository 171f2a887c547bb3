use datafusion::arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array,
    Int32Array, ListArray, NullArray, StringViewArray, Time64MicrosecondArray,
    TimestampMillisecondArray, UInt8Array, UInt64Array,
};
use datafusion::arrow::datatypes::{Field, Int32Type};

use super::*;
use crate::mysql::packet::{Fields, NULL};

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| Field::new(format!("c{index}"), column.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn kinds(batch: &RecordBatch) -> Vec<SqlType> {
    columns(&batch.schema()).into_iter().map(|(_, kind)| kind).collect()
}

/// The values of a column as text.
fn texts(column: ArrayRef) -> Vec<Option<String>> {
    let batch = batch(vec![column]);
    let kinds = kinds(&batch);
    let rows = Rows::new(&batch).unwrap();
    let text = |row| {
        let mut out = Vec::new();
        rows.put(&mut out, Form::Text, &kinds, row).unwrap();
        if out == [NULL] {
            return None;
        }
        let text = Fields::new(&out).counted("value").unwrap();
        Some(String::from_utf8_lossy(text).into_owned())
    };
    (0..rows.count()).map(text).collect()
}

#[test]
fn values_are_written_as_their_types_are() {
    let cases: Vec<(ArrayRef, SqlType, Vec<Option<&str>>)> = vec![
        (Arc::new(NullArray::new(1)), SqlType::Null, vec![None]),
        (
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            SqlType::Boolean,
            vec![Some("1"), Some("0"), None],
        ),
        (Arc::new(Int32Array::from(vec![Some(-5), None])), SqlType::Int, vec![Some("-5"), None]),
        (Arc::new(UInt8Array::from(vec![255])), SqlType::SmallInt, vec![Some("255")]),
        (
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            SqlType::UnsignedBigInt,
            vec![Some("18446744073709551615")],
        ),
        (Arc::new(Float64Array::from(vec![0.5])), SqlType::Double, vec![Some("0.5")]),
        (
            Arc::new(Date32Array::from(vec![Some(-719_528), Some(0), Some(19_782), None])),
            SqlType::Date,
            vec![Some("0000-01-01"), Some("1970-01-01"), Some("2024-02-29"), None],
        ),
        (
            Arc::new(TimestampMillisecondArray::from(vec![-1, 0]).with_timezone("UTC")),
            SqlType::DateTime,
            vec![Some("1969-12-31 23:59:59.999000"), Some("1970-01-01 00:00:00")],
        ),
        (
            Arc::new(StringViewArray::from(vec![Some("\u{fc}"), Some(""), None])),
            SqlType::Varchar,
            vec![Some("\u{fc}"), Some(""), None],
        ),
        (Arc::new(BinaryArray::from(vec![&b"a\0"[..]])), SqlType::Varbinary, vec![Some("a\0")]),
        (
            Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("one"), None, Some("one")])),
            SqlType::Varchar,
            vec![Some("one"), None, Some("one")],
        ),
        (
            Arc::new(Time64MicrosecondArray::from(vec![Some(1_000_000), None])),
            SqlType::Varchar,
            vec![Some("00:00:01"), None],
        ),
        (
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([
                Some([Some(1), None]),
                None,
            ])),
            SqlType::Varchar,
            vec![Some("[1, ]"), None],
        ),
    ];
    for (column, kind, expected) in cases {
        let name = column.data_type().to_string();
        assert_eq!(kinds(&batch(vec![Arc::clone(&column)])), [kind], "{name}");
        assert_eq!(
            texts(column),
            expected.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[test]
fn decimals_keep_their_scale() {
    let largeint = i128::MAX / 2;
    let column = Decimal128Array::from(vec![largeint]).with_precision_and_scale(38, 0).unwrap();
    assert_eq!(texts(Arc::new(column)), [Some(largeint.to_string())]);
    let column = Decimal128Array::from(vec![Some(-1), Some(12_300), None])
        .with_precision_and_scale(10, 2)
        .unwrap();
    let expected = [Some("-0.01".to_owned()), Some("123.00".to_owned()), None];
    assert_eq!(texts(Arc::new(column)), expected);
}

#[test]
fn nulls_of_a_binary_row_are_bits() {
    let columns: Vec<ArrayRef> = (0..10)
        .map(|index| {
            Arc::new(Int32Array::from(vec![(index % 2 == 0).then_some(index)])) as ArrayRef
        })
        .collect();
    let batch = batch(columns);
    let mut out = Vec::new();
    Rows::new(&batch).unwrap().put(&mut out, Form::Binary, &kinds(&batch), 0).unwrap();
    // Odd columns from the third bit on.
    assert_eq!(out[..3], [0, 0b1010_1000, 0b0000_1010]);
    assert_eq!(out[3..7], [0, 0, 0, 0]);
    assert_eq!(out.len(), 3 + 5 * 4);
}

#[test]
fn a_date_that_no_calendar_has_is_said() {
    let batch = batch(vec![Arc::new(Date32Array::from(vec![i32::MAX]))]);
    let rows = Rows::new(&batch).unwrap();
    let error = rows.put(&mut Vec::new(), Form::Text, &kinds(&batch), 0).unwrap_err();
    assert_eq!(error.message, "the result cannot be sent: a date lies beyond the year 9999");
}
