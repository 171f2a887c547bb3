//! [`Losses`]: what of a snapshot cannot be read any more, so that a partial restore leaves it out.
//!
//! Found before anything is restored, by reading every chunk once: a restore that knows its losses needs no way to take back a
//! segment that is half written. Who asks for a partial restore pays for it with reading twice.
//!
//! *Memory*: 32 bytes for each distinct chunk of the scope.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use cairn_repository::index::Index;
use cairn_repository::manifest::{ChunkList, Document, DocumentRef, TabletList};
use cairn_repository::{ChunkId, Repository};
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::Fault;
use crate::scope::{RestoreScope, resolve};

/// Documents read at once.
const MAX_DOCUMENTS: usize = 16;

/// Something that a partial restore left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Missing {
    /// Database, object, partition, tablet and segment, as far down as it is known, with `/` between them.
    pub place: String,
    /// Segments in it, where that is known.
    pub segments: Option<u64>,
    /// Why.
    pub reason: String,
}

/// What of a snapshot is lost.
#[derive(Debug, Default)]
pub struct Losses {
    chunks: HashSet<ChunkId>,
    /// Guards what was left out until now.
    missing: Mutex<Vec<Missing>>,
}

impl Losses {
    /// Reads all that a restore of this scope reads, `max_reads` chunks at once.
    pub async fn find(
        repository: &Repository,
        index: &Index,
        root: &DocumentRef,
        scope: &RestoreScope,
        max_reads: usize,
    ) -> Result<Self, Fault> {
        // What is lost of manifests is told by the restore itself.
        let manifests = Self::default();
        let mut wanted = HashSet::new();
        let objects = resolve(repository, index, root, scope, Some(&manifests)).await?;
        let partitions = objects.iter().flat_map(|object| &object.partitions);
        let reads = partitions
            .map(|partition| manifests.read::<TabletList>(repository, index, &partition.tablets));
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(MAX_DOCUMENTS);
        while let Some(tablets) = reads.try_next().await? {
            let Ok(tablets) = tablets else { continue };
            let segments = tablets.tablets().iter().flat_map(|tablet| &tablet.segments);
            wanted.extend(segments.flat_map(|segment| segment.chunks.iter()));
        }
        let reads =
            wanted.into_iter().map(async |id| match repository.read_chunk(index, &id).await {
                Ok(_) => Ok(None),
                Err(error) if error.damage().is_some() => Ok(Some(id)),
                Err(error) => Err(Fault::from(error)),
            });
        let reads = stream::iter(reads).buffer_unordered(max_reads);
        let chunks = reads.try_filter_map(async |lost| Ok(lost)).try_collect().await?;
        Ok(Self { chunks, ..Self::default() })
    }

    /// Whether a segment needs a chunk that is lost.
    pub(crate) fn strike(&self, chunks: &ChunkList) -> bool {
        chunks.iter().any(|id| self.chunks.contains(&id))
    }

    /// A document, or why it is lost.
    pub(crate) async fn read<D: Document>(
        &self,
        repository: &Repository,
        index: &Index,
        reference: &DocumentRef,
    ) -> Result<Result<D, String>, Fault> {
        match repository.read_document(index, reference).await {
            Ok(document) => Ok(Ok(document)),
            Err(error) => match error.damage() {
                Some(damage) => Ok(Err(damage.to_string())),
                None => Err(error.into()),
            },
        }
    }

    /// Notes what is left out.
    pub(crate) fn note(&self, place: String, segments: Option<u64>, reason: String) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.push(Missing { place, segments, reason });
    }

    /// What was left out.
    pub(crate) fn take_missing(&self) -> Vec<Missing> {
        std::mem::take(&mut self.missing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
