//! Values of partition columns and literals of definitions: from text by the type of their column, and back. Pure.

use std::fmt;

use super::calendar;
use super::model::{ColumnType, PartitionValue};
use crate::{Error, Result};

impl PartitionValue {
    /// A literal of a column of this type. The types that no partition is cut by are refused.
    pub fn parse(text: &str, column_type: ColumnType) -> Result<Self> {
        let value = match column_type {
            ColumnType::Boolean => parse_boolean(text).map(|truth| Self::Int(truth.into())),
            ColumnType::TinyInt => integer(text, i8::MIN.into(), i8::MAX.into()),
            ColumnType::SmallInt => integer(text, i16::MIN.into(), i16::MAX.into()),
            ColumnType::Int => integer(text, i32::MIN.into(), i32::MAX.into()),
            ColumnType::BigInt => integer(text, i64::MIN.into(), i64::MAX.into()),
            ColumnType::LargeInt => integer(text, i128::MIN, i128::MAX),
            ColumnType::Date => {
                calendar::parse(text).map(|at| Self::Date(calendar::to_days(at.date())))
            }
            ColumnType::DateTime => {
                calendar::parse(text).map(|at| Self::DateTime(calendar::to_micros(at)))
            }
            ColumnType::Char(length) | ColumnType::Varchar(length) => {
                (text.len() <= length as usize).then(|| Self::Text(text.to_owned()))
            }
            ColumnType::Float
            | ColumnType::Double
            | ColumnType::Decimal { .. }
            | ColumnType::Varbinary
            | ColumnType::Json => None,
        };
        value.ok_or_else(|| Error::invalid(format!("Invalid {column_type} value: '{text}'")))
    }
}

impl fmt::Display for PartitionValue {
    /// As a literal without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Min => f.write_str("MINVALUE"),
            Self::Max => f.write_str("MAXVALUE"),
            Self::Null => f.write_str("NULL"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Date(days) => match calendar::from_days(*days) {
                Some(day) => write!(f, "{day}"),
                None => write!(f, "day {days}"),
            },
            Self::DateTime(micros) => match calendar::from_micros(*micros) {
                Some(at) => f.write_str(&calendar::show(at)),
                None => write!(f, "microsecond {micros}"),
            },
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for ColumnType {
    /// As in a definition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Boolean => "BOOLEAN",
            Self::TinyInt => "TINYINT",
            Self::SmallInt => "SMALLINT",
            Self::Int => "INT",
            Self::BigInt => "BIGINT",
            Self::LargeInt => "LARGEINT",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Decimal { precision, scale } => return write!(f, "DECIMAL({precision},{scale})"),
            Self::Date => "DATE",
            Self::DateTime => "DATETIME",
            Self::Char(length) => return write!(f, "CHAR({length})"),
            Self::Varchar(length) => return write!(f, "VARCHAR({length})"),
            Self::Varbinary => "VARBINARY",
            Self::Json => "JSON",
        };
        f.write_str(name)
    }
}

impl ColumnType {
    /// Whether a column of this type can hold the literal, as it is spelled.
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::Float => text.trim().parse::<f32>().is_ok_and(f32::is_finite),
            Self::Double => text.trim().parse::<f64>().is_ok_and(f64::is_finite),
            Self::Decimal { precision, scale } => is_decimal(text.trim(), precision, scale),
            Self::Varbinary => true,
            Self::Json => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
            _ => PartitionValue::parse(text, self).is_ok(),
        }
    }
}

fn parse_boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn integer(text: &str, least: i128, most: i128) -> Option<PartitionValue> {
    let number = text.trim().parse().ok()?;
    (least..=most).contains(&number).then_some(PartitionValue::Int(number))
}

/// Digits that are too many behind the point are rounded by the load, which may make one more before it; those before it
/// do not fit.
fn is_decimal(text: &str, precision: u8, scale: u8) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    is_number(whole)
        && is_number(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && whole.trim_start_matches('0').len() <= usize::from(precision.saturating_sub(scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_checked_against_the_type_of_their_column() {
        let accepted = [
            (ColumnType::Boolean, "TRUE"),
            (ColumnType::TinyInt, "-128"),
            (ColumnType::LargeInt, "170141183460469231731687303715884105727"),
            (ColumnType::Double, "1e300"),
            (ColumnType::Decimal { precision: 4, scale: 2 }, "-99.999"),
            (ColumnType::Date, "2024-02-29"),
            (ColumnType::DateTime, "2024-02-29 12:00:00"),
            (ColumnType::Varchar(3), "abc"),
            (ColumnType::Json, r#"{"a": 1}"#),
        ];
        for (column_type, text) in accepted {
            assert!(column_type.accepts(text), "{column_type} {text}");
        }
        let refused = [
            (ColumnType::Boolean, "yes"),
            (ColumnType::TinyInt, "128"),
            (ColumnType::Int, "1.5"),
            (ColumnType::Float, "1e300"),
            (ColumnType::Decimal { precision: 4, scale: 2 }, "100"),
            (ColumnType::Decimal { precision: 4, scale: 2 }, "."),
            (ColumnType::Date, "2023-02-29"),
            (ColumnType::Varchar(3), "abcd"),
            (ColumnType::Json, "{"),
        ];
        for (column_type, text) in refused {
            assert!(!column_type.accepts(text), "{column_type} {text}");
        }
    }

    #[test]
    fn values_are_shown_as_they_are_written() {
        for (column_type, text) in [
            (ColumnType::Int, "-5"),
            (ColumnType::Date, "2024-01-31"),
            (ColumnType::DateTime, "2024-01-31 10:00:00.000001"),
            (ColumnType::Varchar(20), "a b"),
        ] {
            let value = PartitionValue::parse(text, column_type).unwrap();
            assert_eq!(value.to_string(), text);
            let json = serde_json::to_vec(&value).unwrap();
            assert_eq!(serde_json::from_slice::<PartitionValue>(&json).unwrap(), value);
        }
        let huge = PartitionValue::Int(i128::MIN);
        let json = serde_json::to_vec(&huge).unwrap();
        assert_eq!(serde_json::from_slice::<PartitionValue>(&json).unwrap(), huge);
    }
}
