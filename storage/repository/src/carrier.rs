//! [`Carrier`]: puts chunks that lie elsewhere into new packs, as they are stored, and lists them.
//!
//! *Order*: a run is put when the packs that it lists are durable (R3).
//! *Memory*: a pack that is filled, 100 bytes for each chunk until its run is put.

use std::collections::HashSet;

use bytes::Bytes;

use crate::pack::{ChunkLocation, IndexEntry, PackBuilder};
use crate::{Repository, Result};

/// Bytes of a pack from which chunks are in memory at once of whoever carries.
const BATCH_BYTES: u64 = 16 << 20;

/// Entries of a run that a carrier writes: 3 MiB.
const MAX_RUN_ENTRIES: usize = 1 << 16;

/// Chunks to read at once: those that lie within 16 MiB of a pack, of chunks in the order in which they lie in it. One that is
/// longer comes alone.
pub(crate) fn batches(entries: &[IndexEntry]) -> impl Iterator<Item = &[IndexEntry]> {
    let mut left = entries;
    std::iter::from_fn(move || {
        let first = left.first()?.location;
        let is_near = |entry: &&IndexEntry| {
            let ChunkLocation { pack, offset, .. } = entry.location;
            let extent = entry.location.end().saturating_sub(first.offset.into());
            pack == first.pack && offset >= first.offset && extent <= BATCH_BYTES
        };
        let (batch, rest) = left.split_at(left.iter().take_while(is_near).count().max(1));
        left = rest;
        Some(batch)
    })
}

/// What was carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Chunks put into new packs.
    pub(crate) chunks: u64,
    /// Bytes of their stored forms.
    pub(crate) bytes: u64,
    /// Runs put.
    pub(crate) runs: u64,
}

/// Fills packs and runs.
#[derive(Debug)]
pub(crate) struct Carrier<'a> {
    repository: &'a Repository,
    pack: PackBuilder,
    /// Chunks in durable packs that no run of this carrier lists yet.
    entries: Vec<IndexEntry>,
    carried: Carried,
}

impl<'a> Carrier<'a> {
    pub(crate) fn new(repository: &'a Repository) -> Self {
        Self {
            repository,
            pack: PackBuilder::new(repository.sealer(), repository.config().pack_bytes),
            entries: Vec::new(),
            carried: Carried::default(),
        }
    }

    /// Puts the stored form of a chunk, which its owner has verified.
    pub(crate) async fn push(&mut self, entry: IndexEntry, stored: &Bytes) -> Result<()> {
        let IndexEntry { id, location } = entry;
        if !self.pack.has_room_for(stored.len()) {
            self.put_pack().await?;
        }
        self.pack.push(id, location.kind, location.codec, location.raw_len, stored)?;
        self.carried.chunks += 1;
        self.carried.bytes += stored.len() as u64;
        Ok(())
    }

    /// Lists a chunk where it lies: in a durable pack.
    pub(crate) async fn list(&mut self, entry: IndexEntry) -> Result<()> {
        self.entries.push(entry);
        self.put_full_run().await
    }

    /// Puts what is left; what was carried in all.
    pub(crate) async fn finish(mut self) -> Result<Carried> {
        self.put_pack().await?;
        self.put_run().await?;
        Ok(self.carried)
    }

    async fn put_pack(&mut self) -> Result<()> {
        let empty = PackBuilder::new(self.repository.sealer(), self.repository.config().pack_bytes);
        let Some(pack) = std::mem::replace(&mut self.pack, empty).finish() else { return Ok(()) };
        self.repository.put_pack(&pack).await?;
        self.entries.extend(pack.entries);
        self.put_full_run().await
    }

    async fn put_full_run(&mut self) -> Result<()> {
        if self.entries.len() < MAX_RUN_ENTRIES { Ok(()) } else { self.put_run().await }
    }

    async fn put_run(&mut self) -> Result<()> {
        let mut entries = std::mem::take(&mut self.entries);
        while !entries.is_empty() {
            // A run lists a chunk once, and which of several places is the good one nobody knows.
            let mut listed = HashSet::with_capacity(entries.len());
            let (now, later) = entries.into_iter().partition(|entry| listed.insert(entry.id));
            self.repository.put_run_of_others(now).await?;
            self.carried.runs += 1;
            entries = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::pack::ChunkKind;
    use crate::{ChunkId, PackId};

    fn entry(pack: u8, offset: u32, stored_len: u32) -> IndexEntry {
        let location = ChunkLocation {
            pack: PackId::from_bytes([pack; 32]),
            offset,
            stored_len,
            raw_len: stored_len,
            codec: Codec::Raw,
            kind: ChunkKind::Segment,
        };
        IndexEntry { id: ChunkId::of(&offset.to_le_bytes()), location }
    }

    fn lengths(entries: &[IndexEntry]) -> Vec<usize> {
        batches(entries).map(<[IndexEntry]>::len).collect()
    }

    #[test]
    fn a_batch_lies_within_sixteen_mebibytes_of_one_pack() {
        const MIB: u32 = 1 << 20;
        let near = [entry(1, 8, MIB), entry(1, 8 + 15 * MIB, MIB), entry(1, 8 + 16 * MIB, 1)];
        assert_eq!(lengths(&near), [2, 1]);
        assert_eq!(lengths(&[entry(1, 8, 40 * MIB), entry(1, 8 + 40 * MIB, 1)]), [1, 1]);
        assert_eq!(lengths(&[entry(1, 8, 1), entry(2, 9, 1), entry(2, 8, 1)]), [1, 1, 1]);
        assert_eq!(lengths(&[]), [0; 0]);
    }

    #[test]
    fn small_chunks_make_one_batch() {
        let many: Vec<IndexEntry> = (0..10_000).map(|at| entry(1, 8 + at * 1000, 1000)).collect();
        assert_eq!(lengths(&many), [10_000]);
    }
}
