//! `USE`, `SET`, `KILL` and transactions: what drivers say before anything else.

use sqlparser::ast::{Expr, Ident};
use sqlparser::tokenizer::Token;

use super::account;
use crate::cursor::{Cursor, Result, is_word};
use crate::query;
use crate::statement::Statement;

pub(super) fn use_database(c: &mut Cursor<'_>) -> Result<Statement> {
    Ok(Statement::Use { database: c.database()? })
}

/// `[CONNECTION | QUERY] id`
pub(super) fn kill(c: &mut Cursor<'_>) -> Result<Statement> {
    let query_only = c.accept_word("QUERY");
    if !query_only {
        c.accept_word("CONNECTION");
    }
    Ok(Statement::Kill { connection: c.number("a connection id")?, query_only })
}

/// The rest of `BEGIN`, `START TRANSACTION`, `COMMIT` and `ROLLBACK`: each statement is a transaction of its own.
pub(super) fn transaction(c: &mut Cursor<'_>) -> Result<Statement> {
    if c.accept_word("TO") {
        return Err(c.unsupported("a savepoint", "each statement is a transaction of its own"));
    }
    let words = [
        "TRANSACTION",
        "WORK",
        "WITH",
        "CONSISTENT",
        "SNAPSHOT",
        "READ",
        "WRITE",
        "ONLY",
        "AND",
        "NO",
        "CHAIN",
        "RELEASE",
    ];
    while c.accept_any(&words) || c.accept(&Token::Comma) {}
    Ok(Statement::Nothing)
}

/// `SET ...`, behind the word.
pub(super) fn set(c: &mut Cursor<'_>) -> Result<Statement> {
    if c.at_word("NAMES") || c.at_word("CHARSET") || c.at_words(&["CHARACTER", "SET"]) {
        return character_set(c);
    }
    if c.at_word("PASSWORD") && (c.peek_at(1) == &Token::Eq || is_word(c.peek_at(1), "FOR")) {
        c.advance();
        return account::set_password(c);
    }
    if c.at_word("ROLE") || c.at_words(&["DEFAULT", "ROLE"]) {
        return Err(c.unsupported("SET ROLE", "a user has all its roles at once"));
    }
    if c.accept_word("CATALOG") {
        let catalog = c.ident_or_string("a catalog name")?;
        c.own_catalog(&catalog)?;
        return Ok(Statement::Nothing);
    }
    let scoped = c.at_any(&["SESSION", "GLOBAL", "LOCAL"]) && is_word(c.peek_at(1), "TRANSACTION");
    if scoped || is_word(c.peek(), "TRANSACTION") {
        return isolation(c);
    }
    c.commas(assignment).map(Statement::SetVariables)
}

/// `NAMES x [COLLATE y]`, `CHARACTER SET x`: text is UTF-8 whatever is said.
fn character_set(c: &mut Cursor<'_>) -> Result<Statement> {
    if c.accept_word("CHARACTER") {
        c.expect_word("SET")?;
    } else {
        c.advance();
    }
    c.ident_or_string("a character set")?;
    if c.accept_word("COLLATE") {
        c.ident_or_string("a collation")?;
    }
    Ok(Statement::Nothing)
}

/// `[SESSION | GLOBAL] TRANSACTION ISOLATION LEVEL ..., READ ONLY`
fn isolation(c: &mut Cursor<'_>) -> Result<Statement> {
    c.accept_any(&["SESSION", "GLOBAL", "LOCAL"]);
    c.expect_word("TRANSACTION")?;
    let words = [
        "ISOLATION",
        "LEVEL",
        "READ",
        "WRITE",
        "ONLY",
        "COMMITTED",
        "UNCOMMITTED",
        "REPEATABLE",
        "SERIALIZABLE",
    ];
    c.commas(|c| {
        c.expect_any(&["ISOLATION", "READ"])?;
        while c.accept_any(&words) {}
        Ok(())
    })?;
    Ok(Statement::Nothing)
}

/// `[SESSION | GLOBAL] name = value`, `@@session.name = value`, `@name = value`
fn assignment(c: &mut Cursor<'_>) -> Result<(String, Expr)> {
    let scopes = ["SESSION", "GLOBAL", "LOCAL"];
    if c.at_any(&scopes) && matches!(c.peek_at(1), Token::Word(_)) {
        c.advance();
    }
    let name = variable(c)?;
    if !c.accept(&Token::Assignment) {
        c.expect(&Token::Eq)?;
    }
    Ok((name, value(c)?))
}

/// The name without scope and `@@`. A variable of the user keeps its `@`.
fn variable(c: &mut Cursor<'_>) -> Result<String> {
    if c.accept(&Token::AtSign) {
        return Ok(format!("@{}", c.ident_or_string("a variable")?));
    }
    let Token::Word(word) = c.peek() else { return Err(c.unexpected("a variable")) };
    let Some(name) = word.value.strip_prefix("@@").map(str::to_owned) else {
        let name = word.value.clone();
        if !name.starts_with('@') {
            return c.ident("a variable");
        }
        c.advance();
        return Ok(name);
    };
    c.advance();
    let scoped = ["session", "global", "local"].iter().any(|s| name.eq_ignore_ascii_case(s));
    if scoped && c.accept(&Token::Period) { c.ident("a variable") } else { Ok(name) }
}

