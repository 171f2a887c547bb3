//! Which names things may have. Pure.

use crate::{Error, Result, Subject};

/// Bytes of the names of tables, views and columns.
const MAX_NAME_BYTES: usize = 1024;
/// Bytes of the names of databases.
const MAX_DATABASE_BYTES: usize = 256;
/// Bytes of the names of partitions, functions and resource groups.
const MAX_COMMON_BYTES: usize = 64;

/// A database: a letter or `_`, then letters, digits, `_` and `-`.
pub(crate) fn check_database(name: &str) -> Result<()> {
    if is_common(&name.replace('-', "_"), MAX_DATABASE_BYTES) {
        return Ok(());
    }
    Err(incorrect("database", name).about(Subject::Database))
}

/// A table, a view or a materialized view: anything that can be shown on a line.
pub(crate) fn check_table(name: &str) -> Result<()> {
    if is_text(name) { Ok(()) } else { Err(incorrect("table", name).about(Subject::Table)) }
}

/// A column: as a table, without what expressions are made of.
pub(crate) fn check_column(name: &str) -> Result<()> {
    if is_text(name) && !name.contains(['=', '<', '>', '!', '*']) {
        return Ok(());
    }
    Err(incorrect("column", name).about(Subject::Column))
}

/// A column of a view, which may be called like its expression.
pub(crate) fn check_view_column(name: &str) -> Result<()> {
    if is_text(name) { Ok(()) } else { Err(incorrect("column", name).about(Subject::Column)) }
}

/// A partition, a function or a resource group: a letter or `_`, then letters, digits and `_`.
pub(crate) fn check_common(what: &str, name: &str) -> Result<()> {
    if is_common(name, MAX_COMMON_BYTES) { Ok(()) } else { Err(incorrect(what, name)) }
}

fn incorrect(what: &str, name: &str) -> Error {
    Error::invalid(format!("Incorrect {what} name '{name}'"))
}

fn is_text(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES && !name.contains(char::is_control)
}

fn is_common(name: &str, max_bytes: usize) -> bool {
    name.len() <= max_bytes
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_their_kind() {
        for name in ["sales", "_x1", "my-db"] {
            check_database(name).unwrap();
        }
        for name in ["", "1a", "a b", "a.b", &"x".repeat(257)] {
            assert!(check_database(name).is_err(), "{name:?}");
        }
        for name in ["t", "2024 orders", "表"] {
            check_table(name).unwrap();
        }
        for name in ["", " ", "a\nb", "a\0"] {
            assert!(check_table(name).is_err(), "{name:?}");
        }
        assert!(check_column("a>b").is_err());
        check_view_column("COUNT(*)").unwrap();
        assert!(check_view_column("a\tb").is_err());
        assert_eq!(
            check_common("partition", "p-1").unwrap_err().to_string(),
            "Incorrect partition name 'p-1'"
        );
    }
}
