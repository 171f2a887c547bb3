//! Makes firm what is not: copies chunks out of packs that go, and lists again what only superseded runs list. Chunks that
//! lie elsewhere too are read there before a pack with them is let go.
//!
//! *Memory*: that of a [`Carrier`], and 64 chunks.

use std::collections::HashSet;

use super::ledger::{HalfId, Ledger, LedgerPack, Settlement, half};
use super::report::{PrunePhase, Watch};
use crate::carrier::{BATCH, Carried, Carrier};
use crate::error::DamagedObject;
use crate::pack::{ChunkKind, IndexEntry, USUAL_TAIL_BYTES};
use crate::{Damage, Error, Malformed, PackId, Repository, Result, layout};

/// What carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carrying<'a> {
    pub(super) repository: &'a Repository,
    pub(super) ledger: &'a Ledger,
    /// Whether a chunk of a segment that no place gives is passed over.
    pub(super) accept_loss: bool,
}

/// Chunks of one pack.
struct Wanted {
    entries: Vec<IndexEntry>,
    /// Those that its directory does not have, and why.
    missing: Vec<HalfId>,
    damage: Damage,
}

impl Carrying<'_> {
    /// Makes everything firm that a settlement says is not; also says how many chunks are lost for good.
    pub(super) async fn carry(
        self,
        settlement: &Settlement,
        watch: Watch<'_>,
    ) -> Result<(Carried, u64)> {
        let mut carrier = Carrier::new(self.repository);
        let Settlement { to_copy, to_list, to_verify, .. } = settlement;
        let total = (to_copy.len() + to_list.len() + to_verify.len()) as u64;
        let (mut done, mut lost) = (0, 0);
        let mut next = |positions: &u32| {
            watch.tell(PrunePhase::Copying, done, total);
            done += 1;
            self.ledger.packs().get(*positions as usize)
        };
        for (position, chunks) in to_verify {
            let Some(pack) = next(position) else { continue };
            for entries in self.all_of(pack, chunks).await?.chunks(BATCH) {
                for (_, read) in self.repository.read_stored(entries).await? {
                    read?;
                }
            }
        }
        for (position, chunks) in to_copy {
            let Some(pack) = next(position) else { continue };
            lost += self.copy(&mut carrier, pack, chunks).await?;
        }
        for (position, chunks) in to_list {
            let Some(pack) = next(position) else { continue };
            let Wanted { entries, missing, damage } = self.wanted_of(pack, chunks).await?;
            for entry in entries {
                carrier.list(entry).await?;
            }
            // What a superseded run says may be untrue.
            self.copy_missing(&mut carrier, pack, &missing, damage).await?;
        }
        let carried = carrier.finish().await?;
        watch.tell(PrunePhase::Copying, total, total);
        Ok((carried, lost))
    }

    /// Copies chunks of a pack, or from wherever else they lie; how many are lost.
    async fn copy(
        self,
        carrier: &mut Carrier<'_>,
        pack: &LedgerPack,
        chunks: &[HalfId],
    ) -> Result<u64> {
        let Wanted { entries, missing, damage } = self.wanted_of(pack, chunks).await?;
        let mut lost = 0;
        self.copy_missing(carrier, pack, &missing, damage).await?;
        for entries in entries.chunks(BATCH) {
            for (entry, read) in self.repository.read_stored(entries).await? {
                let damage = match read {
                    Ok(stored) => {
                        carrier.push(entry, &stored).await?;
                        continue;
                    }
                    Err(damage) => damage,
                };
                if self.copy_from_another(carrier, pack, &half(&entry.id)).await? {
                    continue;
                }
                let is_accepted = self.accept_loss && entry.location.kind == ChunkKind::Segment;
                // A pack that has gone meanwhile went to who has copied what was needed of it.
                if !is_accepted || !self.are_all_there(&entry).await? {
                    return Err(damage.into());
                }
                lost += 1;
            }
        }
        Ok(lost)
    }

    /// Whether all packs are there of which runs say that they hold a chunk.
    async fn are_all_there(self, entry: &IndexEntry) -> Result<bool> {
        for pack in self.ledger.packs_of(&half(&entry.id)) {
            match self.repository.storage().head(&layout::pack_path(&pack.id)).await {
                Ok(_) => {}
                Err(error) if error.is_not_found() => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Copies what a pack does not have from wherever else it lies. It is no loss to be accepted where no place gives it: the pack may
    /// have gone to who has copied it since.
    async fn copy_missing(
        self,
        carrier: &mut Carrier<'_>,
        pack: &LedgerPack,
        missing: &[HalfId],
        damage: Damage,
    ) -> Result<()> {
        for id in missing {
            if !self.copy_from_another(carrier, pack, id).await? {
                return Err(damage.into());
            }
        }
        Ok(())
    }

    /// Whether another pack than this one gave a chunk.
    async fn copy_from_another(
        self,
        carrier: &mut Carrier<'_>,
        pack: &LedgerPack,
        chunk: &HalfId,
    ) -> Result<bool> {
        for other in self.ledger.packs_of(chunk) {
            if other.id == pack.id {
                continue;
            }
            let wanted = self.wanted_of(other, std::slice::from_ref(chunk)).await?;
            for (entry, read) in self.repository.read_stored(&wanted.entries).await? {
                if let Ok(stored) = read {
                    carrier.push(entry, &stored).await?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The entries of some chunks of a pack, by its own directory, each once. [`crate::ErrorKind::Damaged`] when one is missing.
    async fn all_of(self, pack: &LedgerPack, chunks: &[HalfId]) -> Result<Vec<IndexEntry>> {
        let wanted = self.wanted_of(pack, chunks).await?;
        if wanted.missing.is_empty() { Ok(wanted.entries) } else { Err(wanted.damage.into()) }
    }

    async fn wanted_of(self, pack: &LedgerPack, chunks: &[HalfId]) -> Result<Wanted> {
        let mut wanted: HashSet<HalfId> = chunks.iter().copied().collect();
        let (mut entries, damage) = match self.directory(&pack.id, pack.size).await? {
            Ok(entries) => {
                let fault = Malformed::new("the index lists a chunk of it that is not there");
                (entries, Damage::new(DamagedObject::Pack(pack.id), fault))
            }
            Err(damage) => (Vec::new(), damage),
        };
        entries.retain(|entry| wanted.remove(&half(&entry.id)));
        Ok(Wanted { entries, missing: wanted.into_iter().collect(), damage })
    }

    async fn directory(self, pack: &PackId, size: u32) -> Result<Result<Vec<IndexEntry>, Damage>> {
        match self.repository.read_directory(pack, size.into(), USUAL_TAIL_BYTES).await {
            Ok(entries) => Ok(Ok(entries)),
            Err(Error::Damaged(damage)) => Ok(Err(damage)),
            Err(error) => Err(error),
        }
    }
}
