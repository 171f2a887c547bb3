//! What a mark should name. Pure: whatever is chosen here, the sweep keeps what is needed.

use std::time::{Duration, SystemTime};

use super::ledger::{Ledger, LedgerPack, Settlement};
use super::survey::SurveyedRun;

/// Runs shorter than this are small: a third of what a prune writes.
const SMALL_RUN_BYTES: u64 = 1 << 20;

/// Small runs, and small packs, that are let alone: fewer cost less than making them one.
const MAX_SMALL: usize = 16;

/// A pack is small below this part of what packs are filled to.
const SMALL_PACK_PART: u32 = 4;

/// How old something of the storage is; nothing when it seems to come from the future.
pub(super) fn age(now: SystemTime, modified: SystemTime) -> Duration {
    now.duration_since(modified).unwrap_or_default()
}

/// By what packs are chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    /// The storage's time.
    pub(super) now: SystemTime,
    pub(super) grace: Duration,
    /// Whether packs that are partly used, and small ones, are made anew.
    pub(super) repack: bool,
    /// What packs are filled to.
    pub(super) pack_bytes: u32,
    /// Whether packs that no run lists stay: they may hold what is lost.
    pub(super) spares_unlisted: bool,
}

impl Choice {
    /// The packs to condemn, by position.
    pub(super) fn packs(&self, ledger: &Ledger, settlement: &Settlement) -> Vec<u32> {
        let free = || {
            let bytes = settlement.used.iter().copied().zip(settlement.listed.iter().copied());
            (0..).zip(ledger.packs()).zip(bytes).filter(|((_, pack), _)| {
                !pack.is_condemned && age(self.now, pack.modified) >= self.grace
            })
        };
        let is_small = |pack: &LedgerPack| pack.size < self.pack_bytes / SMALL_PACK_PART;
        let num_small = free().filter(|((_, pack), (used, _))| *used > 0 && is_small(pack)).count();
        let are_small_merged = self.repack && num_small > MAX_SMALL;
        let chosen = free().filter(|((_, pack), (used, listed))| {
            let is_remade = self.repack && used * 2 < *listed || are_small_merged && is_small(pack);
            let is_spared = self.spares_unlisted && *listed == 0;
            !is_spared && (*used == 0 || is_remade)
        });
        chosen.map(|((position, _), _)| position).collect()
    }
}

/// The runs to supersede when these packs go.
pub(super) fn runs(runs: &[SurveyedRun], goes: impl Fn(u32) -> bool) -> Vec<&SurveyedRun> {
    let is_small = |run: &SurveyedRun| run.size < SMALL_RUN_BYTES;
    let are_small_merged = runs.iter().filter(|run| is_small(run)).count() > MAX_SMALL;
    let chosen = runs.iter().filter(|run| {
        run.num_gone > 0
            || run.packs.iter().any(|pack| goes(*pack))
            || are_small_merged && is_small(run)
    });
    chosen.collect()
}
