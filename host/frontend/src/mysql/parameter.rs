//! [`put_literal`]: a parameter of a prepared statement, as clients send it, becomes a literal of SQL.
//!
//! Pure. Literals are those that drivers write when they bind by themselves: dates and times are quoted text, bytes that
//! are no text are `X'..'`.

use std::fmt::Write;

use super::packet::{Fields, Malformed};

/// The type of a parameter: MySQL's number, and a bit for unsigned integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParameterType(pub(super) u16);

const UNSIGNED: u16 = 0x8000;
const VALUE: &str = "the value of a parameter is cut off";
const DATE: &str = "a date is of no known length";
const TIME: &str = "a time is of no known length";

/// Reads a value of this type and writes it as a literal, with a blank on both sides.
pub(super) fn put_literal(
    out: &mut String,
    kind: ParameterType,
    fields: &mut Fields<'_>,
) -> Result<(), Malformed> {
    let unsigned = kind.0 & UNSIGNED != 0;
    match kind.0 & 0xff {
        1 => {
            let value = fields.u8(VALUE)?;
            put_integer(out, unsigned, value, value.cast_signed());
        }
        2 | 13 => {
            let value = fields.u16(VALUE)?;
            put_integer(out, unsigned, value, value.cast_signed());
        }
        3 | 9 => {
            let value = fields.u32(VALUE)?;
            put_integer(out, unsigned, value, value.cast_signed());
        }
        8 => {
            let value = fields.u64(VALUE)?;
            put_integer(out, unsigned, value, value.cast_signed());
        }
        4 => put_float(out, f32::from_bits(fields.u32(VALUE)?))?,
        5 => put_float(out, f64::from_bits(fields.u64(VALUE)?))?,
        6 => out.push_str(" NULL "),
        7 | 12 => put_quoted(out, &date_time(fields.counted(VALUE)?, true)?),
        10 => put_quoted(out, &date_time(fields.counted(VALUE)?, false)?),
        11 => put_quoted(out, &time(fields.counted(VALUE)?)?),
        0 | 246 => put_decimal(out, fields.counted(VALUE)?)?,
        15 | 16 | 245 | 247..=255 => put_text_literal(out, fields.counted(VALUE)?),
        _ => return Err(Malformed("a parameter is of an unknown type")),
    }
    Ok(())
}

/// Writes bytes as a literal: as text where they are UTF-8, else as hexadecimal digits.
pub(super) fn put_text_literal(out: &mut String, bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        out.push_str(" X'");
        for byte in bytes {
            put(out, format_args!("{byte:02X}"));
        }
        out.push_str("' ");
        return;
    };
    out.push_str(" '");
    let mut behind = 0;
    for (at, special) in text.match_indices(['\'', '\\', '\n', '\r']) {
        out.push_str(&text[behind..at]);
        out.push_str(match special {
            "'" => "''",
            "\\" => r"\\",
            "\n" => r"\n",
            _ => r"\r",
        });
        behind = at + special.len();
    }
    out.push_str(&text[behind..]);
    out.push_str("' ");
}

fn put_integer(
    out: &mut String,
    is_unsigned: bool,
    unsigned: impl std::fmt::Display,
    signed: impl std::fmt::Display,
) {
    if is_unsigned {
        put(out, format_args!(" {unsigned} "));
    } else {
        put(out, format_args!(" {signed} "));
    }
}

/// With an exponent, without which a number is an exact one.
fn put_float(
    out: &mut String,
    value: impl Into<f64> + std::fmt::LowerExp + Copy,
) -> Result<(), Malformed> {
    if !value.into().is_finite() {
        return Err(Malformed("SQL has no literal for infinity or NaN"));
    }
    put(out, format_args!(" {value:e} "));
    Ok(())
}

fn put_decimal(out: &mut String, digits: &[u8]) -> Result<(), Malformed> {
    let text = str::from_utf8(digits).ok().filter(|text| is_number(text));
    let text = text.ok_or(Malformed("a decimal is no number"))?;
    put(out, format_args!(" {text} "));
    Ok(())
}

/// Whether text is `[+-] digits [. digits] [e [+-] digits]`.
fn is_number(text: &str) -> bool {
    fn unsigned(text: &str) -> &str {
        text.strip_prefix(['+', '-']).unwrap_or(text)
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = unsigned(mantissa).split_once('.').unwrap_or((unsigned(mantissa), ""));
    let exponent = unsigned(exponent);
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && digits(exponent)
        && !exponent.is_empty()
}

fn put_quoted(out: &mut String, text: &str) {
    put(out, format_args!(" '{text}' "));
}

/// Nothing is left out of a date that is all zeros.
fn date_time(value: &[u8], with_time: bool) -> Result<String, Malformed> {
    let mut fields = Fields::new(value);
    let (mut year, mut month, mut day) = (0, 0, 0);
    let (mut hour, mut minute, mut second, mut micros) = (0, 0, 0, 0);
    if !matches!(value.len(), 0 | 4 | 7 | 11) {
        return Err(Malformed(DATE));
    }
    if value.len() >= 4 {
        (year, month, day) = (fields.u16(DATE)?, fields.u8(DATE)?, fields.u8(DATE)?);
    }
    if value.len() >= 7 {
        (hour, minute, second) = (fields.u8(DATE)?, fields.u8(DATE)?, fields.u8(DATE)?);
    }
    if value.len() == 11 {
        micros = fields.u32(DATE)?;
    }
    let mut text = format!("{year:04}-{month:02}-{day:02}");
    if with_time {
        put(&mut text, format_args!(" {hour:02}:{minute:02}:{second:02}"));
        put_micros(&mut text, micros);
    }
    Ok(text)
}

fn time(value: &[u8]) -> Result<String, Malformed> {
    let mut fields = Fields::new(value);
    if !matches!(value.len(), 0 | 8 | 12) {
        return Err(Malformed(TIME));
    }
    if value.is_empty() {
        return Ok("00:00:00".to_owned());
    }
    let sign = if fields.u8(TIME)? == 0 { "" } else { "-" };
    let days = fields.u32(TIME)?;
    let (hour, minute, second) = (fields.u8(TIME)?, fields.u8(TIME)?, fields.u8(TIME)?);
    let hours = u64::from(days) * 24 + u64::from(hour);
    let mut text = format!("{sign}{hours:02}:{minute:02}:{second:02}");
    if value.len() == 12 {
        put_micros(&mut text, fields.u32(TIME)?);
    }
    Ok(text)
}

fn put_micros(text: &mut String, micros: u32) {
    if micros != 0 {
        put(text, format_args!(".{micros:06}"));
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` does not fail.
    let _ = out.write_fmt(text);
}
