//! Tablets of too many segments: all of them become one, by the load that found them.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::sql::sqlparser::ast::Ident;

use super::draft::TabletKey;
use super::loader::Change;
use super::replace::write_rows;
use super::rollup::run;
use super::segment_file::SegmentLayout;
use crate::Result;
use crate::catalog::model::{Column, Id};
use crate::query::relations::{HANDED_IN, StandIn};
use crate::query::rewrite::SPECIAL_SCHEMA;
use crate::query::scan::SegmentScan;
use crate::query::{rollup, text_query};

/// Merges the tablets of a change that have too many segments, of the table and of its rollups.
pub(super) async fn merge_tablets(change: &mut Change) -> Result<()> {
    let row = Arc::clone(change.row());
    for key in change.draft.touched_keys() {
        if is_crowded(change, key, row.index)? {
            let segments = change.draft.tablet(key, row.index)?.segments.clone();
            let scan = SegmentScan::of_segments(&row.name, &row.columns, segments);
            let columns = &row.columns;
            merge(change, key, row.index, columns, row.sort_columns(), Arc::new(scan)).await?;
        }
        for definition in &row.rollups {
            if is_crowded(change, key, definition.index)? {
                let segments = change.draft.tablet(key, definition.index)?.segments.clone();
                let columns = &definition.columns;
                let scan = SegmentScan::of_segments(&definition.name, columns, segments);
                let rows = rollup::merged(definition, Arc::new(scan))?;
                let order: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
                merge(change, key, definition.index, columns, &order, rows).await?;
            }
        }
    }
    Ok(())
}

fn is_crowded(change: &Change, key: TabletKey, index: Id) -> Result<bool> {
    Ok(change.draft.tablet(key, index)?.segments.len() > change.loader.config.max_segments)
}

async fn merge(
    change: &mut Change,
    key: TabletKey,
    index: Id,
    columns: &[Column],
    order: &[String],
    rows: Arc<dyn TableProvider>,
) -> Result<()> {
    let query =
        text_query(&format!("SELECT * FROM `{SPECIAL_SCHEMA}`.`{HANDED_IN}`{}", order_by(order)))?;
    let rows = run(change, query, StandIn { relation: rows, is_every_name: false }).await?;
    let tablet = change.draft.tablet(key, index)?.id;
    let layout = SegmentLayout::new(columns, &change.row().properties);
    let merged = write_rows(change, tablet, &layout, rows).await?;
    change.draft.set_segments(key, index, merged.into_iter().collect())
}

/// ` ORDER BY` these columns, or nothing.
pub(super) fn order_by(columns: &[String]) -> String {
    let names: Vec<_> =
        columns.iter().map(|name| Ident::with_quote('`', name.as_str()).to_string()).collect();
    if names.is_empty() { String::new() } else { format!(" ORDER BY {}", names.join(", ")) }
}
