//! Materialized views, of which `CREATE` says whether they are synchronous (an index of their table) or not.

use sqlparser::tokenizer::Token;

use super::interval::interval;
use super::partition;
use crate::cursor::{Cursor, Result};
use crate::query;
use crate::statement::{AlterMaterializedView, CreateMaterializedView, Refresh, Statement};

/// `VIEW [IF NOT EXISTS] name clauses AS query`
pub(super) fn create(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_word("VIEW")?;
    let if_not_exists = c.if_not_exists();
    let name = c.qualified_name("a materialized view name")?;
    let clauses = clauses(c)?;
    c.expect_word("AS").map_err(|_| {
        c.unexpected("COMMENT, PARTITION BY, DISTRIBUTED BY, REFRESH, PROPERTIES or AS")
    })?;
    let (query, text) = query::query(c)?;
    let asynchronous = clauses.distribution.is_some() || clauses.partition_by.is_some();
    let (deferred, refresh) = match clauses.refresh {
        Some((deferred, refresh)) => (deferred, Some(refresh)),
        None => (false, asynchronous.then_some(Refresh::Manual)),
    };
    Ok(Statement::CreateMaterializedView(CreateMaterializedView {
        name,
        if_not_exists,
        comment: clauses.comment.unwrap_or_default(),
        refresh,
        deferred,
        partition_by: clauses.partition_by,
        distribution: clauses.distribution,
        properties: clauses.properties.unwrap_or_default(),
        query,
        text,
    }))
}

#[derive(Default)]
struct Clauses {
    comment: Option<String>,
    refresh: Option<(bool, Refresh)>,
    partition_by: Option<String>,
    distribution: Option<crate::statement::Distribution>,
    properties: Option<crate::statement::Properties>,
}

/// Each at most once, in any order.
fn clauses(c: &mut Cursor<'_>) -> Result<Clauses> {
    let mut clauses = Clauses::default();
    loop {
        match c.word().as_str() {
            "COMMENT" if clauses.comment.is_none() => {
                c.advance();
                clauses.comment = Some(c.string("comment in quotes")?);
            }
            "PARTITION" if clauses.partition_by.is_none() => {
                c.advance();
                c.expect_word("BY")?;
                clauses.partition_by = Some(partition_by(c)?);
            }
            "DISTRIBUTED" if clauses.distribution.is_none() => {
                c.advance();
                clauses.distribution = Some(partition::distribution(c)?);
            }
            "REFRESH" if clauses.refresh.is_none() => {
                c.advance();
                clauses.refresh = Some(refresh_scheme(c)?);
            }
            "PROPERTIES" if clauses.properties.is_none() => {
                clauses.properties = Some(c.properties()?);
            }
            _ => return Ok(clauses),
        }
    }
}

/// An expression up to the next clause, as typed.
fn partition_by(c: &mut Cursor<'_>) -> Result<String> {
    let mark = c.mark();
    let clauses = ["COMMENT", "DISTRIBUTED", "REFRESH", "PROPERTIES", "AS"];
    c.skip_until(|c| c.at_any(&clauses));
    match c.text_since(mark) {
        "" => Err(c.unexpected("a column or date_trunc")),
        text => Ok(text.to_owned()),
    }
}

/// `[IMMEDIATE | DEFERRED] MANUAL | ASYNC [[START ("t")] EVERY (INTERVAL n unit)]`: whether deferred, and when.
fn refresh_scheme(c: &mut Cursor<'_>) -> Result<(bool, Refresh)> {
    let deferred = c.accept_word("DEFERRED");
    if !deferred {
        c.accept_word("IMMEDIATE");
    }
    if c.accept_word("MANUAL") {
        return Ok((deferred, Refresh::Manual));
    }
    c.expect_word("ASYNC").map_err(|_| c.unexpected("ASYNC or MANUAL"))?;
    let start = c.accept_word("START").then(|| start(c)).transpose()?;
    if start.is_none() && !c.at_word("EVERY") {
        return Ok((deferred, Refresh::OnLoad));
    }
    c.expect_word("EVERY")?;
    c.expect(&Token::LParen)?;
    let (step, unit) = interval(c)?;
    c.expect(&Token::RParen)?;
    Ok((deferred, Refresh::Every { start, step, unit }))
}

fn start(c: &mut Cursor<'_>) -> Result<String> {
    c.expect(&Token::LParen)?;
    let start = c.string("time in quotes")?;
    c.expect(&Token::RParen)?;
    Ok(start)
}

/// `VIEW [IF EXISTS] name`
pub(super) fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_word("VIEW")?;
    let if_exists = c.if_exists();
    let name = c.qualified_name("a materialized view name")?;
    Ok(Statement::DropMaterializedView { name, if_exists })
}

/// `VIEW name ACTIVE | INACTIVE | RENAME name`
pub(super) fn alter(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_word("VIEW")?;
    let name = c.qualified_name("a materialized view name")?;
    let change = if c.accept_word("ACTIVE") {
        AlterMaterializedView::Active
    } else if c.accept_word("INACTIVE") {
        AlterMaterializedView::Inactive
    } else if c.accept_word("RENAME") {
        AlterMaterializedView::Rename(c.ident("a new name")?)
    } else {
        return Err(c.unexpected("ACTIVE, INACTIVE or RENAME"));
    };
    Ok(Statement::AlterMaterializedView { name, change })
}

