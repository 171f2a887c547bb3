//! The word `DEFAULT` in `INSERT ... VALUES`: it becomes what the column would have. Pure.

use datafusion::sql::sqlparser::ast::{Expr, Query, SetExpr, Value};

use crate::catalog::model::{Column, ColumnDefault, TableRow};
use crate::query::rewrite::{call, null};

/// Replaces every `DEFAULT` in the rows of a `VALUES`. The columns are those `named`, or all of the table's.
pub fn fill_defaults(query: &mut Query, table: &TableRow, named: &[String]) {
    let SetExpr::Values(values) = query.body.as_mut() else { return };
    let targets: Vec<Option<&Column>> = match named {
        [] => table.columns.iter().map(Some).collect(),
        named => named.iter().map(|name| table.column(name)).collect(),
    };
    for row in &mut values.rows {
        for (value, column) in row.content.iter_mut().zip(&targets) {
            if is_default(value) {
                *value = column.map_or_else(null, default_of);
            }
        }
    }
}

fn default_of(column: &Column) -> Expr {
    match &column.default {
        Some(ColumnDefault::Value(text)) => {
            Expr::Value(Value::SingleQuotedString(text.clone()).into())
        }
        Some(ColumnDefault::CurrentTimestamp) => call("now", vec![]),
        // NULL is counted up where the column counts.
        None => null(),
    }
}

fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(name)
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}
