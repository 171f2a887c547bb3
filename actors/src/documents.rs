//! [`DocumentWriter`]: stores manifests as chunks, like segments.

use std::collections::HashSet;
use std::sync::Arc;

use cairn_repository::compressor::Compressor;
use cairn_repository::manifest::{Document, DocumentRef};
use cairn_repository::pack::{ChunkKind, IndexEntry, PackBuilder};
use cairn_repository::record::Record;
use cairn_repository::{ChunkId, Repository};

use crate::error::{Fault, Stop};
use crate::holdings::Holdings;
use crate::io::IoTasks;
use crate::progress::Progress;

/// Writes documents into packs of their own. Blocks on the repository when a pack is full.
#[derive(Debug)]
pub(crate) struct DocumentWriter {
    repository: Repository,
    holdings: Arc<Holdings>,
    io: IoTasks,
    progress: Arc<Progress>,
    compressor: Compressor,
    pack: PackBuilder,
    /// Chunks that this writer has stored.
    written: HashSet<ChunkId>,
    /// Entries of packs that are durable and that no run lists yet.
    durable: Vec<IndexEntry>,
}

impl DocumentWriter {
    pub(crate) fn new(
        repository: Repository,
        holdings: Arc<Holdings>,
        io: IoTasks,
        progress: Arc<Progress>,
    ) -> Result<Self, Fault> {
        let config = repository.config();
        Ok(Self {
            compressor: Compressor::new(config.compression),
            pack: PackBuilder::new(repository.sealer(), config.pack_bytes),
            written: HashSet::new(),
            durable: Vec::new(),
            repository,
            holdings,
            io,
            progress,
        })
    }

    /// Stores a document, as far as the repository lacks it.
    pub(crate) fn write(&mut self, document: &impl Document) -> Result<DocumentRef, Stop> {
        let bytes = document.encode();
        let reference = self.repository.sealer().document_ref(&bytes);
        for (id, chunk) in reference.chunks.iter().zip(DocumentRef::chunks_of(&bytes)) {
            if !self.holdings.has(&id, &self.io)? && self.written.insert(id) {
                self.store(id, ChunkKind::Document, chunk)?;
            }
        }
        Ok(reference)
    }

    /// Stores a copy of a record beside the documents of its snapshot. Where there were none to store it costs two puts and
    /// is left out: another snapshot tells of the same content.
    pub(crate) fn write_copy(&mut self, record: &Record) -> Result<(), Stop> {
        if self.written.is_empty() {
            return Ok(());
        }
        let copy = self.repository.record_copy(record);
        let id = self.repository.sealer().chunk_id(&copy);
        self.store(id, ChunkKind::RecordCopy, &copy)
    }

    /// Makes everything written durable; gives the entries that no run lists yet.
    pub(crate) fn flush(&mut self) -> Result<Vec<IndexEntry>, Stop> {
        self.put_pack()?;
        Ok(std::mem::take(&mut self.durable))
    }

    fn store(&mut self, id: ChunkId, kind: ChunkKind, chunk: &[u8]) -> Result<(), Stop> {
        let raw_len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let (codec, encoded) = self.compressor.encode(chunk)?;
        let sealed = self.repository.sealer().seal_chunk(&id, codec, raw_len, encoded);
        let (codec, stored) = sealed.unwrap_or_else(|| (codec, encoded.to_vec()));
        if !self.pack.has_room_for(stored.len()) {
            self.put_pack()?;
        }
        Ok(self.pack.push(id, kind, codec, raw_len, &stored)?)
    }

    fn put_pack(&mut self) -> Result<(), Stop> {
        let capacity = self.repository.config().pack_bytes;
        let full =
            std::mem::replace(&mut self.pack, PackBuilder::new(self.repository.sealer(), capacity));
        let Some(pack) = full.finish() else {
            return Ok(());
        };
        self.io.block_on(self.repository.put_pack(&pack))??;
        self.progress.stored_bytes(pack.bytes.len() as u64);
        self.progress.stored_objects(1);
        self.durable.extend(pack.entries);
        Ok(())
    }
}
