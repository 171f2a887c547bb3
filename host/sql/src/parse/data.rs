//! `INSERT`, `DELETE`, `TRUNCATE`, `EXPLAIN`.

use sqlparser::tokenizer::Token;

use super::partition;
use crate::cursor::{Cursor, Result};
use crate::query;
use crate::statement::{Insert, Statement};

/// `INTO | OVERWRITE table [PARTITION (...)] [WITH LABEL l] [(columns)] query`
pub(super) fn insert(c: &mut Cursor<'_>) -> Result<Statement> {
    let overwrite = c.accept_word("OVERWRITE");
    if !overwrite {
        c.expect_word("INTO").map_err(|_| c.unexpected("INTO or OVERWRITE"))?;
    }
    if c.at_word("FILES") && c.peek_at(1) == &Token::LParen {
        return Err(c.unsupported("INSERT INTO FILES", "use BACKUP, or SELECT from a client"));
    }
    c.accept_word("TABLE");
    let table = c.qualified_name("a table name")?;
    let partitions = partition::optional_names(c)?;
    let mut label = label(c)?;
    let columns = if c.peek() == &Token::LParen && !query::at_query(c) {
        c.idents("a column name")?
    } else {
        Vec::new()
    };
    // The grammar of 2.5 has the label behind the columns.
    if label.is_none() {
        label = self::label(c)?;
    }
    if !query::at_query(c) {
        return Err(c.unexpected("VALUES or SELECT"));
    }
    let query = query::query(c)?.0;
    Ok(Statement::Insert(Insert { table, partitions, overwrite, label, columns, query }))
}

/// `WITH LABEL l`; a bare WITH begins a query.
fn label(c: &mut Cursor<'_>) -> Result<Option<String>> {
    if !c.accept_words(&["WITH", "LABEL"]) {
        return Ok(None);
    }
    c.ident_or_string("a label").map(Some)
}

/// `FROM table [PARTITION ...] [WHERE ...]`
pub(super) fn delete(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_word("FROM")?;
    let table = c.qualified_name("a table name")?;
    let partitions = partition::optional_names(c)?;
    let condition = if c.accept_word("WHERE") { Some(query::expression(c)?) } else { None };
    Ok(Statement::Delete { table, partitions, condition })
}

/// `TABLE table [PARTITION ...]`
pub(super) fn truncate(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_word("TABLE")?;
    let name = c.qualified_name("a table name")?;
    Ok(Statement::TruncateTable { name, partitions: partition::optional_names(c)? })
}

/// `[LOGICAL | VERBOSE | COSTS] query`
pub(super) fn explain(c: &mut Cursor<'_>) -> Result<Statement> {
    c.accept_any(&["LOGICAL", "VERBOSE", "COSTS"]);
    if !query::at_query(c) {
        return Err(c.unexpected("a query"));
    }
    Ok(Statement::Explain(query::query(c)?.0))
}

#[cfg(test)]
mod tests {
    use crate::statement::{Insert, Statement};
    use crate::testing::{error, name, one};

    fn insert(text: &str) -> Insert {
        match one(text) {
            Statement::Insert(insert) => insert,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn insert_values_and_queries() {
        let plain = insert("INSERT INTO t VALUES (1, 'a'), (-2, NULL), (DEFAULT, \"b\")");
        assert_eq!(plain.table, name("t"));
        assert_eq!(plain.query.to_string(), "VALUES (1, 'a'), (-2, NULL), (DEFAULT, 'b')");
        let full = insert(
            "INSERT OVERWRITE d.t PARTITION (p, q) WITH LABEL l (a, `b`) WITH x AS (SELECT 1, 2) SELECT * FROM x",
        );
        assert!(full.overwrite && !plain.overwrite);
        assert_eq!(full.partitions, ["p", "q"]);
        assert_eq!(full.label.as_deref(), Some("l"));
        assert_eq!(full.columns, ["a", "b"]);
        assert_eq!(insert("INSERT INTO t (a) WITH LABEL `l` SELECT 1").label.as_deref(), Some("l"));
        let in_parentheses = insert("INSERT INTO TABLE t PARTITION p ((SELECT 1))");
        assert_eq!((in_parentheses.columns.len(), in_parentheses.partitions.len()), (0, 1));
    }

    #[test]
    fn insert_from_files() {
        let loaded = insert(
            r#"INSERT INTO t SELECT * FROM FILES("path" = "s3://b/*.parquet", "format" = "parquet")"#,
        );
        assert_eq!(
            loaded.query.to_string(),
            "SELECT * FROM files(`path` => 's3://b/*.parquet', `format` => 'parquet')"
        );
    }

    #[test]
    fn delete_and_truncate() {
        let Statement::Delete { table, partitions, condition } =
            one("DELETE FROM d.t PARTITIONS (p, q) WHERE a = 1 AND b IN (2, 3)")
        else {
            panic!()
        };
        assert_eq!((table, partitions.len()), (name("d.t"), 2));
        assert_eq!(condition.unwrap().to_string(), "a = 1 AND b IN (2, 3)");
        assert_eq!(
            one("DELETE FROM t"),
            Statement::Delete { table: name("t"), partitions: vec![], condition: None }
        );
        assert_eq!(
            one("TRUNCATE TABLE d.t PARTITION (p)"),
            Statement::TruncateTable { name: name("d.t"), partitions: vec!["p".into()] }
        );
    }

    #[test]
    fn explain() {
        for text in ["EXPLAIN SELECT 1", "explain verbose select 1", "EXPLAIN (SELECT 1)"] {
            assert!(matches!(one(text), Statement::Explain(_)), "{text}");
        }
        assert_eq!(error("EXPLAIN t"), "expected a query, found t at line 1, column 9");
    }

    #[test]
    fn errors() {
        for (text, message) in [
            ("INSERT t VALUES (1)", "expected INTO or OVERWRITE, found t at line 1, column 8"),
            ("INSERT INTO t (a) 5", "expected VALUES or SELECT, found 5 at line 1, column 19"),
            ("INSERT INTO t VALUES (1", "expected ), found end of statement at line 1, column 24"),
            (
                "INSERT INTO t VALUES (1) x",
                "expected end of statement, found x at line 1, column 26",
            ),
            (
                "DELETE FROM t WHERE",
                "expected an expression, found end of statement at line 1, column 20",
            ),
            ("DELETE t", "expected FROM, found t at line 1, column 8"),
        ] {
            assert_eq!(error(text), message);
        }
        let message = error("INSERT INTO FILES('path' = 'x') SELECT 1");
        assert!(message.starts_with("INSERT INTO FILES is not supported: "), "{message}");
    }
}
