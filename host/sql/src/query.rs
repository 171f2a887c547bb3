//! Plain SQL: the rest of a statement, given to sqlparser.
//!
//! What StarRocks writes behind the name of a table is made plain (`relation`). Three more things happen to the tokens before. Their nesting is bounded, so that neither the parser, which has a stack of its
//! own for all but the smallest texts, nor whoever drops what it made runs out of stack. `"text"` becomes `'text'`, which is
//! what DataFusion takes for a string. And `FILES("key" = "value", ...)` becomes `` files(`key` => 'value', ...) ``: a table
//! function with named arguments, which [`files_properties`] reads back.

mod relation;

use sqlparser::ast;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::cursor::{Cursor, Result, is_word};
use crate::dialect::StarRocks;
use crate::error::{Problem, SyntaxError};
use crate::lex::{Lexeme, lex, offset_of};
use crate::statement::Properties;

/// Brackets in brackets.
const MAX_NESTING: usize = 50;
/// Tokens between two commas: each operator of a chain is a level of its tree.
const MAX_RUN: usize = 10_000;
/// UNION, EXCEPT and INTERSECT in one query: commas do not end their chain.
const MAX_SET_OPERATIONS: usize = 1_000;

/// Without optimisation the deepest texts need more than 4 MiB and less than 8. Pages that nobody touches cost nothing.
const STACK_BYTES: usize = 32 << 20;
/// So many tokens cannot nest deep enough to need it.
const SMALL: usize = 16;

/// A query up to the end of the statement, and its text as typed.
pub(crate) fn query(c: &mut Cursor<'_>) -> Result<(Box<ast::Query>, String)> {
    let rest = c.take_rest();
    let text = match (rest.first(), rest.last()) {
        (Some(first), Some(last)) => c.text().get(first.bytes.start..last.bytes.end),
        _ => None,
    };
    let text = text.unwrap_or_default().to_owned();
    Ok((parse(c.text(), rest, |parser| parser.parse_query())?, text))
}

/// Whether a query begins at the cursor.
pub(crate) fn at_query(c: &Cursor<'_>) -> bool {
    let mut distance = 0;
    while c.peek_at(distance) == &Token::LParen {
        distance += 1;
    }
    ["SELECT", "WITH", "VALUES"].iter().any(|word| is_word(c.peek_at(distance), word))
}

/// An expression up to the end of the statement.
pub(crate) fn expression(c: &mut Cursor<'_>) -> Result<ast::Expr> {
    let rest = c.take_rest();
    parse(c.text(), rest, |parser| parser.parse_expr())
}

/// An expression up to a comma or the end of the statement.
pub(crate) fn expression_before_comma(c: &mut Cursor<'_>) -> Result<ast::Expr> {
    let mark = c.mark();
    c.skip_until(|c| c.peek() == &Token::Comma);
    if c.mark() == mark {
        return Err(c.unexpected("an expression"));
    }
    parse(c.text(), c.since(mark), |parser| parser.parse_expr())
}

fn parse<T: Send>(
    text: &str,
    lexemes: Vec<Lexeme>,
    rule: impl Send + FnOnce(&mut Parser<'_>) -> std::result::Result<T, ParserError>,
) -> Result<T> {
    check_nesting(text, &lexemes)?;
    let lexemes = relation::plain(text, lexemes)?;
    if lexemes.len() <= SMALL {
        return parse_here(text, lexemes, rule);
    }
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().name("parser".to_owned()).stack_size(STACK_BYTES);
        match parser.spawn_scoped(scope, || parse_here(text, lexemes, rule)) {
            Ok(parser) => parser.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => {
                let problem =
                    Problem::Malformed(format!("there is no thread to parse on: {error}"));
                Err(SyntaxError::at(text, 0, problem))
            }
        }
    })
}

fn parse_here<T>(
    text: &str,
    lexemes: Vec<Lexeme>,
    rule: impl FnOnce(&mut Parser<'_>) -> std::result::Result<T, ParserError>,
) -> Result<T> {
    let begin = lexemes.first().map_or(text.len(), |first| first.bytes.start);
    let end = lexemes.last().map_or(text.len(), |last| last.bytes.end);
    let mut tokens: Vec<TokenWithSpan> = lexemes.into_iter().map(|lexeme| lexeme.token).collect();
    tokens.iter_mut().for_each(single_quoted);
    name_arguments_of_files(&mut tokens);
    let dialect = StarRocks::new(tokens.len());
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let parsed = rule(&mut parser).map_err(|error| {
        if dialect.is_exhausted() {
            let problem = Problem::Malformed("an error deep inside of functions".to_owned());
            return SyntaxError::at(text, begin, problem);
        }
        refused(text, begin, end, &error)
    })?;
    let next = parser.peek_token_ref();
    if next.token != Token::EOF {
        let offset = offset_of(text, next.span.start);
        return Err(unexpected_at(text, offset, "end of statement"));
    }
    Ok(parsed)
}

/// Refuses what would make a deep tree, whether by brackets, by a chain of operators or by a chain of set operations.
fn check_nesting(text: &str, lexemes: &[Lexeme]) -> Result<()> {
    let mut runs = vec![0_usize];
    let mut set_operations = 0;
    let mut open_types = 0_usize;
    for (index, lexeme) in lexemes.iter().enumerate() {
        let token = &lexeme.token.token;
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => runs.push(0),
            Token::RParen | Token::RBracket | Token::RBrace if runs.len() > 1 => {
                runs.pop();
            }
            Token::Lt if index.checked_sub(1).and_then(|i| lexemes.get(i)).is_some_and(is_type) => {
                open_types += 1;
            }
            Token::Gt => open_types = open_types.saturating_sub(1),
            Token::ShiftRight => open_types = open_types.saturating_sub(2),
            _ if ["UNION", "EXCEPT", "INTERSECT", "MINUS"].iter().any(|w| is_word(token, w)) => {
                set_operations += 1;
            }
            _ => {}
        }
        let run = runs.last_mut().map_or(0, |run| {
            *run = if token == &Token::Comma { 0 } else { *run + 1 };
            *run
        });
        let problem = if runs.len() + open_types > MAX_NESTING {
            Problem::TooDeep { limit: MAX_NESTING }
        } else if run > MAX_RUN {
            Problem::TooLong { limit: MAX_RUN, of: "words without a comma" }
        } else if set_operations > MAX_SET_OPERATIONS {
            Problem::TooLong { limit: MAX_SET_OPERATIONS, of: "set operations" }
        } else {
            continue;
        };
        return Err(SyntaxError::at(text, lexeme.bytes.start, problem));
    }
    Ok(())
}

