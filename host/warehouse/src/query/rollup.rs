//! Rollups: which queries can be kept at load, and how the rows of several loads become one answer.
//!
//! A load runs the query over what it brings and writes what comes out, so rows of one group lie in several segments. A
//! read groups them again: sums and counts are added, of minima and maxima the utmost is taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, Projection, lit};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArguments, GroupByExpr, Query, Select, SelectItem, SetExpr, TableFactor, Visit,
    Visitor,
};

use super::failure::query_error;
use super::text_query;
use crate::catalog::model::Rollup;
use crate::{Error, Result};

/// How rows of one group are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merge {
    /// They have this value in common.
    Group,
    Add,
    /// The same, and 0 where there is nothing to add.
    Count,
    Least,
    Greatest,
}

/// Checks that a query can be a rollup by how it is spelled: one table, and for each column an expression, or the SUM,
/// COUNT, MIN or MAX of one. What the expressions are is for `check_plan` to say.
pub fn check(query: &Query) -> Result<()> {
    merges(query).map(|_| ())
}

/// Checks that rows of several loads can be merged: each column is one group or one aggregate that can be added up, or
/// comes of groups that are shown, and every group is shown.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    let LogicalPlan::Projection(Projection { expr: shown, input, .. }) = plan else {
        return Err(refused("names each of its columns"));
    };
    if shown.iter().any(Expr::is_volatile) {
        return Err(refused("has no function whose value changes from call to call"));
    }
    match input.as_ref() {
        LogicalPlan::Aggregate(aggregate) => {
            check_aggregate(aggregate, shown)?;
            check_rows(&aggregate.input)
        }
        rows => check_rows(rows),
    }
}

fn check_aggregate(aggregate: &Aggregate, shown: &[Expr]) -> Result<()> {
    let groups = aggregate.group_expr.len();
    if aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_))) {
        return Err(refused("has neither ROLLUP, CUBE nor GROUPING SETS"));
    }
    if let Some(other) = aggregate.aggr_expr.iter().find(|expr| !can_be_merged(expr)) {
        return Err(refused(&format!("has SUM, COUNT, MIN and MAX, not {other}")));
    }
    // Groups come first.
    let place = |column: &Column| aggregate.schema.maybe_index_of_column(column);
    let mut hidden: BTreeSet<usize> = (0..groups).collect();
    for expr in shown {
        let columns = expr.column_refs();
        match expr.clone().unalias_nested().data {
            Expr::Column(column) => {
                place(&column).map(|place| hidden.remove(&place));
            }
            _ if groups > 0
                && columns.iter().all(|column| place(column).is_some_and(|at| at < groups)) => {}
            other => {
                return Err(refused(&format!("has groups, SUM, COUNT, MIN and MAX, not {other}")));
            }
        }
    }
    match hidden.first().and_then(|place| aggregate.group_expr.get(*place)) {
        Some(group) => Err(refused(&format!("shows all that it groups by: add {group}"))),
        None => Ok(()),
    }
}

fn can_be_merged(expr: &Expr) -> bool {
    match expr.clone().unalias_nested().data {
        Expr::AggregateFunction(function) => {
            let params = &function.params;
            matches!(function.func.name(), "sum" | "count" | "min" | "max")
                && !params.distinct
                && params.filter.is_none()
                && params.order_by.is_empty()
        }
        _ => false,
    }
}

/// Below the groups are rows of the table, perhaps filtered.
fn check_rows(plan: &LogicalPlan) -> Result<()> {
    match plan {
        LogicalPlan::Filter(filter) if filter.predicate.is_volatile() => {
            Err(refused("has no condition whose value changes from call to call"))
        }
        LogicalPlan::Filter(filter) => check_rows(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => check_rows(&alias.input),
        LogicalPlan::TableScan(_) => Ok(()),
        LogicalPlan::Window(_) => Err(refused("has no window function")),
        _ => Err(refused("groups and filters rows of one table, and nothing else")),
    }
}

fn refused(why: &str) -> Error {
    Error::unsupported(format!("A synchronous materialized view {why}"))
}

/// The query with its rows in the order of its columns: segments of a rollup are sorted.
pub(crate) fn sorted(mut query: Query) -> Result<Query> {
    let columns = merges(&query)?.len();
    let place = |place: usize| ast::OrderByExpr {
        expr: ast::Expr::Value(ast::Value::Number(place.to_string(), false).into()),
        options: ast::OrderByOptions::default(),
        with_fill: None,
    };
    let kind = ast::OrderByKind::Expressions((1..=columns).map(place).collect());
    query.order_by = Some(ast::OrderBy { kind, interpolate: None });
    Ok(query)
}

/// The scan of a rollup, grouped again where its query groups.
pub(crate) fn merged(
    rollup: &Rollup,
    scan: Arc<dyn TableProvider>,
) -> Result<Arc<dyn TableProvider>> {
    let query = text_query(&rollup.query)?;
    let merges = merges(&query)?;
    if !is_grouped(&query, &merges) {
        return Ok(scan);
    }
    let plan = LogicalPlanBuilder::scan("rollup", provider_as_source(scan), None);
    let plan = plan.and_then(|plan| {
        let columns = plan.schema().columns();
        let (mut groups, mut aggregates, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (column, merge) in columns.into_iter().zip(merges) {
            let name = column.name.clone();
            let value = Expr::Column(column);
            let merged = match merge {
                Merge::Group => {
                    names.push(value.clone());
                    groups.push(value);
                    continue;
                }
                Merge::Add => sum(value),
                Merge::Count => {
                    aggregates.push(sum(value).alias(name.clone()));
                    let counted = Expr::Column(Column::new_unqualified(&name));
                    names.push(coalesce(vec![counted, lit(0_i64)]).alias(name));
                    continue;
                }
                Merge::Least => min(value),
                Merge::Greatest => max(value),
            };
            aggregates.push(merged.alias(name.clone()));
            names.push(Expr::Column(Column::new_unqualified(name)));
        }
        plan.aggregate(groups, aggregates)?.project(names)?.build()
    });
    Ok(Arc::new(ViewTable::new(plan.map_err(query_error)?, None)))
}

fn is_grouped(query: &Query, merges: &[Merge]) -> bool {
    let has_group_by = match query.body.as_ref() {
        SetExpr::Select(select) => {
            !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty())
        }
        _ => false,
    };
    has_group_by || merges.iter().any(|merge| *merge != Merge::Group)
}

/// How each column of a rollup is merged, or why the query cannot be one.
fn merges(query: &Query) -> Result<Vec<Merge>> {
    let refused = |why: &str| Err(refused(why));
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return refused("has neither WITH nor LIMIT");
    }
    let SetExpr::Select(select) = query.body.as_ref() else {
        return refused("is one SELECT");
    };
    let Select { from, having, distinct, .. } = select.as_ref();
    let is_one_table = matches!(
        from.as_slice(),
        [one] if one.joins.is_empty() && matches!(one.relation, TableFactor::Table { .. })
    );
    if !is_one_table {
        return refused("reads one table");
    }
    if having.is_some() || distinct.is_some() {
        return refused("has neither HAVING nor DISTINCT");
    }
    if let Some(selection) = &select.selection
        && has_subquery(selection)
    {
        return refused("has no subquery");
    }
    select.projection.iter().map(merge_of).collect()
}

