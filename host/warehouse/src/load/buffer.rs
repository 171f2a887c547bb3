//! Rows that wait for their segment, by tablet, and the rule that bounds them. Pure.

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;

use super::draft::TabletKey;

/// How much a load holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BufferLimits {
    /// Bytes of one tablet.
    pub(crate) tablet_bytes: usize,
    /// Bytes of all of them.
    pub(crate) total_bytes: usize,
}

/// Rows by tablet.
#[derive(Debug)]
pub(crate) struct Buffers {
    limits: BufferLimits,
    tablets: BTreeMap<TabletKey, Buffer>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Buffers {
    pub(crate) fn new(limits: BufferLimits) -> Self {
        Self { limits, tablets: BTreeMap::new(), bytes: 0 }
    }

    /// Adds rows of a tablet.
    pub(crate) fn add(&mut self, key: TabletKey, batch: RecordBatch) {
        let bytes = batch.get_array_memory_size();
        let buffer = self.tablets.entry(key).or_default();
        buffer.bytes += bytes;
        buffer.batches.push(batch);
        self.bytes += bytes;
    }

    /// The rows of a tablet that holds too much, or while all of them do, of the one that holds most.
    pub(crate) fn take_full(&mut self) -> Option<(TabletKey, Vec<RecordBatch>)> {
        let (key, buffer) = self.tablets.iter().max_by_key(|(_, buffer)| buffer.bytes)?;
        let is_full =
            buffer.bytes >= self.limits.tablet_bytes || self.bytes >= self.limits.total_bytes;
        let key = *key;
        if is_full { self.take(key) } else { None }
    }

    /// The rows of some tablet.
    pub(crate) fn take_any(&mut self) -> Option<(TabletKey, Vec<RecordBatch>)> {
        let key = *self.tablets.keys().next()?;
        self.take(key)
    }

    fn take(&mut self, key: TabletKey) -> Option<(TabletKey, Vec<RecordBatch>)> {
        let buffer = self.tablets.remove(&key)?;
        self.bytes -= buffer.bytes;
        Some((key, buffer.batches))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn batch(rows: usize) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, false)]);
        let values = Int64Array::from(vec![0; rows]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values)]).expect("a batch")
    }

    fn key(bucket: u32) -> TabletKey {
        TabletKey { partition: 1, bucket }
    }

    #[test]
    fn the_fullest_tablet_goes_when_one_or_all_hold_too_much() {
        let bytes = batch(100).get_array_memory_size();
        let limits = BufferLimits { tablet_bytes: 3 * bytes, total_bytes: 4 * bytes };
        let mut buffers = Buffers::new(limits);
        buffers.add(key(0), batch(100));
        buffers.add(key(1), batch(100));
        buffers.add(key(1), batch(100));
        assert!(buffers.take_full().is_none());

        buffers.add(key(2), batch(100));
        let (taken, batches) = buffers.take_full().expect("all hold too much");
        assert_eq!((taken, batches.len()), (key(1), 2));
        assert!(buffers.take_full().is_none());

        for _ in 0..2 {
            buffers.add(key(0), batch(100));
        }
        assert_eq!(buffers.take_full().map(|(key, _)| key), Some(key(0)));
        assert_eq!(buffers.take_any().map(|(key, _)| key), Some(key(2)));
        assert!(buffers.take_any().is_none());
        assert_eq!(buffers.bytes, 0);
    }
}
