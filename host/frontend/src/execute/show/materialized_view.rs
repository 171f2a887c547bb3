//! SHOW MATERIALIZED VIEWS: those with a table of their own, and those that are an index of another.

use cairn_warehouse::catalog::model::{MaterializedView, Partitioning, Refresh, Rollup};
use cairn_warehouse::catalog::{Database, Relation, Table};

use super::create::{of_materialized_view, of_rollup};
use super::relation::row_count;
use super::{Sight, columns};
use crate::account::reader::target;
use crate::clock::shown;
use crate::mysql::{ResultSet, SqlError, SqlType};
use crate::refresh::Attempt;

/// The column that LIKE is about.
pub(super) const NAME: usize = 2;

pub(super) fn show(sight: &Sight<'_>, database: Option<&str>) -> Result<ResultSet, SqlError> {
    use SqlType::{BigInt, DateTime, Double, Varchar};
    let mut result = columns(&[
        ("id", BigInt),
        ("database_name", Varchar),
        ("name", Varchar),
        ("refresh_type", Varchar),
        ("is_active", Varchar),
        ("inactive_reason", Varchar),
        ("partition_type", Varchar),
        ("task_id", BigInt),
        ("task_name", Varchar),
        ("last_refresh_start_time", DateTime),
        ("last_refresh_finished_time", DateTime),
        ("last_refresh_duration", Double),
        ("last_refresh_state", Varchar),
        ("last_refresh_force_refresh", Varchar),
        ("last_refresh_start_partition", Varchar),
        ("last_refresh_end_partition", Varchar),
        ("last_refresh_base_refresh_partitions", Varchar),
        ("last_refresh_mv_refresh_partitions", Varchar),
        ("last_refresh_error_code", Varchar),
        ("last_refresh_error_message", Varchar),
        ("rows", BigInt),
        ("text", Varchar),
    ]);
    let database = sight.database(database)?;
    for table in database.tables() {
        if !sight.sees(target(&database.row().name, Some(Relation::Table(table)))) {
            continue;
        }
        if let Some(view) = &table.row().materialized_view {
            let last = sight.session.frontend.refreshes.last(table.row().id);
            result.rows.push(asynchronous(database, table, view, last));
        }
        let rollups = table.row().rollups.iter();
        result.rows.extend(rollups.map(|rollup| synchronous(database, table, rollup)));
    }
    Ok(result)
}

/// What is not known of a refresh is NULL: of one by an earlier process only its end is kept.
fn asynchronous(
    database: &Database,
    table: &Table,
    view: &MaterializedView,
    last: Option<Attempt>,
) -> Vec<Option<String>> {
    let row = table.row();
    let text = |text: &str| Some(text.to_owned());
    let refresh_type = match view.refresh {
        Refresh::Manual => "MANUAL",
        Refresh::OnLoad | Refresh::Every { .. } => "ASYNC",
    };
    let partition_type = match row.partitioning {
        Partitioning::Single => "UNPARTITIONED",
        Partitioning::Range { .. } => "RANGE",
        Partitioning::List { .. } => "LIST",
    };
    let mut cells = vec![
        Some(row.id.to_string()),
        text(&database.row().name),
        text(&row.name),
        text(refresh_type),
        Some(view.inactive_reason.is_none().to_string()),
        Some(view.inactive_reason.clone().unwrap_or_default()),
        text(partition_type),
        Some(row.id.to_string()),
        Some(format!("mv-{}", row.id)),
    ];
    cells.extend(refresh(view, last));
    cells.push(Some(row_count(table, row.index).to_string()));
    cells.push(Some(of_materialized_view(row, view)));
    cells
}

/// The columns from `last_refresh_start_time` to `last_refresh_error_message`.
fn refresh(view: &MaterializedView, last: Option<Attempt>) -> [Option<String>; 11] {
    let mut cells = [const { None }; 11];
    let [start, end, duration, state, .., message] = &mut cells;
    match last {
        Some(Attempt { started_at, finished_at, error }) => {
            let millis = finished_at.saturating_sub(started_at);
            *start = Some(shown(started_at));
            *end = Some(shown(finished_at));
            *duration = Some(format!("{}.{:03}", millis / 1000, millis % 1000));
            *state = Some(if error.is_some() { "FAILED" } else { "SUCCESS" }.to_owned());
            *message = error;
        }
        None => {
            *end = view.refreshed_at.map(shown);
            *state = view.refreshed_at.map(|_| "SUCCESS".to_owned());
        }
    }
    cells
}

/// It is refreshed by every load of its table.
fn synchronous(database: &Database, table: &Table, rollup: &Rollup) -> Vec<Option<String>> {
    let text = |text: &str| Some(text.to_owned());
    let mut cells = vec![
        Some(rollup.index.to_string()),
        text(&database.row().name),
        text(&rollup.name),
        text("ROLLUP"),
        text("true"),
        text(""),
        text("UNPARTITIONED"),
    ];
    cells.resize(20, None);
    cells.push(Some(row_count(table, rollup.index).to_string()));
    cells.push(Some(of_rollup(rollup)));
    cells
}
