//! Makes firm what is not: copies chunks out of packs that go, and lists again what only superseded runs list.
//!
//! *Memory*: a pack that is filled, the reads of one pack that is copied from, 100 bytes for each chunk until its run is put.

use std::collections::HashSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::ledger::{HalfId, Ledger, LedgerPack, Settlement, half};
use super::{PrunePhase, Watch};
use crate::codec::{Decompressor, open_chunk};
use crate::error::DamagedObject;
use crate::pack::{IndexEntry, PackBuilder};
use crate::read_plan::coalesce;
use crate::{Damage, Malformed, Repository, Result};

/// Entries of a run that a prune writes: 3 MiB.
pub(super) const MAX_RUN_ENTRIES: usize = 1 << 16;

/// Bytes of a pack's end that are read for its directory: 1400 chunks.
const TAIL_BYTES: u64 = 64 << 10;

/// Bytes between two chunks that are cheaper to read than a second request is.
const MAX_GAP_BYTES: u32 = 256 << 10;

/// Longest read in bytes.
const MAX_SPAN_BYTES: u32 = 8 << 20;

/// Reads of one pack at once.
const MAX_READS: usize = 4;

/// What was copied.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Carried {
    /// Chunks.
    pub(super) chunks: u64,
    /// Bytes of their stored forms.
    pub(super) bytes: u64,
}

/// Makes everything firm that a settlement says is not.
pub(super) async fn carry(
    repository: &Repository,
    ledger: &Ledger,
    settlement: &Settlement,
    watch: Watch<'_>,
) -> Result<Carried> {
    let mut carrier = Carrier {
        repository,
        pack: PackBuilder::new(repository.sealer(), repository.config().pack_bytes),
        entries: Vec::new(),
        carried: Carried::default(),
    };
    let packs = |positions: u32| ledger.packs().get(positions as usize);
    let total = (settlement.to_copy.len() + settlement.to_list.len()) as u64;
    let mut done = 0;
    for (position, chunks) in &settlement.to_copy {
        watch.tell(PrunePhase::Copying, done, total);
        done += 1;
        let Some(pack) = packs(*position) else { continue };
        carrier.copy(pack, chunks).await?;
    }
    carrier.put_pack().await?;
    for (position, chunks) in &settlement.to_list {
        watch.tell(PrunePhase::Copying, done, total);
        done += 1;
        let Some(pack) = packs(*position) else { continue };
        let entries = wanted_of(repository, pack, chunks).await?;
        carrier.entries.extend(entries);
        carrier.put_full_run().await?;
    }
    carrier.put_run().await?;
    watch.tell(PrunePhase::Copying, total, total);
    Ok(carrier.carried)
}

struct Carrier<'a> {
    repository: &'a Repository,
    pack: PackBuilder,
    /// Chunks in durable packs that no run of this prune lists yet.
    entries: Vec<IndexEntry>,
    carried: Carried,
}

impl Carrier<'_> {
    async fn copy(&mut self, pack: &LedgerPack, chunks: &[HalfId]) -> Result<()> {
        let entries = wanted_of(self.repository, pack, chunks).await?;
        let wanted = entries.iter().enumerate().map(|(at, entry)| (at, entry.id, entry.location));
        let spans = coalesce(wanted, MAX_GAP_BYTES, MAX_SPAN_BYTES);
        let repository = self.repository;
        let reads = spans.into_iter().map(|span| async move {
            let bytes = repository.read_pack(&span.pack, span.offset, span.length).await?;
            Ok::<_, crate::Error>((span, bytes))
        });
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffered(MAX_READS);
        let mut decompressor = Decompressor::new(repository.sealer());
        while let Some((span, bytes)) = reads.try_next().await? {
            for (_, id, location) in &span.chunks {
                let stored = span.stored(&bytes, location).unwrap_or_default();
                open_chunk(&mut decompressor, id, location, &stored)?;
                self.push(IndexEntry { id: *id, location: *location }, &stored).await?;
            }
        }
        Ok(())
    }

    async fn push(&mut self, entry: IndexEntry, stored: &Bytes) -> Result<()> {
        let IndexEntry { id, location } = entry;
        if !self.pack.has_room_for(stored.len()) {
            self.put_pack().await?;
        }
        self.pack.push(id, location.kind, location.codec, location.raw_len, stored)?;
        self.carried.chunks += 1;
        self.carried.bytes += stored.len() as u64;
        Ok(())
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
        let entries = std::mem::take(&mut self.entries);
        if !entries.is_empty() {
            self.repository.put_run_of_others(entries).await?;
        }
        Ok(())
    }
}

/// The entries of some chunks of a pack, by its own directory, each once.
async fn wanted_of(
    repository: &Repository,
    pack: &LedgerPack,
    chunks: &[HalfId],
) -> Result<Vec<IndexEntry>> {
    let mut wanted: HashSet<HalfId> = chunks.iter().copied().collect();
    let mut entries = repository.read_directory(&pack.id, pack.size.into(), TAIL_BYTES).await?;
    entries.retain(|entry| wanted.remove(&half(&entry.id)));
    if wanted.is_empty() {
        return Ok(entries);
    }
    let fault = Malformed::new("the index lists a chunk of it that is not there");
    Err(Damage::new(DamagedObject::Pack(pack.id), fault).into())
}
