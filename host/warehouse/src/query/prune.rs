//! Which partitions can hold a row that satisfies a filter. Pure, and conservative: what is not understood can hold.
//!
//! A partition becomes boxes: for some of its columns the interval that their values lie in. A filter that is true for no
//! value of an interval rules the box out; a partition whose boxes are all ruled out is not read.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, BinaryExpr, Cast, InList};
use datafusion::logical_expr::{Expr, Operator};

use crate::catalog::model::{PartitionBounds, PartitionValue};
use crate::civil::{self, MICROS_PER_DAY};

/// Whether a partition with these bounds of `columns` (in lower case) can hold a row for which all `filters` are true.
pub(crate) fn may_match(bounds: &PartitionBounds, columns: &[String], filters: &[Expr]) -> bool {
    let boxes = match bounds {
        PartitionBounds::All => return true,
        PartitionBounds::Range { from, to } => vec![KeyBox::of_range(columns, from, to)],
        PartitionBounds::List(tuples) => {
            tuples.iter().map(|tuple| KeyBox::of_tuple(columns, tuple)).collect()
        }
    };
    boxes.iter().any(|one| filters.iter().all(|filter| one.may_be(filter, true)))
}

/// Values of one column, from `low` on.
#[derive(Debug, Clone, PartialEq)]
struct Interval {
    low: PartitionValue,
    high: PartitionValue,
    holds_high: bool,
}

impl Interval {
    fn is_only_null(&self) -> bool {
        self.low == PartitionValue::Null && self.high == PartitionValue::Null
    }

    fn holds_null(&self) -> bool {
        let null = &PartitionValue::Null;
        &self.low <= null && (null < &self.high || self.holds_high && null == &self.high)
    }

    /// The same with days as times, so that both compare.
    fn normal(&self) -> Self {
        Self { low: normal(&self.low), high: normal(&self.high), holds_high: self.holds_high }
    }

    /// The days of its times.
    fn days(&self) -> Self {
        let day = |value: &PartitionValue| match value {
            PartitionValue::DateTime(micros) => {
                PartitionValue::DateTime(micros.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY)
            }
            other => other.clone(),
        };
        let Self { low, high, holds_high } = self.normal();
        let last = day(&high);
        Self { low: day(&low), holds_high: holds_high || last != high, high: last }
    }

    /// Whether some value that is not NULL stands so to `literal`.
    fn may_be(&self, operator: Operator, literal: &PartitionValue) -> bool {
        if *literal == PartitionValue::Null || self.is_only_null() {
            return false;
        }
        let is_comparable = [&self.low, &self.high].into_iter().all(|bound| {
            matches!(bound, PartitionValue::Min | PartitionValue::Null | PartitionValue::Max)
                || std::mem::discriminant(bound) == std::mem::discriminant(literal)
        });
        if !is_comparable {
            return true;
        }
        let reaches = literal < &self.high || self.holds_high && literal == &self.high;
        match operator {
            Operator::Eq => &self.low <= literal && reaches,
            Operator::NotEq => !(self.low == self.high && &self.low == literal),
            Operator::Lt => &self.low < literal,
            Operator::LtEq => &self.low <= literal,
            Operator::Gt => literal < &self.high,
            Operator::GtEq => reaches,
            _ => true,
        }
    }
}

/// Days become times.
fn normal(value: &PartitionValue) -> PartitionValue {
    match value {
        PartitionValue::Date(days) => PartitionValue::DateTime(civil::midnight(*days)),
        other => other.clone(),
    }
}

/// Intervals of some columns, by name.
struct KeyBox<'a> {
    intervals: Vec<(&'a str, Interval)>,
}

impl<'a> KeyBox<'a> {
    /// Tuples between two others compare in their first column, and in a later one where the bounds agree before it.
    fn of_range(columns: &'a [String], from: &[PartitionValue], to: &[PartitionValue]) -> Self {
        let mut intervals = Vec::new();
        for (place, (column, (low, high))) in columns.iter().zip(from.iter().zip(to)).enumerate() {
            let rest = to.get(place + 1..).unwrap_or_default();
            let holds_high = !rest.iter().all(|bound| *bound == PartitionValue::Min);
            let interval = Interval { low: low.clone(), high: high.clone(), holds_high };
            intervals.push((column.as_str(), interval));
            if low != high {
                break;
            }
        }
        Self { intervals }
    }

    fn of_tuple(columns: &'a [String], tuple: &[PartitionValue]) -> Self {
        let exactly = |value: &PartitionValue| Interval {
            low: value.clone(),
            high: value.clone(),
            holds_high: true,
        };
        let intervals = columns.iter().zip(tuple);
        Self { intervals: intervals.map(|(name, value)| (name.as_str(), exactly(value))).collect() }
    }

    /// Whether `filter` can be true, or with `wanted` false, can be false.
    fn may_be(&self, filter: &Expr, wanted: bool) -> bool {
        match filter {
            Expr::Not(inner) => self.may_be(inner, !wanted),
            Expr::IsTrue(inner) if wanted => self.may_be(inner, true),
            Expr::Literal(ScalarValue::Boolean(value), _) => *value == Some(wanted),
            Expr::Alias(alias) => self.may_be(&alias.expr, wanted),
            Expr::IsNull(inner) => self.may_be_null(inner, wanted),
            Expr::IsNotNull(inner) => self.may_be_null(inner, !wanted),
            Expr::Between(between) => self.may_be_between(between, wanted),
            Expr::InList(list) => self.may_be_in_list(list, wanted),
            Expr::BinaryExpr(binary) => self.may_be_binary(binary, wanted),
            _ => true,
        }
    }

