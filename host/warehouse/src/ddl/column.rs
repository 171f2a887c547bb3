//! Checks of columns, and the choice of a key where none is said. Pure.

use std::collections::HashSet;

use crate::catalog::model::{Column, ColumnDefault, ColumnType, KeysKind};
use crate::load::literal;
use crate::{Error, ErrorKind, Result, Subject};

use super::name;

/// Columns of a table.
const MAX_COLUMNS: usize = 10_000;
/// Columns of a key that nobody chose.
const MAX_CHOSEN_KEYS: usize = 3;
/// Bytes of a key that nobody chose: its index stays small.
const MAX_CHOSEN_KEY_BYTES: u32 = 36;
/// What a VARCHAR counts for in a key that nobody chose.
const VARCHAR_INDEX_BYTES: u32 = 20;
/// The longest CHAR.
const MAX_CHAR: u32 = 255;
/// The longest VARCHAR.
const MAX_VARCHAR: u32 = 1 << 20;

/// Refuses columns that no table can have.
pub(crate) fn check_columns(columns: &[Column]) -> Result<()> {
    if columns.is_empty() {
        return Err(Error::invalid("A table must have at least one column"));
    }
    if columns.len() > MAX_COLUMNS {
        return Err(Error::invalid(format!("A table has at most {MAX_COLUMNS} columns")));
    }
    columns.iter().try_for_each(check_column)?;
    check_names_differ(columns)?;
    if columns.iter().filter(|column| column.auto_increment).count() > 1 {
        let message = "More than one AUTO_INCREMENT column defined in CREATE TABLE Statement";
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// Refuses columns that no view can have.
pub(crate) fn check_view_columns(columns: &[Column]) -> Result<()> {
    columns.iter().try_for_each(|column| name::check_view_column(&column.name))?;
    check_names_differ(columns)
}

fn check_names_differ(columns: &[Column]) -> Result<()> {
    let mut names = HashSet::new();
    match columns.iter().find(|column| !names.insert(column.name.to_ascii_lowercase())) {
        Some(twice) => Err(duplicate(&twice.name)),
        None => Ok(()),
    }
}

/// A name that another column has.
pub(crate) fn duplicate(name: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("Duplicate column name '{name}'"))
        .about(Subject::Column)
}

/// Refuses a column that makes no sense by itself.
pub(crate) fn check_column(column: &Column) -> Result<()> {
    name::check_column(&column.name)?;
    check_type(column.column_type)?;
    if column.auto_increment {
        if column.column_type != ColumnType::BigInt {
            return Err(refused("The AUTO_INCREMENT column must be BIGINT"));
        }
        if column.nullable || column.default.is_some() {
            let message = format!(
                "AUTO_INCREMENT column {} must be NOT NULL and have no default",
                column.name
            );
            return Err(refused(message));
        }
    }
    let is_valid = match &column.default {
        None => true,
        Some(ColumnDefault::CurrentTimestamp) => column.column_type == ColumnType::DateTime,
        // Rounded it may not fit: what no load can store would fail each of them.
        Some(ColumnDefault::Value(text)) => {
            column.column_type.accepts(text) && literal::stored(text, column.column_type).is_some()
        }
    };
    if is_valid {
        return Ok(());
    }
    Err(refused(format!("Invalid default value for '{}'", column.name)))
}

fn check_type(column_type: ColumnType) -> Result<()> {
    let problem = match column_type {
        ColumnType::Decimal { precision, .. } if !(1..=38).contains(&precision) => format!(
            "Precision of decimal must between 1 and 38. Precision was set to: {precision}."
        ),
        ColumnType::Decimal { precision, scale } if scale > precision => {
            format!("Scale of decimal must between 0 and {precision}. Scale was set to: {scale}.")
        }
        ColumnType::Char(length) if !(1..=MAX_CHAR).contains(&length) => {
            format!("Char size must be between 1 and {MAX_CHAR}: {length}")
        }
        ColumnType::Varchar(length) if !(1..=MAX_VARCHAR).contains(&length) => {
            format!("Varchar size must be between 1 and {MAX_VARCHAR}: {length}")
        }
        _ => return Ok(()),
    };
    Err(Error::invalid(problem))
}

/// Makes `names` the key of the columns, or refuses.
pub(crate) fn check_keys(kind: KeysKind, names: &[String], columns: &mut [Column]) -> Result<()> {
    if let (Some(first), []) = (columns.first(), names) {
        let message = format!("Data type of first column cannot be {}", first.column_type);
        return Err(refused(message));
    }
    for (position, name) in names.iter().enumerate() {
        if !columns.iter().any(|column| column.is_named(name)) {
            return Err(Error::invalid(format!("Key column({name}) doesn't exist.")));
        }
        let Some(column) = columns.get_mut(position).filter(|column| column.is_named(name)) else {
            let message = "Key columns must be the first few columns of the schema and the order of the key columns must \
                           be consistent with the order of the schema";
            return Err(Error::invalid(message));
        };
        check_key(kind, column)?;
        if kind == KeysKind::Primary {
            column.nullable = false;
        }
    }
    Ok(())
}

fn check_key(kind: KeysKind, column: &Column) -> Result<()> {
    let shown = column.column_type;
    if kind == KeysKind::Primary {
        return match shown {
            ColumnType::Boolean
            | ColumnType::TinyInt
            | ColumnType::SmallInt
            | ColumnType::Int
            | ColumnType::BigInt
            | ColumnType::LargeInt
            | ColumnType::Varchar(_)
            | ColumnType::Date
            | ColumnType::DateTime => Ok(()),
            _ => {
                let message =
                    format!("primary key column[{}] type not supported: {shown}", column.name);
                Err(refused(message))
            }
        };
    }
    if is_sortable(shown) {
        return Ok(());
    }
    Err(refused(format!("Invalid data type of key column '{}': '{shown}'", column.name)))
}

/// Whether a column of this type can be in a key, a sort order or a distribution.
pub(crate) fn is_sortable(column_type: ColumnType) -> bool {
    !matches!(
        column_type,
        ColumnType::Float | ColumnType::Double | ColumnType::Json | ColumnType::Varbinary
    )
}

/// The key of a table for which none is said: its first columns, few and short, a VARCHAR only as the last. Nothing
/// where the first cannot be in a key.
pub(crate) fn choose_keys(columns: &[Column]) -> Vec<String> {
    let mut names = Vec::new();
    let mut bytes = 0;
    for column in columns {
        if names.len() == MAX_CHOSEN_KEYS || !is_sortable(column.column_type) {
            break;
        }
        bytes += index_bytes(column.column_type);
        let is_text = matches!(column.column_type, ColumnType::Char(_) | ColumnType::Varchar(_));
        if bytes > MAX_CHOSEN_KEY_BYTES && !(names.is_empty() && is_text) {
            break;
        }
        names.push(column.name.clone());
        if matches!(column.column_type, ColumnType::Varchar(_)) {
            break;
        }
    }
    names
}

fn index_bytes(column_type: ColumnType) -> u32 {
    match column_type {
        ColumnType::Boolean | ColumnType::TinyInt => 1,
        ColumnType::SmallInt => 2,
        ColumnType::Int | ColumnType::Float | ColumnType::Date => 4,
        ColumnType::BigInt | ColumnType::Double | ColumnType::DateTime => 8,
        ColumnType::LargeInt => 16,
        ColumnType::Decimal { precision, .. } => match precision {
            0..=9 => 4,
            10..=18 => 8,
            _ => 16,
        },
        ColumnType::Char(length) => length,
        ColumnType::Varchar(_) | ColumnType::Varbinary | ColumnType::Json => VARCHAR_INDEX_BYTES,
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::invalid(message).about(Subject::Column)
}

#[cfg(test)]
mod tests {
    use super::super::testing::column;
    use super::*;

    fn chosen(types: &[ColumnType]) -> Vec<String> {
        let columns = types.iter().zip("abcdef".chars());
        let columns: Vec<_> = columns.map(|(t, name)| column(&name.to_string(), *t)).collect();
        choose_keys(&columns)
    }

    #[test]
    fn the_key_nobody_chose_is_short() {
        use ColumnType::{BigInt, Char, Double, Int, LargeInt, Varchar};
        assert_eq!(chosen(&[Int, Int, Int, Int]), ["a", "b", "c"]);
        assert_eq!(chosen(&[Int, Double, Int]), ["a"]);
        assert_eq!(chosen(&[Int, Varchar(10), Int]), ["a", "b"]);
        assert_eq!(chosen(&[Varchar(500), Int]), ["a"]);
        assert_eq!(chosen(&[Char(200), Int]), ["a"]);
        assert_eq!(chosen(&[LargeInt, LargeInt, BigInt]), ["a", "b"]);
        let none = [""; 0];
        assert_eq!(chosen(&[Double]), none);
    }

    #[test]
    fn columns_that_make_no_sense_are_refused() {
        let message = |column: Column| check_column(&column).unwrap_err().to_string();
        let with_default = |text: &str| Column {
            default: Some(ColumnDefault::Value(text.to_owned())),
            ..column("c", ColumnType::Int)
        };
        assert_eq!(message(with_default("x")), "Invalid default value for 'c'");
        check_column(&with_default("5")).unwrap();
        let counted = Column { auto_increment: true, ..column("c", ColumnType::Int) };
        assert_eq!(message(counted), "The AUTO_INCREMENT column must be BIGINT");
        assert!(message(column("c", ColumnType::Char(256))).starts_with("Char size must be"));
        let decimal = ColumnType::Decimal { precision: 5, scale: 6 };
        assert!(message(column("c", decimal)).starts_with("Scale of decimal must between 0 and 5"));
        let now = Column {
            default: Some(ColumnDefault::CurrentTimestamp),
            ..column("c", ColumnType::Date)
        };
        assert_eq!(message(now), "Invalid default value for 'c'");
        let error = check_columns(&[column("a", ColumnType::Int), column("A", ColumnType::Int)]);
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "Duplicate column name 'A'");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }

    #[test]
    fn keys_are_the_first_columns() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let mut columns = [column("a", ColumnType::Int), column("b", ColumnType::Double)];
        let mut check = |kind, keys: &[&str]| check_keys(kind, &names(keys), &mut columns);
        check(KeysKind::Duplicate, &["A"]).unwrap();
        let message = |result: Result<()>| result.unwrap_err().to_string();
        assert_eq!(
            message(check(KeysKind::Duplicate, &[])),
            "Data type of first column cannot be INT"
        );
        assert_eq!(message(check(KeysKind::Duplicate, &["x"])), "Key column(x) doesn't exist.");
        assert!(message(check(KeysKind::Duplicate, &["b"])).starts_with("Key columns must be"));
        assert_eq!(
            message(check(KeysKind::Duplicate, &["a", "b"])),
            "Invalid data type of key column 'b': 'DOUBLE'"
        );
        assert_eq!(
            message(check(KeysKind::Primary, &["a", "b"])),
            "primary key column[b] type not supported: DOUBLE"
        );
        assert!(!columns[0].nullable, "a primary key is never NULL");
    }
}
