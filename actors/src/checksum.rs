//! Checksum stage: names chunks, drops known ones, encodes new ones.
//!
//! *Does*: BLAKE3 of each chunk, lookup in the index and among the chunks of this job, compression and, in an encrypted
//! repository, sealing of what is new; all in one task, while the chunk is in the core's cache.
//!
//! *In / Out*: [`ChunkBatch`] -> [`SealedBatch`], by [`crate::compute`] on the compute pool.
//!
//! *Order*: none.
//!
//! *Memory*: the encoded chunks in flight, and 32 bytes per new chunk of the job.
//!
//! *Invariants*: R2 (a chunk's name is the BLAKE3 of its plaintext); of equal chunks of one job exactly
//! one is new.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cairn_repository::codec::Codec;
use cairn_repository::compressor::Compressor;
use cairn_repository::config::Compression;
use cairn_repository::{ChunkId, Sealer};

use crate::compute::Compute;
use crate::error::{Fault, Stop};
use crate::holdings::Holdings;
use crate::io::IoTasks;
use crate::message::{ChunkBatch, RawChunk, SealedBatch, SealedChunk, SegmentCut, StoredForm};
use crate::metrics::{ChunkMetrics, StageId};
use crate::progress::Progress;

/// Plaintext bytes of a task: small chunks travel together, so that a task costs far more than its hand-over.
const TASK_BYTES: usize = 2 << 20;

/// Tells new chunks from known ones.
#[derive(Debug)]
pub(crate) struct Dedupe {
    holdings: Arc<Holdings>,
    io: IoTasks,
    /// New chunks of this job. Guards membership: who inserts an id stores it.
    claimed: Mutex<HashSet<ChunkId>>,
}

impl Dedupe {
    pub(crate) fn new(holdings: Arc<Holdings>, io: IoTasks) -> Self {
        Self { holdings, io, claimed: Mutex::default() }
    }

    /// Whether the caller must store this chunk: `true` exactly once for an id that the repository lacks.
    pub(crate) fn claim(&self, id: &ChunkId) -> Result<bool, Stop> {
        if self.holdings.has(id, &self.io)? {
            return Ok(false);
        }
        Ok(self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(*id))
    }
}

/// The work of the stage.
pub(crate) struct Seal {
    dedupe: Arc<Dedupe>,
    sealer: Sealer,
    compression: Compression,
    /// Idle compressors: as many as ever ran at once. Guards the list only, never held while compressing.
    compressors: Mutex<Vec<Compressor>>,
    progress: Arc<Progress>,
    metrics: ChunkMetrics,
}

/// Chunks that one thread seals in one go.
pub(crate) struct SealTask {
    chunks: Vec<RawChunk>,
    cuts: Vec<SegmentCut>,
}

impl Seal {
    pub(crate) fn new(
        dedupe: Arc<Dedupe>,
        sealer: Sealer,
        compression: Compression,
        progress: Arc<Progress>,
    ) -> Self {
        let (compressors, metrics) = (Mutex::default(), ChunkMetrics::new());
        Self { dedupe, sealer, compression, compressors, progress, metrics }
    }

    fn seal(&self, compressor: &mut Compressor, chunk: RawChunk) -> Result<SealedChunk, Stop> {
        let RawChunk { slot, position, bytes } = chunk;
        let id = self.sealer.chunk_id(&bytes);
        let raw_len = u32::try_from(bytes.len())
            .map_err(|_| Fault::defect(StageId::Checksum, "a chunk over 4 GiB"))?;
        if !self.dedupe.claim(&id)? {
            self.metrics.known.increment(1);
            self.metrics.known_raw_bytes.increment(raw_len.into());
            return Ok(SealedChunk { slot, position, id, raw_len, stored: None });
        }
        let (codec, encoded) = compressor.encode(&bytes)?;
        let (codec, stored) = match self.sealer.seal_chunk(&id, codec, raw_len, encoded) {
            Some((codec, sealed)) => (codec, Bytes::from(sealed)),
            None if codec == Codec::Raw => (codec, bytes.clone()),
            None => (codec, Bytes::copy_from_slice(encoded)),
        };
        self.metrics.new.increment(1);
        self.metrics.new_raw_bytes.increment(raw_len.into());
        self.metrics.stored_bytes.increment(stored.len() as u64);
        self.progress.new_chunks(1);
        self.progress.new_raw_bytes(raw_len.into());
        let stored = Some(StoredForm { codec, bytes: stored });
        Ok(SealedChunk { slot, position, id, raw_len, stored })
    }

    fn take_compressor(&self) -> Compressor {
        let idle = self.compressors.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Compressor::new(self.compression))
    }

    fn give_back(&self, compressor: Compressor) {
        self.compressors.lock().unwrap_or_else(PoisonError::into_inner).push(compressor);
    }
}

impl Compute for Seal {
    type In = ChunkBatch;
    type Task = SealTask;
    type Out = SealedBatch;

    fn split(&self, batch: ChunkBatch, tasks: &mut Vec<SealTask>) {
        let mut chunks = Vec::new();
        let mut bytes = 0;
        for chunk in batch.chunks {
            bytes += chunk.bytes.len();
            chunks.push(chunk);
            if bytes >= TASK_BYTES {
                tasks.push(SealTask { chunks: std::mem::take(&mut chunks), cuts: Vec::new() });
                bytes = 0;
            }
        }
        tasks.push(SealTask { chunks, cuts: batch.cuts });
    }

    fn bytes(task: &SealTask) -> u64 {
        task.chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum()
    }

    fn run(&self, task: SealTask) -> Result<SealedBatch, Stop> {
        let mut compressor = self.take_compressor();
        let chunks: Result<Vec<_>, _> =
            task.chunks.into_iter().map(|chunk| self.seal(&mut compressor, chunk)).collect();
        self.give_back(compressor);
        Ok(SealedBatch { chunks: chunks?, cuts: task.cuts })
    }
}
