//! What runs need of packs, and whether the packs have it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use cairn_storage::ObjectMeta;
use futures::TryStreamExt;
use futures::future::try_join_all;
use tokio::sync::Semaphore;

use super::progress::{CheckPhase, CheckProgress, OnProgress};
use super::report::{CheckReport, Findings};
use crate::contradiction::{Comparison, Need, compare};
use crate::error::DamagedObject;
use crate::index::ListedRun;
use crate::mark::Named;
use crate::pack::ChunkLocation;
use crate::{ChunkId, Damage, Error, Fault, IndexId, Malformed, PackId, Repository, Result};

/// Runs held in memory at once.
const MAX_RUNS: usize = 4;

/// Chunks read at once that lie only where settled marks name.
const MAX_READS: usize = 4;

/// What is known of a pack.
#[derive(Debug, Clone, Copy, Default)]
struct KnownPack {
    /// Its length; `None` when it is not there. Longer than any pack, it is none.
    length: Option<u32>,
    need: Need,
    /// Whether somebody counts on it: a run lists it that no settled mark names.
    counts: bool,
}

/// The packs, and what is wrong with which.
#[derive(Debug)]
pub(super) struct Packs<'a> {
    repository: &'a Repository,
    /// What settled marks name.
    settled: &'a Named,
    known: HashMap<PackId, KnownPack>,
    faults: BTreeMap<PackId, Fault>,
    /// Bounds the chunks in memory that are read to be judged.
    reads: Semaphore,
    /// Chunks that were read where settled marks name, and are not there.
    lost: Mutex<HashSet<ChunkId>>,
}

impl<'a> Packs<'a> {
    /// Lists the packs once.
    pub(super) async fn list(repository: &'a Repository, settled: &'a Named) -> Result<Self> {
        let packs = repository.listed_packs().map_ok(|(pack, ObjectMeta { size, .. })| {
            let length = Some(u32::try_from(size).unwrap_or(u32::MAX));
            (pack, KnownPack { length, ..KnownPack::default() })
        });
        Ok(Self {
            repository,
            settled,
            known: packs.try_collect().await?,
            faults: BTreeMap::new(),
            reads: Semaphore::new(MAX_READS),
            lost: Mutex::default(),
        })
    }

    /// Verifies every run, notes what it needs, and returns those that a pack contradicts, which need nothing. With `directories`
    /// each is compared with all of its packs, else only with those that are shorter than it says.
    pub(super) async fn compare_with_runs(
        &mut self,
        runs: &[ListedRun],
        directories: bool,
        on_progress: OnProgress<'_>,
        findings: &mut Findings,
    ) -> Result<BTreeSet<IndexId>> {
        let mut contradicted = BTreeSet::new();
        let phase = CheckPhase::Runs;
        let (mut done, total) = (0, runs.len() as u64);
        for wave in runs.chunks(MAX_RUNS) {
            on_progress(CheckProgress { phase, done, total });
            done += wave.len() as u64;
            let compared = wave.iter().map(|run| self.compare_run(run, directories));
            for (run, outcome) in wave.iter().zip(try_join_all(compared).await?) {
                let fault = match outcome {
                    None => continue,
                    Some(Ok(Comparison { contradicted_by: Some(pack), .. })) => {
                        contradicted.insert(run.id);
                        Fault::Contradicted { pack }
                    }
                    Some(Ok(comparison)) => {
                        self.note(run, comparison);
                        continue;
                    }
                    Some(Err(malformed)) => malformed.into(),
                };
                if !self.settled.runs.contains(&run.id) {
                    findings.add(Damage::new(DamagedObject::IndexRun(run.id), fault));
                }
            }
        }
        on_progress(CheckProgress { phase, done, total });
        Ok(contradicted)
    }

    /// Reads a run and what is asked of its packs. One that is gone was deleted after it was listed, by someone who knows why.
    async fn compare_run(
        &self,
        run: &ListedRun,
        directories: bool,
    ) -> Result<Option<Result<Comparison, Malformed>>> {
        let run = match self.repository.read_run(run).await? {
            Some(Ok(run)) => run,
            Some(Err(malformed)) => return Ok(Some(Err(malformed))),
            None => return Ok(None),
        };
        let sealer = self.repository.sealer();
        let asked = |pack: &PackId, need: Need| {
            let length = u64::from(self.known.get(pack)?.length?);
            let is_asked = directories || need.pack_bytes(sealer) > length;
            (is_asked && !self.settled.packs.contains(pack)).then_some(length)
        };
        Ok(Some(Ok(compare(self.repository, &run, asked).await?)))
    }

