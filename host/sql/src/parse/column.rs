//! A column of a table: its name, its type, what it holds.

use std::ops::RangeInclusive;
use std::str::FromStr;

use sqlparser::tokenizer::Token;

use crate::cursor::{Cursor, Result};
use crate::statement::{ColumnDefault, ColumnDefinition, DataType};

/// What `STRING` and a VARCHAR without length may hold, in bytes.
const STRING_LENGTH: u32 = 65_533;
const MAX_VARCHAR_LENGTH: u32 = 1_048_576;
const MAX_CHAR_LENGTH: u32 = 255;
const MAX_PRECISION: u8 = 38;

/// `name type [NULL | NOT NULL] [DEFAULT ...] [AUTO_INCREMENT] [COMMENT "..."]`
pub(super) fn column(c: &mut Cursor<'_>) -> Result<ColumnDefinition> {
    let mut column = ColumnDefinition {
        name: c.ident("a column name")?,
        data_type: data_type(c)?,
        nullable: true,
        default: None,
        auto_increment: false,
        comment: String::new(),
    };
    refuse_aggregate(c)?;
    loop {
        match c.word().as_str() {
            "NOT" => {
                c.advance();
                c.expect_word("NULL")?;
                column.nullable = false;
            }
            "NULL" => c.advance(),
            "DEFAULT" => {
                c.advance();
                column.default = Some(default(c)?);
            }
            "AUTO_INCREMENT" => {
                c.advance();
                column.auto_increment = true;
            }
            "COMMENT" => {
                c.advance();
                column.comment = c.string("comment in quotes")?;
            }
            _ => return Ok(column),
        }
    }
}

/// `"literal"`, `NULL`, `CURRENT_TIMESTAMP`; a number is taken as its text.
fn default(c: &mut Cursor<'_>) -> Result<ColumnDefault> {
    if let Some(value) = c.accept_string() {
        return Ok(ColumnDefault::Value(value));
    }
    if c.accept_word("NULL") {
        return Ok(ColumnDefault::Null);
    }
    if c.accept_word("CURRENT_TIMESTAMP") {
        if c.accept(&Token::LParen) {
            if c.peek() != &Token::RParen {
                c.number::<u8>("a precision")?;
            }
            c.expect(&Token::RParen)?;
        }
        return Ok(ColumnDefault::CurrentTimestamp);
    }
    if let Some(value) = ["TRUE", "FALSE"].into_iter().find(|word| c.accept_word(word)) {
        return Ok(ColumnDefault::Value(value.to_ascii_lowercase()));
    }
    let expected = "default in quotes, NULL or CURRENT_TIMESTAMP";
    signed_number(c).map(ColumnDefault::Value).map_err(|_| c.unexpected(expected))
}

/// A number as typed, with its sign.
pub(super) fn signed_number(c: &mut Cursor<'_>) -> Result<String> {
    let negative = c.peek() == &Token::Minus;
    let Token::Number(digits, false) = c.peek_at(usize::from(negative)) else {
        return Err(c.unexpected("a number"));
    };
    let number = format!("{}{digits}", if negative { "-" } else { "" });
    if negative {
        c.advance();
    }
    c.advance();
    Ok(number)
}

/// A type of a column.
fn data_type(c: &mut Cursor<'_>) -> Result<DataType> {
    let place = c.unexpected("a type");
    let name = c.word();
    let simple = match name.as_str() {
        "BOOLEAN" | "BOOL" => DataType::Boolean,
        "TINYINT" => DataType::TinyInt,
        "SMALLINT" => DataType::SmallInt,
        "INT" | "INTEGER" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "LARGEINT" => DataType::LargeInt,
        "FLOAT" => DataType::Float,
        "DOUBLE" => DataType::Double,
        "DATE" => DataType::Date,
        "DATETIME" => DataType::DateTime,
        "JSON" => DataType::Json,
        "STRING" | "TEXT" => DataType::Varchar(STRING_LENGTH),
        "VARBINARY" | "BINARY" => DataType::Varbinary,
        "CHAR" | "CHARACTER" => DataType::Char(1),
        "VARCHAR" => DataType::Varchar(STRING_LENGTH),
        "DECIMAL" | "NUMERIC" | "DECIMALV2" | "DECIMAL32" | "DECIMAL64" | "DECIMAL128" => {
            DataType::Decimal { precision: 10, scale: 0 }
        }
        "ARRAY" | "MAP" | "STRUCT" | "BITMAP" | "HLL" | "PERCENTILE" | "VARIANT" => {
            return Err(
                c.unsupported(format!("type {name}"), "store the value as JSON or VARBINARY")
            );
        }
        _ => return Err(place),
    };
    c.advance();
    if c.peek() != &Token::LParen {
        return Ok(simple);
    }
    Ok(match simple {
        DataType::Char(_) => DataType::Char(length(c, 1..=MAX_CHAR_LENGTH)?),
        DataType::Varchar(_) if name == "VARCHAR" => {
            DataType::Varchar(length(c, 1..=MAX_VARCHAR_LENGTH)?)
        }
        DataType::Varbinary => {
            length(c, 1..=MAX_VARCHAR_LENGTH)?;
            simple
        }
        DataType::Decimal { .. } => decimal(c)?,
        // How wide MySQL would print it.
        DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt => {
            length(c, 0..=u32::from(u8::MAX))?;
            simple
        }
        _ => simple,
    })
}

