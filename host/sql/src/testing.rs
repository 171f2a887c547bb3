//! What the tests of the grammar say all the time.

use crate::statement::{QualifiedName, Statement};

/// The statement; its text also parses behind blanks and a comment, and before a semicolon.
#[track_caller]
pub(crate) fn one(text: &str) -> Statement {
    let statement = crate::parse_one(text).unwrap_or_else(|e| panic!("{e}\n{}", e.caret()));
    let dressed = format!("  -- comment\n{text}\n;");
    let script = crate::parse_script(&dressed).unwrap_or_else(|e| panic!("{e}\n{}", e.caret()));
    assert_eq!(script.len(), 1);
    statement
}

/// The message.
#[track_caller]
pub(crate) fn error(text: &str) -> String {
    match crate::parse_one(text) {
        Ok(statement) => panic!("{statement:?}"),
        Err(error) => error.to_string(),
    }
}

/// `name` or `database.name`
pub(crate) fn name(name: &str) -> QualifiedName {
    match name.split_once('.') {
        Some((database, name)) => {
            QualifiedName { database: Some(database.into()), name: name.into() }
        }
        None => QualifiedName { database: None, name: name.into() },
    }
}
