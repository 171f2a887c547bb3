//! What runs need of packs, and whether the packs have it.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use cairn_storage::ByteRange;
use futures::{StreamExt, TryStreamExt, stream};

use super::report::{CheckReport, Findings};
use super::{CheckPhase, CheckProgress, OnProgress};
use crate::error::DamagedObject;
use crate::index::{Index, ListedRun, Run, decode_run};
use crate::pack::tail_bytes;
use crate::repository::fault_of;
use crate::{Damage, Fault, Malformed, PackId, Repository, Result, Sealer, layout};

/// Runs held in memory at once.
const MAX_RUNS: usize = 4;

/// Directories read at once.
const MAX_READS: usize = 16;

/// What a pack must have at least for a run to be right about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Need {
    /// End of the last chunk that the run lists.
    end: u64,
    /// Chunks that the run lists.
    chunks: u64,
}

impl Need {
    /// Directory and trailer for the chunks that are listed.
    fn tail_bytes(self, sealer: &Sealer) -> u64 {
        tail_bytes(sealer, self.chunks)
    }

    fn pack_bytes(self, sealer: &Sealer) -> u64 {
        self.end + self.tail_bytes(sealer)
    }
}

/// The packs that runs name, with their sizes once they have been listed.
pub(super) type Needs = HashMap<PackId, Need>;

/// Packs that are not as they must be.
pub(super) type PackFaults = BTreeMap<PackId, Fault>;

#[derive(Clone, Copy)]
pub(super) struct PackCheck<'a> {
    pub(super) repository: &'a Repository,
    pub(super) index: &'a Index,
    pub(super) on_progress: OnProgress<'a>,
}

impl PackCheck<'_> {
    /// Verifies every run by its hash and says what the intact ones need of which packs.
    pub(super) async fn needs_of_runs(
        &self,
        runs: &[ListedRun],
        findings: &mut Findings,
    ) -> Result<Needs> {
        let (mut needs, sealer) = (Needs::new(), self.repository.sealer());
        let reads: Vec<_> = runs.iter().map(|run| self.read_run(run)).collect();
        let mut reads = stream::iter(reads).buffer_unordered(MAX_RUNS);
        let (mut done, total) = (0, runs.len() as u64);
        while let Some((run, bytes)) = reads.try_next().await? {
            (self.on_progress)(CheckProgress { phase: CheckPhase::Runs, done, total });
            done += 1;
            // A run that is gone was deleted after it was listed, by someone who knows why.
            let Some(bytes) = bytes else { continue };
            match decode_run(sealer, &run.id, &bytes) {
                Ok(run) => add_needs(sealer, &mut needs, &run),
                Err(malformed) => {
                    findings.add(Damage::new(DamagedObject::IndexRun(run.id), malformed));
                }
            }
        }
        (self.on_progress)(CheckProgress { phase: CheckPhase::Runs, done, total });
        Ok(needs)
    }

    async fn read_run<'r>(&self, run: &'r ListedRun) -> Result<(&'r ListedRun, Option<Bytes>)> {
        let path = layout::index_path(&run.id);
        match self.repository.storage().get(&path, ByteRange::Full).await {
            Ok(bytes) => Ok((run, Some(bytes))),
            Err(error) if error.is_not_found() => Ok((run, None)),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists the packs once, but for those that go, and compares.
    pub(super) async fn compare_with_listing(
        &self,
        needs: &Needs,
        goes: &HashSet<PackId>,
        report: &mut CheckReport,
    ) -> Result<PackFaults> {
        let mut faults: PackFaults = needs.keys().map(|pack| (*pack, Fault::Missing)).collect();
        let (prefix, sealer) = (layout::packs_prefix(), self.repository.sealer());
        let mut packs = self.repository.storage().list(&prefix);
        while let Some(meta) = packs.try_next().await? {
            let pack = layout::parse_pack_path(&meta.path);
            let Some(pack) = pack.filter(|pack| !goes.contains(pack)) else {
                continue;
            };
            report.num_packs += 1;
            match needs.get(&pack).map(|need| need.pack_bytes(sealer)) {
                None => {
                    report.num_orphan_packs += 1;
                    report.orphan_bytes += meta.size;
                }
                Some(expected) if meta.size < expected => {
                    faults.insert(pack, Fault::Short { expected, actual: meta.size });
                }
                Some(_) => {
                    faults.remove(&pack);
                }
            }
        }
        Ok(faults)
    }

    /// Reads directory and trailer of each pack that has no fault yet.
    pub(super) async fn read_directories(
        &self,
        needs: &Needs,
        faults: &mut PackFaults,
    ) -> Result<()> {
        let packs: Vec<_> = needs.iter().filter(|(pack, _)| !faults.contains_key(pack)).collect();
        let total = packs.len() as u64;
        let reads = packs.into_iter().map(async |(pack, need)| {
            let fault = self.read_directory(pack, need).await?;
            Ok::<_, crate::Error>((*pack, fault))
        });
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(MAX_READS);
        let mut done = 0;
        while let Some((pack, fault)) = reads.try_next().await? {
            done += 1;
            (self.on_progress)(CheckProgress { phase: CheckPhase::Directories, done, total });
            if let Some(fault) = fault {
                faults.insert(pack, fault);
            }
        }
        Ok(())
    }

    /// What is wrong with the directory of a pack, or with what the index says of it.
    async fn read_directory(&self, pack: &PackId, need: &Need) -> Result<Option<Fault>> {
        let storage = self.repository.storage();
        let pack_bytes = match storage.head(&layout::pack_path(pack)).await {
            Ok(meta) => meta.size,
            Err(error) => return fault_or(error),
        };
        // More than this only where the runs do not list all of its chunks.
        let guess = need.tail_bytes(self.repository.sealer());
        let entries = match self.repository.read_directory(pack, pack_bytes, guess).await {
            Ok(entries) => entries,
            Err(crate::Error::Damaged(damage)) => return Ok(Some(damage.fault)),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let places = self.index.find_all(&entry.id).await?;
            let mut here = places.iter().filter(|place| place.pack == *pack).peekable();
            if here.peek().is_some() && !here.any(|place| *place == entry.location) {
                let what = "the index lists a chunk of it at another place";
                return Ok(Some(Malformed::new(what).into()));
            }
        }
        Ok(None)
    }
}

fn fault_or(error: cairn_storage::Error) -> Result<Option<Fault>> {
    match fault_of(&error) {
        Some(fault) => Ok(Some(fault)),
        None => Err(error.into()),
    }
}

/// Adds what one run needs. Runs that list the same pack need the most that one of them does: each lists a chunk
/// once, so none needs more than there was.
fn add_needs(sealer: &Sealer, needs: &mut Needs, run: &Run) {
    let mut needs_of_run = Needs::with_capacity(run.packs().len());
    for entry in run.entries() {
        let need = needs_of_run.entry(entry.location.pack).or_default();
        need.end = need.end.max(entry.location.end());
        need.chunks += 1;
    }
    for (pack, need) in needs_of_run {
        let most = needs.entry(pack).or_default();
        if need.pack_bytes(sealer) > most.pack_bytes(sealer) {
            *most = need;
        }
    }
}
