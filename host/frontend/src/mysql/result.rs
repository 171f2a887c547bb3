//! What a statement answers, as packets: OK, error, end of rows, definitions of columns, rows.
//!
//! Pure.

use super::capability::Capabilities;
use super::cell::Cell;
use super::error;
use super::packet::{EOF, ERR, NULL, OK, Put};
use super::service::{Done, ResultSet, SqlError, SqlType};

/// The connection commits by itself.
pub(super) const AUTOCOMMIT: u16 = 0x0002;
/// Another result follows.
pub(super) const MORE_RESULTS: u16 = 0x0008;

const UTF8MB4: u16 = super::handshake::UTF8MB4 as u16;
/// The character set of what is no text.
const BINARY: u16 = 63;

const UNSIGNED_FLAG: u16 = 0x0020;
const BINARY_FLAG: u16 = 0x0080;
const NUMBER_FLAG: u16 = 0x8000;

/// Says that digits behind the point are as many as there are.
const ANY_SCALE: u8 = 31;

/// Which form rows have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Of a query.
    Text,
    /// Of a prepared statement.
    Binary,
}

/// Writes that a statement was done.
pub(super) fn put_ok(out: &mut Vec<u8>, done: &Done, status: u16) {
    put_ok_as(out, OK, done, status);
}

fn put_ok_as(out: &mut Vec<u8>, first: u8, done: &Done, status: u16) {
    out.put_u8(first);
    out.put_length(done.affected);
    out.put_length(done.last_insert_id);
    out.put_u16(status);
    out.put_u16(done.warnings);
    if !done.info.is_empty() {
        out.put_counted(done.info.as_bytes());
    }
}

/// Writes that rows end, or options are set.
pub(super) fn put_end(out: &mut Vec<u8>, capabilities: Capabilities, status: u16) {
    if capabilities.has(Capabilities::DEPRECATE_EOF) {
        put_ok_as(out, EOF, &Done::default(), status);
    } else {
        put_eof(out, status);
    }
}

/// Writes that definitions end, to a client that wants to hear it.
pub(super) fn put_eof(out: &mut Vec<u8>, status: u16) {
    out.put_u8(EOF);
    out.put_u16(0);
    out.put_u16(status);
}

/// Writes an error.
pub(super) fn put_error(out: &mut Vec<u8>, error: &SqlError) {
    put_error_parts(out, error.code, &["#", error.sqlstate, &error.message]);
}

/// Writes an error in place of the greeting, before which no client expects a state.
pub(super) fn put_error_for_greeting(out: &mut Vec<u8>, error: &SqlError) {
    put_error_parts(out, error.code, &[&error.message]);
}

fn put_error_parts(out: &mut Vec<u8>, code: u16, text: &[&str]) {
    out.put_u8(ERR);
    out.put_u16(code);
    for part in text {
        out.put(part.as_bytes());
    }
}

/// Writes the definition of a column.
pub(super) fn put_column(out: &mut Vec<u8>, name: &str, kind: SqlType) {
    let Wire { code, length, flags, decimals } = wire(kind);
    let collation = if kind == SqlType::Varchar { UTF8MB4 } else { BINARY };
    out.put_counted(b"def");
    // Its database, its table under two names.
    out.put(&[0, 0, 0]);
    out.put_counted(name.as_bytes());
    // Its name in the table; it is computed, for all we say.
    out.put_u8(0);
    // The length of what follows.
    out.put_u8(12);
    out.put_u16(collation);
    out.put_u32(length);
    out.put_u8(code);
    out.put_u16(flags);
    out.put_u8(decimals);
    out.put_u16(0);
}

/// Writes the definition of a column as an answer to COM_FIELD_LIST: with a default, which is NULL.
pub(super) fn put_column_of_table(out: &mut Vec<u8>, name: &str, kind: SqlType) {
    put_column(out, name, kind);
    out.put_u8(NULL);
}

/// How a type is written into a definition.
struct Wire {
    code: u8,
    length: u32,
    flags: u16,
    decimals: u8,
}

fn wire(kind: SqlType) -> Wire {
    let number =
        |code, length| Wire { code, length, flags: NUMBER_FLAG | BINARY_FLAG, decimals: 0 };
    let other = |code, length| Wire { code, length, flags: BINARY_FLAG, decimals: 0 };
    match kind {
        SqlType::Null => other(6, 0),
        SqlType::Boolean => number(1, 1),
        SqlType::TinyInt => number(1, 4),
        SqlType::SmallInt => number(2, 6),
        SqlType::Int => number(3, 11),
        SqlType::BigInt => number(8, 20),
        SqlType::UnsignedBigInt => {
            Wire { flags: NUMBER_FLAG | BINARY_FLAG | UNSIGNED_FLAG, ..number(8, 20) }
        }
        SqlType::Float => Wire { decimals: ANY_SCALE, ..number(4, 12) },
        SqlType::Double => Wire { decimals: ANY_SCALE, ..number(5, 22) },
        SqlType::Decimal { precision, scale } => {
            // A sign, and a point where there is something behind it.
            let length = u32::from(precision) + 1 + u32::from(scale > 0);
            Wire { decimals: scale, ..number(246, length) }
        }
        SqlType::Date => other(10, 10),
        SqlType::DateTime => Wire { decimals: 6, ..other(12, 26) },
        // Nobody knows how long; tools make columns of this width.
        SqlType::Varchar => Wire { flags: 0, ..other(253, 255 * 4) },
        SqlType::Varbinary => other(253, 255 * 4),
    }
}

