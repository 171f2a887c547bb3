//! Verifier stage: decodes chunks and proves that they are what their names say.
//!
//! *Does*: cuts spans into chunks, opens what is sealed, decompresses, checks the BLAKE3 of each against its id (R7).
//!
//! *In / Out*: [`Fetched`] -> [`Verified`], by [`crate::compute`] on the compute pool.
//!
//! *Order*: none.
//!
//! *Memory*: the plaintext in flight; plaintext that is stored as it is stays a slice of its span.
//!
//! *On failure*: a damaged chunk travels on as such: a restore fails on it with the name of its segment, a check
//! counts it and goes on.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cairn_repository::decompressor::{Decompressor, open_chunk};
use cairn_repository::{Damage, DamagedObject, Fault as ChunkFault, Sealer};

use crate::compute::Compute;
use crate::error::Stop;
use crate::message::{Fetched, Piece, Placement, Verified};
use crate::staged::SegmentOut;

/// Plaintext bytes of a task.
const TASK_BYTES: usize = 512 << 10;

/// The work of the stage.
pub(crate) struct Verify {
    sealer: Sealer,
    /// Idle decompressors: as many as ever ran at once. Guards the list only.
    decompressors: Mutex<Vec<Decompressor>>,
}

/// Chunks that one thread verifies in one go.
pub(crate) struct VerifyTask {
    offset: u64,
    bytes: Bytes,
    placements: Vec<Placement>,
    empty: Vec<Arc<SegmentOut>>,
    damage: Option<Damage>,
}

impl Verify {
    pub(crate) fn new(sealer: &Sealer) -> Self {
        Self { sealer: sealer.clone(), decompressors: Mutex::default() }
    }

    fn verify(decompressor: &mut Decompressor, span: (u64, &Bytes), placement: Placement) -> Piece {
        let Placement { id, location, target } = placement;
        let (offset, bytes) = span;
        let start = usize::try_from(u64::from(location.offset).saturating_sub(offset));
        let end = usize::try_from(location.end().saturating_sub(offset));
        let stored = match (start, end) {
            (Ok(start), Ok(end)) if start <= end && end <= bytes.len() => bytes.slice(start..end),
            _ => {
                let fault = ChunkFault::Short {
                    expected: location.end(),
                    actual: offset + bytes.len() as u64,
                };
                let pack = DamagedObject::Pack(location.pack);
                return Piece { id, bytes: Err(Damage::of_chunk(pack, id, fault)), target };
            }
        };
        let bytes = open_chunk(decompressor, &id, &location, &stored);
        Piece { id, bytes, target }
    }
}

impl Compute for Verify {
    type In = Fetched;
    type Task = VerifyTask;
    type Out = Verified;

    fn split(&self, fetched: Fetched, tasks: &mut Vec<VerifyTask>) {
        let Fetched { offset, bytes, placements, empty, damage } = fetched;
        let task = |placements, empty, damage| VerifyTask {
            offset,
            bytes: bytes.clone(),
            placements,
            empty,
            damage,
        };
        let mut group = Vec::new();
        let mut group_bytes = 0;
        for placement in placements {
            group_bytes += placement.location.raw_len as usize;
            group.push(placement);
            if group_bytes >= TASK_BYTES {
                tasks.push(task(std::mem::take(&mut group), Vec::new(), None));
                group_bytes = 0;
            }
        }
        if !group.is_empty() || !empty.is_empty() || damage.is_some() {
            tasks.push(task(group, empty, damage));
        }
    }

    fn bytes(task: &VerifyTask) -> u64 {
        task.placements.iter().map(|placement| u64::from(placement.location.raw_len)).sum()
    }

    fn run(&self, task: VerifyTask) -> Result<Verified, Stop> {
        let idle = self.decompressors.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut decompressor = idle.unwrap_or_else(|| Decompressor::new(&self.sealer));
        let span = (task.offset, &task.bytes);
        let pieces = task
            .placements
            .into_iter()
            .map(|placement| Self::verify(&mut decompressor, span, placement))
            .collect();
        self.decompressors.lock().unwrap_or_else(PoisonError::into_inner).push(decompressor);
        Ok(Verified { pieces, empty: task.empty, damage: task.damage })
    }
}
