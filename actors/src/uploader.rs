//! Uploader stage: fills packs and stores them.
//!
//! # Overview
//! Takes sealed chunks, copies new ones into the pack that is being filled, puts full packs on the I/O runtime,
//! and tells the committer the place of every chunk at once and every pack when it is durable.
//!
//! # Consistency
//! R1 by the storage; R2 by the pack's name. The end of the outlet comes after the last pack is
//! durable: what the committer knows at the end is durable.
//!
//! # Order
//! Packs are put concurrently and become durable in any order.
//!
//! # Memory
//! `max_in_flight + 1` pack buffers, used over and over.
//!
//! # Retries
//! The storage's layers retry; what reaches this stage is final and fails the job.
//!
//! # Cancellation
//! Puts in flight are dropped and leave nothing visible (R1).
//!
//! # Crash consistency
//! Packs that no index run lists yet are unused bytes; the next backup stores their chunks again. The
//! committer bounds how many those can be.

use std::sync::Arc;

use bytes::Bytes;
use cairn_repository::Repository;
use cairn_repository::pack::{ChunkKind, FinishedPack, IndexEntry, PackBuilder};

use crate::edge::{Inlet, Outlet, Received};
use crate::error::Stop;
use crate::failpoint::{Failpoint, hit};
use crate::flight::Flight;
use crate::io::IoTasks;
use crate::message::{PlacedChunk, SealedBatch, Stored};
use crate::progress::Progress;
use crate::stage::{StageContext, Worker};

/// What the uploader is given.
#[derive(Debug)]
pub(crate) struct UploaderWorker {
    /// Where packs go.
    pub(crate) repository: Repository,
    /// Where puts run.
    pub(crate) io: IoTasks,
    /// Puts that may run at once.
    pub(crate) max_in_flight: usize,
    /// The job's counters.
    pub(crate) progress: Arc<Progress>,
    /// Sealed chunks.
    pub(crate) inlet: Inlet<SealedBatch>,
    /// To the committer.
    pub(crate) outlet: Outlet<Stored>,
}

/// A pack that was put.
struct PutPack {
    entries: Vec<IndexEntry>,
    bytes: Bytes,
}

/// Packs on their way, and buffers for the next ones.
struct Uploads {
    flight: Flight<PutPack>,
    spare: Vec<Vec<u8>>,
}

impl Worker for UploaderWorker {
    fn run(self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        let mut uploads =
            Uploads { flight: Flight::new(self.max_in_flight, context), spare: Vec::new() };
        let mut pack = self.new_pack(&mut uploads);
        loop {
            match self.inlet.recv_or(uploads.flight.results())? {
                Received::Other(put) => {
                    let put = uploads.flight.landed(put)?;
                    self.announce(&mut uploads, put)?;
                }
                Received::End => break,
                Received::Item(batch) => pack = self.store(batch, pack, &mut uploads, context)?,
            }
        }
        self.launch(pack, &mut uploads)?;
        while !uploads.flight.is_idle() {
            let put = uploads.flight.wait()?;
            self.announce(&mut uploads, put)?;
        }
        self.outlet.end();
        Ok(())
    }
}

impl UploaderWorker {
    fn new_pack(&self, uploads: &mut Uploads) -> PackBuilder {
        let capacity = self.repository.config().pack_bytes;
        let buffer = uploads.spare.pop().unwrap_or_default();
        PackBuilder::with_buffer(self.repository.sealer(), buffer, capacity)
    }

    /// Puts the new chunks of a batch into packs, and tells the places of all.
    fn store(
        &self,
        batch: SealedBatch,
        mut pack: PackBuilder,
        uploads: &mut Uploads,
        context: &StageContext,
    ) -> Result<PackBuilder, Stop> {
        let mut placed = Vec::with_capacity(batch.chunks.len());
        for chunk in batch.chunks {
            placed.push(PlacedChunk { slot: chunk.slot, position: chunk.position, id: chunk.id });
            let Some(stored) = chunk.stored else { continue };
            if !pack.has_room_for(stored.bytes.len()) {
                self.launch(pack, uploads)?;
                pack = self.new_pack(uploads);
            }
            context.work(stored.bytes.len() as u64, || {
                pack.push(chunk.id, ChunkKind::Segment, stored.codec, chunk.raw_len, &stored.bytes)
            })?;
        }
        self.outlet.send(Stored::Chunks { chunks: placed, cuts: batch.cuts })?;
        Ok(pack)
    }

    /// Starts the put of a pack, waiting for a permit; an empty pack is nothing.
    fn launch(&self, pack: PackBuilder, uploads: &mut Uploads) -> Result<(), Stop> {
        let Some(pack) = pack.finish() else {
            return Ok(());
        };
        if uploads.flight.is_full() {
            let put = uploads.flight.wait()?;
            self.announce(uploads, put)?;
        }
        hit(Failpoint::UploaderBeforePack);
        let (landing, repository) = (uploads.flight.launch(), self.repository.clone());
        self.io.spawn(landing.land_from(async move {
            repository.put_pack(&pack).await?;
            let FinishedPack { bytes, entries, .. } = pack;
            Ok(PutPack { entries, bytes })
        }));
        Ok(())
    }

    /// Passes the news of a put on.
    fn announce(&self, uploads: &mut Uploads, put: PutPack) -> Result<(), Stop> {
        hit(Failpoint::UploaderAfterPack);
        let bytes = put.bytes.len() as u64;
        self.progress.stored_bytes(bytes);
        self.progress.stored_objects(1);
        uploads.spare.push(Vec::from(put.bytes));
        Ok(self.outlet.send(Stored::Pack { entries: put.entries, bytes })?)
    }
}
