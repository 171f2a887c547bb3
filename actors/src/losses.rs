//! [`Losses`]: what of a snapshot cannot be read any more, so that a partial restore leaves it out.
//!
//! Found before anything is restored ([`RestoreScope::find_losses`](crate::RestoreScope::find_losses)), by reading every chunk
//! once: a restore that knows its losses needs no way to take back a segment that is half written. Who asks for a partial
//! restore pays for it with reading twice.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use cairn_repository::index::Index;
use cairn_repository::manifest::{ChunkList, Document, DocumentRef};
use cairn_repository::{ChunkId, Repository};

use crate::error::Fault;

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
    /// The chunks that cannot be read.
    pub(crate) fn of(chunks: HashSet<ChunkId>) -> Self {
        Self { chunks, ..Self::default() }
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
