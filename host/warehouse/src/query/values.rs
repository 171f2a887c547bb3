//! `VALUES` of plain literals as rows. The planner would walk each of them several times, which takes minutes for a
//! statement of some megabytes. Pure.
//!
//! The rows are those that the planner would make: of literals that are all of one kind in each column, for all others are
//! for the planner.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int64Array, NullArray, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, Field, Schema};
use datafusion::sql::sqlparser::ast::{Expr, Query, SetExpr, UnaryOperator, Value, Values};

/// The rows of a query that is nothing but `VALUES`.
pub(super) fn of(query: &Query) -> Option<&Values> {
    let is_bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.pipe_operators.is_empty();
    match query.body.as_ref() {
        SetExpr::Values(values) if is_bare => Some(values),
        _ => None,
    }
}

/// The rows as a batch; none where it is for the planner to say what they are.
pub(super) fn batch(values: &Values) -> Option<RecordBatch> {
    let width = values.rows.first()?.len();
    let mut columns = vec![Vec::with_capacity(values.rows.len()); width];
    for row in &values.rows {
        if row.len() != width {
            return None;
        }
        for (column, expr) in columns.iter_mut().zip(row.iter()) {
            column.push(Literal::of(expr)?);
        }
    }
    let arrays = columns.iter().map(|column| array(column)).collect::<Option<Vec<_>>>()?;
    let fields = arrays.iter().zip(1..).map(|(array, number)| {
        Field::new(format!("column{number}"), array.data_type().clone(), true)
    });
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays).ok()
}

#[derive(Debug, Clone, Copy)]
enum Literal<'a> {
    Null,
    Truth(bool),
    Number { is_negative: bool, digits: &'a str },
    Text(&'a str),
}

impl<'a> Literal<'a> {
    fn of(expr: &'a Expr) -> Option<Self> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Null => Some(Self::Null),
                Value::Boolean(truth) => Some(Self::Truth(*truth)),
                Value::Number(digits, false) => Some(Self::Number { is_negative: false, digits }),
                Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
                    Some(Self::Text(text))
                }
                _ => None,
            },
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match Self::of(expr)? {
                Self::Number { is_negative, digits } => {
                    Some(Self::Number { is_negative: !is_negative, digits })
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn whole(self) -> Option<i64> {
        match self {
            Self::Number { is_negative: false, digits } => digits.parse().ok(),
            Self::Number { is_negative: true, digits } => {
                digits.parse::<i128>().ok().and_then(|number| i64::try_from(-number).ok())
            }
            _ => None,
        }
    }

    /// The digits before and behind the point.
    fn parts(self) -> Option<(&'a str, &'a str)> {
        let Self::Number { digits, .. } = self else { return None };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        (is_plain(whole) && is_plain(fraction)).then(|| (whole.trim_start_matches('0'), fraction))
    }

    /// As a number of units of this many digits behind the point.
    fn scaled(self, scale: usize) -> Option<i128> {
        let (whole, fraction) = self.parts()?;
        let number = format!("0{whole}{fraction:0<scale$}").parse::<i128>().ok()?;
        Some(if matches!(self, Self::Number { is_negative: true, .. }) { -number } else { number })
    }
}

/// One kind besides NULL.
fn array(column: &[Literal<'_>]) -> Option<ArrayRef> {
    let known = column.iter().find(|literal| !matches!(literal, Literal::Null));
    match known {
        None => Some(Arc::new(NullArray::new(column.len()))),
        Some(Literal::Truth(_)) => {
            let truths = all(column, |literal| match literal {
                Literal::Truth(truth) => Some(truth),
                _ => None,
            })?;
            Some(Arc::new(BooleanArray::from(truths)))
        }
        Some(Literal::Text(_)) => {
            let texts = all(column, |literal| match literal {
                Literal::Text(text) => Some(text),
                _ => None,
            })?;
            Some(Arc::new(StringArray::from(texts)))
        }
        Some(_) => numbers(column),
    }
}

fn numbers(column: &[Literal<'_>]) -> Option<ArrayRef> {
    if let Some(numbers) = all(column, Literal::whole) {
        return Some(Arc::new(Int64Array::from(numbers)));
    }
    let parts = all(column, Literal::parts)?;
    let longest = |length: &dyn Fn(&(&str, &str)) -> usize| {
        parts.iter().flatten().map(length).max().unwrap_or(0)
    };
    let scale = longest(&|(_, fraction)| fraction.len());
    let precision = u8::try_from(longest(&|(whole, _)| whole.len()) + scale).ok()?.max(1);
    if precision > DECIMAL128_MAX_PRECISION {
        return None;
    }
    let decimals = Decimal128Array::from(all(column, |literal| literal.scaled(scale))?);
    let decimals = decimals.with_precision_and_scale(precision, i8::try_from(scale).ok()?);
    Some(Arc::new(decimals.ok()?))
}

/// What each literal is; none where one is neither that nor NULL.
fn all<'a, T>(
    column: &[Literal<'a>],
    of: impl Fn(Literal<'a>) -> Option<T>,
) -> Option<Vec<Option<T>>> {
    let value = |literal: &Literal<'a>| match literal {
        Literal::Null => Some(None),
        known => of(*known).map(Some),
    };
    column.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::DataType;

    use super::super::text_query;
    use super::*;

    fn types(sql: &str) -> Option<Vec<DataType>> {
        let query = text_query(sql).expect("the test spells a query");
        let batch = batch(of(&query)?)?;
        Some(batch.columns().iter().map(|array| array.data_type().clone()).collect())
    }

    #[test]
    fn a_column_of_one_kind_has_a_type() {
        use DataType::{Boolean, Decimal128, Int64, Null, Utf8};
        let sql =
            "VALUES (1, 'a', TRUE, NULL, 1.5), (-9223372036854775808, NULL, FALSE, NULL, -12.25)";
        assert_eq!(types(sql), Some(vec![Int64, Utf8, Boolean, Null, Decimal128(4, 2)]));
        assert_eq!(
            types("VALUES (9223372036854775808), (-1), (NULL)"),
            Some(vec![Decimal128(19, 0)])
        );
    }

    #[test]
    fn what_is_no_plain_literal_is_for_the_planner() {
        for sql in [
            "VALUES (1), ('a')",
            "VALUES (1, 2), (3)",
            "VALUES (1 + 1)",
            "VALUES (NOW())",
            "VALUES (1e5)",
            "VALUES (DATE '2024-01-01')",
            "VALUES (123456789012345678901234567890123456789)",
            "VALUES (1) LIMIT 1",
            "SELECT 1",
        ] {
            assert_eq!(types(sql), None, "{sql}");
        }
    }
}
