//! What a mark should name. Pure: whatever is chosen here, the sweep keeps what is needed.

use std::time::{Duration, SystemTime};

use super::ledger::{Ledger, LedgerPack, Settlement};
use super::survey::SurveyedRun;
use crate::mark::MAX_NAMED;

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
    /// Percent of the bytes of packs that may stay unused; with none, neither packs that are partly used nor small ones are made anew.
    pub(super) max_unused: Option<u8>,
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
        let are_small_merged = self.max_unused.is_some() && num_small > MAX_SMALL;
        let (mut chosen, mut merged, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for ((position, pack), (used, listed)) in free() {
            if used > 0 && are_small_merged && is_small(pack) {
                merged.push(position);
            } else if used > 0 {
                // Whoever may only append could list more than there is.
                kept.push(Filling { position, used, listed: listed.min(pack.size.into()) });
            } else if !self.spares_unlisted || listed > 0 {
                chosen.push(position);
            }
        }
        chosen.append(&mut merged);
        if let Some(percent) = self.max_unused {
            let live = settlement.used.iter().sum();
            chosen.extend(worst(percent, live, kept));
        }
        // What costs nothing goes first.
        chosen.truncate(MAX_NAMED);
        chosen.sort_unstable();
        chosen
    }
}

/// A pack of which something is used.
#[derive(Debug, Clone, Copy)]
struct Filling {
    position: u32,
    used: u64,
    listed: u64,
}

impl Filling {
    fn unused(&self) -> u64 {
        self.listed.saturating_sub(self.used)
    }
}

/// The packs to make anew so that of them no more stays unused than this part of that and of all that is used, `live`: those of
/// which the largest part is unused, for they free the most for what is copied. What is copied stays live, so who asks again at once gets
/// none.
fn worst(percent: u8, live: u64, mut packs: Vec<Filling>) -> impl Iterator<Item = u32> {
    let live = u128::from(live);
    let mut unused: u128 = packs.iter().map(|pack| u128::from(pack.unused())).sum();
    packs.retain(|pack| pack.unused() > 0);
    packs.sort_unstable_by(|one, other| {
        let part = |of: &Filling, by: &Filling| u128::from(of.unused()) * u128::from(by.listed);
        part(other, one).cmp(&part(one, other))
    });
    packs.into_iter().map_while(move |pack| {
        let is_above = unused * 100 > u128::from(percent) * (live + unused);
        unused -= u128::from(pack.unused());
        is_above.then_some(pack.position)
    })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The positions, of packs with so many bytes used of so many.
    fn made_anew(percent: u8, packs: &[(u64, u64)]) -> Vec<u32> {
        let live = packs.iter().map(|(used, _)| used).sum();
        let packs = (0..).zip(packs);
        let packs = packs.map(|(position, &(used, listed))| Filling { position, used, listed });
        worst(percent, live, packs.collect()).collect()
    }

    #[test]
    fn the_worst_packs_are_made_anew_until_little_enough_is_unused() {
        let packs = [(100, 100), (90, 100), (10, 100), (60, 100), (1, 2)];
        assert_eq!(made_anew(0, &packs), [2, 4, 3, 1]);
        // Without the three, 10 of 271 bytes are unused.
        assert_eq!(made_anew(3, &packs), [2, 4, 3, 1]);
        assert_eq!(made_anew(4, &packs), [2, 4, 3]);
        assert_eq!(made_anew(30, &packs), [2]);
        assert_eq!(made_anew(100, &packs), [0; 0]);
        assert_eq!(made_anew(0, &[(7, 7), (9, 9)]), [0; 0]);
        assert_eq!(made_anew(5, &[(u64::MAX / 4, u64::MAX), (u64::MAX / 2, u64::MAX / 2)]), [0]);
    }

    proptest! {
        #[test]
        fn what_is_made_anew_suffices_and_is_no_more_than_it_takes(
            percent in 0..=100_u8,
            packs in prop::collection::vec((1..1000_u64, 0..1000_u64), 0..40),
        ) {
            let packs: Vec<(u64, u64)> =
                packs.into_iter().map(|(used, unused)| (used, used + unused)).collect();
            let unused = |position: &u32| {
                let (used, listed) = packs[*position as usize];
                listed - used
            };
            let used: u64 = packs.iter().map(|(used, _)| used).sum();
            let all: u64 = (0..).take(packs.len()).map(|position| unused(&position)).sum();
            let is_enough = |made: &[u32]| {
                let left = all - made.iter().map(unused).sum::<u64>();
                left * 100 <= u64::from(percent) * (used + left)
            };
            let made = made_anew(percent, &packs);
            prop_assert!(is_enough(&made));
            if let Some((_, but_the_last)) = made.split_last() {
                prop_assert!(!is_enough(but_the_last));
            }
        }
    }
}