/// `MATERIALIZED VIEW name [FORCE] [WITH SYNC MODE | WITH ASYNC MODE]`
pub(super) fn refresh(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_words(&["MATERIALIZED", "VIEW"])?;
    let name = c.qualified_name("a materialized view name")?;
    if c.at_word("PARTITION") {
        return Err(c.unsupported("REFRESH of a partition", "refresh the whole view"));
    }
    c.accept_word("FORCE");
    if c.accept_word("WITH") {
        c.expect_any(&["SYNC", "ASYNC"])?;
        c.expect_word("MODE")?;
    }
    Ok(Statement::RefreshMaterializedView { name })
}

#[cfg(test)]
mod tests {
    use crate::statement::{
        AlterMaterializedView, CreateMaterializedView, Distribution, Refresh, Statement,
    };
    use crate::testing::{error, name, one};

    fn view(text: &str) -> CreateMaterializedView {
        match one(text) {
            Statement::CreateMaterializedView(view) => view,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn synchronous() {
        let created = view("CREATE MATERIALIZED VIEW v AS SELECT a, sum(b) FROM t GROUP BY a");
        assert_eq!((created.refresh, created.distribution), (None, None));
        assert_eq!(created.text, "SELECT a, sum(b) FROM t GROUP BY a");
        let created =
            view("CREATE MATERIALIZED VIEW v COMMENT 'c' PROPERTIES ('a' = 'b') AS SELECT 1");
        assert_eq!((created.refresh, created.comment.as_str()), (None, "c"));
    }

    #[test]
    fn asynchronous() {
        let created = view(
            r#"CREATE MATERIALIZED VIEW IF NOT EXISTS d.v COMMENT "c"
               PARTITION BY date_trunc('month', `day`) DISTRIBUTED BY HASH(a) BUCKETS 2
               REFRESH DEFERRED ASYNC START ('2024-01-01 10:00:00') EVERY (interval 15 minute)
               PROPERTIES ("replication_num" = "1") AS SELECT a FROM t"#,
        );
        assert_eq!(created.name, name("d.v"));
        assert!(created.if_not_exists && created.deferred);
        assert_eq!(created.partition_by.as_deref(), Some("date_trunc('month', `day`)"));
        assert_eq!(
            created.distribution,
            Some(Distribution { hash: Some(vec!["a".into()]), buckets: Some(2) })
        );
        assert_eq!(
            created.refresh,
            Some(Refresh::Every {
                start: Some("2024-01-01 10:00:00".into()),
                step: 15,
                unit: "minute".into()
            })
        );
        assert_eq!(created.properties.len(), 1);
    }

    #[test]
    fn schemes() {
        for (typed, deferred, refresh) in [
            ("REFRESH MANUAL", false, Refresh::Manual),
            ("REFRESH DEFERRED MANUAL", true, Refresh::Manual),
            ("REFRESH ASYNC", false, Refresh::OnLoad),
            ("REFRESH IMMEDIATE ASYNC", false, Refresh::OnLoad),
            ("DISTRIBUTED BY RANDOM", false, Refresh::Manual),
            ("PARTITION BY a", false, Refresh::Manual),
            (
                "REFRESH ASYNC EVERY(INTERVAL 1 DAY)",
                false,
                Refresh::Every { start: None, step: 1, unit: "day".into() },
            ),
        ] {
            let created = view(&format!("CREATE MATERIALIZED VIEW v {typed} AS SELECT a FROM t"));
            assert_eq!((created.deferred, created.refresh), (deferred, Some(refresh)), "{typed}");
        }
    }

    #[test]
    fn drop_alter_refresh() {
        assert_eq!(
            one("DROP MATERIALIZED VIEW IF EXISTS d.v"),
            Statement::DropMaterializedView { name: name("d.v"), if_exists: true }
        );
        for (typed, change) in [
            ("ACTIVE", AlterMaterializedView::Active),
            ("INACTIVE", AlterMaterializedView::Inactive),
            ("RENAME w", AlterMaterializedView::Rename("w".into())),
        ] {
            assert_eq!(
                one(&format!("ALTER MATERIALIZED VIEW v {typed}")),
                Statement::AlterMaterializedView { name: name("v"), change }
            );
        }
        for typed in ["", "FORCE", "WITH SYNC MODE", "FORCE WITH ASYNC MODE"] {
            assert_eq!(
                one(&format!("REFRESH MATERIALIZED VIEW d.v {typed}")),
                Statement::RefreshMaterializedView { name: name("d.v") }
            );
        }
    }

    #[test]
    fn errors() {
        for (text, message) in [
            (
                "CREATE MATERIALIZED VIEW v REFRESH SOMETIMES AS SELECT 1",
                "expected ASYNC or MANUAL, found SOMETIMES at line 1, column 36",
            ),
            (
                "CREATE MATERIALIZED VIEW v REFRESH ASYNC START('x') AS SELECT 1",
                "expected EVERY, found AS at line 1, column 53",
            ),
            (
                "CREATE MATERIALIZED VIEW v ORDER BY (a) AS SELECT 1",
                "expected COMMENT, PARTITION BY, DISTRIBUTED BY, REFRESH, PROPERTIES or AS, found ORDER at line 1, column 28",
            ),
            (
                "CREATE MATERIALIZED VIEW v PARTITION BY AS SELECT 1",
                "expected a column or date_trunc, found AS at line 1, column 41",
            ),
            (
                "ALTER MATERIALIZED VIEW v SET ('a' = 'b')",
                "expected ACTIVE, INACTIVE or RENAME, found SET at line 1, column 27",
            ),
        ] {
            assert_eq!(error(text), message);
        }
    }
}
