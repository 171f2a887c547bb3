//! From values of any type to those that a column stores, checked. Pure.
//!
//! What does not fit is an error that names the row, the column and the value: a load takes all rows or none.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

use crate::arrow_types::stored_type;
use crate::catalog::model::{Column, ColumnType};
use crate::civil;
use crate::text::{to_text, to_text_array, value_text};

/// A value that its column cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadValue {
    /// In the array, from 0.
    pub(crate) row: usize,
    /// What is wrong, with the names of value and column.
    pub(crate) problem: String,
}

/// The values as the column stores them.
pub(crate) fn convert(values: &ArrayRef, column: &Column) -> Result<ArrayRef, BadValue> {
    let converted = convert_type(values, column.column_type).map_err(|error| BadValue {
        row: 0,
        problem: format!("'{}' cannot hold these values: {error}", column.name),
    })?;
    let wrong = |row: usize, problem: String| Err(BadValue { row, problem });
    if let Some(row) = lost(values, &converted) {
        let value = value_text(values, row);
        let (name, column_type) = (&column.name, column.column_type);
        let problem = match column_type {
            ColumnType::Json => format!("Value '{value}' of column '{name}' is no JSON"),
            _ => format!("Value '{value}' is out of range. The type of '{name}' is {column_type}"),
        };
        return wrong(row, problem);
    }
    if !column.nullable
        && let Some(row) = (0..converted.len()).find(|row| converted.is_null(*row))
    {
        return wrong(row, format!("NULL value in non-nullable column '{}'", column.name));
    }
    if let ColumnType::Char(bytes) | ColumnType::Varchar(bytes) = column.column_type {
        let texts = converted.as_string::<i32>();
        let is_long = |text: Option<&str>| text.is_some_and(|text| text.len() > bytes as usize);
        if let Some(row) = texts.iter().position(is_long) {
            let (name, column_type) = (&column.name, column.column_type);
            let value = shortened(texts.value(row));
            return wrong(
                row,
                format!("String '{value}' is too long. The type of '{name}' is {column_type}"),
            );
        }
    }
    Ok(converted)
}

/// The first row that had a value and has none.
fn lost(before: &ArrayRef, after: &ArrayRef) -> Option<usize> {
    if after.null_count() == before.logical_null_count() {
        return None;
    }
    let nulls = before.logical_nulls();
    let was_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    (0..after.len()).find(|row| after.is_null(*row) && !was_null(*row))
}

/// Enough of a text to recognise it.
fn shortened(text: &str) -> String {
    const LETTERS: usize = 64;
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The values in the type that is stored; NULL for what has no such value.
fn convert_type(values: &ArrayRef, to: ColumnType) -> Result<ArrayRef, ArrowError> {
    if let DataType::Dictionary(_, inner) = values.data_type() {
        return convert_type(&cast(values, inner)?, to);
    }
    let stored = stored_type(to);
    let from = values.data_type();
    if *from == stored && to != ColumnType::Json {
        return Ok(Arc::clone(values));
    }
    match (to, from) {
        (_, DataType::Null) => cast(values, &stored),
        (ColumnType::Date, from) if spells_time(from) => {
            let texts = to_text(values)?;
            let days = texts.iter().map(|text| civil::parse_date(text?));
            Ok(Arc::new(days.collect::<Date32Array>()))
        }
        (ColumnType::DateTime, from) if spells_time(from) => {
            let texts = to_text(values)?;
            let times = texts.iter().map(|text| civil::parse_datetime(text?));
            Ok(Arc::new(times.collect::<TimestampMicrosecondArray>()))
        }
        (ColumnType::Boolean, from) if from.is_string() => {
            let texts = to_text(values)?;
            Ok(Arc::new(texts.iter().map(|text| parse_truth(text?)).collect::<BooleanArray>()))
        }
        (ColumnType::Json, _) => {
            let is_json = |text: &&str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            let texts = to_text(values)?;
            Ok(Arc::new(texts.iter().map(|text| text.filter(is_json)).collect::<StringArray>()))
        }
        (ColumnType::Char(_) | ColumnType::Varchar(_), from) if !is_binary(from) => {
            to_text_array(values)
        }
        (to, from) if is_number(to) && from.is_temporal() => {
            Err(ArrowError::CastError(format!("{from} is no number")))
        }
        _ => {
            let options = CastOptions { safe: true, ..CastOptions::default() };
            cast_with_options(values, &stored, &options)
        }
    }
}

fn spells_time(from: &DataType) -> bool {
    from.is_string() || from.is_integer()
}

fn is_binary(from: &DataType) -> bool {
    matches!(from, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

fn is_number(to: ColumnType) -> bool {
    matches!(
        to,
        ColumnType::TinyInt
            | ColumnType::SmallInt
            | ColumnType::Int
            | ColumnType::BigInt
            | ColumnType::LargeInt
            | ColumnType::Float
            | ColumnType::Double
            | ColumnType::Decimal { .. }
    )
}

fn parse_truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
