//! [`Ledger`]: every place of every chunk, and which chunks are reached. Pure.
//!
//! *Memory*: 24 bytes for each place and a bit, 8 more while runs are merged, 56 for each pack. Half of an id tells chunks apart: two of 2^40 are alike
//! with a chance of 2^-49.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

use crate::index::Run;
use crate::pack::IndexEntry;
use crate::{ChunkId, PackId};

/// What of an id the ledger keeps.
pub(super) type HalfId = [u8; 16];

/// Set in [`Place::length`] when only runs that go list the place.
const IS_SUPERSEDED: u32 = 1 << 31;

/// A pack as a listing shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LedgerPack {
    pub(super) id: PackId,
    pub(super) size: u32,
    pub(super) modified: SystemTime,
    /// Whether a mark names it.
    pub(super) is_condemned: bool,
}

/// A place of a chunk. A stored form is shorter than a pack, so that its length leaves a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    id: HalfId,
    pack: u32,
    length: u32,
}

impl Place {
    fn is_superseded(self) -> bool {
        self.length & IS_SUPERSEDED != 0
    }

    fn bytes(self) -> u64 {
        u64::from(self.length & !IS_SUPERSEDED)
    }
}

/// Collects runs for a [`Ledger`].
#[derive(Debug)]
pub(super) struct LedgerBuilder {
    packs: Vec<LedgerPack>,
    places: Vec<Place>,
}

impl LedgerBuilder {
    /// Of these packs, in any order; `num_entries` is how many the runs will have.
    pub(super) fn new(mut packs: Vec<LedgerPack>, num_entries: usize) -> Self {
        packs.sort_unstable_by_key(|pack| pack.id);
        Self { packs, places: Vec::with_capacity(num_entries) }
    }

    /// Adds what a run lists in packs that are there, and says which packs it names and how many that are not there.
    pub(super) fn add(&mut self, run: &Run, is_superseded: bool) -> (Vec<u32>, u32) {
        let (mut named, mut num_gone) = (vec![false; self.packs.len()], 0);
        let flag = if is_superseded { IS_SUPERSEDED } else { 0 };
        for entry in run.entries() {
            let Some(pack) = position(&self.packs, &entry.location.pack) else {
                num_gone += 1;
                continue;
            };
            if let Some(is_named) = named.get_mut(pack as usize) {
                *is_named = true;
            }
            let length = entry.location.stored_len | flag;
            self.places.push(Place { id: half(&entry.id), pack, length });
        }
        let named = (0..).zip(named).filter_map(|(pack, is_named)| is_named.then_some(pack));
        (named.collect(), num_gone)
    }

    pub(super) fn build(self) -> Ledger {
        let Self { packs, mut places } = self;
        // Of equal places the one that stays listed comes first and is kept.
        places.sort_unstable();
        places.dedup_by_key(|place| (place.id, place.pack));
        let reached = vec![0; places.len().div_ceil(64)];
        Ledger { packs, places, reached }
    }
}

/// All places and all packs.
#[derive(Debug)]
pub(super) struct Ledger {
    packs: Vec<LedgerPack>,
    /// Ascending.
    places: Vec<Place>,
    /// A bit for each place: set at the first of a chunk that is reached.
    reached: Vec<u64>,
}

/// What of packs is used, and what is not firm.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    /// Bytes of chunks of each pack that runs list, by position.
    pub(super) listed: Vec<u64>,
    /// Those that are used.
    pub(super) used: Vec<u64>,
    /// Chunks reached.
    pub(super) num_chunks: u64,
    /// Chunks to list again, in packs that stay, by position.
    pub(super) to_list: BTreeMap<u32, Vec<HalfId>>,
    /// Chunks to copy from packs that go, by position.
    pub(super) to_copy: BTreeMap<u32, Vec<HalfId>>,
    /// Chunks to read in packs that stay before other places of them go, by position: one who may only append could have put
    /// anything there.
    pub(super) to_verify: BTreeMap<u32, Vec<HalfId>>,
}

impl Settlement {
    /// Chunks to copy.
    pub(super) fn num_to_copy(&self) -> u64 {
        self.to_copy.values().map(|chunks| chunks.len() as u64).sum()
    }

    /// Bytes of chunks that nothing needs, in packs that stay.
    pub(super) fn unused(&self, goes: impl Fn(u32) -> bool) -> u64 {
        let packs = (0..).zip(self.listed.iter().zip(&self.used)).filter(|(pack, _)| !goes(*pack));
        packs.map(|(_, (listed, used))| listed.saturating_sub(*used)).sum()
    }

    /// Whether everything is firm.
    pub(super) fn is_settled(&self) -> bool {
        self.to_list.is_empty() && self.to_copy.is_empty()
    }
}

impl Ledger {
    /// Ascending by id.
    pub(super) fn packs(&self) -> &[LedgerPack] {
        &self.packs
    }

    /// Whether a pack is there.
    pub(super) fn position(&self, pack: &PackId) -> Option<u32> {
        position(&self.packs, pack)
    }