/// A single word stays a word: `ON`, `DEFAULT`, `binary` and `utf8mb4` are no expressions.
fn value(c: &mut Cursor<'_>) -> Result<Expr> {
    let alone = matches!(c.peek_at(1), Token::Comma | Token::EOF);
    match c.peek() {
        Token::Word(word) if alone && !["NULL", "TRUE", "FALSE"].contains(&c.word().as_str()) => {
            let name = Ident { value: word.value.clone(), ..Ident::new("") };
            c.advance();
            Ok(Expr::Identifier(name))
        }
        _ => query::expression_before_comma(c),
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::Statement;
    use crate::testing::{error, one};

    #[track_caller]
    fn sets(text: &str, expected: &[(&str, &str)]) {
        let Statement::SetVariables(variables) = one(text) else { panic!("{text}") };
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(variables, expected, "{text}");
    }

    #[test]
    fn variables() {
        sets("SET autocommit=1", &[("autocommit", "1")]);
        sets("SET SESSION query_timeout = 300", &[("query_timeout", "300")]);
        sets(
            "SET GLOBAL a = 'x', @@session.b = ON, @@c := DEFAULT, @d = 1 + 2",
            &[("a", "'x'"), ("b", "ON"), ("c", "DEFAULT"), ("@d", "1 + 2")],
        );
        sets("SET character_set_results = NULL", &[("character_set_results", "NULL")]);
        sets("SET character_set_connection = binary", &[("character_set_connection", "binary")]);
        sets(
            "SET sql_mode=CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES'), a = `b`",
            &[("sql_mode", "CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')"), ("a", "b")],
        );
        sets("SET @`x y` = 'z'", &[("@x y", "'z'")]);
        sets("set session = 1", &[("session", "1")]);
    }

    #[test]
    fn what_changes_nothing() {
        for text in [
            "SET NAMES utf8mb4",
            "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci'",
            "SET CHARACTER SET utf8",
            "SET CHARSET utf8",
            "SET CATALOG default_catalog",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
            "set session transaction read write",
            "BEGIN",
            "BEGIN WORK",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT",
            "START TRANSACTION READ ONLY",
            "COMMIT AND NO CHAIN",
            "ROLLBACK",
        ] {
            assert_eq!(one(text), Statement::Nothing, "{text}");
        }
    }

    #[test]
    fn use_and_kill() {
        assert_eq!(one("USE `d`"), Statement::Use { database: "d".into() });
        assert_eq!(one("use default_catalog.d"), Statement::Use { database: "d".into() });
        assert_eq!(one("KILL 7"), Statement::Kill { connection: 7, query_only: false });
        assert_eq!(one("KILL CONNECTION 7"), Statement::Kill { connection: 7, query_only: false });
        assert_eq!(one("KILL QUERY 7"), Statement::Kill { connection: 7, query_only: true });
    }

    #[test]
    fn version_comments_of_dumps() {
        assert_eq!(one("/*!40101 SET NAMES utf8 */"), Statement::Nothing);
        sets("/*!40103 SET TIME_ZONE='+00:00' */", &[("TIME_ZONE", "'+00:00'")]);
        sets(
            "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */",
            &[("@OLD_CHARACTER_SET_CLIENT", "@@CHARACTER_SET_CLIENT")],
        );
        sets(
            "/* mysql-connector-j-8.0.33 */SET character_set_results = NULL",
            &[("character_set_results", "NULL")],
        );
    }

    #[test]
    fn errors() {
        for (text, message) in [
            ("SET", "expected a variable, found end of statement at line 1, column 4"),
            ("SET a 1", "expected =, found 1 at line 1, column 7"),
            ("SET a =", "expected an expression, found end of statement at line 1, column 8"),
            ("SET a = 1 + , b = 1", "expected an expression, found , at line 1, column 13"),
            ("SET a = , b = 1", "expected an expression, found , at line 1, column 9"),
            ("SET a = 1 2, b = 1", "expected end of statement, found 2 at line 1, column 11"),
            ("BEGIN x", "expected end of statement, found x at line 1, column 7"),
            ("KILL x", "expected a connection id, found x at line 1, column 6"),
            (
                "USE hive.d",
                "catalog hive is not supported: all databases are in default_catalog at line 1, column 11",
            ),
        ] {
            assert_eq!(error(text), message);
        }
        for text in ["SET ROLE ALL", "SET DEFAULT ROLE r TO u", "ROLLBACK TO x", "SET CATALOG hive"]
        {
            let message = error(text);
            assert!(message.contains("is not supported: "), "{message}");
        }
    }
}
