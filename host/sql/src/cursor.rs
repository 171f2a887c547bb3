//! A place among the tokens of a statement, and the words, names and lists that every statement is made of.
//!
//! Words compare without case. What does not fit is left where it is, so that the error points at it.

use std::str::FromStr;

use sqlparser::tokenizer::Token;

use crate::error::{Problem, SyntaxError};
use crate::lex::{Lexeme, lex};
use crate::statement::{Properties, QualifiedName};

pub(crate) type Result<T> = std::result::Result<T, SyntaxError>;

/// Words that are names only in backticks. In order.
const RESERVED: [&str; 46] = [
    "ADD",
    "ALL",
    "ALTER",
    "AND",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CREATE",
    "CROSS",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DROP",
    "ELSE",
    "EXISTS",
    "FOR",
    "FROM",
    "GRANT",
    "GROUP",
    "HAVING",
    "IN",
    "INSERT",
    "INTO",
    "IS",
    "JOIN",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "PARTITION",
    "SELECT",
    "SET",
    "SHOW",
    "TABLE",
    "THEN",
    "TO",
    "UNION",
    "UPDATE",
    "USING",
    "VALUES",
    "WHERE",
    "WITH",
];

/// The catalog in which every database is.
const CATALOG: &str = "default_catalog";

/// A place among the tokens of one statement.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    lexemes: Vec<Lexeme>,
    position: usize,
}

impl<'a> Cursor<'a> {
    /// At the begin of `text`. Semicolons at its end are none of the statement.
    pub(crate) fn new(text: &'a str) -> Result<Self> {
        let mut lexemes = lex(text)?;
        while lexemes.last().is_some_and(|last| last.token.token == Token::SemiColon) {
            lexemes.pop();
        }
        Ok(Self { text, lexemes, position: 0 })
    }

    pub(crate) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    pub(crate) fn peek_at(&self, distance: usize) -> &Token {
        self.lexemes.get(self.position + distance).map_or(&Token::EOF, |lexeme| &lexeme.token.token)
    }

    pub(crate) fn advance(&mut self) {
        self.position = self.lexemes.len().min(self.position + 1);
    }