/// `ARRAY<`, `MAP<`, `STRUCT<`: types within types.
fn is_type(lexeme: &Lexeme) -> bool {
    ["ARRAY", "MAP", "STRUCT"].iter().any(|word| is_word(&lexeme.token.token, word))
}

fn single_quoted(token: &mut TokenWithSpan) {
    if let Token::DoubleQuotedString(string) = &mut token.token {
        token.token = Token::SingleQuotedString(std::mem::take(string));
    }
}

/// Inside of `FILES(...)`, makes `'key' =` to `` `key` => ``.
fn name_arguments_of_files(tokens: &mut [TokenWithSpan]) {
    // How deep the brackets are since the one of FILES; 0 is outside.
    let mut depth = 0_usize;
    for index in 0..tokens.len() {
        let Some([token, next, ..]) = tokens.get_mut(index..) else { return };
        match (&mut token.token, &mut next.token) {
            (Token::Word(files), Token::LParen)
                if depth == 0
                    && files.quote_style.is_none()
                    && files.value.eq_ignore_ascii_case("files") =>
            {
                files.value.make_ascii_lowercase();
                depth = 1;
                continue;
            }
            (Token::SingleQuotedString(key), equals @ Token::Eq) if depth == 2 => {
                let name = Word {
                    value: std::mem::take(key),
                    quote_style: Some('`'),
                    keyword: sqlparser::keywords::Keyword::NoKeyword,
                };
                *equals = Token::RArrow;
                token.token = Token::Word(name);
            }
            (Token::LParen, _) if depth > 0 => depth += 1,
            (Token::RParen, _) if depth > 0 => depth -= if depth == 2 { 2 } else { 1 },
            _ => {}
        }
    }
}

/// The properties of `FILES(...)`, where `factor` is one: what the loader is told.
pub fn files_properties(factor: &ast::TableFactor) -> Option<Properties> {
    let ast::TableFactor::Table { name, args: Some(arguments), .. } = factor else { return None };
    let [ast::ObjectNamePart::Identifier(function)] = name.0.as_slice() else { return None };
    if function.value != "files" {
        return None;
    }
    arguments.args.iter().map(named_string).collect()
}

fn named_string(argument: &ast::FunctionArg) -> Option<(String, String)> {
    let ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(value), .. } = argument
    else {
        return None;
    };
    let ast::Expr::Value(value) = value else { return None };
    let ast::Value::SingleQuotedString(value) = &value.value else { return None };
    Some((name.value.clone(), value.clone()))
}

/// The message of sqlparser, as one of ours: it says what it expected, what it found and where, in one string.
fn refused(text: &str, begin: usize, end: usize, error: &ParserError) -> SyntaxError {
    let (ParserError::ParserError(message) | ParserError::TokenizerError(message)) = error else {
        return SyntaxError::at(text, begin, Problem::TooDeep { limit: MAX_NESTING });
    };
    let (message, place) = match message.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, location(place)),
        None => (message.as_str(), None),
    };
    let offset = place.map_or(end, |place| offset_of(text, place));
    match message.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found: ")) {
        Some((expected, _)) => unexpected_at(text, offset, expected),
        None => SyntaxError::at(text, offset, Problem::Malformed(message.to_owned())),
    }
}

/// `1, Column: 5`
fn location(place: &str) -> Option<sqlparser::tokenizer::Location> {
    let (line, column) = place.split_once(", Column: ")?;
    Some(sqlparser::tokenizer::Location::new(line.parse().ok()?, column.parse().ok()?))
}

/// Something else has to stand at `offset`. Which token stands there is found again, for its end; where an expression ended
/// too soon it is the comma that ended it.
fn unexpected_at(text: &str, offset: usize, expected: &str) -> SyntaxError {
    let next = lex(text)
        .unwrap_or_default()
        .into_iter()
        .find(|lexeme| lexeme.bytes.start >= offset)
        .filter(|lexeme| lexeme.bytes.start == offset || lexeme.token.token == Token::Comma);
    SyntaxError::unexpected(text, next.map_or(offset..offset, |lexeme| lexeme.bytes), expected)
}

#[cfg(test)]
mod tests;
