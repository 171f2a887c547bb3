//! Rollups at load: the query of each over new rows, or over a whole tablet where rows went away.
//!
//! A tablet of a rollup holds what the query makes of the tablet of the table with its number, so a change of one never
//! reads another.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::sql::sqlparser::ast::Query;

use super::change::{Change, Loader};
use super::draft::TabletKey;
use super::replace::write_rows;
use super::segment_file::SegmentLayout;
use crate::Result;
use crate::arrow_types::query_schema;
use crate::catalog::model::{Column, Rollup};
use crate::ddl::{RollupDefinition, with_rollup};
use crate::query::failure::query_error;
use crate::query::relations::StandIn;
use crate::query::scan::SegmentScan;
use crate::query::{QuerySession, QueryStream, rollup, text_query};
use crate::segment::Segment;

/// Adds what the rollups make of new rows of a tablet.
pub(super) async fn add_rows(change: &mut Change, key: TabletKey, rows: RecordBatch) -> Result<()> {
    let row = Arc::clone(change.row());
    if row.rollups.is_empty() {
        return Ok(());
    }
    let rows = as_relation(rows, &row.columns)?;
    for definition in &row.rollups {
        let segment = compute(change, key, definition, Arc::clone(&rows)).await?;
        if let Some(segment) = segment {
            change.draft.add_segment(key, definition.index, segment)?;
        }
    }
    Ok(())
}

/// Computes the rollups of tablets anew that rows went away from.
pub(super) async fn compute_stale(change: &mut Change) -> Result<()> {
    let row = Arc::clone(change.row());
    for key in std::mem::take(&mut change.stale) {
        for definition in &row.rollups {
            let segment = compute_whole(change, key, definition, &row.columns).await?;
            change.draft.set_segments(key, definition.index, segment.into_iter().collect())?;
        }
    }
    Ok(())
}

/// What a rollup makes of a whole tablet.
async fn compute_whole(
    change: &Change,
    key: TabletKey,
    definition: &Rollup,
    columns: &[Column],
) -> Result<Option<Arc<Segment>>> {
    let segments = change.draft.tablet(key, change.base_index())?.segments.clone();
    if segments.is_empty() {
        return Ok(None);
    }
    let rows = SegmentScan::of_segments(&definition.name, columns, segments);
    compute(change, key, definition, Arc::new(rows)).await
}

/// What a rollup makes of these rows of its table, as a segment of its tablet.
async fn compute(
    change: &Change,
    key: TabletKey,
    definition: &Rollup,
    rows: Arc<dyn TableProvider>,
) -> Result<Option<Arc<Segment>>> {
    let query = rollup::sorted(text_query(&definition.query)?)?;
    let stand_in = StandIn { relation: rows, is_every_name: true };
    let rows = run(change, query, stand_in).await?;
    let tablet = change.draft.tablet(key, definition.index)?.id;
    let layout = SegmentLayout::new(&definition.columns, &change.row().properties);
    write_rows(change, tablet, &layout, rows).await
}

/// Runs a query of the warehouse's own.
pub(super) async fn run(change: &Change, query: Query, stand_in: StandIn) -> Result<QueryStream> {
    let catalog = change.loader.warehouse.catalog();
    let session = QuerySession::internal(catalog, "", 0);
    change.loader.engine.query_over(&session, query, stand_in).await
}

/// Rows in memory as a relation with the types that queries see.
fn as_relation(rows: RecordBatch, columns: &[Column]) -> Result<Arc<dyn TableProvider>> {
    let schema = query_schema(columns);
    let viewed = || -> Result<RecordBatch, ArrowError> {
        let arrays = rows.columns().iter().zip(schema.fields());
        let arrays = arrays.map(|(array, field)| cast(array, field.data_type()));
        RecordBatch::try_new(Arc::clone(&schema), arrays.collect::<Result<_, _>>()?)
    };
    let viewed = viewed().map_err(|error| query_error(error.into()))?;
    let table = MemTable::try_new(schema, vec![vec![viewed]]).map_err(query_error)?;
    Ok(Arc::new(table))
}

impl Loader {
    /// Adds a rollup to a table and fills it from what is there.
    pub async fn create_rollup(
        &self,
        database: &str,
        table: &str,
        definition: RollupDefinition,
    ) -> Result<()> {
        let mut query = text_query(&definition.query)?;
        rollup::check(&query)?;
        query.order_by = None;
        let mut change = self.begin(database, table, &[]).await?;
        let relation = SegmentScan::of_segments(table, &change.row().columns, Vec::new());
        let stand_in = StandIn { relation: Arc::new(relation), is_every_name: true };
        let session = QuerySession::internal(self.warehouse.catalog(), "", 0);
        rollup::check_plan(&self.engine.meaning(&session, query, stand_in).await?)?;
        let (row, partitions) =
            with_rollup(change.draft.table(), definition, &mut || self.warehouse.next_id())?;
        change.draft.replace_rows(row, partitions);
        let row = Arc::clone(change.row());
        let Some(definition) = row.rollups.last() else { return Ok(()) };
        for key in change.draft.keys() {
            let segment = compute_whole(&change, key, definition, &row.columns).await?;
            change.draft.set_segments(key, definition.index, segment.into_iter().collect())?;
        }
        change.finish().await
    }
}
