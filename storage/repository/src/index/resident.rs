//! [`ResidentTable`]: entries of many runs in memory, found with about two cache misses.
//!
//! The entries lie in one array, ascending by id; `starts` says for each value of the leading bits of
//! an id where the ids with these bits begin. It is a hash table that ids, being uniform, need no hash for,
//! and that wastes no slot. Ids that are not uniform make it slower, never wrong.

use std::collections::HashMap;

use super::run::{PackedEntry, Run};
use crate::pack::{ChunkKind, ChunkLocation};
use crate::{ChunkId, PackId};

/// Entries per start, about: what one binary search of a few steps covers.
const ENTRIES_PER_START: usize = 4;

/// Memory per entry in bytes: the entry and its part of `starts` (which is rounded up to a power of 2).
pub(super) const BYTES_PER_ENTRY: u64 = size_of::<PackedEntry>() as u64 + 2;

#[derive(Debug)]
pub(super) struct ResidentTable {
    packs: Vec<PackId>,
    entries: Vec<PackedEntry>,
    /// `starts[bits]..starts[bits + 1]` are the entries with these leading bits.
    starts: Vec<u32>,
    /// How far the leading eight bytes are shifted to give the bits.
    shift: u32,
}

/// Collects runs for a [`ResidentTable`].
#[derive(Debug, Default)]
pub(crate) struct TableBuilder {
    packs: Vec<PackId>,
    positions: HashMap<PackId, u32>,
    entries: Vec<PackedEntry>,
}

impl TableBuilder {
    /// Adds what is wanted of a run. `false`, and nothing added, when the table would outgrow its 32-bit positions.
    pub(crate) fn add(
        &mut self,
        run: &Run,
        is_wanted: impl Fn(Option<ChunkKind>, &PackId) -> bool,
    ) -> bool {
        let entries = self.entries.len().saturating_add(run.num_entries());
        let packs = self.packs.len().saturating_add(run.packs().len());
        if u32::try_from(entries.max(packs)).is_err() {
            return false;
        }
        let packs: Vec<(PackId, u32)> =
            run.packs().map(|pack| (pack, self.position_of(pack))).collect();
        let wanted = run.packed().filter_map(|entry| {
            let (pack, position) = packs.get(entry.pack as usize)?;
            is_wanted(entry.kind(), pack).then(|| entry.with_pack(*position))
        });
        // Exactly: half of what a vector grows by on its own is never used.
        self.entries.reserve_exact(wanted.clone().count());
        self.entries.extend(wanted);
        true
    }

    fn position_of(&mut self, pack: PackId) -> u32 {
        let Self { packs, positions, .. } = self;
        *positions.entry(pack).or_insert_with(|| {
            packs.push(pack);
            u32::try_from(packs.len() - 1).unwrap_or(u32::MAX)
        })
    }

    pub(super) fn build(self) -> ResidentTable {
        let Self { packs, mut entries, .. } = self;
        entries.sort_unstable_by_key(|entry| entry.id);
        entries.dedup();
        let bits = (entries.len() / ENTRIES_PER_START + 1).ilog2();
        let shift = u64::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for (position, entry) in entries.iter().enumerate() {
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            starts.resize(starts.len().max(bits_of(&entry.id, shift) + 1), position);
        }
        starts.resize((1 << bits) + 1, u32::try_from(entries.len()).unwrap_or(u32::MAX));
        ResidentTable { packs, entries, starts, shift }
    }
}

/// The leading bits of an id as a number. A shift by all 64 leaves none.
fn bits_of(id: &ChunkId, shift: u32) -> usize {
    let bits = id.leading().checked_shr(shift).unwrap_or(0);
    usize::try_from(bits).unwrap_or(usize::MAX)
}

impl ResidentTable {
    /// Every place of a chunk.
    pub(super) fn places(&self, id: &ChunkId) -> impl Iterator<Item = ChunkLocation> {
        let bits = bits_of(id, self.shift);
        let range = match self.starts.get(bits..) {
            Some([start, end, ..]) => *start as usize..*end as usize,
            _ => 0..0,
        };
        let candidates = self.entries.get(range).unwrap_or_default();
        let first = candidates.partition_point(|entry| entry.id < *id);
        let id = *id;
        candidates
            .iter()
            .skip(first)
            .take_while(move |entry| entry.id == id)
            .filter_map(|entry| self.locate(entry))
    }

    fn locate(&self, entry: &PackedEntry) -> Option<ChunkLocation> {
        let pack = self.packs.get(entry.pack as usize)?;
        Some(entry.located(*pack)?.location)
    }

    pub(super) fn num_entries(&self) -> usize {
        self.entries.len()
    }
}
