//! What StarRocks writes behind the name of a table, in the form that sqlparser knows: `PARTITION (p, ...)`.
//!
//! `PARTITIONS` is the same, and one partition needs no brackets. The hint `[_SYNC_MV_]`, which says that a name is that of a
//! rollup, says nothing that the catalog does not know. Temporary partitions are refused.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::cursor::{Result, is_word};
use crate::error::{Problem, SyntaxError};
use crate::lex::Lexeme;

const HINT: &str = "_SYNC_MV_";

/// The tokens of a query without what only StarRocks knows.
pub(super) fn plain(text: &str, lexemes: Vec<Lexeme>) -> Result<Vec<Lexeme>> {
    let is_one = |lexeme: &Lexeme| {
        [HINT, "PARTITION", "PARTITIONS"].iter().any(|word| is_word(&lexeme.token.token, word))
    };
    if !lexemes.iter().any(is_one) {
        return Ok(lexemes);
    }
    let mut plain = Vec::with_capacity(lexemes.len());
    let mut rest = lexemes.into_iter().peekable();
    while let Some(mut lexeme) = rest.next() {
        let is_next_hint = rest.peek().is_some_and(|next| is_word(&next.token.token, HINT));
        if lexeme.token.token == Token::LBracket && is_next_hint {
            rest.next();
            rest.next_if(|next| next.token.token == Token::RBracket);
            continue;
        }
        let before: &[Lexeme] = &plain;
        if !is_partition(&lexeme) || !before.last().is_some_and(is_name) {
            plain.push(lexeme);
            continue;
        }
        let next = rest.peek().map_or(&Token::EOF, |next| &next.token.token);
        let is_in_brackets = next == &Token::LParen;
        if !is_in_brackets && !rest.peek().is_some_and(is_name) {
            plain.push(lexeme);
            continue;
        }
        if let Some(temporary) =
            before.last().filter(|last| is_word(&last.token.token, "TEMPORARY"))
        {
            let what = "TEMPORARY PARTITION".to_owned();
            let advice = "a table has no temporary partitions here";
            let problem = Problem::Unsupported { what, advice };
            return Err(SyntaxError::at(text, temporary.bytes.start, problem));
        }
        if let Token::Word(word) = &mut lexeme.token.token {
            word.value = "PARTITION".to_owned();
            word.keyword = Keyword::PARTITION;
        }
        plain.push(lexeme);
        if !is_in_brackets && let Some(name) = rest.next() {
            plain.extend([
                beside(Token::LParen, &name),
                name.clone(),
                beside(Token::RParen, &name),
            ]);
        }
    }
    Ok(plain)
}

fn is_partition(lexeme: &Lexeme) -> bool {
    ["PARTITION", "PARTITIONS"].iter().any(|word| is_word(&lexeme.token.token, word))
}

/// A word that is no part of the grammar of queries, or in backticks.
fn is_name(lexeme: &Lexeme) -> bool {
    matches!(&lexeme.token.token, Token::Word(word)
        if word.quote_style.is_some() || word.keyword == Keyword::NoKeyword
            || is_word(&lexeme.token.token, "TEMPORARY"))
}

/// A token that nobody typed, at the place of one that somebody did.
fn beside(token: Token, place: &Lexeme) -> Lexeme {
    let token = TokenWithSpan { token, span: place.token.span };
    Lexeme { token, bytes: place.bytes.clone() }
}
