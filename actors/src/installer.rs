//! Installer stage: writes segments into the staging place, then makes all of it live.
//!
//! # Overview
//! Several workers write pieces; the worker that writes the last byte of a segment ends it. The last worker whose input has
//! ended asks the sink for the switch.
//!
//! # Consistency
//! R7: only verified pieces arrive. R10: the switch is asked for once, after every worker saw the end of its input;
//! a worker that fails or is cancelled never counts as done, so there is no switch.
//!
//! # Order
//! Pieces in any order; each knows its segment and offset.
//!
//! # Memory
//! Pieces in hand. Open segments: at most those of one lookahead of the fetcher.
//!
//! # Cancellation
//! Until the switch has begun. The reservation is dropped at the end of the job, which aborts it.
//!
//! # Crash consistency
//! As the sink promises: old or new, never a mixture.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cairn_repository::index::Index;
use cairn_repository::{ChunkId, Damage, Repository};

use crate::edge::Inlet;
use crate::error::{Fault, Stop};
use crate::failpoint::{Failpoint, hit};
use crate::io::IoTasks;
use crate::message::{Piece, Verified};
use crate::metrics::StageId;
use crate::progress::{Phase, Progress};
use crate::stage::{StageContext, Worker};
use crate::staged::StagedCell;
use crate::tablet::StagedRestore;

/// The switch, asked for by the last worker.
#[derive(Debug)]
pub(crate) struct Switch {
    working: AtomicUsize,
}

impl Switch {
    /// A switch after `num_workers` workers are done.
    pub(crate) fn new(num_workers: usize) -> Self {
        Self { working: AtomicUsize::new(num_workers) }
    }
}

/// One of the installer's workers.
#[derive(Debug)]
pub(crate) struct InstallerWorker {
    /// The sink's reservation.
    pub(crate) staged: StagedCell,
    /// Shared by all workers of the job.
    pub(crate) switch: Arc<Switch>,
    /// Where a chunk is looked for again.
    pub(crate) repository: Repository,
    /// All places of it.
    pub(crate) index: Arc<Index>,
    /// Where reads run.
    pub(crate) io: IoTasks,
    /// The job's counters.
    pub(crate) progress: Arc<Progress>,
    /// From the verifier.
    pub(crate) inlet: Inlet<Verified>,
}

impl Worker for InstallerWorker {
    fn run(self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        while let Some(verified) = self.inlet.recv()? {
            let staged = self.staged()?;
            for segment in verified.empty {
                context.work(0, || segment.make_empty(staged))?;
                self.progress.segments_done(1);
            }
            for piece in verified.pieces {
                let len = piece.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                context.work(len, || self.write(staged, piece))?;
            }
        }
        // AcqRel: the last worker sees everything that the others did.
        if self.switch.working.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.make_live(context)?;
        }
        Ok(())
    }
}

impl InstallerWorker {
    fn staged(&self) -> Result<&dyn StagedRestore, Fault> {
        let staged = self.staged.get();
        staged.map(AsRef::as_ref).ok_or_else(|| {
            Fault::defect(StageId::Installer, "segments arrived before the reservation")
        })
    }

    /// A damaged chunk may lie in another pack too: two writers stored it, or it was repaired.
    fn read_elsewhere(&self, id: &ChunkId, segment: &str, damage: Damage) -> Result<Bytes, Stop> {
        match self.io.block_on(self.repository.read_chunk(&self.index, id))? {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.damage().is_some() => {
                Err(Fault::segment_damaged(segment.to_owned(), damage).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, staged: &dyn StagedRestore, piece: Piece) -> Result<(), Stop> {
        let Some((segment, offset)) = piece.target else {
            return Ok(());
        };
        let bytes = match piece.bytes {
            Ok(bytes) => bytes,
            Err(damage) => self.read_elsewhere(&piece.id, &segment.place(), damage)?,
        };
        let is_whole = segment.write(staged, offset, &bytes)?;
        self.progress.bytes_done(bytes.len() as u64);
        if is_whole {
            self.progress.segments_done(1);
            hit(Failpoint::InstallerSegmentStaged);
        }
        Ok(())
    }

    fn make_live(&self, context: &StageContext) -> Result<(), Stop> {
        context.check_cancelled()?;
        self.progress.enter(Phase::Committing);
        hit(Failpoint::InstallerBeforeSwitch);
        context.work(0, || self.staged().and_then(|staged| Ok(staged.install()?)))?;
        hit(Failpoint::InstallerAfterSwitch);
        Ok(())
    }
}
