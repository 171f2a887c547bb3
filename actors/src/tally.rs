//! The two ends of a check: a fetcher of whole packs and a counter of what the verifier says.
//!
//! *Does*: reads every pack once, proves its directory by its name and every chunk by its id; collects what is damaged.
//!
//! *Order*: none. *Memory*: `max_in_flight` packs, and a few hundred bytes per damage.
//!
//! *On failure*: a damage is a finding, not a fault; only a storage that cannot be read at all fails the
//! job.

use std::sync::Arc;

use bytes::Bytes;
use cairn_repository::pack::entries_of_pack;
use cairn_repository::{Damage, DamagedObject, PackId, Repository, Sealer};
use tokio::sync::oneshot;

use crate::edge::{Inlet, Outlet};
use crate::error::{Fault, Stop};
use crate::flight::Flight;
use crate::io::IoTasks;
use crate::message::{Fetched, Placement, Verified};
use crate::progress::{Phase, Progress};
use crate::stage::{StageContext, Worker};

/// Reads packs, each as a whole.
#[derive(Debug)]
pub(crate) struct PackFetcherWorker {
    /// Where packs are.
    pub(crate) repository: Repository,
    /// Where reads run.
    pub(crate) io: IoTasks,
    /// The packs to read, with their sizes in bytes.
    pub(crate) packs: Vec<(PackId, u32)>,
    /// Packs that may be in memory at once.
    pub(crate) max_in_flight: usize,
    /// The job's counters.
    pub(crate) progress: Arc<Progress>,
    /// To the verifier.
    pub(crate) outlet: Outlet<Fetched>,
}

impl Worker for PackFetcherWorker {
    fn run(mut self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        self.progress.enter(Phase::Moving);
        let mut flight = Flight::new(self.max_in_flight, context);
        let packs = std::mem::take(&mut self.packs);
        self.progress.bytes_total(packs.iter().map(|(_, bytes)| u64::from(*bytes)).sum());
        for (pack, length) in packs {
            if flight.is_full() {
                self.forward(flight.wait()?)?;
            }
            let (landing, repository) = (flight.launch(), self.repository.clone());
            self.io.spawn(landing.land_from(async move {
                let read = repository.read_pack(&pack, 0, length).await;
                fetched(repository.sealer(), &pack, read)
            }));
        }
        while !flight.is_idle() {
            self.forward(flight.wait()?)?;
        }
        self.outlet.end();
        Ok(())
    }
}

impl PackFetcherWorker {
    fn forward(&self, fetched: Fetched) -> Result<(), Stop> {
        let bytes = fetched.bytes.len() as u64;
        self.progress.bytes_read(bytes);
        self.progress.bytes_done(bytes);
        Ok(self.outlet.send(fetched)?)
    }
}

/// A pack as read, taken apart by its directory; or what is wrong with it.
fn fetched(
    sealer: &Sealer,
    pack: &PackId,
    read: cairn_repository::Result<Bytes>,
) -> Result<Fetched, Fault> {
    let broken = |damage| Fetched {
        offset: 0,
        bytes: Bytes::new(),
        placements: Vec::new(),
        empty: Vec::new(),
        damage: Some(damage),
    };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => {
            let damage = error.damage().cloned();
            return damage.map(broken).ok_or_else(|| error.into());
        }
    };
    match entries_of_pack(sealer, pack, &bytes) {
        Err(malformed) => Ok(broken(Damage::new(DamagedObject::Pack(*pack), malformed))),
        Ok(entries) => {
            let placements = entries
                .into_iter()
                .map(|entry| Placement { id: entry.id, location: entry.location, target: None })
                .collect();
            Ok(Fetched { offset: 0, bytes, placements, empty: Vec::new(), damage: None })
        }
    }
}

/// What a check of the packs found.
#[derive(Debug, Default)]
pub struct CheckTally {
    /// Chunks that are what their names say.
    pub good_chunks: u64,
    /// Plaintext bytes of those.
    pub good_bytes: u64,
    /// Everything that is damaged.
    pub damages: Vec<Damage>,
}

/// Counts what the verifier says.
#[derive(Debug)]
pub(crate) struct TallyWorker {
    /// From the verifier.
    pub(crate) inlet: Inlet<Verified>,
    /// Receives the tally at the end.
    pub(crate) outcome: oneshot::Sender<CheckTally>,
}

impl Worker for TallyWorker {
    fn run(self: Box<Self>, context: &StageContext) -> Result<(), Stop> {
        let mut tally = CheckTally::default();
        while let Some(verified) = self.inlet.recv()? {
            context.work(0, || tally.add(verified));
        }
        // No receiver means that nobody waits for the job any more.
        let _ = self.outcome.send(tally);
        Ok(())
    }
}

impl CheckTally {
    fn add(&mut self, verified: Verified) {
        self.damages.extend(verified.damage);
        for piece in verified.pieces {
            match piece.bytes {
                Ok(bytes) => {
                    self.good_chunks += 1;
                    self.good_bytes += bytes.len() as u64;
                }
                Err(damage) => self.damages.push(damage),
            }
        }
    }
}
