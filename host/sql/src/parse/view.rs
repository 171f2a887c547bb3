//! `CREATE VIEW`, `DROP VIEW`.

use sqlparser::tokenizer::Token;

use crate::cursor::{Cursor, Result};
use crate::query;
use crate::statement::{CreateView, Statement};

/// `[IF NOT EXISTS] name [(columns)] [COMMENT "..."] AS query`
pub(super) fn create(c: &mut Cursor<'_>, or_replace: bool) -> Result<Statement> {
    let if_not_exists = c.if_not_exists();
    let name = c.qualified_name("a view name")?;
    let columns = match c.peek() {
        Token::LParen => c.idents("a column name")?,
        _ => Vec::new(),
    };
    let comment = comment(c)?;
    c.expect_word("AS")?;
    let (query, text) = query::query(c)?;
    let view = CreateView { name, if_not_exists, or_replace, columns, comment, query, text };
    Ok(Statement::CreateView(view))
}

/// `[IF EXISTS] name`
pub(super) fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = c.if_exists();
    Ok(Statement::DropView { name: c.qualified_name("a view name")?, if_exists })
}

fn comment(c: &mut Cursor<'_>) -> Result<String> {
    if c.accept_word("COMMENT") { c.string("comment in quotes") } else { Ok(String::new()) }
}

#[cfg(test)]
mod tests {
    use crate::statement::Statement;
    use crate::testing::{error, name, one};

    #[test]
    fn create_keeps_the_query_as_typed() {
        let Statement::CreateView(view) = one(
            "CREATE OR REPLACE VIEW d.v (a, `b`) COMMENT 'c' AS\n SELECT x,\n  \"y\" /* why */ FROM t -- end\n",
        ) else {
            panic!()
        };
        assert_eq!(view.name, name("d.v"));
        assert!(view.or_replace && !view.if_not_exists);
        assert_eq!((view.columns.len(), view.comment.as_str()), (2, "c"));
        assert_eq!(view.text, "SELECT x,\n  \"y\" /* why */ FROM t");
        assert_eq!(view.query.to_string(), "SELECT x, 'y' FROM t");
    }

    #[test]
    fn create_and_drop_with_least() {
        assert!(matches!(
            one("CREATE VIEW IF NOT EXISTS v AS SELECT 1;"),
            Statement::CreateView(view) if view.if_not_exists && view.text == "SELECT 1"
        ));
        assert_eq!(
            one("DROP VIEW IF EXISTS d.v"),
            Statement::DropView { name: name("d.v"), if_exists: true }
        );
    }

    #[test]
    fn errors() {
        assert_eq!(
            error("CREATE VIEW v SELECT 1"),
            "expected AS, found SELECT at line 1, column 15"
        );
        assert_eq!(
            error("CREATE VIEW v AS"),
            "expected SELECT, VALUES, or a subquery in the query body, found end of statement at line 1, column 17"
        );
        assert_eq!(
            error("CREATE OR REPLACE TABLE t"),
            "expected VIEW, found TABLE at line 1, column 19"
        );
    }
}
