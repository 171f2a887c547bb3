//! Texts from outside, parsed whole: one statement, or a script of them.

use crate::cursor::Cursor;
use crate::{Statement, SyntaxError, parse, split};

/// The statement of a text that holds one, with or without `;`.
pub fn parse_one(text: &str) -> Result<Statement, SyntaxError> {
    parse::statement(&mut Cursor::new(text)?)
}

/// The statements of a text, each with its own text; none where there is nothing but blanks and comments.
///
/// The whole script is refused for its first error, whose place counts from the begin of the script.
pub fn parse_script(text: &str) -> Result<Vec<(String, Statement)>, SyntaxError> {
    split(text)
        .into_iter()
        .map(|fragment| match parse_one(fragment.text) {
            Ok(statement) => Ok((fragment.text.to_owned(), statement)),
            Err(error) => Err(error.moved(fragment.line, fragment.column)),
        })
        .collect()
}
