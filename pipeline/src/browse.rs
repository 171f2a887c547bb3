//! Looking into snapshots as an embedder does it: lists, bytes of segments, differences.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use cairn_repository::browse::{Entry, SnapshotPath};
use cairn_repository::compare::{Comparison, Difference};
use cairn_repository::index::Index;
use cairn_repository::manifest::{Document, DocumentRef, Segment};
use cairn_repository::record::Record;
use cairn_repository::{Damage, DamagedObject, Fault};

use crate::engine::Engine;
use crate::error::Error;
use crate::repository::Repository;

impl Repository {
    /// What lies at a path of a snapshot. Reads index and manifests, no segment.
    pub fn look(&self, record: &Record, path: &SnapshotPath) -> Result<Vec<Entry>, Error> {
        let (inner, index) = self.present()?;
        let (record, path) = (record.clone(), path.clone());
        Ok(self.engine().block_on(async move { inner.look(&index, &record, &path).await })??)
    }

    /// The bytes of a segment of a snapshot, read and verified as they are asked for: at most 32 MiB at a time.
    pub fn segment(&self, record: &Record, path: &SnapshotPath) -> Result<SegmentBytes, Error> {
        let (inner, index) = self.present()?;
        let (record, path, of) = (record.clone(), path.clone(), Arc::clone(&index));
        let with = inner.clone();
        let found = async move { with.find_segment(&of, &record, &path).await };
        let segment = self.engine().block_on(found)??;
        Ok(SegmentBytes::of(self.engine().clone(), inner, index, segment))
    }

    /// What documents and segments of snapshots are read through, with the keys and the index that there are now.
    pub(crate) fn reading(&self) -> Result<Reading, Error> {
        let (inner, index) = self.present()?;
        Ok(Reading { engine: self.engine().clone(), inner, index })
    }

    /// What two snapshots differ in, a whole before its parts, found as it is asked for. What is the same is not read.
    pub fn compare(&self, before: &Record, after: &Record) -> Result<Differences, Error> {
        let (inner, index) = self.present()?;
        let (before, after, of) = (before.clone(), after.clone(), Arc::clone(&index));
        let with = inner.clone();
        let begun = async move { Comparison::new(&with, &of, &before, &after).await };
        let comparison = Some(self.engine().block_on(begun)??);
        let engine = self.engine().clone();
        Ok(Differences { engine, inner, index, comparison, ready: VecDeque::new() })
    }

    /// The repository with the keys that it has by now, and its index.
    fn present(&self) -> Result<(cairn_repository::Repository, Arc<Index>), Error> {
        let (inner, runtime) = (self.inner().clone(), self.engine().runtime().clone());
        let budget = self.engine().config().index_memory_bytes;
        let loaded = async move {
            let inner = inner.refreshed().await?;
            let index = inner.load_index(budget, runtime).await?;
            Ok::<_, cairn_repository::Error>((inner, Arc::new(index)))
        };
        Ok(self.engine().block_on(loaded)??)
    }
}

/// A repository as it is read at one time.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    engine: Engine,
    inner: cairn_repository::Repository,
    index: Arc<Index>,
}

impl Reading {
    pub(crate) fn document<D: Document + Send + 'static>(
        &self,
        reference: &DocumentRef,
    ) -> Result<D, Error> {
        let (inner, index) = (self.inner.clone(), Arc::clone(&self.index));
        let reference = reference.clone();
        Ok(self.engine.block_on(async move { inner.read_document(&index, &reference).await })??)
    }

    pub(crate) fn segment(&self, segment: Segment) -> SegmentBytes {
        SegmentBytes::of(self.engine.clone(), self.inner.clone(), Arc::clone(&self.index), segment)
    }
}

/// The bytes of a segment, chunk by chunk. After an error there is nothing more.
#[derive(Debug)]
pub struct SegmentBytes {
    engine: Engine,
    inner: cairn_repository::Repository,
    index: Arc<Index>,
    segment: Arc<Segment>,
    /// Position of the first chunk that is not read.
    next: usize,
    /// Bytes that are still to come, as the manifest says.
    left: u64,
    ready: VecDeque<Bytes>,
}

impl SegmentBytes {
    fn of(
        engine: Engine,
        inner: cairn_repository::Repository,
        index: Arc<Index>,
        segment: Segment,
    ) -> Self {
        let (left, segment) = (segment.len, Arc::new(segment));
        Self { engine, inner, index, left, segment, next: 0, ready: VecDeque::new() }
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.segment.len
    }

    fn wrong_length(&self) -> Error {
        let (expected, actual) = (self.segment.len, self.segment.len.saturating_sub(self.left));
        let fault = Fault::Length { expected, actual };
        cairn_repository::Error::from(Damage::new(DamagedObject::Index, fault)).into()
    }

    fn read_window(&mut self) -> Result<(), Error> {
        let inner = self.inner.clone();
        let ids = self.segment.chunks.iter().skip(self.next).take(inner.chunks_per_window());
        let (ids, index): (Vec<_>, _) = (ids.collect(), Arc::clone(&self.index));
        // Behind an error nothing goes on.
        let begin = std::mem::replace(&mut self.next, usize::MAX);
        let count = ids.len();
        let read = async move { inner.read_chunks_in_order(&index, &ids).await };
        self.ready = self.engine.block_on(read)??.into();
        self.next = begin.saturating_add(count);
        Ok(())
    }
}

impl Iterator for SegmentBytes {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty()
            && self.next < self.segment.chunks.len()
            && let Err(error) = self.read_window()
        {
            return Some(Err(error));
        }
        let chunk = self.ready.pop_front()?;
        let is_last = self.ready.is_empty() && self.next == self.segment.chunks.len();
        match self.left.checked_sub(chunk.len() as u64) {
            Some(left) if left == 0 || !is_last => {
                self.left = left;
                Some(Ok(chunk))
            }
            // The manifest is intact and says what cannot be.
            _ => {
                self.next = usize::MAX;
                self.ready.clear();
                Some(Err(self.wrong_length()))
            }
        }
    }
}

/// What two snapshots differ in. After an error there is nothing more.
#[derive(Debug)]
pub struct Differences {
    engine: Engine,
    inner: cairn_repository::Repository,
    index: Arc<Index>,
    /// None at the end.
    comparison: Option<Comparison>,
    ready: VecDeque<Difference>,
}

impl Differences {
    fn read_batch(&mut self) -> Result<(), Error> {
        let Some(mut comparison) = self.comparison.take() else { return Ok(()) };
        let (inner, index) = (self.inner.clone(), Arc::clone(&self.index));
        let next = async move {
            let batch = comparison.next_batch(&inner, &index).await;
            batch.map(|batch| (batch, comparison))
        };
        if let (Some(batch), comparison) = self.engine.block_on(next)?? {
            self.ready = batch.into();
            self.comparison = Some(comparison);
        }
        Ok(())
    }
}

impl Iterator for Differences {
    type Item = Result<Difference, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty()
            && let Err(error) = self.read_batch()
        {
            return Some(Err(error));
        }
        self.ready.pop_front().map(Ok)
    }
}
