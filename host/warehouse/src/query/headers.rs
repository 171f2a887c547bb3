//! Names of a result's columns: what the client typed, although the planner sees lower case and unique names only.
//!
//! An item of the select list that is a column or has an alias shows as typed, another one shows its text, and `*` shows
//! names as they were declared. Pure.

use std::collections::{HashMap, HashSet};

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins, With,
};

/// Spellings of declared names by name in lower case, where the two differ.
pub(crate) type Spellings = HashMap<String, String>;

/// How the columns of a result are called.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    /// In order; none for a `*`, of which nobody knows yet how many columns it is.
    items: Vec<Option<Item>>,
    /// For what comes out of a `*`.
    spellings: Spellings,
}

#[derive(Debug)]
struct Item {
    /// For the planner.
    internal: String,
    /// For the client.
    shown: String,
}

impl Headers {
    /// The headers of a query. `declared` knows the columns of a relation by its parts, as they were declared.
    pub(crate) fn of(query: &Query, declared: &dyn Fn(&[&str]) -> Vec<String>) -> Self {
        let Some(select) = first_select(&query.body) else { return Self::default() };
        let mut items = Vec::new();
        for item in &select.projection {
            items.push(shown_name(item).map(|shown| Item { internal: String::new(), shown }));
        }
        let mut spellings = Spellings::new();
        collect_spellings(select, query.with.as_ref(), declared, &mut spellings);
        Self { items, spellings }
    }

    /// Gives items of the select list unique names, where the planner would find none or the same one twice.
    pub(crate) fn make_unique(&mut self, query: &mut Query) {
        let Some(select) = first_select_mut(&mut query.body) else { return };
        let has_wildcard = self.items.iter().any(Option::is_none);
        let mut taken = HashSet::new();
        for (item, header) in select.projection.iter_mut().zip(&mut self.items) {
            let Some(header) = header else { continue };
            let name = header.shown.to_lowercase();
            let is_column = matches!(
                item,
                SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_))
            );
            // A column that a `*` may bring, too, is called something else.
            let is_free = taken.insert(name.clone()) && !(is_column && has_wildcard);
            header.internal = if is_free { name } else { unused(&name, &mut taken) };
            if is_column && is_free {
                continue;
            }
            let alias = Ident::with_quote('`', header.internal.clone());
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
                SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
                _ => {}
            }
        }
    }

    /// The schema of a result as the client sees it.
    pub(crate) fn show(&self, schema: &Schema) -> SchemaRef {
        let is_positional =
            self.items.len() == schema.fields().len() && self.items.iter().all(Option::is_some);
        let by_name: HashMap<&str, &str> = self
            .items
            .iter()
            .flatten()
            .map(|item| (item.internal.as_str(), item.shown.as_str()))
            .collect();
        let shown = |(place, name): (usize, &String)| {
            let item = self.items.get(place).and_then(Option::as_ref);
            match item.filter(|_| is_positional) {
                Some(item) => item.shown.clone(),
                None => match by_name.get(name.as_str()) {
                    Some(shown) => (*shown).to_owned(),
                    None => self.spellings.get(name).unwrap_or(name).clone(),
                },
            }
        };
        let fields =
            schema.fields().iter().enumerate().map(|(place, field)| {
                field.as_ref().clone().with_name(shown((place, field.name())))
            });
        Schema::new(fields.collect::<Vec<_>>()).into()
    }
}

fn unused(name: &str, taken: &mut HashSet<String>) -> String {
    let mut count = 1_u32;
    loop {
        let candidate = format!("{name}#{count}");
        if taken.insert(candidate.clone()) {
            return candidate;
        }
        count += 1;
    }
}

/// The select whose names are those of the whole query.
fn first_select(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first_select(&query.body),
        SetExpr::SetOperation { left, .. } => first_select(left),
        _ => None,
    }
}

fn first_select_mut(body: &mut SetExpr) -> Option<&mut Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first_select_mut(&mut query.body),
        SetExpr::SetOperation { left, .. } => first_select_mut(left),
        _ => None,
    }
}

/// What a client calls an item of the select list; none for a `*`.
fn shown_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.value.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            // A variable shows its scope, a column does not show its table.
            let is_variable = parts.first().is_some_and(|first| first.value.starts_with('@'));
            if is_variable {
                let parts: Vec<_> = parts.iter().map(|part| part.value.as_str()).collect();
                return Some(parts.join("."));
            }
            parts.last().map(|last| last.value.clone())
        }
        SelectItem::UnnamedExpr(expr) => Some(expr.to_string()),
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    }
}