fn merge_of(item: &SelectItem) -> Result<Merge> {
    let expr = match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
        _ => {
            return Err(Error::unsupported(
                "A synchronous materialized view names each of its columns",
            ));
        }
    };
    let refused = || {
        Error::unsupported(format!(
            "A synchronous materialized view has expressions, SUM, COUNT, MIN and MAX, not {expr}"
        ))
    };
    if has_subquery(expr) {
        return Err(refused());
    }
    let aggregate = |function: &ast::Function| -> Option<Option<Merge>> {
        let name = function.name.to_string().to_lowercase();
        let merge = match name.as_str() {
            "sum" => Some(Merge::Add),
            "count" => Some(Merge::Count),
            "min" => Some(Merge::Least),
            "max" => Some(Merge::Greatest),
            "avg"
            | "group_concat"
            | "ndv"
            | "approx_count_distinct"
            | "bitmap_union"
            | "hll_union"
            | "percentile_union"
            | "any_value"
            | "std"
            | "stddev"
            | "variance" => None,
            _ => return None,
        };
        let is_plain = function.over.is_none()
            && function.filter.is_none()
            && !matches!(&function.args, FunctionArguments::List(list) if list.duplicate_treatment.is_some());
        Some(merge.filter(|_| is_plain))
    };
    match expr {
        ast::Expr::Function(function) => match aggregate(function) {
            Some(Some(merge)) => Ok(merge),
            Some(None) => Err(refused()),
            None if has_function(expr, &|function| aggregate(function).is_some()) => Err(refused()),
            None => Ok(Merge::Group),
        },
        expr if has_function(expr, &|function| aggregate(function).is_some()) => Err(refused()),
        _ => Ok(Merge::Group),
    }
}

fn has_function(expr: &ast::Expr, is_it: &dyn Fn(&ast::Function) -> bool) -> bool {
    struct Search<'a> {
        is_it: &'a dyn Fn(&ast::Function) -> bool,
    }
    impl Visitor for Search<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &ast::Expr) -> std::ops::ControlFlow<()> {
            match expr {
                ast::Expr::Function(function) if (self.is_it)(function) => {
                    std::ops::ControlFlow::Break(())
                }
                _ => std::ops::ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Search { is_it }).is_break()
}

fn has_subquery(expr: &ast::Expr) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> std::ops::ControlFlow<()> {
            std::ops::ControlFlow::Break(())
        }
    }
    expr.visit(&mut Search).is_break()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_merged_by_what_they_are() {
        let query = text_query(
            "SELECT d, YEAR(d) y, SUM(a) s, COUNT(*), MIN(a) l, max(a + 1) m FROM t WHERE a > 0 GROUP BY d, y",
        );
        let merges = merges(&query.expect("is fine")).expect("can be kept");
        use Merge::{Add, Count, Greatest, Group, Least};
        assert_eq!(merges, [Group, Group, Add, Count, Least, Greatest]);
    }

    #[test]
    fn what_cannot_be_merged_is_refused() {
        for sql in [
            "SELECT AVG(a) FROM t",
            "SELECT COUNT(DISTINCT a) FROM t",
            "SELECT SUM(a) + 1 FROM t",
            "SELECT * FROM t",
            "SELECT a FROM t JOIN u ON t.a = u.a",
            "SELECT DISTINCT a FROM t",
            "SELECT a FROM t LIMIT 1",
            "SELECT a, SUM(b) FROM t GROUP BY a HAVING SUM(b) > 1",
            "SELECT a FROM t UNION ALL SELECT a FROM t",
            "SELECT a FROM t WHERE a IN (SELECT a FROM u)",
        ] {
            let query = text_query(sql).expect("is a query");
            assert!(check(&query).is_err(), "{sql}");
        }
    }
}