    fn may_be_binary(&self, binary: &BinaryExpr, wanted: bool) -> bool {
        let BinaryExpr { left, op, right } = binary;
        let each = || [left, right].into_iter().map(|side| self.may_be(side, wanted));
        match (op, wanted) {
            (Operator::And, true) | (Operator::Or, false) => each().all(|side| side),
            (Operator::Or, true) | (Operator::And, false) => each().any(|side| side),
            _ => self.may_compare(left, *op, right, wanted),
        }
    }

    fn may_be_between(&self, between: &Between, wanted: bool) -> bool {
        let Between { expr, negated, low, high } = between;
        if wanted != *negated {
            self.may_compare(expr, Operator::GtEq, low, true)
                && self.may_compare(expr, Operator::LtEq, high, true)
        } else {
            self.may_compare(expr, Operator::Lt, low, true)
                || self.may_compare(expr, Operator::Gt, high, true)
        }
    }

    fn may_be_in_list(&self, list: &InList, wanted: bool) -> bool {
        let InList { expr, list, negated } = list;
        let mut items = list.iter();
        if wanted != *negated {
            items.any(|item| self.may_compare(expr, Operator::Eq, item, true))
        } else {
            items.all(|item| self.may_compare(expr, Operator::NotEq, item, true))
        }
    }

    fn may_be_null(&self, inner: &Expr, wanted: bool) -> bool {
        let Some(interval) = self.interval(inner) else { return true };
        if wanted { interval.holds_null() } else { !interval.is_only_null() }
    }

    fn may_compare(&self, left: &Expr, operator: Operator, right: &Expr, wanted: bool) -> bool {
        let operator = if wanted { Some(operator) } else { operator.negate() };
        let Some(operator) = operator else { return true };
        if let (Some(interval), Some(literal)) = (self.interval(left), literal(right)) {
            return interval.may_be(operator, &literal);
        }
        match (literal(left), self.interval(right), operator.swap()) {
            (Some(literal), Some(interval), Some(operator)) => interval.may_be(operator, &literal),
            _ => true,
        }
    }

    /// What is known of an expression: of a column, and of a cast that keeps the order of its values.
    fn interval(&self, expr: &Expr) -> Option<Interval> {
        match expr {
            Expr::Column(column) => {
                let known = self.intervals.iter().find(|(name, _)| *name == column.name);
                known.map(|(_, interval)| interval.normal())
            }
            Expr::Cast(Cast { expr, field }) => {
                let interval = self.interval(expr)?;
                match field.data_type() {
                    DataType::Date32 => Some(interval.days()),
                    DataType::Timestamp(_, None) => Some(interval),
                    to if to.is_integer() || matches!(to, DataType::Decimal128(..)) => {
                        let is_number = |bound: &PartitionValue| {
                            !matches!(bound, PartitionValue::DateTime(_) | PartitionValue::Text(_))
                        };
                        (is_number(&interval.low) && is_number(&interval.high)).then_some(interval)
                    }
                    _ => None,
                }
            }
            Expr::Alias(alias) => self.interval(&alias.expr),
            _ => None,
        }
    }
}

/// A literal as a value of a partition column; none where no such value is exactly it.
fn literal(expr: &Expr) -> Option<PartitionValue> {
    let Expr::Literal(scalar, _) = expr else { return None };
    if scalar.is_null() {
        return Some(PartitionValue::Null);
    }
    let int = |value: i128| Some(PartitionValue::Int(value));
    let time = |value: Option<i64>| value.map(PartitionValue::DateTime);
    match scalar {
        ScalarValue::Boolean(Some(value)) => int((*value).into()),
        ScalarValue::Int8(Some(value)) => int((*value).into()),
        ScalarValue::Int16(Some(value)) => int((*value).into()),
        ScalarValue::Int32(Some(value)) => int((*value).into()),
        ScalarValue::Int64(Some(value)) => int((*value).into()),
        ScalarValue::UInt8(Some(value)) => int((*value).into()),
        ScalarValue::UInt16(Some(value)) => int((*value).into()),
        ScalarValue::UInt32(Some(value)) => int((*value).into()),
        ScalarValue::UInt64(Some(value)) => int((*value).into()),
        ScalarValue::Decimal128(Some(value), _, scale) => {
            let unit = 10_i128.checked_pow(u32::try_from(*scale).ok()?)?;
            if value % unit == 0 { int(value / unit) } else { None }
        }
        ScalarValue::Date32(Some(days)) => time(Some(civil::midnight(*days))),
        ScalarValue::TimestampSecond(Some(value), None) => time(value.checked_mul(1_000_000)),
        ScalarValue::TimestampMillisecond(Some(value), None) => time(value.checked_mul(1_000)),
        ScalarValue::TimestampMicrosecond(Some(value), None) => time(Some(*value)),
        ScalarValue::TimestampNanosecond(Some(value), None) => {
            if value % 1_000 == 0 {
                time(Some(value / 1_000))
            } else {
                None
            }
        }
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => Some(PartitionValue::Text(text.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
