//! [`Cell`]: one value of a row, as text and in the binary form that prepared statements answer with.
//!
//! Pure. Text is what MySQL writes: no fraction behind a second that has none, an exponent where a number is very large
//! or very small.

use std::borrow::Cow;
use std::io::Write;

use jiff::civil::{Date, DateTime};

use super::packet::{NULL, Put};
use super::service::SqlType;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    /// Of a width that its column says; booleans are 0 and 1.
    Int(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    Date(Date),
    DateTime(DateTime),
    /// Text, bytes and exact numbers.
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Cell<'a> {
    pub(super) fn of_text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Bytes(match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    /// The value that a text says, for a column of that type; none where it says no such value.
    pub(super) fn parse(text: &'a str, kind: SqlType) -> Option<Self> {
        Some(match kind {
            SqlType::Boolean => {
                Self::Int(i64::from(text.parse::<u8>().ok().filter(|bit| *bit < 2)?))
            }
            SqlType::TinyInt => Self::Int(text.parse::<i8>().ok()?.into()),
            SqlType::SmallInt => Self::Int(text.parse::<i16>().ok()?.into()),
            SqlType::Int => Self::Int(text.parse::<i32>().ok()?.into()),
            SqlType::BigInt => Self::Int(text.parse().ok()?),
            SqlType::UnsignedBigInt => Self::Unsigned(text.parse().ok()?),
            SqlType::Float => Self::Float(text.parse().ok()?),
            SqlType::Double => Self::Double(text.parse().ok()?),
            SqlType::Date => Self::Date(text.parse().ok()?),
            SqlType::DateTime => Self::DateTime(text.parse().ok()?),
            SqlType::Null => return None,
            SqlType::Decimal { .. } | SqlType::Varchar | SqlType::Varbinary => Self::of_text(text),
        })
    }

    /// Writes it as a text after its length.
    pub(super) fn put_text(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.put_u8(NULL),
            Self::Bytes(bytes) => out.put_counted(bytes),
            Self::Int(value) => put_short(out, format_args!("{value}")),
            Self::Unsigned(value) => put_short(out, format_args!("{value}")),
            Self::Float(value) => put_float(out, f64::from(*value), *value),
            Self::Double(value) => put_float(out, *value, *value),
            Self::Date(value) => put_date(out, *value),
            Self::DateTime(value) => put_date_time(out, *value),
        }
    }

    /// What people read; none is NULL. Bytes that are no text are shown as digits.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bytes(bytes) => Some(match String::from_utf8(bytes.into_owned()) {
                Ok(text) => text,
                Err(error) => {
                    let digits = error.as_bytes().iter().map(|byte| format!("{byte:02X}"));
                    format!("0x{}", digits.collect::<String>())
                }
            }),
            short => {
                let mut out = Vec::new();
                short.put_text(&mut out);
                // In front of it stands its length, which takes one byte.
                out.get(1..).map(|text| String::from_utf8_lossy(text).into_owned())
            }
        }
    }

    /// Writes it as a column of that type wants it. NULL is a bit elsewhere.
    pub(super) fn put_binary(&self, kind: SqlType, out: &mut Vec<u8>) {
        match (kind, self) {
            (_, Self::Null) => {}
            (SqlType::Boolean | SqlType::TinyInt, Self::Int(value)) => {
                out.put(&value.to_le_bytes()[..1])
            }
            (SqlType::SmallInt, Self::Int(value)) => out.put(&value.to_le_bytes()[..2]),
            (SqlType::Int, Self::Int(value)) => out.put(&value.to_le_bytes()[..4]),
            (SqlType::BigInt, Self::Int(value)) => out.put(&value.to_le_bytes()),
            (SqlType::UnsignedBigInt, Self::Unsigned(value)) => out.put(&value.to_le_bytes()),
            (SqlType::Float, Self::Float(value)) => out.put(&value.to_le_bytes()),
            (SqlType::Double, Self::Double(value)) => out.put(&value.to_le_bytes()),
            (SqlType::Date, Self::Date(value)) => {
                out.put_u8(4);
                put_binary_date(out, *value);
            }
            (SqlType::DateTime, Self::DateTime(value)) => {
                let micros = micros(*value);
                out.put_u8(if micros == 0 { 7 } else { 11 });
                put_binary_date(out, value.date());
                for part in [value.hour(), value.minute(), value.second()] {
                    out.put(&part.to_le_bytes());
                }
                if micros != 0 {
                    out.put(&micros.to_le_bytes());
                }
            }
            // Every other type is sent as a text after its length.
            (_, other) => other.put_text(out),
        }
    }
}

fn put_binary_date(out: &mut Vec<u8>, date: Date) {
    out.put(&date.year().to_le_bytes());
    out.put(&date.month().to_le_bytes());
    out.put(&date.day().to_le_bytes());
}

fn micros(value: DateTime) -> i32 {
    value.subsec_nanosecond() / 1000
}

fn put_date(out: &mut Vec<u8>, date: Date) {
    put_short(out, format_args!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()));
}

