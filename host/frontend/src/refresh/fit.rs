//! Whether the query of a materialized view makes the view's columns of the tables that there are now.

use std::sync::Arc;

use cairn_sql::Statement;
use cairn_warehouse::catalog::model::{BaseTable, Column};
use cairn_warehouse::catalog::{Catalog, Table};
use cairn_warehouse::query::{QueryEngine, QuerySession};

use crate::clock::now_micros;

/// Why it does not; none where it does. Whether its base tables are there is not asked here.
pub(super) async fn misfit(
    queries: &QueryEngine,
    catalog: &Arc<Catalog>,
    table: &Table,
) -> Option<String> {
    let view = table.row().materialized_view.as_ref()?;
    let is_there = |base: &BaseTable| {
        let found = catalog.database(&base.database).ok();
        found.and_then(|found| found.relation(&base.name)).is_some()
    };
    if !view.base_tables.iter().all(is_there) {
        return None;
    }
    let Ok(Statement::Query(query)) = cairn_sql::parse_one(&view.query) else {
        return Some("its query cannot be read any more; create it anew".to_owned());
    };
    // What the view may read was asked when it was made.
    let asked = QuerySession {
        catalog: Arc::clone(catalog),
        database: None,
        user: String::new(),
        connection_id: 0,
        variables: Arc::default(),
        now_micros: now_micros(),
        zone_micros: 0,
        reader: None,
    };
    match queries.describe(&asked, *query).await {
        Err(error) => Some(format!("analyze materialized view failed: {error}")),
        Ok(described) => {
            let (before, now) = (shown(&table.row().columns), shown(&described));
            (before != now).then(|| format!("column schema not compatible: ({before}) and ({now})"))
        }
    }
}

/// Names and types of columns.
fn shown(columns: &[Column]) -> String {
    let one = |column: &Column| format!("{} {}", column.name, column.column_type);
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}