    /// All packs that hold a chunk, the youngest first.
    pub(super) fn packs_of(&self, id: &HalfId) -> Vec<&LedgerPack> {
        let first = self.places.partition_point(|place| place.id < *id);
        let places = self.places.iter().skip(first).take_while(|place| place.id == *id);
        let mut packs: Vec<_> =
            places.filter_map(|place| self.packs.get(place.pack as usize)).collect();
        packs.sort_by_key(|pack| std::cmp::Reverse(pack.modified));
        packs
    }

    /// Entries of runs, none of which was seen yet.
    pub(super) fn entries(&self) -> Entries<'_> {
        Entries { ledger: self, hasher: RandomState::new(), seen: vec![0; self.places.len()] }
    }

    /// Notes that a chunk is reached; `false` when it has no place.
    pub(super) fn reach(&mut self, id: &ChunkId) -> bool {
        let id = half(id);
        let first = self.places.partition_point(|place| place.id < id);
        if self.places.get(first).is_none_or(|place| place.id != id) {
            return false;
        }
        if let Some(bits) = self.reached.get_mut(first / 64) {
            *bits |= 1 << (first % 64);
        }
        true
    }

    /// Whether a chunk has a place that stays: listed by a run that stays, in a pack that no mark names.
    pub(super) fn is_firm(&self, id: &ChunkId) -> bool {
        let id = half(id);
        let first = self.places.partition_point(|place| place.id < id);
        let places = self.places.iter().skip(first).take_while(|place| place.id == id);
        let is_condemned = |place: &Place| {
            self.packs.get(place.pack as usize).is_none_or(|pack| pack.is_condemned)
        };
        places.into_iter().any(|place| !place.is_superseded() && !is_condemned(place))
    }

    /// Gives each chunk that is reached one place that counts: in a pack that does not go, if it has one, and in the youngest of
    /// several, for it may have been stored again because an older one is damaged. Of packs that go, those that go `for_now` were
    /// chosen for that by this prune.
    pub(super) fn settle(
        &self,
        goes: impl Fn(u32) -> bool,
        for_now: impl Fn(u32) -> bool,
    ) -> Settlement {
        let nothing = vec![0; self.packs.len()];
        let mut settlement =
            Settlement { listed: nothing.clone(), used: nothing, ..Settlement::default() };
        for place in &self.places {
            if let Some(listed) = settlement.listed.get_mut(place.pack as usize) {
                *listed += place.bytes();
            }
        }
        let mut rest = self.places.as_slice();
        let mut first = 0;
        while let Some(id) = rest.first().map(|place| place.id) {
            let length = rest.iter().take_while(|place| place.id == id).count();
            let (places, others) = rest.split_at(length);
            let bits = self.reached.get(first / 64).copied().unwrap_or_default();
            if bits >> (first % 64) & 1 == 1 {
                self.settle_chunk(places, &goes, &for_now, &mut settlement);
            }
            (rest, first) = (others, first + length);
        }
        settlement
    }

    fn settle_chunk(
        &self,
        places: &[Place],
        goes: impl Fn(u32) -> bool,
        for_now: impl Fn(u32) -> bool,
        settlement: &mut Settlement,
    ) {
        let age = |place: &&Place| self.packs.get(place.pack as usize).map(|pack| pack.modified);
        let stays = || places.iter().filter(|place| !goes(place.pack));
        let listed = stays().filter(|place| !place.is_superseded()).max_by_key(age);
        let kept = listed.or_else(|| stays().max_by_key(age));
        let new = || places.iter().filter(|place| for_now(place.pack)).max_by_key(age);
        let place = kept.or_else(new).or_else(|| places.iter().max_by_key(age));
        let Some(place) = place else { return };
        settlement.num_chunks += 1;
        if let Some(used) = settlement.used.get_mut(place.pack as usize) {
            *used += place.bytes();
        }
        if kept.is_some() && places.iter().any(|other| for_now(other.pack)) {
            settlement.to_verify.entry(place.pack).or_default().push(place.id);
        }
        if kept.is_none() {
            settlement.to_copy.entry(place.pack).or_default().push(place.id);
        } else if listed.is_none() {
            settlement.to_list.entry(place.pack).or_default().push(place.id);
        }
    }
}

/// Tells entries of runs that say the same from those that are new.
///
/// Only what is the same in everything is: whoever may only append could list a chunk where it is not, and which of two offsets
/// in a pack is the true one nobody knows. By hashes under a key of this process, so that nobody can make two that meet.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    ledger: &'a Ledger,
    hasher: RandomState,
    /// By place: the hash of the first entry that was seen of it, 0 for none.
    seen: Vec<u64>,
}

impl Entries<'_> {
    /// Whether an entry says something new.
    pub(super) fn is_new(&mut self, entry: &IndexEntry) -> bool {
        let Some(pack) = self.ledger.position(&entry.location.pack) else { return true };
        let key = (half(&entry.id), pack);
        let found = self.ledger.places.binary_search_by_key(&key, |place| (place.id, place.pack));
        let Some(seen) = found.ok().and_then(|place| self.seen.get_mut(place)) else { return true };
        let hash = self.hasher.hash_one(entry).max(1);
        if *seen == 0 {
            *seen = hash;
            return true;
        }
        *seen != hash
    }
}

