//! `CREATE FUNCTION`, `DROP FUNCTION`.

use sqlparser::tokenizer::Token;

use crate::cursor::{Cursor, Result};
use crate::statement::{CreateFunction, Statement};

/// `[AGGREGATE | TABLE] FUNCTION name (types) RETURNS type [PROPERTIES (...)]`
pub(super) fn create(c: &mut Cursor<'_>) -> Result<Statement> {
    if c.at_word("GLOBAL") {
        return Err(c.unsupported("GLOBAL FUNCTION", "create it in a database"));
    }
    let kind = ["AGGREGATE", "TABLE"].into_iter().find(|kind| c.accept_word(kind));
    c.expect_word("FUNCTION")?;
    let name = c.qualified_name("a function name")?;
    let arguments = arguments(c)?;
    c.expect_word("RETURNS")?;
    let returns = data_type(c)?;
    Ok(Statement::CreateFunction(CreateFunction {
        name,
        kind: kind.unwrap_or_default().to_owned(),
        arguments,
        returns,
        properties: c.properties()?,
    }))
}

/// `name (types)`
pub(super) fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    let name = c.qualified_name("a function name")?;
    Ok(Statement::DropFunction { name, arguments: arguments(c)? })
}

fn arguments(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    if c.peek() == &Token::LParen && c.peek_at(1) == &Token::RParen {
        c.advance();
        c.advance();
        return Ok(Vec::new());
    }
    c.list(data_type)
}

/// A type as one word without blanks in upper case, so that two that are the same look the same: `MAP<INT,DECIMAL(10,2)>`.
fn data_type(c: &mut Cursor<'_>) -> Result<String> {
    let mut data_type = String::new();
    // The brackets that are to be closed.
    let mut open = Vec::new();
    loop {
        let fits = match c.peek() {
            Token::Word(word) if word.quote_style.is_some() => false,
            Token::Word(_) if wants_word(&data_type) => !c.at_word("PROPERTIES"),
            // A field of a struct: its name, then its type.
            Token::Word(_) if !open.is_empty() => {
                data_type.push(' ');
                true
            }
            Token::LParen if !wants_word(&data_type) => {
                open.push(Token::RParen);
                true
            }
            Token::Lt if !wants_word(&data_type) => {
                open.push(Token::Gt);
                true
            }
            Token::ShiftRight => [open.pop(), open.pop()] == [Some(Token::Gt), Some(Token::Gt)],
            close @ (Token::RParen | Token::Gt) => {
                open.pop_if(|wanted| &*wanted == close).is_some()
            }
            Token::Number(..) => !open.is_empty() && wants_word(&data_type),
            Token::Comma => !open.is_empty() && !wants_word(&data_type),
            _ => false,
        };
        if !fits {
            break;
        }
        data_type.push_str(&c.peek().to_string().to_ascii_uppercase());
        c.advance();
    }
    if data_type.is_empty() || !open.is_empty() {
        return Err(c.unexpected("a type"));
    }
    Ok(data_type)
}

fn wants_word(data_type: &str) -> bool {
    data_type.is_empty() || data_type.ends_with(['(', '<', ','])
}

#[cfg(test)]
mod tests {
    use crate::statement::{CreateFunction, Statement};
    use crate::testing::{error, name, one};

    #[test]
    fn create_in_all_kinds() {
        assert_eq!(
            one(r#"CREATE FUNCTION d.f (int, decimal(10, 2), map<string, array<int>>)
                   RETURNS varchar(20) PROPERTIES ("symbol" = "S", "file" = "x.jar")"#),
            Statement::CreateFunction(CreateFunction {
                name: name("d.f"),
                kind: String::new(),
                arguments: vec![
                    "INT".into(),
                    "DECIMAL(10,2)".into(),
                    "MAP<STRING,ARRAY<INT>>".into()
                ],
                returns: "VARCHAR(20)".into(),
                properties: vec![("symbol".into(), "S".into()), ("file".into(), "x.jar".into())],
            })
        );
        for (text, kind) in [
            ("CREATE AGGREGATE FUNCTION f(INT) RETURNS BIGINT", "AGGREGATE"),
            ("CREATE TABLE FUNCTION f(INT) RETURNS BIGINT", "TABLE"),
            ("CREATE FUNCTION f() RETURNS struct<a int, b string>", ""),
        ] {
            assert!(
                matches!(one(text), Statement::CreateFunction(function) if function.kind == kind)
            );
        }
    }

    #[test]
    fn drop_names_the_types() {
        assert_eq!(
            one("DROP FUNCTION f(INT, varchar(5))"),
            Statement::DropFunction {
                name: name("f"),
                arguments: vec!["INT".into(), "VARCHAR(5)".into()]
            }
        );
    }

    #[test]
    fn errors() {
        for (text, message) in [
            ("CREATE FUNCTION f(", "expected a type, found end of statement at line 1, column 19"),
            (
                "CREATE FUNCTION f(ARRAY<INT) RETURNS INT x",
                "expected a type, found ) at line 1, column 28",
            ),
            (
                "CREATE FUNCTION f(INT)",
                "expected RETURNS, found end of statement at line 1, column 23",
            ),
            ("CREATE FUNCTION f(INT) RETURNS 5", "expected a type, found 5 at line 1, column 32"),
            ("DROP FUNCTION f", "expected (, found end of statement at line 1, column 16"),
            (
                "CREATE GLOBAL FUNCTION f()",
                "GLOBAL FUNCTION is not supported: create it in a database",
            ),
        ] {
            let error = error(text);
            assert!(error.starts_with(message), "{error}");
        }
    }
}
