//! From the rows of a statement to rows of the table: columns in their places, defaults, numbers that count up, checks.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions,
};
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit};
use datafusion::common::ScalarValue;

use super::convert::{BadValue, convert};
use super::literal;
use crate::arrow_types::{stored_schema, stored_type};
use crate::catalog::model::{Column, ColumnDefault, TableRow};
use crate::query::failure::query_error;
use crate::text::value_text;
use crate::{Error, Result, Subject};

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// A column of the statement.
    Given(usize),
    /// The same value for every row.
    Constant(ScalarValue),
    /// Counted up.
    Counter,
}

/// Makes rows of a table of the rows of one statement.
#[derive(Debug)]
pub(crate) struct Input {
    columns: Vec<Column>,
    sources: Vec<Source>,
    schema: SchemaRef,
    /// Rows so far, for messages.
    rows: u64,
    next_number: u64,
    /// The first that was counted up.
    first_number: Option<u64>,
}

impl Input {
    /// Rows of `given` columns, which are those `named`, or all of the table's.
    pub(crate) fn new(
        table: &TableRow,
        named: &[String],
        given: usize,
        now_micros: i64,
    ) -> Result<Self> {
        let targets = targets(table, named)?;
        if targets.len() != given {
            return Err(Error::invalid(format!(
                "Inserted target column count: {} doesn't match select/value column count: {given}",
                targets.len()
            )));
        }
        let source = |(place, column): (usize, &Column)| match targets
            .iter()
            .position(|target| *target == place)
        {
            Some(given) => Ok(Source::Given(given)),
            None => default_source(column, now_micros),
        };
        Ok(Self {
            sources: table.columns.iter().enumerate().map(source).collect::<Result<_>>()?,
            columns: table.columns.clone(),
            schema: stored_schema(&table.columns),
            rows: 0,
            next_number: table.next_auto_increment.max(1),
            first_number: None,
        })
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// What the table's counter goes on with.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// The first number that was counted up.
    pub(crate) fn first_number(&self) -> Option<u64> {
        self.first_number
    }

    /// Rows of the table.
    pub(crate) fn convert(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for place in 0..self.columns.len() {
            let array = self.array(place, batch).map_err(|bad| self.refuse(batch, &bad))?;
            arrays.push(array);
        }
        self.rows += batch.num_rows() as u64;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| query_error(error.into()))
    }

    fn array(&mut self, place: usize, batch: &RecordBatch) -> Result<ArrayRef, BadValue> {
        let lost =
            || BadValue { row: 0, problem: "a column of the statement is missing".to_owned() };
        let column = self.columns.get(place).ok_or_else(lost)?;
        match self.sources.get(place).ok_or_else(lost)? {
            Source::Given(given) => {
                let values = batch.columns().get(*given).ok_or_else(lost)?;
                if column.auto_increment {
                    let nullable = Column { nullable: true, ..column.clone() };
                    let given = convert(values, &nullable)?;
                    return self.count(place, Some(&given), batch.num_rows());
                }
                convert(values, column)
            }
            Source::Constant(value) => value.to_array_of_size(batch.num_rows()).map_err(|error| {
                BadValue { row: 0, problem: format!("no default of '{}': {error}", column.name) }
            }),
            Source::Counter => self.count(place, None, batch.num_rows()),
        }
    }

    /// Numbers for the rows that were given none. A given one moves the counter behind itself.
    fn count(
        &mut self,
        place: usize,
        given: Option<&ArrayRef>,
        rows: usize,
    ) -> Result<ArrayRef, BadValue> {
        let is_big = |array: &&ArrayRef| *array.data_type() == DataType::Int64;
        let given = given.filter(is_big).map(|array| array.as_primitive::<Int64Type>());
        let number = |row: usize| {
            let given = given.filter(|numbers| numbers.is_valid(row));
            if let Some(number) = given.map(|numbers| numbers.value(row)) {
                let after = u64::try_from(number).map_or(0, |number| number.saturating_add(1));
                self.next_number = self.next_number.max(after);
                return Ok(number);
            }
            let number = i64::try_from(self.next_number).map_err(|_| self.used_up(place, row))?;
            self.first_number = self.first_number.or(Some(self.next_number));
            self.next_number += 1;
            Ok(number)
        };
        let numbers = (0..rows).map(number).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(Int64Array::from(numbers)))
    }

    /// A number that is given twice would replace a row.
    fn used_up(&self, place: usize, row: usize) -> BadValue {
        let name = self.columns.get(place).map_or("", |column| column.name.as_str());
        let problem = format!(
            "the numbers of the AUTO_INCREMENT column '{name}' are used up; give the row one"
        );
        BadValue { row, problem }
    }

    fn refuse(&self, batch: &RecordBatch, bad: &BadValue) -> Error {
        Error::invalid(format!(
            "Insert has filtered data in strict mode: row {}: {}. Row: [{}]",
            self.rows + bad.row as u64 + 1,
            bad.problem,
            row_text(batch, bad.row)
        ))
    }
}

/// The values of a row.
pub(crate) fn row_text(batch: &RecordBatch, row: usize) -> String {
    let values = batch.columns().iter().filter(|array| row < array.len());
    values.map(|array| value_text(array, row)).collect::<Vec<_>>().join(", ")
}

/// The places of the columns that a statement gives.
fn targets(table: &TableRow, named: &[String]) -> Result<Vec<usize>> {
    if named.is_empty() {
        return Ok((0..table.columns.len()).collect());
    }
    let mut seen = HashSet::new();
    let place = |name: &String| {
        let place = table.columns.iter().position(|column| column.is_named(name));
        let place = place.ok_or_else(|| Error::unknown_column(name, &table.name))?;
        if seen.insert(place) {
            return Ok(place);
        }
        Err(Error::invalid(format!("Column '{name}' specified twice")).about(Subject::Column))
    };
    named.iter().map(place).collect()
}

/// What a column holds that the statement does not give.
fn default_source(column: &Column, now_micros: i64) -> Result<Source> {
    if column.auto_increment {
        return Ok(Source::Counter);
    }
    let data_type = stored_type(column.column_type);
    match &column.default {
        Some(ColumnDefault::Value(text)) => {
            literal::stored(text, column.column_type).map(Source::Constant).ok_or_else(|| {
                let message = format!("'{}' cannot hold its default '{text}'", column.name);
                Error::invalid(message).about(Subject::Column)
            })
        }
        Some(ColumnDefault::CurrentTimestamp) => {
            // The default has whole seconds.
            let now = now_micros - now_micros.rem_euclid(crate::civil::MICROS_PER_SECOND);
            let now = ScalarValue::TimestampMicrosecond(Some(now), None);
            let is_time = data_type == DataType::Timestamp(TimeUnit::Microsecond, None);
            let now = if is_time { Ok(now) } else { now.cast_to(&data_type) };
            now.map(Source::Constant).map_err(query_error)
        }
        None if column.nullable => {
            ScalarValue::try_from(&data_type).map(Source::Constant).map_err(query_error)
        }
        None => {
            let message =
                format!("'{}' must be explicitly mentioned in column permutation", column.name);
            Err(Error::invalid(message).about(Subject::Column))
        }
    }
}
