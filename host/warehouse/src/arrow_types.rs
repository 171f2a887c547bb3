//! Types of columns in Arrow: what a query sees, what a segment stores, and which column a result would make.
//!
//! The two differ in text and bytes only, which queries read as views and loads hold as plain arrays. Names are in lower
//! case in both, so that they are found whatever case was typed.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::catalog::model::{Column, ColumnType};
use crate::{Error, Result};

/// Digits of a LARGEINT, as a decimal.
const LARGEINT_DIGITS: u8 = 38;

/// The longest VARCHAR: what a text of unknown length becomes.
pub const MAX_VARCHAR_BYTES: u32 = 1_048_576;

/// The type that a query sees.
pub fn query_type(column_type: ColumnType) -> DataType {
    match stored_type(column_type) {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        other => other,
    }
}

/// The type that a load holds and writes.
pub fn stored_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::TinyInt => DataType::Int8,
        ColumnType::SmallInt => DataType::Int16,
        ColumnType::Int => DataType::Int32,
        ColumnType::BigInt => DataType::Int64,
        ColumnType::LargeInt => DataType::Decimal128(LARGEINT_DIGITS, 0),
        ColumnType::Float => DataType::Float32,
        ColumnType::Double => DataType::Float64,
        ColumnType::Decimal { precision, scale } => {
            DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
        }
        ColumnType::Date => DataType::Date32,
        ColumnType::DateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::Char(_) | ColumnType::Varchar(_) | ColumnType::Json => DataType::Utf8,
        ColumnType::Varbinary => DataType::Binary,
    }
}

/// What a query sees of a table.
pub fn query_schema(columns: &[Column]) -> SchemaRef {
    schema(columns, query_type)
}

/// What a segment of a table stores.
pub fn stored_schema(columns: &[Column]) -> SchemaRef {
    schema(columns, stored_type)
}

fn schema(columns: &[Column], data_type: fn(ColumnType) -> DataType) -> SchemaRef {
    let field = |column: &Column| {
        Field::new(column.name.to_lowercase(), data_type(column.column_type), column.nullable)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// The column that holds a column of a result: for `CREATE TABLE AS SELECT`, views and materialized views.
pub fn column_of(field: &Field) -> Result<Column> {
    let column_type = match field.data_type() {
        DataType::Null | DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 => ColumnType::TinyInt,
        DataType::Int16 | DataType::UInt8 => ColumnType::SmallInt,
        DataType::Int32 | DataType::UInt16 => ColumnType::Int,
        DataType::Int64 | DataType::UInt32 => ColumnType::BigInt,
        DataType::UInt64 | DataType::Decimal128(LARGEINT_DIGITS, 0) => ColumnType::LargeInt,
        DataType::Float16 | DataType::Float32 => ColumnType::Float,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => ColumnType::Decimal {
            precision: (*precision).min(LARGEINT_DIGITS),
            scale: u8::try_from(*scale).unwrap_or(0),
        },
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Timestamp(..) => ColumnType::DateTime,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            ColumnType::Varchar(MAX_VARCHAR_BYTES)
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => ColumnType::Varbinary,
        DataType::Dictionary(_, values) => {
            return column_of(&field.clone().with_data_type(values.as_ref().clone()));
        }
        other => {
            return Err(Error::unsupported(format!(
                "no column can hold '{}', which is {other}; cast it",
                field.name()
            )));
        }
    };
    Ok(Column {
        name: field.name().clone(),
        column_type,
        nullable: true,
        default: None,
        auto_increment: false,
        comment: String::new(),
        stored_as: None,
        initial: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ColumnType; 15] = [
        ColumnType::Boolean,
        ColumnType::TinyInt,
        ColumnType::SmallInt,
        ColumnType::Int,
        ColumnType::BigInt,
        ColumnType::LargeInt,
        ColumnType::Float,
        ColumnType::Double,
        ColumnType::Decimal { precision: 27, scale: 9 },
        ColumnType::Date,
        ColumnType::DateTime,
        ColumnType::Varchar(MAX_VARCHAR_BYTES),
        ColumnType::Varbinary,
        ColumnType::Char(3),
        ColumnType::Json,
    ];

    #[test]
    fn a_column_survives_the_way_through_arrow_but_for_lengths_of_text() {
        for column_type in ALL {
            let field = Field::new("c", query_type(column_type), true);
            let back = column_of(&field).expect("every type has a column").column_type;
            match column_type {
                ColumnType::Char(_) | ColumnType::Json => {
                    assert_eq!(back, ColumnType::Varchar(MAX_VARCHAR_BYTES));
                }
                other => assert_eq!(back, other),
            }
        }
    }

    #[test]
    fn only_text_and_bytes_are_read_other_than_they_are_stored() {
        for column_type in ALL {
            let differs = query_type(column_type) != stored_type(column_type);
            let is_bytes = matches!(stored_type(column_type), DataType::Utf8 | DataType::Binary);
            assert_eq!(differs, is_bytes, "{column_type:?}");
        }
    }
}
