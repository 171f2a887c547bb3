//! Tablets of too many segments: the small ones become one, by the load that found them.
//!
//! Segments are merged with those of their size, so a row is written anew as often as its segment doubles, and a large
//! segment keeps its identity for backups while small ones come and go.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::sql::sqlparser::ast::Ident;

use super::change::Change;
use super::draft::TabletKey;
use super::replace::write_rows;
use super::rollup::run;
use super::segment_file::SegmentLayout;
use crate::Result;
use crate::catalog::model::{Column, Id};
use crate::query::relations::{HANDED_IN, StandIn};
use crate::query::rewrite::SPECIAL_SCHEMA;
use crate::query::scan::SegmentScan;
use crate::query::{rollup, text_query};
use crate::segment::Segment;

/// How much larger than all smaller ones together a segment may be to be merged with them.
const GROWTH: u64 = 2;

/// Merges the tablets of a change that have too many segments, of the table and of its rollups.
pub(super) async fn merge_tablets(change: &mut Change) -> Result<()> {
    let row = Arc::clone(change.row());
    for key in change.draft.touched_keys() {
        if let Some((merged, kept)) = crowd(change, key, row.index)? {
            let scan = SegmentScan::of_segments(&row.name, &row.columns, merged);
            let columns = &row.columns;
            let order = row.sort_columns();
            merge(change, key, row.index, columns, order, Arc::new(scan), kept).await?;
        }
        for definition in &row.rollups {
            if let Some((merged, kept)) = crowd(change, key, definition.index)? {
                let columns = &definition.columns;
                let scan = SegmentScan::of_segments(&definition.name, columns, merged);
                let rows = rollup::merged(definition, Arc::new(scan))?;
                let order: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
                merge(change, key, definition.index, columns, &order, rows, kept).await?;
            }
        }
    }
    Ok(())
}

/// Segments of a tablet.
type Segments = Vec<Arc<Segment>>;

/// What a tablet that has too many segments merges, and what it keeps.
fn crowd(change: &Change, key: TabletKey, index: Id) -> Result<Option<(Segments, Segments)>> {
    let segments = &change.draft.tablet(key, index)?.segments;
    let sizes: Vec<u64> = segments.iter().map(|segment| segment.bytes).collect();
    let Some(largest) = largest_merged(&sizes, change.loader.config.max_segments) else {
        return Ok(None);
    };
    Ok(Some(segments.iter().cloned().partition(|segment| segment.bytes <= largest)))
}

/// Of too many segments of these sizes, that of the largest that is merged with all that are no larger: the smallest, as
/// many as must go, and every further one that is not much larger than all before it together.
fn largest_merged(sizes: &[u64], max_segments: usize) -> Option<u64> {
    let excess = sizes.len().checked_sub(max_segments.max(1)).filter(|excess| *excess > 0)?;
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    // One comes of them.
    let (must, may) = sizes.split_at_checked(excess + 1)?;
    let (mut largest, mut total) = (*must.last()?, must.iter().sum::<u64>());
    for size in may {
        if *size > total.saturating_mul(GROWTH) {
            break;
        }
        (largest, total) = (*size, total.saturating_add(*size));
    }
    Some(largest)
}

async fn merge(
    change: &mut Change,
    key: TabletKey,
    index: Id,
    columns: &[Column],
    order: &[String],
    rows: Arc<dyn TableProvider>,
    mut segments: Segments,
) -> Result<()> {
    let query =
        text_query(&format!("SELECT * FROM `{SPECIAL_SCHEMA}`.`{HANDED_IN}`{}", order_by(order)))?;
    let rows = run(change, query, StandIn { relation: rows, is_every_name: false }).await?;
    let tablet = change.draft.tablet(key, index)?.id;
    let layout = SegmentLayout::new(columns, &change.row().properties);
    let merged = write_rows(change, tablet, &layout, rows).await?;
    segments.extend(merged);
    change.draft.set_segments(key, index, segments)
}

/// ` ORDER BY` these columns, or nothing.
pub(super) fn order_by(columns: &[String]) -> String {
    let names: Vec<_> =
        columns.iter().map(|name| Ident::with_quote('`', name.as_str()).to_string()).collect();
    if names.is_empty() { String::new() } else { format!(" ORDER BY {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_merged_with_those_of_their_size() {
        assert_eq!(largest_merged(&[5, 5, 5], 3), None);
        // All of one size become one.
        assert_eq!(largest_merged(&[5, 5, 5, 5], 3), Some(5));
        // A large one stays, however often small ones come.
        assert_eq!(largest_merged(&[1000, 1, 1, 1], 3), Some(1));
        assert_eq!(largest_merged(&[1000, 3, 1, 1], 3), Some(3));
        assert_eq!(largest_merged(&[1000, 100, 10, 1], 3), Some(10));
        // There are never too many.
        assert_eq!(largest_merged(&[10_000, 1000, 100, 10, 1], 2), Some(1000));
    }

    #[test]
    fn a_row_is_written_seldom() {
        let (mut sizes, mut written) = (Vec::new(), 0);
        for _ in 0..10_000 {
            sizes.push(1);
            if let Some(largest) = largest_merged(&sizes, 16) {
                let merged: u64 = sizes.iter().filter(|size| **size <= largest).sum();
                sizes.retain(|size| *size > largest);
                sizes.push(merged);
                written += merged;
            }
            assert!(sizes.len() <= 16);
        }
        assert!(written < 10_000 * 10, "{written}");
    }
}