/// Writes a row.
pub(super) fn put_row<'a>(
    out: &mut Vec<u8>,
    form: Form,
    kinds: &[SqlType],
    cells: impl Iterator<Item = Result<Cell<'a>, SqlError>>,
) -> Result<(), SqlError> {
    match form {
        Form::Text => {
            for cell in cells {
                cell?.put_text(out);
            }
        }
        Form::Binary => {
            out.put_u8(OK);
            let nulls = out.len();
            // Two bits are of no use.
            out.resize(nulls + (kinds.len() + 2).div_ceil(8), 0);
            for (index, (cell, kind)) in cells.zip(kinds).enumerate() {
                match cell? {
                    Cell::Null => out[nulls + (index + 2) / 8] |= 1 << ((index + 2) % 8),
                    cell => cell.put_binary(*kind, out),
                }
            }
        }
    }
    Ok(())
}

/// Writes a row of text.
pub(super) fn put_text_row(
    out: &mut Vec<u8>,
    form: Form,
    rows: &ResultSet,
    kinds: &[SqlType],
    row: &[Option<String>],
) -> Result<(), SqlError> {
    if row.len() != kinds.len() {
        return Err(error::bad_rows(format_args!(
            "a row has {} values for {} columns",
            row.len(),
            kinds.len()
        )));
    }
    let cells = row.iter().zip(&rows.columns).map(|(value, (name, kind))| match (value, form) {
        (None, _) => Ok(Cell::Null),
        (Some(text), Form::Text) => Ok(Cell::of_text(text)),
        (Some(text), Form::Binary) => Cell::parse(text, *kind).ok_or_else(|| {
            error::bad_rows(format_args!("column {name} is of type {kind:?} and holds {text:?}"))
        }),
    });
    put_row(out, form, kinds, cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> ResultSet {
        let columns = vec![("id".to_owned(), SqlType::Int), ("name".to_owned(), SqlType::Varchar)];
        ResultSet { columns, rows: Vec::new() }
    }

    fn row(form: Form, row: &[Option<&str>]) -> Result<Vec<u8>, String> {
        let row: Vec<Option<String>> = row.iter().map(|value| value.map(str::to_owned)).collect();
        let mut out = Vec::new();
        put_text_row(&mut out, form, &rows(), &[SqlType::Int, SqlType::Varchar], &row)
            .map(|()| out)
            .map_err(|error| error.message)
    }

    #[test]
    fn rows_of_text_are_sent_in_both_forms() {
        assert_eq!(row(Form::Text, &[Some("7"), None]).unwrap(), b"\x017\xfb");
        assert_eq!(row(Form::Binary, &[Some("7"), None]).unwrap(), [0, 0b1000, 7, 0, 0, 0]);
        assert_eq!(row(Form::Binary, &[None, Some("x")]).unwrap(), b"\0\x04\x01x");
    }

    #[test]
    fn a_row_that_does_not_fit_is_said() {
        assert_eq!(
            row(Form::Binary, &[Some("seven"), None]).unwrap_err(),
            "the result cannot be sent: column id is of type Int and holds \"seven\""
        );
        assert_eq!(
            row(Form::Text, &[None]).unwrap_err(),
            "the result cannot be sent: a row has 1 values for 2 columns"
        );
    }

    #[test]
    fn rows_end_as_the_client_wants_it() {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        put_end(&mut old, Capabilities(0), AUTOCOMMIT);
        put_end(&mut new, Capabilities::DEPRECATE_EOF, AUTOCOMMIT | MORE_RESULTS);
        assert_eq!(old, [0xfe, 0, 0, 2, 0]);
        assert_eq!(new, [0xfe, 0, 0, 10, 0, 0, 0]);
    }

    #[test]
    fn errors_carry_a_state_once_there_was_a_greeting() {
        let error = SqlError::new(1040, "08004", "Too many connections");
        let (mut early, mut late) = (Vec::new(), Vec::new());
        put_error_for_greeting(&mut early, &error);
        put_error(&mut late, &error);
        assert_eq!(early, b"\xff\x10\x04Too many connections");
        assert_eq!(late, b"\xff\x10\x04#08004Too many connections");
    }
}
