//! A planned query as a relation of another one, under the names of a view's columns.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::failure::query_error;
use crate::catalog::model::Column;
use crate::{Error, ErrorKind, Result};

/// The plan as a relation with these columns, in order.
pub(super) fn relation(plan: LogicalPlan, columns: &[Column]) -> Result<Arc<dyn TableProvider>> {
    if plan.schema().fields().len() != columns.len() {
        let message = "a view no longer has the columns of its definition; create it anew";
        return Err(Error::new(ErrorKind::Query, message));
    }
    let named = |(place, column): (usize, &Column)| {
        Expr::Column(plan.schema().qualified_field(place).into()).alias(column.name.to_lowercase())
    };
    let names: Vec<_> = columns.iter().enumerate().map(named).collect();
    let plan = LogicalPlanBuilder::from(plan).project(names).and_then(LogicalPlanBuilder::build);
    Ok(Arc::new(ViewTable::new(plan.map_err(query_error)?, None)))
}
