//! Finds the `?` of a statement that was prepared: those in no quote and no comment.

use crate::scan::{Kind, Scan};

/// Where the placeholders of `text` are, as offsets of their bytes.
pub fn placeholders(text: &str) -> Vec<usize> {
    let is_one = |start, end| text.get(start..end) == Some("?");
    Scan::new(text)
        .filter(|piece| piece.kind == Kind::Symbol && is_one(piece.start, piece.end))
        .map(|piece| piece.start)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_hide_in_no_quotes_and_no_comments() {
        for (text, expected) in [
            ("SELECT ?,?", vec![7, 9]),
            ("SELECT '?', \"?\", `?`, ?", vec![22]),
            (r"SELECT 'it\'s ''?', ?", vec![20]),
            (r"SELECT '\\', `\`, ?", vec![18]),
            ("SELECT /* ? */ ? /* ?", vec![15]),
            ("SELECT 1 -- ?\n, ? # ?", vec![16]),
            ("SELECT 1--?", vec![10]),
            ("/*!40101 SELECT ? */", vec![16]),
            ("SELECT 'é?', ?", vec![14]),
            ("SELECT '?", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(placeholders(text), expected, "{text}");
        }
    }
}
