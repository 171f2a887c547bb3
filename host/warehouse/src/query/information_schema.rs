//! `information_schema`: the catalog as relations, with MySQL's columns and StarRocks' additions.
//!
//! A relation is made anew for each query that names it, from that query's catalog (W3).

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use super::failure::query_error;
use super::session::ServerSetting;
use crate::arrow_types::MAX_VARCHAR_BYTES;
use crate::catalog::Catalog;
use crate::catalog::model::ColumnType;
use crate::{Error, Result};

mod configuration;
mod constraints;
mod fixed;
mod objects;
mod partitions;
mod tables_config;

#[cfg(test)]
mod tests;

/// The types of columns here.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    Time,
}

/// A relation: its name, its columns, and how its rows are made.
struct Definition {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    rows: fn(&Catalog) -> Vec<Vec<Cell>>,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    Null,
    Text(String),
    Number(i64),
    /// Microseconds since 1970-01-01.
    Time(i64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// `YES` or `NO`.
fn yes_no(truth: bool) -> Cell {
    if truth { "YES".into() } else { "NO".into() }
}

fn definitions() -> impl Iterator<Item = &'static Definition> {
    objects::DEFINITIONS
        .iter()
        .chain(tables_config::DEFINITIONS)
        .chain(partitions::DEFINITIONS)
        .chain(constraints::DEFINITIONS)
        .chain(configuration::DEFINITIONS)
        .chain(fixed::DEFINITIONS)
}

/// The names of the relations.
pub fn names() -> impl Iterator<Item = &'static str> {
    definitions().map(|definition| definition.name)
}

/// The columns of a relation, as MySQL spells them; none where there is no such relation.
pub(crate) fn column_names(name: &str) -> Vec<String> {
    let definition = definitions().find(|definition| definition.name.eq_ignore_ascii_case(name));
    let columns = definition.iter().flat_map(|definition| definition.columns);
    columns.map(|(name, _)| (*name).to_owned()).collect()
}

/// The columns of a relation with their types; none where there is no such relation.
pub fn columns(name: &str) -> Option<Vec<(&'static str, ColumnType)>> {
    let definition = definitions().find(|definition| definition.name.eq_ignore_ascii_case(name))?;
    let column = |(name, kind): &(&'static str, Kind)| {
        let column_type = match kind {
            Kind::Text => ColumnType::Varchar(MAX_VARCHAR_BYTES),
            Kind::Number => ColumnType::BigInt,
            Kind::Time => ColumnType::DateTime,
        };
        (*name, column_type)
    };
    Some(definition.columns.iter().map(column).collect())
}

/// A relation by its name in lower case. The settings of the server are asked for only where they are shown.
pub(super) fn relation(
    catalog: &Catalog,
    settings: &dyn Fn() -> Vec<ServerSetting>,
    name: &str,
) -> Result<Arc<dyn TableProvider>> {
    let definition = definitions()
        .find(|definition| definition.name == name)
        .ok_or_else(|| Error::unknown_table(&format!("information_schema.{name}")))?;
    let rows = match definition.name {
        configuration::NAME => configuration::rows(settings()),
        _ => (definition.rows)(catalog),
    };
    let fields = definition.columns.iter().map(|(name, kind)| {
        let data_type = match kind {
            Kind::Text => DataType::Utf8,
            Kind::Number => DataType::Int64,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
        };
        Field::new(name.to_lowercase(), data_type, true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = definition.columns.iter().enumerate().map(|(place, (_, kind))| {
        array(*kind, rows.iter().map(|row| row.get(place).unwrap_or(&Cell::Null)))
    });
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays.collect())
        .map_err(|error| query_error(error.into()))?;
    let table = MemTable::try_new(schema, vec![vec![batch]]).map_err(query_error)?;
    Ok(Arc::new(table))
}

fn array<'a>(kind: Kind, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    let number = |cell: &Cell| match cell {
        Cell::Number(number) | Cell::Time(number) => Some(*number),
        _ => None,
    };
    match kind {
        Kind::Text => {
            let text = |cell: &'a Cell| match cell {
                Cell::Text(text) => Some(text.as_str()),
                _ => None,
            };
            Arc::new(cells.map(text).collect::<StringArray>())
        }
        Kind::Number => Arc::new(cells.map(number).collect::<Int64Array>()),
        Kind::Time => Arc::new(cells.map(number).collect::<TimestampMicrosecondArray>()),
    }
}