fn put_date_time(out: &mut Vec<u8>, value: DateTime) {
    let (date, time) = (value.date(), value.time());
    let (year, month, day) = (date.year(), date.month(), date.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let micros = micros(value);
    if micros == 0 {
        put_short(
            out,
            format_args!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
        );
    } else {
        put_short(
            out,
            format_args!(
                "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}"
            ),
        );
    }
}

/// `size` says how large the value is, `value` how many digits it has.
fn put_float(out: &mut Vec<u8>, size: f64, value: impl std::fmt::Display + std::fmt::LowerExp) {
    let size = size.abs();
    if size.is_nan() {
        put_short(out, format_args!("NaN"));
    } else if size.is_infinite() {
        put_short(
            out,
            format_args!("{}Infinity", if value.to_string().starts_with('-') { "-" } else { "" }),
        );
    } else if size == 0.0 || (1e-5..1e15).contains(&size) {
        put_short(out, format_args!("{value}"));
    } else {
        put_short(out, format_args!("{value:e}"));
    }
}

/// Writes a text of at most 250 bytes after its length.
fn put_short(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let length = out.len();
    out.push(0);
    // Writing to a `Vec` does not fail.
    let _ = out.write_fmt(text);
    let written = out.len() - length - 1;
    debug_assert!(written <= 250, "its length takes one byte");
    out[length] = written.to_le_bytes()[0];
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};

    use super::*;

    fn text(cell: &Cell<'_>) -> String {
        let mut out = Vec::new();
        cell.put_text(&mut out);
        assert_eq!(usize::from(out[0]), out.len() - 1);
        String::from_utf8(out[1..].to_vec()).unwrap()
    }

    fn binary(cell: &Cell<'_>, kind: SqlType) -> Vec<u8> {
        let mut out = Vec::new();
        cell.put_binary(kind, &mut out);
        out
    }

    #[test]
    fn text_is_what_mysql_writes() {
        for (cell, expected) in [
            (Cell::Int(i64::MIN), "-9223372036854775808"),
            (Cell::Unsigned(u64::MAX), "18446744073709551615"),
            (Cell::Float(0.1), "0.1"),
            (Cell::Double(0.1), "0.1"),
            (Cell::Double(-0.0), "-0"),
            (Cell::Double(1e14), "100000000000000"),
            (Cell::Double(1e15), "1e15"),
            (Cell::Double(-2.5e-7), "-2.5e-7"),
            (Cell::Double(f64::MAX), "1.7976931348623157e308"),
            (Cell::Double(f64::NAN), "NaN"),
            (Cell::Float(f32::NEG_INFINITY), "-Infinity"),
            (Cell::Double(f64::INFINITY), "Infinity"),
            (Cell::Date(date(7, 1, 2)), "0007-01-02"),
            (Cell::DateTime(datetime(2024, 2, 29, 1, 2, 3, 0)), "2024-02-29 01:02:03"),
            (Cell::DateTime(datetime(2024, 2, 29, 1, 2, 3, 4_000)), "2024-02-29 01:02:03.000004"),
            (Cell::of_text("\u{fc}"), "\u{fc}"),
        ] {
            assert_eq!(text(&cell), expected);
        }
        let mut out = Vec::new();
        Cell::Null.put_text(&mut out);
        assert_eq!(out, [NULL]);
        assert_eq!(Cell::Double(1e15).into_text().as_deref(), Some("1e15"));
        assert_eq!(Cell::of_text("\u{fc}").into_text().as_deref(), Some("\u{fc}"));
        assert_eq!(Cell::Bytes(vec![0xff, 7].into()).into_text().as_deref(), Some("0xFF07"));
        assert_eq!(Cell::Null.into_text(), None);
    }

    #[test]
    fn binary_is_as_wide_as_its_column() {
        assert_eq!(binary(&Cell::Int(-2), SqlType::TinyInt), [0xfe]);
        assert_eq!(binary(&Cell::Int(1), SqlType::Boolean), [1]);
        assert_eq!(binary(&Cell::Int(-2), SqlType::SmallInt), [0xfe, 0xff]);
        assert_eq!(binary(&Cell::Int(-2), SqlType::Int), [0xfe, 0xff, 0xff, 0xff]);
        assert_eq!(binary(&Cell::Int(258), SqlType::BigInt), [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(binary(&Cell::Double(1.0), SqlType::Double), 1.0_f64.to_le_bytes());
        assert_eq!(binary(&Cell::Date(date(2024, 2, 29)), SqlType::Date), [4, 0xe8, 7, 2, 29]);
        let second = Cell::DateTime(datetime(2024, 2, 29, 1, 2, 3, 0));
        assert_eq!(binary(&second, SqlType::DateTime), [7, 0xe8, 7, 2, 29, 1, 2, 3]);
        let micro = Cell::DateTime(datetime(2024, 2, 29, 1, 2, 3, 4_000));
        assert_eq!(binary(&micro, SqlType::DateTime), [11, 0xe8, 7, 2, 29, 1, 2, 3, 4, 0, 0, 0]);
        let decimal = SqlType::Decimal { precision: 3, scale: 1 };
        assert_eq!(binary(&Cell::of_text("1.5"), decimal), b"\x031.5");
        assert_eq!(binary(&Cell::Null, SqlType::Int), b"");
    }

    #[test]
    fn a_text_must_say_a_value_of_its_type() {
        assert_eq!(Cell::parse("1", SqlType::Boolean), Some(Cell::Int(1)));
        assert_eq!(Cell::parse("2", SqlType::Boolean), None);
        assert_eq!(Cell::parse("128", SqlType::TinyInt), None);
        assert_eq!(Cell::parse("-128", SqlType::TinyInt), Some(Cell::Int(-128)));
        assert_eq!(Cell::parse("-1", SqlType::UnsignedBigInt), None);
        assert_eq!(Cell::parse("2024-02-29", SqlType::Date), Some(Cell::Date(date(2024, 2, 29))));
        let time = Cell::DateTime(datetime(2024, 2, 29, 1, 2, 3, 500_000_000));
        assert_eq!(Cell::parse("2024-02-29 01:02:03.5", SqlType::DateTime), Some(time));
        assert_eq!(Cell::parse("2023-02-29", SqlType::Date), None);
        assert_eq!(Cell::parse("x", SqlType::Varchar), Some(Cell::of_text("x")));
    }
}
