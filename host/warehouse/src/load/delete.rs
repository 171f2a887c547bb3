//! `DELETE`: the segments that hold a matching row are exchanged for ones without it.
//!
//! A row goes if the condition is true for it; where it is NULL the row stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Int64Type, UInt64Type};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SetExpr};
use futures::StreamExt;

use super::change::{Change, Loader};
use super::compact::order_by;
use super::draft::TabletKey;
use super::replace::write_rows;
use crate::query::relations::{HANDED_IN, StandIn};
use crate::query::rewrite::SPECIAL_SCHEMA;
use crate::query::scan::{SEGMENT_COLUMN, SegmentScan};
use crate::query::{QuerySession, QueryStream, text_query};
use crate::segment::Segment;
use crate::{Error, Result};

/// What goes.
#[derive(Debug, Clone)]
pub struct DeleteRequest {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// Only from these partitions; empty is all.
    pub partitions: Vec<String>,
    /// Rows for which this is true; none is refused.
    pub condition: Option<Expr>,
}

impl Loader {
    /// Deletes rows and returns how many went.
    pub async fn delete(&self, session: &QuerySession, request: &DeleteRequest) -> Result<u64> {
        let Some(condition) = &request.condition else {
            let message = "Delete must specify a where clause; TRUNCATE TABLE removes all rows";
            return Err(Error::invalid(message));
        };
        let mut change = self.begin(&request.database, &request.table, &request.partitions).await?;
        if change.row().materialized_view.is_some() {
            let message = format!(
                "The data of '{}' cannot be deleted: it is a materialized view",
                request.table
            );
            return Err(Error::invalid(message));
        }
        let delete = Delete { session: session.within(&request.database), condition };
        let counts = delete.count(&change).await?;
        let mut deleted = 0;
        for key in change.draft.keys() {
            deleted += delete.apply(&mut change, key, &counts).await?;
        }
        change.finish().await?;
        Ok(deleted)
    }
}

/// Matching rows by number of the segment.
type Counts = BTreeMap<u64, u64>;

struct Delete<'a> {
    session: QuerySession,
    condition: &'a Expr,
}

impl Delete<'_> {
    /// Counts the matching rows of every segment of the draft, of which the filter rules out most.
    async fn count(&self, change: &Change) -> Result<Counts> {
        let wanted = change.draft.partition_names();
        let scan = SegmentScan::of_table(
            change.draft.table(),
            &|partition| wanted.contains(partition.name.as_str()),
            crate::query::scan::ScanLog::default(),
        );
        let table = quoted(&change.row().name);
        let text = format!(
            "SELECT `{SEGMENT_COLUMN}`, COUNT(*) FROM `{SPECIAL_SCHEMA}`.`{HANDED_IN}` AS {table} \
             GROUP BY `{SEGMENT_COLUMN}`"
        );
        let query = with_condition(text_query(&text)?, self.condition.clone());
        let mut rows = self.run(change, query, scan.showing_segments()).await?;
        let mut counts = Counts::new();
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let numbers = batch.column(0).as_primitive::<UInt64Type>();
            let matches = batch.column(1).as_primitive::<Int64Type>();
            for (number, matches) in numbers.values().iter().zip(matches.values()) {
                counts.insert(*number, u64::try_from(*matches).unwrap_or(0));
            }
        }
        Ok(counts)
    }

    /// Deletes from one tablet; how many rows went.
    async fn apply(&self, change: &mut Change, key: TabletKey, counts: &Counts) -> Result<u64> {
        let index = change.base_index();
        let segments = change.draft.tablet(key, index)?.segments.clone();
        let matches = |segment: &Arc<Segment>| counts.get(&segment.number).copied().unwrap_or(0);
        if segments.iter().all(|segment| matches(segment) == 0) {
            return Ok(0);
        }
        let mut deleted = 0;
        let mut kept = Vec::with_capacity(segments.len());
        for segment in segments {
            let rest = match matches(&segment) {
                0 => Some(segment),
                all if all == segment.rows => {
                    deleted += all;
                    None
                }
                _ => {
                    let rest = self.rest(change, &segment).await?;
                    deleted += segment.rows - rest.as_ref().map_or(0, |rest| rest.rows);
                    rest
                }
            };
            kept.extend(rest);
        }
        change.draft.set_segments(key, index, kept)?;
        change.stale.insert(key);
        Ok(deleted)
    }

    /// A segment with the rows that stay.
    async fn rest(&self, change: &Change, segment: &Arc<Segment>) -> Result<Option<Arc<Segment>>> {
        let row = change.row();
        let table = quoted(&row.name);
        let text = format!(
            "SELECT * FROM `{SPECIAL_SCHEMA}`.`{HANDED_IN}` AS {table}{}",
            order_by(row.sort_columns())
        );
        let stays = Expr::IsNotTrue(Box::new(Expr::Nested(Box::new(self.condition.clone()))));
        let query = with_condition(text_query(&text)?, stays);
        let scan = SegmentScan::of_segments(&row.name, &row.columns, vec![Arc::clone(segment)]);
        let rows = self.run(change, query, scan).await?;
        write_rows(change, segment.tablet, &change.layout, rows).await
    }

    async fn run(&self, change: &Change, query: Query, scan: SegmentScan) -> Result<QueryStream> {
        let stand_in = StandIn { relation: Arc::new(scan), is_every_name: false };
        change.loader.engine.query_over(&self.session, query, stand_in).await
    }
}

fn with_condition(mut query: Query, condition: Expr) -> Query {
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.selection = Some(condition);
    }
    query
}

fn quoted(name: &str) -> String {
    Ident::with_quote('`', name).to_string()
}