    /// Notes what a run needs. Runs that list the same pack need the most that one of them does: each lists a chunk once, so
    /// none needs more than there was.
    fn note(&mut self, run: &ListedRun, comparison: Comparison) {
        let sealer = self.repository.sealer();
        let counts = !self.settled.runs.contains(&run.id);
        for (pack, need) in comparison.needs {
            let known = self.known.entry(pack).or_default();
            known.counts |= counts && !self.settled.packs.contains(&pack);
            if need.pack_bytes(sealer) > known.need.pack_bytes(sealer) {
                known.need = need;
            }
        }
        self.faults.extend(comparison.faults);
    }

    /// Compares what is needed with what is there.
    pub(super) fn compare_with_listing(&mut self, report: &mut CheckReport) {
        let sealer = self.repository.sealer();
        for (pack, known) in &self.known {
            let is_needed = known.need.chunks > 0;
            let expected = known.need.pack_bytes(sealer);
            let Some(length) = known.length else {
                self.faults.insert(*pack, Fault::Missing);
                continue;
            };
            if is_needed && u64::from(length) < expected {
                let fault = Fault::Short { expected, actual: length.into() };
                self.faults.insert(*pack, fault);
            }
            if self.settled.packs.contains(pack) {
                continue;
            }
            report.num_packs += 1;
            if !known.counts {
                report.num_orphan_packs += 1;
                report.orphan_bytes += u64::from(length);
            }
        }
    }

    /// What is to be told: not what is wrong with packs on which nobody counts, nor that one is missing that goes.
    pub(super) fn damages(&self, goes: &Named) -> impl Iterator<Item = Damage> {
        let is_told = |pack: &PackId, fault: &Fault| {
            self.counts(pack) && !(*fault == Fault::Missing && goes.packs.contains(pack))
        };
        let told = self.faults.iter().filter(move |(pack, fault)| is_told(pack, fault));
        told.map(|(pack, fault)| Damage::new(DamagedObject::Pack(*pack), fault.clone()))
    }

    fn counts(&self, pack: &PackId) -> bool {
        self.known.get(pack).is_some_and(|known| known.counts)
    }

    /// What is wrong with a pack.
    pub(super) fn fault(&self, pack: &PackId) -> Option<&Fault> {
        self.faults.get(pack)
    }

    /// Of the places of a chunk one in a pack that is sound as far as is known; or the place by which to name its loss. Where
    /// nobody counts on any, the chunk is read.
    pub(super) async fn judge(
        &self,
        id: &ChunkId,
        places: &[ChunkLocation],
    ) -> Result<Result<ChunkLocation, Option<PackId>>> {
        let (counted, aside): (Vec<_>, Vec<_>) =
            places.iter().copied().partition(|place| self.counts(&place.pack));
        let is_sound = |place: &&ChunkLocation| !self.faults.contains_key(&place.pack);
        if let Some(place) = counted.iter().find(is_sound) {
            return Ok(Ok(*place));
        }
        let read = self.read_aside(id, &aside).await?;
        Ok(read.ok_or_else(|| counted.first().map(|place| place.pack)))
    }

    /// The first of these places at which a chunk is.
    async fn read_aside(
        &self,
        id: &ChunkId,
        places: &[ChunkLocation],
    ) -> Result<Option<ChunkLocation>> {
        // A set of ids: whole whatever happened to another thread.
        let lost = || self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() || lost().contains(id) {
            return Ok(None);
        }
        // Nobody closes the semaphore; without it the check would only need more memory.
        let _permit = self.reads.acquire().await.ok();
        for place in places {
            match self.repository.read_chunk_at(id, place).await {
                Ok(_) => return Ok(Some(*place)),
                Err(Error::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        lost().insert(*id);
        Ok(None)
    }
}