    pub(crate) fn at_end(&self) -> bool {
        self.position == self.lexemes.len()
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected("end of statement")) }
    }

    /// All that follows, for another parser.
    pub(crate) fn take_rest(&mut self) -> Vec<Lexeme> {
        self.lexemes.split_off(self.position)
    }

    /// What was passed since a mark, for another parser.
    pub(crate) fn since(&self, mark: usize) -> Vec<Lexeme> {
        self.lexemes.get(mark..self.position).unwrap_or_default().to_vec()
    }

    // Words.

    /// The word at the cursor in upper case; empty where there is none.
    pub(crate) fn word(&self) -> String {
        match self.peek() {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    pub(crate) fn at_word(&self, word: &str) -> bool {
        is_word(self.peek(), word)
    }

    pub(crate) fn at_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.at_word(word))
    }

    pub(crate) fn at_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(distance, word)| is_word(self.peek_at(distance), word))
    }

    pub(crate) fn accept_word(&mut self, word: &str) -> bool {
        self.accept_words(&[word])
    }

    pub(crate) fn accept_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.accept_word(word))
    }

    /// All of them, or none.
    pub(crate) fn accept_words(&mut self, words: &[&str]) -> bool {
        let there = self.at_words(words);
        if there {
            self.position += words.len();
        }
        there
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.accept_word(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    pub(crate) fn expect_any(&mut self, words: &[&str]) -> Result<()> {
        if self.accept_any(words) { Ok(()) } else { Err(self.unexpected(&words.join(" or "))) }
    }

    pub(crate) fn expect_words(&mut self, words: &[&str]) -> Result<()> {
        words.iter().try_for_each(|word| self.expect_word(word))
    }

    pub(crate) fn if_not_exists(&mut self) -> bool {
        self.accept_words(&["IF", "NOT", "EXISTS"])
    }

    pub(crate) fn if_exists(&mut self) -> bool {
        self.accept_words(&["IF", "EXISTS"])
    }

    // Symbols.

    pub(crate) fn accept(&mut self, token: &Token) -> bool {
        let there = self.peek() == token;
        if there {
            self.advance();
        }
        there
    }

    pub(crate) fn expect(&mut self, token: &Token) -> Result<()> {
        if self.accept(token) { Ok(()) } else { Err(self.unexpected(&token.to_string())) }
    }

    // Names and values.

    /// A name, bare or in backticks; `what` is what an error calls it.
    pub(crate) fn ident(&mut self, what: &str) -> Result<String> {
        let name = match self.peek() {
            Token::Word(word) if word.quote_style.is_some() => Some(&word.value),
            Token::Word(word) if is_reserved(&word.value) || word.value.starts_with('@') => None,
            Token::Word(word) => Some(&word.value),
            _ => None,
        };
        match name.filter(|name| !name.is_empty()).cloned() {
            Some(name) => {
                self.advance();
                Ok(name)
            }
            None => Err(self.unexpected(what)),
        }
    }

    /// `name`, `database.name`, and both behind the catalog in which everything is.
    pub(crate) fn qualified_name(&mut self, what: &str) -> Result<QualifiedName> {
        let first = self.ident(what)?;
        if !self.accept(&Token::Period) {
            return Ok(QualifiedName { database: None, name: first });
        }
        let second = self.ident(what)?;
        if self.peek() != &Token::Period {
            return Ok(QualifiedName { database: Some(first), name: second });
        }
        self.own_catalog(&first)?;
        self.advance();
        let name = self.ident(what)?;
        Ok(QualifiedName { database: Some(second), name })
    }

    /// `database`, also behind the catalog in which it is.
    pub(crate) fn database(&mut self) -> Result<String> {
        let name = self.qualified_name("a database name")?;
        if let Some(catalog) = &name.database {
            self.own_catalog(catalog)?;
        }
        Ok(name.name)
    }

    pub(crate) fn own_catalog(&self, catalog: &str) -> Result<()> {
        if catalog.eq_ignore_ascii_case(CATALOG) {
            return Ok(());
        }
        let advice = "all databases are in default_catalog";
        Err(self.unsupported(format!("catalog {catalog}"), advice))
    }

    /// `FROM database` or `IN database`, where it is there.
    pub(crate) fn in_database(&mut self) -> Result<Option<String>> {
        self.accept_any(&["FROM", "IN"]).then(|| self.database()).transpose()
    }

    /// A string in single or double quotes.
    pub(crate) fn string(&mut self, what: &str) -> Result<String> {
        match self.accept_string() {
            Some(string) => Ok(string),
            None => Err(self.unexpected(what)),
        }
    }

    pub(crate) fn accept_string(&mut self) -> Option<String> {
        let (Token::SingleQuotedString(string) | Token::DoubleQuotedString(string)) = self.peek()
        else {
            return None;
        };
        let string = string.clone();
        self.advance();
        Some(string)
    }

    pub(crate) fn ident_or_string(&mut self, what: &str) -> Result<String> {
        match self.accept_string() {
            Some(string) => Ok(string),
            None => self.ident(what),
        }
    }

    /// A whole number without a sign that fits `T`.
    pub(crate) fn number<T: FromStr>(&mut self, what: &str) -> Result<T> {
        let number = match self.peek() {
            Token::Number(digits, false) => digits.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => {
                self.advance();
                Ok(number)
            }
            None => Err(self.unexpected(what)),
        }
    }

    // Lists.

    pub(crate) fn commas<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.accept(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, ...)`, at least one.
    pub(crate) fn list<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect(&Token::LParen)?;
        let items = self.commas(item)?;
        if self.accept(&Token::RParen) { Ok(items) } else { Err(self.unexpected(", or )")) }
    }

    pub(crate) fn idents(&mut self, what: &str) -> Result<Vec<String>> {
        self.list(|c| c.ident(what))
    }

    /// `("key" = "value", ...)`
    pub(crate) fn property_list(&mut self) -> Result<Properties> {
        self.list(|c| {
            let key = c.string("property name in quotes")?;
            c.expect(&Token::Eq)?;
            Ok((key, c.string("property value in quotes")?))
        })
    }

    /// `PROPERTIES (...)`, where it is there.
    pub(crate) fn properties(&mut self) -> Result<Properties> {
        if self.accept_word("PROPERTIES") { self.property_list() } else { Ok(Properties::new()) }
    }

    // Text as typed.

    /// Where the cursor is.
    pub(crate) fn mark(&self) -> usize {
        self.position
    }

    /// Back to a mark.
    pub(crate) fn reset(&mut self, mark: usize) {
        self.position = mark;
    }

    /// The text from a mark up to the cursor.
    pub(crate) fn text_since(&self, mark: usize) -> &'a str {
        match self.lexemes.get(mark..self.position) {
            Some([first, .., last]) => self.slice(first.bytes.start, last.bytes.end),
            Some([only]) => self.slice(only.bytes.start, only.bytes.end),
            _ => "",
        }
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Goes to the first place that `stops` and is in no bracket opened on the way; at the latest to a bracket that closes
    /// more than was opened, or to the end.
    pub(crate) fn skip_until(&mut self, mut stops: impl FnMut(&Self) -> bool) {
        let mut depth = 0_usize;
        while !(self.at_end() || depth == 0 && stops(self)) {
            match self.peek() {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace if depth == 0 => return,
                Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
                _ => {}
            }
            self.advance();
        }
    }

    // Errors.

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Something else has to stand at the cursor.
    pub(crate) fn unexpected(&self, expected: &str) -> SyntaxError {
        let found = match (self.lexemes.get(self.position), self.lexemes.last()) {
            (Some(lexeme), _) => lexeme.bytes.clone(),
            (None, Some(last)) => last.bytes.end..last.bytes.end,
            (None, None) => self.text.len()..self.text.len(),
        };
        SyntaxError::unexpected(self.text, found, expected)
    }

    /// What stands at the cursor is a statement of StarRocks, but none of Cairn.
    pub(crate) fn unsupported(&self, what: impl Into<String>, advice: &'static str) -> SyntaxError {
        self.problem(Problem::Unsupported { what: what.into(), advice })
    }

    pub(crate) fn problem(&self, problem: Problem) -> SyntaxError {
        let here = self.lexemes.get(self.position).map(|lexeme| lexeme.bytes.start);
        let end = self.lexemes.last().map_or(0, |last| last.bytes.end);
        SyntaxError::at(self.text, here.unwrap_or(end), problem)
    }
}

pub(crate) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_in_order() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn words_are_taken_all_or_none() {
        let mut c = Cursor::new("if Not x").unwrap();
        assert!(!c.if_not_exists());
        assert!(c.accept_words(&["IF", "NOT"]));
        assert_eq!(c.word(), "X");
    }

    #[test]
    fn names_are_bare_or_in_backticks() {
        let name = |text| Cursor::new(text).unwrap().ident("a name");
        assert_eq!(name("sr_Hub").unwrap(), "sr_Hub");
        assert_eq!(name("`from``x`").unwrap(), "from`x");
        assert_eq!(name("2023_backup").unwrap(), "2023_backup");
        for refused in ["FROM", "'x'", "``", "@x", "5", ""] {
            assert!(name(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn qualified_names_may_say_the_catalog() {
        let name = |text| Cursor::new(text).unwrap().qualified_name("a table");
        let expected = QualifiedName { database: Some("d".to_owned()), name: "t".to_owned() };
        assert_eq!(name("`d`.t").unwrap(), expected);
        assert_eq!(name("default_catalog.d.t").unwrap(), expected);
        let message = name("hive.d.t").unwrap_err().to_string();
        assert!(message.starts_with("catalog hive is not supported"), "{message}");
    }

    #[test]
    fn strings_have_the_escapes_of_mysql() {
        let string = |text| Cursor::new(text).unwrap().string("a string").unwrap();
        assert_eq!(string(r#""a\"b\\c\n""#), "a\"b\\c\n");
        assert_eq!(string("'it''s'"), "it's");
        assert_eq!(string("\"a\"\"'b\""), "a\"'b");
    }

    #[test]
    fn numbers_fit_or_are_refused() {
        let number = |text| Cursor::new(text).unwrap().number::<u8>("a number");
        assert_eq!(number("255").unwrap(), 255);
        for refused in ["256", "1.5", "-1", "'1'", "x"] {
            assert!(number(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn text_is_as_typed() {
        let mut c = Cursor::new("a ( b,  c /* x */ )  d ) e").unwrap();
        let mark = c.mark();
        assert_eq!(c.text_since(mark), "");
        c.skip_until(|c| c.at_word("C"));
        assert_eq!(c.text_since(mark), "a ( b,  c /* x */ )  d");
    }
}
