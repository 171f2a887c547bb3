//! Cuts a text into quotes, comments, words and the rest, without judging it.
//!
//! It never fails and every byte belongs to exactly one piece: what works on broken statements too (masks, the search for
//! `;`) stands on it. Quotes and comments begin and end where sqlparser's tokenizer sees them begin and end.

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Blanks and line ends.
    Space,
    /// `-- x`, `# x`, `/* x */`
    Comment,
    /// `/*!40101` or its `*/`: what is between them is part of the statement.
    Version,
    /// `'x'`, `"x"`, `` `x` ``
    Quoted {
        /// The quote.
        quote: u8,
        /// Whether it ends before the text does.
        closed: bool,
    },
    /// Letters, digits, `_`, `$`.
    Word,
    /// One character of anything else.
    Symbol,
}

/// A piece of a text, as bytes `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The pieces of a text, in order.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    position: usize,
    comments: bool,
    in_version: bool,
    after_word: bool,
    after_b: bool,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            position: 0,
            comments: true,
            in_version: false,
            after_word: false,
            after_b: false,
        }
    }

    /// For the inside of a comment: there, marks of comments are symbols, and so is the apostrophe of a "don't".
    pub(crate) fn without_comments(text: &'a str) -> Self {
        Self { comments: false, ..Self::new(text) }
    }

    /// Whether a `/*!` still waits for its `*/`.
    pub(crate) fn in_version(&self) -> bool {
        self.in_version
    }

    fn is_apostrophe(&self, bytes: &[u8]) -> bool {
        !self.comments && self.after_word && bytes.get(1).is_some_and(u8::is_ascii_alphabetic)
    }

    fn kind_and_length(&mut self, rest: &'a str) -> (Kind, usize) {
        let bytes = rest.as_bytes();
        match bytes.first().copied().unwrap_or_default() {
            byte if byte.is_ascii_whitespace() => {
                (Kind::Space, run(bytes, |byte| byte.is_ascii_whitespace()))
            }
            b'\'' if self.is_apostrophe(bytes) => (Kind::Symbol, 1),
            quote @ (b'\'' | b'"' | b'`') => quoted(bytes, quote, quote != b'`' && !self.after_b),
            b'#' if self.comments => (Kind::Comment, line(bytes)),
            b'-' if self.comments && is_dash_comment(rest) => (Kind::Comment, line(bytes)),
            b'/' if self.comments && bytes.starts_with(b"/*!") && !self.in_version => {
                self.in_version = true;
                let digits = run(bytes.get(3..).unwrap_or_default(), u8::is_ascii_digit);
                (Kind::Version, 3 + digits)
            }
            b'/' if self.comments && bytes.starts_with(b"/*") => (Kind::Comment, block(rest)),
            b'*' if self.in_version && bytes.starts_with(b"*/") => {
                self.in_version = false;
                (Kind::Version, 2)
            }
            byte if is_word(&byte) => (Kind::Word, run(bytes, is_word)),
            _ => (Kind::Symbol, 1),
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let start = self.position;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let (kind, length) = self.kind_and_length(rest);
        self.position = start + length;
        self.after_word = kind == Kind::Word;
        // In `b'\'` the backslash is a character like any other.
        self.after_b = rest.get(..length).is_some_and(|piece| piece.eq_ignore_ascii_case("b"));
        Some(Piece { kind, start, end: self.position })
    }
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

fn run(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| belongs(byte)).count()
}

fn line(bytes: &[u8]) -> usize {
    let length = run(bytes, |byte| *byte != b'\n');
    bytes.len().min(length + 1)
}

fn block(rest: &str) -> usize {
    rest.get(2..).and_then(|inside| inside.find("*/")).map_or(rest.len(), |length| length + 4)
}

/// MySQL wants a blank behind the dashes: `5--3` is 8.
fn is_dash_comment(rest: &str) -> bool {
    rest.strip_prefix("--").and_then(|rest| rest.chars().next()).is_some_and(char::is_whitespace)
}

fn quoted(bytes: &[u8], quote: u8, escapes: bool) -> (Kind, usize) {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && escapes {
            at += 2;
        } else if byte != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return (Kind::Quoted { quote, closed: true }, at + 1);
        }
    }
    (Kind::Quoted { quote, closed: false }, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(Kind, &str)> {
        Scan::new(text)
            .filter(|piece| piece.kind != Kind::Space)
            .map(|piece| (piece.kind, &text[piece.start..piece.end]))
            .collect()
    }

    const QUOTED: Kind = Kind::Quoted { quote: b'\'', closed: true };

    #[test]
    fn quotes_end_where_mysql_ends_them() {
        assert_eq!(pieces(r"'a''b\'c' x"), [(QUOTED, r"'a''b\'c'"), (Kind::Word, "x")]);
        assert_eq!(pieces(r"b'\' x"), [(Kind::Word, "b"), (QUOTED, r"'\'"), (Kind::Word, "x")]);
        assert_eq!(
            pieces("`a``'b` c"),
            [(Kind::Quoted { quote: b'`', closed: true }, "`a``'b`"), (Kind::Word, "c")]
        );
        assert_eq!(pieces("'é\\"), [(Kind::Quoted { quote: b'\'', closed: false }, "'é\\")]);
    }

    #[test]
    fn comments_hide_quotes() {
        assert_eq!(pieces("-- don't\na"), [(Kind::Comment, "-- don't\n"), (Kind::Word, "a")]);
        assert_eq!(pieces("/* ' */#'"), [(Kind::Comment, "/* ' */"), (Kind::Comment, "#'")]);
        assert_eq!(pieces("1--2").len(), 4);
        assert_eq!(pieces("/* open"), [(Kind::Comment, "/* open")]);
    }

    #[test]
    fn the_inside_of_a_version_comment_is_text() {
        assert_eq!(
            pieces("/*!40101 SET */ x"),
            [
                (Kind::Version, "/*!40101"),
                (Kind::Word, "SET"),
                (Kind::Version, "*/"),
                (Kind::Word, "x")
            ]
        );
    }
}
