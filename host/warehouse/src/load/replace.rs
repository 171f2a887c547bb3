//! Rows that go away: a segment that holds some of them is exchanged for one without them; one that holds none stays as it
//! is, and with it its identity for backups.

use std::sync::Arc;

use datafusion::arrow::compute::filter_record_batch;
use futures::StreamExt;

use super::change::{Change, blocking};
use super::draft::TabletKey;
use super::run::KeySet;
use super::segment_file::SegmentFile;
use crate::Result;
use crate::catalog::model::Id;
use crate::query::QueryStream;
use crate::query::failure::query_error;
use crate::query::scan::SegmentScan;
use crate::segment::Segment;

/// Removes rows with these keys from a tablet; whether there were any.
pub(super) async fn remove_keys(
    change: &mut Change,
    key: TabletKey,
    key_columns: &[usize],
    keys: &KeySet,
) -> Result<bool> {
    let index = change.base_index();
    let tablet = change.draft.tablet(key, index)?.clone();
    let mut kept = Vec::with_capacity(tablet.segments.len());
    let mut has_removed = false;
    for segment in tablet.segments {
        let survivors = count_survivors(change, &segment, key_columns, keys).await?;
        if survivors == segment.rows {
            kept.push(segment);
            continue;
        }
        has_removed = true;
        if survivors > 0 {
            kept.extend(without_keys(change, &segment, key_columns, keys).await?);
        }
    }
    if has_removed {
        change.draft.set_segments(key, index, kept)?;
    }
    Ok(has_removed)
}

fn scan(change: &Change, segment: &Arc<Segment>) -> SegmentScan {
    let row = change.row();
    SegmentScan::of_segments(&row.name, &row.columns, vec![Arc::clone(segment)])
}

/// Rows of a segment with other keys. Only the key is read.
async fn count_survivors(
    change: &Change,
    segment: &Arc<Segment>,
    key_columns: &[usize],
    keys: &KeySet,
) -> Result<u64> {
    let columns = key_columns.to_vec();
    let mut rows = change.loader.engine.read(&scan(change, segment), Some(&columns)).await?;
    let mut survivors = 0;
    while let Some(batch) = rows.next().await {
        survivors += keys.survivors(batch?.columns())?.true_count() as u64;
    }
    Ok(survivors)
}

/// A segment with the rows of another one that have other keys, in their order.
async fn without_keys(
    change: &Change,
    segment: &Arc<Segment>,
    key_columns: &[usize],
    keys: &KeySet,
) -> Result<Option<Arc<Segment>>> {
    let mut rows = change.loader.engine.read(&scan(change, segment), None).await?;
    let mut file = SegmentFile::create(&change.loader.warehouse, segment.tablet, &change.layout)?;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let columns: Vec<_> =
            key_columns.iter().map(|place| Arc::clone(batch.column(*place))).collect();
        let survivors = keys.survivors(&columns)?;
        let rest =
            filter_record_batch(&batch, &survivors).map_err(|error| query_error(error.into()))?;
        let rest = change.layout.stored(&rest)?;
        file = blocking(move || {
            file.write(&rest)?;
            Ok(file)
        })
        .await?;
    }
    blocking(move || file.finish()).await
}

/// Writes the rows of a query, which come in the order of the layout, as a segment of a tablet.
pub(super) async fn write_rows(
    change: &Change,
    tablet: Id,
    layout: &super::segment_file::SegmentLayout,
    mut rows: QueryStream,
) -> Result<Option<Arc<Segment>>> {
    let mut file = SegmentFile::create(&change.loader.warehouse, tablet, layout)?;
    while let Some(batch) = rows.next().await {
        let batch = layout.stored(&batch?)?;
        file = blocking(move || {
            file.write(&batch)?;
            Ok(file)
        })
        .await?;
    }
    blocking(move || file.finish()).await
}
