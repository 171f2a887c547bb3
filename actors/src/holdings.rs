//! [`Holdings`]: what a backup takes the repository to have.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use cairn_repository::index::Index;
use cairn_repository::{ChunkId, PackId};

use crate::error::Stop;
use crate::io::IoTasks;

/// The index as of the start of the job, without what a prune is about to take and less what is known to be lost: a backup stores
/// lost chunks again and thereby heals the snapshots that need them.
#[derive(Debug)]
pub struct Holdings {
    index: Arc<Index>,
    /// The packs that are there; `None` when nobody looked.
    packs: Option<HashSet<PackId>>,
    /// Chunks of documents that could not be read. Guards membership only.
    distrusted: Mutex<HashSet<ChunkId>>,
}

impl Holdings {
    /// What the index lists; with `packs`, only as far as it lies in one of them.
    pub fn new(index: Arc<Index>, packs: Option<HashSet<PackId>>) -> Self {
        Self { index, packs, distrusted: Mutex::default() }
    }

    /// The index.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Counts chunks as lost from now on.
    pub fn distrust(&self, ids: impl IntoIterator<Item = ChunkId>) {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    /// Whether the repository has a chunk.
    pub(crate) fn has(&self, id: &ChunkId, io: &IoTasks) -> Result<bool, Stop> {
        let Some(location) = io.locate(&self.index, id)? else { return Ok(false) };
        if self.packs.as_ref().is_some_and(|packs| !packs.contains(&location.pack)) {
            return Ok(false);
        }
        let distrusted = self.distrusted.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(!distrusted.contains(id))
    }
}