fn collect_spellings(
    select: &Select,
    with: Option<&With>,
    declared: &dyn Fn(&[&str]) -> Vec<String>,
    spellings: &mut Spellings,
) {
    let has_wildcard = select.projection.iter().any(|item| shown_name(item).is_none());
    if !has_wildcard {
        return;
    }
    for table in relations(&select.from) {
        match table {
            TableFactor::Table { name, .. } => {
                let parts: Vec<&str> = name
                    .0
                    .iter()
                    .filter_map(|part| part.as_ident().map(|ident| ident.value.as_str()))
                    .collect();
                let cte = with.iter().flat_map(|with| &with.cte_tables);
                match cte.clone().find(|cte| parts == [cte.alias.name.value.as_str()]) {
                    Some(cte) => add_query(&cte.query, declared, spellings),
                    None => add_spellings(spellings, declared(&parts)),
                }
            }
            TableFactor::Derived { subquery, .. } => add_query(subquery, declared, spellings),
            _ => {}
        }
    }
}

/// The names that a subquery gives to its columns.
fn add_query(query: &Query, declared: &dyn Fn(&[&str]) -> Vec<String>, spellings: &mut Spellings) {
    if let Some(select) = first_select(&query.body) {
        add_spellings(spellings, select.projection.iter().filter_map(shown_name));
        collect_spellings(select, query.with.as_ref(), declared, spellings);
    }
}

fn add_spellings(spellings: &mut Spellings, names: impl IntoIterator<Item = String>) {
    for name in names {
        let lower = name.to_lowercase();
        if lower != name {
            spellings.entry(lower).or_insert(name);
        }
    }
}

/// The relations of a FROM clause, through its joins.
fn relations(from: &[TableWithJoins]) -> Vec<&TableFactor> {
    let mut found = Vec::new();
    for table in from {
        let joined = table.joins.iter().map(|join| &join.relation);
        for factor in [&table.relation].into_iter().chain(joined) {
            match factor {
                TableFactor::NestedJoin { table_with_joins, .. } => {
                    found.extend(relations(std::slice::from_ref(table_with_joins)));
                }
                other => found.push(other),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field};
    use datafusion::sql::sqlparser::dialect::MySqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    /// What a client sees where the planner says `planned`, and the query as the planner sees it.
    fn shown(sql: &str, planned: &[&str]) -> (Vec<String>, String) {
        let mut query = Parser::new(&MySqlDialect {})
            .try_with_sql(sql)
            .and_then(|mut parser| parser.parse_query())
            .expect("the test spells a query");
        let declared = |parts: &[&str]| match parts {
            ["t"] => vec!["Id".to_owned(), "UserName".to_owned()],
            _ => vec![],
        };
        let mut headers = Headers::of(&query, &declared);
        headers.make_unique(&mut query);
        let fields = planned.iter().map(|name| Field::new(*name, DataType::Int64, true));
        let schema = headers.show(&Schema::new(fields.collect::<Vec<_>>()));
        (schema.fields().iter().map(|field| field.name().clone()).collect(), query.to_string())
    }

    #[test]
    fn items_show_as_typed() {
        let (names, _) =
            shown("SELECT ID, t.UserName, COUNT(*), 1 AS One FROM t", &["id", "b", "c", "d"]);
        assert_eq!(names, ["ID", "UserName", "COUNT(*)", "One"]);
        let (names, _) = shown("SELECT @@version_comment, @@session.Autocommit", &["a", "b"]);
        assert_eq!(names, ["@@version_comment", "@@session.Autocommit"]);
    }

    #[test]
    fn a_wildcard_shows_declared_names() {
        let (names, _) = shown("SELECT * FROM t", &["id", "username"]);
        assert_eq!(names, ["Id", "UserName"]);
        let (names, _) = shown("SELECT * FROM (SELECT id AS Foo FROM t) s", &["foo"]);
        assert_eq!(names, ["Foo"]);
        let (names, _) = shown("WITH c AS (SELECT * FROM t) SELECT * FROM c", &["id", "username"]);
        assert_eq!(names, ["Id", "UserName"]);
    }

    #[test]
    fn the_planner_never_sees_a_name_twice() {
        let (names, query) = shown("SELECT id, id, 1, 1 FROM t", &["a", "b", "c", "d"]);
        assert_eq!(names, ["id", "id", "1", "1"]);
        assert_eq!(query, "SELECT id, id AS `id#1`, 1 AS `1`, 1 AS `1#1` FROM t");
        let (names, query) = shown("SELECT *, ID FROM t", &["id", "username", "id#1"]);
        assert_eq!(names, ["Id", "UserName", "ID"]);
        assert_eq!(query, "SELECT *, ID AS `id#1` FROM t");
    }

    #[test]
    fn a_union_is_called_like_its_first_part() {
        let (names, _) = shown("SELECT 1 AS A UNION ALL SELECT 2", &["a"]);
        assert_eq!(names, ["A"]);
    }
}
