//! Errors as clients see them: numbers and words of StarRocks' for what this crate and those below it refuse.

pub(crate) use cairn_pipeline::with_causes;
use cairn_warehouse::{ErrorKind, Subject};

use crate::mysql::SqlError;

/// The longest name of a repository, a role or a resource group.
const MAX_NAME_BYTES: usize = 64;

/// What has no number of its own.
pub(crate) fn general(message: impl Into<String>) -> SqlError {
    SqlError::new(1064, "HY000", message)
}

/// What is refused before anything is done.
pub(crate) fn analysis(message: impl std::fmt::Display) -> SqlError {
    general(format!("Getting analyzing error. Detail message: {message}."))
}

/// No database was chosen.
pub(crate) fn no_database() -> SqlError {
    SqlError::new(1046, "3D000", "No database selected")
}

/// A database that is not there.
pub(crate) fn unknown_database(name: &str) -> SqlError {
    SqlError::new(1049, "42000", format!("Unknown database '{name}'"))
}

/// A table that is not there.
pub(crate) fn unknown_table(name: &str) -> SqlError {
    SqlError::new(5502, "42S02", format!("Unknown table '{name}'"))
}

/// A name in the list of a backup that is not that of such a thing.
pub(crate) fn wrong_table(name: &str) -> SqlError {
    let message = format!("Incorrect table name '{name}': there is no such table or view");
    SqlError::new(1103, "42000", message)
}

/// A privilege that the user lacks.
pub(crate) fn denied(privilege: &str, on: &str) -> SqlError {
    let message = format!(
        "Access denied; you need (at least one of) the {privilege} privilege(s) on {on} for this operation"
    );
    SqlError::new(5203, "42000", message)
}

/// A statement that Cairn knows and does not do.
pub(crate) fn unsupported(what: impl std::fmt::Display) -> SqlError {
    SqlError::new(1235, "42000", format!("{what} is not supported"))
}

/// Something of the catalog that cannot be read.
pub(crate) fn corrupt(what: &str, error: &dyn std::fmt::Display) -> SqlError {
    general(format!("the catalog is damaged: {what} cannot be read: {error}"))
}

/// A name must begin with a letter and go on with letters, digits, `_` and `-`.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), SqlError> {
    if name.is_empty() {
        return Err(analysis(format_args!("{what} name is empty")));
    }
    let is_fine = name.len() <= MAX_NAME_BYTES
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '-');
    if is_fine {
        return Ok(());
    }
    Err(analysis(format_args!(
        "Incorrect {what} name '{name}': 1 to {MAX_NAME_BYTES} letters, digits, '_' and '-', beginning with a letter"
    )))
}

/// An error of the warehouse.
pub(crate) fn of_warehouse(error: cairn_warehouse::Error) -> SqlError {
    use ErrorKind::{AlreadyExists, Denied, Invalid, NoSpace, NotFound, Unsupported};
    let (code, sqlstate) = match (error.kind(), error.subject()) {
        (NotFound, Some(Subject::Database)) => (1049, "42000"),
        (NotFound, Some(Subject::Table | Subject::View)) => (5502, "42S02"),
        (NotFound, Some(Subject::Column)) => (1054, "42S22"),
        (AlreadyExists, Some(Subject::Database)) => (1007, "HY000"),
        (AlreadyExists, Some(Subject::Table | Subject::View)) => (1050, "42S01"),
        (AlreadyExists, Some(Subject::Column)) => (1060, "42S21"),
        (Denied, _) => (5203, "42000"),
        (NoSpace, _) => (1021, "HY000"),
        (Unsupported, _) => (1235, "42000"),
        (Invalid, Some(Subject::Column)) => (1054, "42S22"),
        (Invalid, Some(Subject::Select)) => (1117, "HY000"),
        _ => (1064, "HY000"),
    };
    SqlError::new(code, sqlstate, error.to_string())
}

/// A part of a statement that did not come to an end.
pub(crate) fn given_up(error: tokio::task::JoinError) -> SqlError {
    general(format!("given up after a fault of the server: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["test_repo", "R-2", "_x"] {
            assert!(check_name("Repository", name).is_ok(), "{name}");
        }
        for name in ["", "2x", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(check_name("Repository", name).is_err(), "{name}");
        }
    }

    #[test]
    fn numbers_are_those_that_clients_know() {
        let code = |error: cairn_warehouse::Error| of_warehouse(error).code;
        assert_eq!(code(cairn_warehouse::Error::unknown_database("d")), 1049);
        assert_eq!(code(cairn_warehouse::Error::unknown_table("t")), 5502);
        assert_eq!(code(cairn_warehouse::Error::table_exists("t")), 1050);
        assert_eq!(code(cairn_warehouse::Error::invalid("no")), 1064);
    }
}