pub(super) fn half(id: &ChunkId) -> HalfId {
    id.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn position(packs: &[LedgerPack], pack: &PackId) -> Option<u32> {
    let found = packs.binary_search_by_key(pack, |it| it.id).ok()?;
    u32::try_from(found).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Sealer;
    use crate::codec::Codec;
    use crate::index::{decode_run, encode_run};
    use crate::pack::{ChunkKind, ChunkLocation, IndexEntry};

    fn pack(number: u8, age: u64, is_condemned: bool) -> LedgerPack {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 - age);
        LedgerPack { id: PackId::from_bytes([number; 32]), size: 1000, modified, is_condemned }
    }

    fn chunk(number: u8) -> ChunkId {
        ChunkId::of(&[number])
    }

    fn entry(number: u8) -> IndexEntry {
        IndexEntry {
            id: chunk(number),
            location: ChunkLocation {
                pack: PackId::from_bytes([0; 32]),
                offset: 8,
                stored_len: 10,
                raw_len: 10,
                codec: Codec::Raw,
                kind: ChunkKind::Segment,
            },
        }
    }

    fn add(
        builder: &mut LedgerBuilder,
        pack: u8,
        chunks: &[u8],
        is_superseded: bool,
    ) -> (Vec<u32>, u32) {
        let entry = |number: &u8| {
            let mut entry = entry(*number);
            entry.location.pack = PackId::from_bytes([pack; 32]);
            entry
        };
        let run = encode_run(&Sealer::plain(), chunks.iter().map(entry).collect());
        builder.add(&decode_run(&Sealer::plain(), &run.id, &run.bytes).unwrap(), is_superseded)
    }

    #[test]
    fn the_youngest_of_several_places_counts() {
        let mut builder = LedgerBuilder::new(vec![pack(1, 5, false), pack(2, 3, false)], 4);
        add(&mut builder, 1, &[1, 2], false);
        add(&mut builder, 2, &[1], false);
        let mut ledger = builder.build();
        assert!(ledger.reach(&chunk(1)) && ledger.reach(&chunk(2)));
        assert!(!ledger.reach(&chunk(3)));
        let settlement = ledger.settle(|_| false, |_| false);
        assert_eq!((settlement.used, settlement.listed), (vec![10, 10], vec![20, 10]));
        let settlement = ledger.settle(|pack| pack == 1, |pack| pack == 1);
        assert_eq!(settlement.used, [20, 0], "it lies elsewhere too");
        assert!(settlement.to_copy.is_empty() && settlement.to_list.is_empty());
        assert_eq!(
            settlement.to_verify.into_keys().collect::<Vec<_>>(),
            [0],
            "it is read there first"
        );
    }

    #[test]
    fn what_lies_only_where_it_goes_is_copied_and_what_only_old_runs_list_is_listed_again() {
        let mut builder = LedgerBuilder::new(vec![pack(1, 0, true), pack(2, 0, false)], 4);
        add(&mut builder, 1, &[1], false);
        add(&mut builder, 2, &[2], true);
        assert_eq!(add(&mut builder, 3, &[3], false), (vec![], 1));
        let mut ledger = builder.build();
        assert!(ledger.reach(&chunk(1)) && ledger.reach(&chunk(2)) && !ledger.reach(&chunk(3)));
        assert!(!ledger.is_firm(&chunk(1)) && !ledger.is_firm(&chunk(2)));
        let settlement = ledger.settle(|pack| pack == 0, |_| false);
        assert_eq!(settlement.to_copy.into_keys().collect::<Vec<_>>(), [0]);
        assert_eq!(settlement.to_list.into_keys().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn only_entries_that_say_the_same_in_everything_are_the_same() {
        let mut builder = LedgerBuilder::new(vec![pack(1, 0, false), pack(2, 0, false)], 4);
        add(&mut builder, 1, &[1], false);
        add(&mut builder, 2, &[1], false);
        let ledger = builder.build();
        let mut entries = ledger.entries();
        let mut is_new = |number: u8, pack: u8, offset: u32| {
            let pack = PackId::from_bytes([pack; 32]);
            let mut entry = entry(number);
            entry.location = ChunkLocation { pack, offset, ..entry.location };
            entries.is_new(&entry)
        };
        assert!(is_new(1, 1, 8) && is_new(1, 2, 8));
        assert!(!is_new(1, 1, 8) && !is_new(1, 2, 8));
        assert!(is_new(1, 1, 9), "one of the two is a lie");
        assert!(is_new(1, 3, 8) && is_new(2, 1, 8), "of these the ledger does not know");
    }

    #[test]
    fn a_place_that_one_run_still_lists_is_firm() {
        let mut builder = LedgerBuilder::new(vec![pack(1, 0, false)], 4);
        add(&mut builder, 1, &[1], true);
        add(&mut builder, 1, &[1], false);
        let mut ledger = builder.build();
        assert!(ledger.reach(&chunk(1)) && ledger.is_firm(&chunk(1)));
        assert!(ledger.settle(|_| false, |_| false).is_settled());
    }
}
