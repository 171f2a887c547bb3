//! Cuts a text into its statements, at each `;` that is in no quote and no comment.

use crate::scan::{Kind, Scan};

/// A statement of a text, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// The statement without its `;` and the blanks around it. Comments stay.
    pub text: &'a str,
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The column at which it begins, from 1, in characters.
    pub column: u64,
}

/// The statements of `text`, in order. What holds nothing but blanks and comments is none.
pub fn split(text: &str) -> Vec<Fragment<'_>> {
    let mut splitter =
        Splitter { text, at: Place { offset: 0, line: 1, column: 1 }, out: Vec::new() };
    let mut start = 0;
    let mut empty = true;
    let mut scan = Scan::new(text);
    while let Some(piece) = scan.next() {
        let semicolon = piece.kind == Kind::Symbol && text.get(piece.start..piece.end) == Some(";");
        if semicolon && !scan.in_version() {
            splitter.cut(start, piece.start, empty);
            (start, empty) = (piece.end, true);
        } else {
            empty &= matches!(piece.kind, Kind::Space | Kind::Comment);
        }
    }
    splitter.cut(start, text.len(), empty);
    splitter.out
}

#[derive(Clone, Copy)]
struct Place {
    offset: usize,
    line: u64,
    column: u64,
}

struct Splitter<'a> {
    text: &'a str,
    /// Up to where lines and columns were counted.
    at: Place,
    out: Vec<Fragment<'a>>,
}

impl Splitter<'_> {
    fn cut(&mut self, start: usize, end: usize, empty: bool) {
        if empty {
            return;
        }
        let untrimmed = self.text.get(start..end).unwrap_or_default();
        let text = untrimmed.trim_ascii();
        let blanks = untrimmed.len() - untrimmed.trim_ascii_start().len();
        self.advance(start + blanks);
        self.out.push(Fragment { text, line: self.at.line, column: self.at.column });
    }

    fn advance(&mut self, to: usize) {
        for c in self.text.get(self.at.offset..to).unwrap_or_default().chars() {
            if c == '\n' {
                self.at.line += 1;
                self.at.column = 1;
            } else {
                self.at.column += 1;
            }
        }
        self.at.offset = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|fragment| fragment.text).collect()
    }

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_cut() {
        assert_eq!(
            texts("SELECT ';', \";\", `;` -- ;\n, 1 /* ; */; # ;\nUSE d;"),
            ["SELECT ';', \";\", `;` -- ;\n, 1 /* ; */", "# ;\nUSE d"]
        );
        assert_eq!(texts(r"SELECT '\';'; USE d"), [r"SELECT '\';'", "USE d"]);
    }

    #[test]
    fn what_says_nothing_is_no_statement() {
        assert_eq!(texts(" ;; -- only this\n; /* and this */ ;\n"), [""; 0]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn a_version_comment_says_something() {
        assert_eq!(texts("/*!40101 SET x = 1; */;"), ["/*!40101 SET x = 1; */"]);
    }

    #[test]
    fn places_are_counted_in_characters() {
        let places: Vec<_> =
            split("USE é; USE a;\n\n  USE b").iter().map(|f| (f.line, f.column)).collect();
        assert_eq!(places, [(1, 1), (1, 8), (3, 3)]);
    }

    #[test]
    fn an_open_quote_reaches_to_the_end() {
        assert_eq!(texts("USE a; SELECT 'x; USE b"), ["USE a", "SELECT 'x; USE b"]);
    }
}
