//! Takes what is sound out of packs that may not be.

use std::collections::HashSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::report::RepairPhase;
use super::{Listed, Look, Repairing, TAIL_BYTES};
use crate::carrier::Carrier;
use crate::codec::{Decompressor, open_chunk};
use crate::pack::{ChunkKind, IndexEntry};
use crate::read_plan::{ReadSpan, coalesce};
use crate::{Error, PackId, Repository, Result};

/// Longest read in bytes. Chunks of a pack lie side by side, so there are no gaps.
const MAX_SPAN_BYTES: u32 = 8 << 20;

/// Reads of one pack at once.
const MAX_READS: usize = 4;

impl Repairing<'_> {
    /// Copies the sound chunks of suspects; the suspects that are damaged.
    pub(super) async fn salvage(
        &mut self,
        look: &Look,
        listed: &Listed,
    ) -> Result<HashSet<PackId>> {
        let mut bad = HashSet::new();
        let suspects: Vec<PackId> = self.suspects.iter().copied().collect();
        for (done, pack) in (0..).zip(&suspects) {
            self.watch.tell(RepairPhase::Packs, done, suspects.len() as u64);
            let listed = listed.entries.get(pack).into_iter().flatten();
            let Some(length) = look.packs.get(pack) else {
                self.report.missing_packs += 1;
                self.report.lost_chunks += listed.count() as u64;
                continue;
            };
            if self.salvage_pack(pack, *length, listed.copied().collect()).await? {
                bad.insert(*pack);
            }
        }
        Ok(bad)
    }

    /// Whether a pack is damaged; if it is, what is sound in it lies elsewhere now. `listed` is what runs say of it.
    async fn salvage_pack(
        &mut self,
        pack: &PackId,
        length: u64,
        listed: Vec<IndexEntry>,
    ) -> Result<bool> {
        let repository = self.repository;
        let directory = repository.read_directory(pack, length, TAIL_BYTES.min(length)).await;
        let (is_sound, entries) = match directory {
            // What runs list and it does not have was never there.
            Ok(entries) => (listed.iter().all(|entry| entries.contains(entry)), entries),
            Err(Error::Damaged(_)) => (false, listed),
            Err(error) => return Err(error),
        };
        let mut carrier = Carrier::new(repository);
        let (copies, lost) = copy_sound(repository, &mut carrier, &entries).await?;
        self.copies.extend(copies);
        if is_sound && lost == 0 {
            // What was carried is dropped: at most, for a longer pack than the config has, a pack that nothing lists.
            return Ok(false);
        }
        let carried = carrier.finish().await?;
        self.report.lost_chunks += lost;
        self.report.salvaged_chunks += carried.chunks;
        self.report.salvaged_bytes += carried.bytes;
        Ok(true)
    }
}

/// Copies those of the chunks of a pack that are sound: the copies of records among them, and how many are not sound.
pub(super) async fn copy_sound(
    repository: &Repository,
    carrier: &mut Carrier<'_>,
    entries: &[IndexEntry],
) -> Result<(Vec<IndexEntry>, u64)> {
    let wanted = entries.iter().enumerate().map(|(at, entry)| (at, entry.id, entry.location));
    let spans = coalesce(wanted, 0, MAX_SPAN_BYTES);
    let reads = spans.into_iter().map(|span| stored_chunks(repository, span));
    let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffered(MAX_READS);
    let mut decompressor = Decompressor::new(repository.sealer());
    let (mut copies, mut lost) = (Vec::new(), 0);
    while let Some(chunks) = reads.try_next().await? {
        for (entry, stored) in chunks {
            let IndexEntry { id, location } = entry;
            if open_chunk(&mut decompressor, &id, &location, &stored).is_err() {
                lost += 1;
                continue;
            }
            if location.kind == ChunkKind::RecordCopy {
                copies.push(entry);
            }
            carrier.push(entry, &stored).await?;
        }
    }
    Ok((copies, lost))
}

/// The stored forms of the chunks of a span, unverified; empty for those that cannot be read. Where the span as a whole cannot,
/// each chunk is read by itself.
async fn stored_chunks(
    repository: &Repository,
    span: ReadSpan,
) -> Result<Vec<(IndexEntry, Bytes)>> {
    let whole = unless_damaged(repository.read_pack(&span.pack, span.offset, span.length).await)?;
    let mut chunks = Vec::with_capacity(span.chunks.len());
    for (_, id, location) in &span.chunks {
        let stored = match &whole {
            Some(bytes) => span.stored(bytes, location),
            None => {
                let (offset, length) = (location.offset, location.stored_len);
                unless_damaged(repository.read_pack(&span.pack, offset, length).await)?
            }
        };
        let entry = IndexEntry { id: *id, location: *location };
        chunks.push((entry, stored.unwrap_or_default()));
    }
    Ok(chunks)
}

fn unless_damaged<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Error::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
