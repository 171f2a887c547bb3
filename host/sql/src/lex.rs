//! Tokens of sqlparser, each with its place in the text.
//!
//! Blanks and comments are gone; what a version comment (`/*!40101 SET ... */`) holds is there as if it stood alone.

use std::borrow::Cow;
use std::ops::Range;

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError};

use crate::dialect::StarRocks;
use crate::error::{Problem, SyntaxError};
use crate::scan::{Kind, Scan};

/// A token, and the bytes of the text that it is made of.
#[derive(Debug, Clone)]
pub(crate) struct Lexeme {
    pub(crate) token: TokenWithSpan,
    pub(crate) bytes: Range<usize>,
}

/// The tokens of `text`.
pub(crate) fn lex(text: &str) -> Result<Vec<Lexeme>, SyntaxError> {
    let plain = without_version_marks(text)?;
    let mut tokens = Vec::new();
    Tokenizer::new(&StarRocks::new(0), &plain)
        .tokenize_with_location_into_buf(&mut tokens)
        .map_err(|error| refused(text, &error))?;
    let mut ruler = Ruler { rest: text, offset: 0, at: Location::new(1, 1) };
    Ok(tokens
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .map(|token| {
            let start = ruler.offset_of(token.span.start);
            let end = ruler.offset_of(token.span.end);
            Lexeme { token, bytes: start..end }
        })
        .collect())
}

/// The text with blanks in place of `/*!40101` and its `*/`, so that every place stays where it is.
fn without_version_marks(text: &str) -> Result<Cow<'_, str>, SyntaxError> {
    let mut plain = String::new();
    let mut copied = 0;
    let mut last_mark = 0;
    let mut scan = Scan::new(text);
    for piece in scan.by_ref().filter(|piece| piece.kind == Kind::Version) {
        plain.push_str(text.get(copied..piece.start).unwrap_or_default());
        plain.extend(std::iter::repeat_n(' ', piece.end - piece.start));
        (copied, last_mark) = (piece.end, piece.start);
    }
    if scan.in_version() {
        let problem = Problem::Malformed("/*! without its */".to_owned());
        return Err(SyntaxError::at(text, last_mark, problem));
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(text));
    }
    plain.push_str(text.get(copied..).unwrap_or_default());
    Ok(Cow::Owned(plain))
}

/// The message of the tokenizer, as one of ours.
fn refused(text: &str, error: &TokenizerError) -> SyntaxError {
    let offset = offset_of(text, error.location);
    let message = error.message.trim_end_matches('.');
    let mut chars = message.chars();
    let first = chars.next().into_iter().flat_map(char::to_lowercase);
    SyntaxError::at(text, offset, Problem::Malformed(first.chain(chars).collect()))
}

/// The byte at which a place begins.
pub(crate) fn offset_of(text: &str, location: Location) -> usize {
    Ruler { rest: text, offset: 0, at: Location::new(1, 1) }.offset_of(location)
}

/// Turns places into offsets, in one pass as long as they grow.
struct Ruler<'a> {
    rest: &'a str,
    offset: usize,
    at: Location,
}

impl Ruler<'_> {
    fn offset_of(&mut self, location: Location) -> usize {
        let mut chars = self.rest.chars();
        while self.at < location {
            let Some(c) = chars.next() else { break };
            self.offset += c.len_utf8();
            self.at = if c == '\n' {
                Location::new(self.at.line + 1, 1)
            } else {
                Location::new(self.at.line, self.at.column + 1)
            };
        }
        self.rest = chars.as_str();
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        lex(text).unwrap().into_iter().map(|lexeme| &text[lexeme.bytes]).collect()
    }

    #[test]
    fn every_token_knows_its_bytes() {
        assert_eq!(
            words("BACKUP -- x\n `é`.`日` = \"a\\\"b\"\r\n(1.5e3);"),
            ["BACKUP", "`é`", ".", "`日`", "=", "\"a\\\"b\"", "(", "1.5e3", ")", ";"]
        );
    }

    #[test]
    fn users_and_hosts_are_apart() {
        assert_eq!(words("jack@'%' jack@localhost"), ["jack", "@", "'%'", "jack", "@localhost"]);
        assert_eq!(words("@@session.x @x"), ["@@session", ".", "x", "@x"]);
    }

    #[test]
    fn version_comments_are_text_and_keep_places() {
        let text = "/*!40101 SET x = '*/' */ y";
        assert_eq!(words(text), ["SET", "x", "=", "'*/'", "y"]);
        assert_eq!(lex(text).unwrap()[4].token.span.start, Location::new(1, 26));
        let error = lex("SET /*!40101 x = 1").unwrap_err();
        assert_eq!(error.to_string(), "/*! without its */ at line 1, column 5");
    }

    #[test]
    fn open_quotes_and_comments_are_refused() {
        let error = lex("USE\n 'a").unwrap_err();
        assert_eq!(error.to_string(), "unterminated string literal at line 2, column 2");
        let error = lex("USE `a").unwrap_err();
        assert_eq!((error.line, error.column), (1, 5));
        assert!(lex("USE /* a").is_err());
    }
}