fn length(c: &mut Cursor<'_>, range: RangeInclusive<u32>) -> Result<u32> {
    c.expect(&Token::LParen)?;
    let length = within(c, "a length", range)?;
    c.expect(&Token::RParen)?;
    Ok(length)
}

/// `(precision)` or `(precision, scale)`
fn decimal(c: &mut Cursor<'_>) -> Result<DataType> {
    c.expect(&Token::LParen)?;
    let precision = within(c, "a precision", 1..=MAX_PRECISION)?;
    let scale = if c.accept(&Token::Comma) { within(c, "a scale", 0..=precision)? } else { 0 };
    c.expect(&Token::RParen)?;
    Ok(DataType::Decimal { precision, scale })
}

fn within<T>(c: &mut Cursor<'_>, what: &str, range: RangeInclusive<T>) -> Result<T>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let expected = format!("{what} from {} to {}", range.start(), range.end());
    let place = c.unexpected(&expected);
    c.number(&expected).ok().filter(|number| range.contains(number)).ok_or(place)
}

fn refuse_aggregate(c: &Cursor<'_>) -> Result<()> {
    let functions =
        ["SUM", "MIN", "MAX", "REPLACE", "REPLACE_IF_NOT_NULL", "HLL_UNION", "BITMAP_UNION"];
    if c.at_any(&functions) {
        let advice = "make a materialized view that aggregates a DUPLICATE KEY table";
        return Err(c.unsupported("an aggregated column", advice));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<ColumnDefinition, String> {
        let mut c = Cursor::new(text).unwrap();
        let column = column(&mut c).map_err(|error| error.to_string())?;
        c.end().map_err(|error| error.to_string())?;
        Ok(column)
    }

    #[test]
    fn types() {
        for (typed, expected) in [
            ("BOOLEAN", DataType::Boolean),
            ("tinyint(4)", DataType::TinyInt),
            ("SMALLINT", DataType::SmallInt),
            ("INT(11)", DataType::Int),
            ("bigint", DataType::BigInt),
            ("LARGEINT", DataType::LargeInt),
            ("FLOAT", DataType::Float),
            ("DOUBLE", DataType::Double),
            ("DECIMAL", DataType::Decimal { precision: 10, scale: 0 }),
            ("DECIMAL(15)", DataType::Decimal { precision: 15, scale: 0 }),
            ("decimal128(38, 38)", DataType::Decimal { precision: 38, scale: 38 }),
            ("DATE", DataType::Date),
            ("DATETIME", DataType::DateTime),
            ("CHAR", DataType::Char(1)),
            ("CHAR(255)", DataType::Char(255)),
            ("VARCHAR", DataType::Varchar(65_533)),
            ("VARCHAR(1048576)", DataType::Varchar(1_048_576)),
            ("STRING", DataType::Varchar(65_533)),
            ("VARBINARY(16)", DataType::Varbinary),
            ("JSON", DataType::Json),
        ] {
            assert_eq!(parse(&format!("c {typed}")).unwrap().data_type, expected, "{typed}");
        }
    }

    #[test]
    fn types_out_of_range() {
        for (typed, message) in [
            ("CHAR(256)", "expected a length from 1 to 255, found 256 at line 1, column 8"),
            ("VARCHAR(0)", "expected a length from 1 to 1048576, found 0 at line 1, column 11"),
            ("DECIMAL(39)", "expected a precision from 1 to 38, found 39 at line 1, column 11"),
            ("DECIMAL(5,6)", "expected a scale from 0 to 5, found 6 at line 1, column 13"),
            ("FLOAT(3)", "expected end of statement, found ( at line 1, column 8"),
            ("NUMBER", "expected a type, found NUMBER at line 1, column 3"),
            (
                "ARRAY<INT>",
                "type ARRAY is not supported: store the value as JSON or VARBINARY at line 1, column 3",
            ),
        ] {
            assert_eq!(parse(&format!("c {typed}")).unwrap_err(), message);
        }
    }

    #[test]
    fn what_a_column_holds() {
        let column = parse("`a b` INT NOT NULL AUTO_INCREMENT COMMENT 'c'").unwrap();
        assert_eq!((column.name.as_str(), column.comment.as_str()), ("a b", "c"));
        assert!(!column.nullable && column.auto_increment && column.default.is_none());
        assert!(parse("a INT").unwrap().nullable && parse("a INT NULL").unwrap().nullable);
        let value = |text: &str| Some(ColumnDefault::Value(text.to_owned()));
        for (typed, expected) in [
            ("DEFAULT \"0\" COMMENT \"\"", value("0")),
            ("DEFAULT -1.5", value("-1.5")),
            ("DEFAULT TRUE", value("true")),
            ("DEFAULT NULL", Some(ColumnDefault::Null)),
            ("DEFAULT CURRENT_TIMESTAMP", Some(ColumnDefault::CurrentTimestamp)),
            ("default current_timestamp(6) not null", Some(ColumnDefault::CurrentTimestamp)),
        ] {
            assert_eq!(parse(&format!("c INT {typed}")).unwrap().default, expected, "{typed}");
        }
        assert_eq!(
            parse("c INT DEFAULT now()").unwrap_err(),
            "expected default in quotes, NULL or CURRENT_TIMESTAMP, found now at line 1, column 15"
        );
        assert!(
            parse("c BIGINT SUM DEFAULT '0'")
                .unwrap_err()
                .contains("aggregated column is not supported")
        );
    }
}
