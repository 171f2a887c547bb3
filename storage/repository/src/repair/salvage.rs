//! Takes what is sound out of packs that may not be.

use std::collections::HashSet;

use super::report::RepairPhase;
use super::survey::{Listed, Look, Repairing};
use crate::carrier::{Carrier, batches};
use crate::pack::{ChunkKind, IndexEntry, USUAL_TAIL_BYTES};
use crate::{Error, PackId, Repository, Result};

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
        let directory = repository.read_directory(pack, length, USUAL_TAIL_BYTES).await;
        let (is_sound, entries) = match directory {
            // What runs list and it does not have was never there: these runs are wrong, not the pack.
            Ok(entries) => (true, entries),
            Err(Error::Damaged(_)) => (false, listed),
            Err(error) => return Err(error),
        };
        let mut carrier = Carrier::new(repository);
        let (copies, lost) = copy_sound(repository, &mut carrier, entries).await?;
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
    mut entries: Vec<IndexEntry>,
) -> Result<(Vec<IndexEntry>, u64)> {
    let (mut copies, mut lost) = (Vec::new(), 0);
    entries.sort_unstable_by_key(|entry| entry.location.offset);
    for entries in batches(&entries) {
        for (entry, read) in repository.read_stored(entries).await? {
            let Ok(stored) = read else {
                lost += 1;
                continue;
            };
            if entry.location.kind == ChunkKind::RecordCopy {
                copies.push(entry);
            }
            carrier.push(entry, &stored).await?;
        }
    }
    Ok((copies, lost))
}
