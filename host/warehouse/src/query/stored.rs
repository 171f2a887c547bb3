//! Queries as the catalog keeps them: text that means the same whoever reads it, and is read as what was written.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, TableFactor, Value, ValueWithSpan, VisitMut, VisitorMut,
    visit_relations_mut,
};

use super::rewrite::{drop_catalog, name_parts, quoted, table_alias};
use super::text_query;
use crate::{Error, Result};

/// The text of a query, every table qualified by its database or else by `database`, and what it reads, as (database, name).
pub fn stored_query(mut query: Query, database: &str) -> Result<(String, Vec<(String, String)>)> {
    let base_tables = qualify(&mut query, database);
    match query.visit(&mut Keeper) {
        ControlFlow::Continue(()) => Ok((query.to_string(), base_tables)),
        ControlFlow::Break(error) => Err(error),
    }
}

/// A stored query with tables under other names; all else means what it meant.
pub(crate) fn renamed_query(text: &str, rename: impl Fn(&mut ObjectName)) -> Result<String> {
    let mut query = text_query(text)?;
    let ControlFlow::Continue(()) = visit_relations_mut(&mut query, |relation| {
        rename(relation);
        ControlFlow::<Infallible>::Continue(())
    });
    match query.visit(&mut Keeper) {
        ControlFlow::Continue(()) => Ok(query.to_string()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Names every table of a query with its database, and returns what they are, once each.
fn qualify(query: &mut Query, database: &str) -> Vec<(String, String)> {
    let mut qualifier = Qualifier { database, scopes: Vec::new(), found: Vec::new() };
    let ControlFlow::Continue(()) = query.visit(&mut qualifier);
    qualifier.found
}

struct Qualifier<'a> {
    database: &'a str,
    /// The queries around, each in the next.
    scopes: Vec<Scope>,
    found: Vec<(String, String)>,
}

/// Names that a query gives to its own parts. Each begins to hold behind its part, where WITH is not RECURSIVE.
struct Scope {
    names: Vec<String>,
    /// How many hold.
    known: usize,
}

impl Scope {
    fn of(query: &Query) -> Self {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        let names: Vec<String> = ctes.map(|cte| cte.alias.name.value.clone()).collect();
        let is_recursive = query.with.as_ref().is_some_and(|with| with.recursive);
        Self { known: if is_recursive { names.len() } else { 0 }, names }
    }

    fn has(&self, name: &String) -> bool {
        self.names.iter().take(self.known).any(|known| known == name)
    }
}

impl VisitorMut for Qualifier<'_> {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        self.scopes.push(Scope::of(query));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Self::Break> {
        self.scopes.pop();
        // The parts of a WITH are visited before all else of their query.
        if let Some(around) = self.scopes.last_mut() {
            around.known = around.names.len().min(around.known + 1);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        let TableFactor::Table { name, args: None, alias, .. } = factor else {
            return ControlFlow::Continue(());
        };
        drop_catalog(name);
        let (database, table) = match name_parts(name).as_slice() {
            [table] if self.scopes.iter().any(|scope| scope.has(table)) => {
                return ControlFlow::Continue(());
            }
            [table] => (self.database.to_owned(), table.clone()),
            [database, table] => (database.clone(), table.clone()),
            _ => return ControlFlow::Continue(()),
        };
        if name.0.len() == 1 && alias.is_none() {
            // `t.column` goes on meaning this table.
            *alias = Some(table_alias(&table));
        }
        *name = ObjectName::from(vec![quoted(&database), quoted(&table)]);
        if !self.found.contains(&(database.clone(), table.clone())) {
            self.found.push((database, table));
        }
        ControlFlow::Continue(())
    }
}

/// Refuses what no view can keep, and escapes texts.
struct Keeper;

impl VisitorMut for Keeper {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor {
            return ControlFlow::Break(Error::unsupported(format!(
                "A view over {name}() is not supported: load the files into a table"
            )));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let first = match expr {
            Expr::Identifier(name) => Some(&*name),
            Expr::CompoundIdentifier(parts) => parts.first(),
            _ => None,
        };
        if first.is_some_and(|name| name.quote_style.is_none() && name.value.starts_with('@')) {
            let message = format!("View's SELECT contains a variable or parameter: {expr}");
            return ControlFlow::Break(Error::invalid(message));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Error> {
        // A text is printed as it is; what reads it takes a backslash for an escape.
        if let Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::NationalStringLiteral(text) = &mut value.value
        {
            let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
            value.value = Value::SingleQuotedString(escaped);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::text_query;
    use super::*;

    fn stored(sql: &str) -> Result<(String, Vec<(String, String)>)> {
        stored_query(text_query(sql).expect("the test spells a query"), "d")
    }

    fn bases(sql: &str) -> Vec<String> {
        let (_, bases) = stored(sql).expect("can be kept");
        bases.into_iter().map(|(database, name)| format!("{database}.{name}")).collect()
    }

    #[test]
    fn a_qualified_query_means_the_same_in_every_database() {
        let mut query = text_query(
            "WITH c AS (SELECT a FROM t) SELECT t.a FROM t JOIN e.u ON t.a = u.a JOIN c ON c.a = t.a",
        )
        .expect("is a query");
        let found = qualify(&mut query, "d");
        assert_eq!(
            query.to_string(),
            "WITH c AS (SELECT a FROM `d`.`t` AS `t`) SELECT t.a FROM `d`.`t` AS `t` \
             JOIN `e`.`u` ON t.a = u.a JOIN c ON c.a = t.a"
        );
        let name = |database: &str, table: &str| (database.to_owned(), table.to_owned());
        assert_eq!(found, [name("d", "t"), name("e", "u")]);
    }

    #[test]
    fn texts_are_read_as_they_were_written() {
        for text in ["plain", "it's", "''", "a''b", "\\", "\\'", "50\\%", "\\d+", "'\\'", "\n"] {
            let typed = text.replace('\\', "\\\\").replace('\'', "''");
            let (kept, _) = stored(&format!("SELECT '{typed}' FROM t")).expect("can be kept");
            let read = text_query(&kept).expect("is a query");
            let mut found = Vec::new();
            let _ = datafusion::sql::sqlparser::ast::visit_expressions(&read, |expr| {
                if let Expr::Value(value) = expr {
                    found.extend(value.value.clone().into_string());
                }
                ControlFlow::<()>::Continue(())
            });
            assert_eq!(found, [text], "{kept}");
        }
    }

    #[test]
    fn a_name_of_a_part_hides_a_table_only_where_it_holds() {
        for (sql, expected) in [
            ("WITH c AS (SELECT * FROM t) SELECT * FROM c", vec!["d.t"]),
            ("WITH t AS (SELECT * FROM t) SELECT * FROM t", vec!["d.t"]),
            ("WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM b", vec!["d.b"]),
            ("SELECT (WITH t AS (SELECT 1 x) SELECT x FROM t) FROM t", vec!["d.t"]),
            ("SELECT * FROM (WITH c AS (SELECT 1) SELECT * FROM c) x, c", vec!["d.c"]),
            ("WITH c AS (SELECT 1) SELECT * FROM (SELECT * FROM c) x", vec![]),
            ("WITH RECURSIVE c AS (SELECT 1 n UNION ALL SELECT n FROM c) SELECT * FROM c", vec![]),
        ] {
            assert_eq!(bases(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_is_of_a_session_or_of_no_table_cannot_be_kept() {
        for sql in ["SELECT @@version", "SELECT a FROM t WHERE b = @mine", "SELECT @@session.x"] {
            assert!(stored(sql).is_err(), "{sql}");
        }
        let error = stored("SELECT * FROM files(\"path\" = \"/x\")").expect_err("is refused");
        assert!(error.to_string().contains("files()"), "{error}");
    }
}
