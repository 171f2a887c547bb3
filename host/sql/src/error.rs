//! Where a text stops being a statement, and what would have been one.
//!
//! A message never shows a secret: what [`mask`](crate::mask()) hides in a text is hidden here too.

use std::ops::Range;

use crate::mask::{MASK, secrets};

/// Why a text is no statement, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line}, column {column}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
    /// What is wrong there.
    pub problem: Problem,
    /// The line, without secrets.
    excerpt: String,
    /// How many of its characters are before the place.
    before: usize,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Something else has to stand there.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What has to.
        expected: String,
        /// What does.
        found: String,
    },
    /// StarRocks knows it, and Cairn does not do it.
    #[error("{what} is not supported: {advice}")]
    Unsupported {
        /// What it is.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// Brackets in brackets.
    #[error("nested deeper than {limit} levels: name the inner queries with WITH")]
    TooDeep {
        /// How deep they may be.
        limit: usize,
    },
    /// A chain of operators that would have to be nested as deep as it is long.
    #[error("more than {limit} {of} in a row: use IN (...), VALUES or several statements")]
    TooLong {
        /// How many there may be.
        limit: usize,
        /// Of what.
        of: &'static str,
    },
    /// Anything else.
    #[error("{0}")]
    Malformed(String),
}

/// Characters of the line that are shown on each side of the place.
const SIDE: usize = 60;
/// Characters that are shown of what was found.
const FOUND: usize = 40;

impl SyntaxError {
    /// The line with a caret under the place.
    pub fn caret(&self) -> String {
        format!("{}\n{:>width$}", self.excerpt, '^', width = self.before + 1)
    }

    /// Something else has to stand at `found`, which is empty at the end.
    pub(crate) fn unexpected(text: &str, found: Range<usize>, expected: &str) -> Self {
        let secrets = secrets(text);
        let hidden = secrets.iter().any(|s| s.start < found.end && found.start < s.end);
        let found_text = match text.get(found.clone()).unwrap_or_default() {
            "" => "end of statement".to_owned(),
            _ if hidden => MASK.to_owned(),
            found => shortened(found),
        };
        let problem = Problem::Unexpected { expected: expected.to_owned(), found: found_text };
        Self::new(text, found.start, problem, &secrets)
    }

    pub(crate) fn at(text: &str, offset: usize, problem: Problem) -> Self {
        Self::new(text, offset, problem, &secrets(text))
    }

    fn new(text: &str, offset: usize, problem: Problem, secrets: &[Range<usize>]) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        let column = 1 + before.get(line_start..).unwrap_or_default().chars().count();
        let line_end = text
            .get(before.len()..)
            .and_then(|rest| rest.find('\n'))
            .map_or(text.len(), |newline| before.len() + newline);
        let left = shown(text, line_start..before.len(), secrets);
        let right = shown(text, before.len()..line_end, secrets);
        let left = left.chars().rev().take(SIDE).collect::<Vec<_>>();
        Self {
            line: line as u64,
            column: column as u64,
            problem,
            before: left.len(),
            excerpt: left.into_iter().rev().chain(right.chars().take(SIDE)).collect(),
        }
    }

    /// The same, in a text in which the statement begins at this place.
    pub(crate) fn moved(mut self, line: u64, column: u64) -> Self {
        if self.line == 1 {
            self.column += column - 1;
        }
        self.line += line - 1;
        self
    }
}

/// A part of the text, on one line and with its secrets hidden. A secret that reaches into it stands at its begin.
fn shown(text: &str, part: Range<usize>, secrets: &[Range<usize>]) -> String {
    let mut shown = String::new();
    let mut copied = part.start;
    let reaches_in = |s: &&Range<usize>| s.start < part.end && part.start < s.end.max(s.start + 1);
    for secret in secrets.iter().filter(reaches_in) {
        shown.push_str(text.get(copied..secret.start).unwrap_or_default());
        shown.push_str(MASK);
        copied = secret.end.min(part.end);
    }
    shown.push_str(text.get(copied..part.end).unwrap_or_default());
    shown.chars().map(printable).collect()
}

fn shortened(found: &str) -> String {
    let mut shortened: String = found.chars().take(FOUND).map(printable).collect();
    if found.chars().nth(FOUND).is_some() {
        shortened.push_str("...");
    }
    shortened
}

/// A terminal must not obey what a statement holds.
fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unexpected(text: &str, found: &str) -> SyntaxError {
        let start = text.find(found).unwrap();
        SyntaxError::unexpected(text, start..start + found.len(), "a name")
    }

    #[test]
    fn the_message_is_one_line_with_its_place() {
        let error = unexpected("USE\n  5 x", "5");
        assert_eq!(error.to_string(), "expected a name, found 5 at line 2, column 3");
        assert_eq!(error.caret(), "  5 x\n  ^");
    }

    #[test]
    fn columns_are_characters() {
        let error = unexpected("'é日' 5", "5");
        assert_eq!((error.line, error.column), (1, 6));
        assert_eq!(error.caret(), "'é日' 5\n     ^");
    }

    #[test]
    fn the_end_of_the_text_has_a_place() {
        let error = SyntaxError::unexpected("USE", 3..3, "a database");
        assert_eq!(
            error.to_string(),
            "expected a database, found end of statement at line 1, column 4"
        );
        assert_eq!(error.caret(), "USE\n   ^");
    }

    #[test]
    fn secrets_are_hidden_in_message_and_line() {
        let text = r#"("password" = hunter2, "secret_key" = "hunter3", 5)"#;
        let error = unexpected(text, "hunter2");
        assert_eq!(error.to_string(), "expected a name, found *** at line 1, column 15");
        let error = unexpected(text, "5");
        assert_eq!(
            error.caret(),
            "(\"password\" = ***, \"secret_key\" = \"***\", 5)\n                                         ^"
        );
        assert_eq!(error.column, 50);
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{} 5 {}", "a".repeat(5_000_000), "b".repeat(5_000_000));
        let error = unexpected(&text, "5");
        assert_eq!(error.column, 5_000_002);
        let caret = error.caret();
        let (line, mark) = caret.split_once('\n').unwrap();
        assert_eq!(line.len(), 120);
        assert_eq!(line.chars().nth(mark.len() - 1), Some('5'));
    }

    #[test]
    fn what_was_found_is_short_and_printable() {
        let text = format!("'\u{1b}[2J{}'", "x".repeat(100));
        let message = unexpected(&text, &text).to_string();
        assert!(message.starts_with("expected a name, found ' [2Jxxx"), "{message}");
        assert!(message.contains("xxx... at line 1, column 1"), "{message}");
    }
}
