//! Makes firm what is not: copies chunks out of packs that go, and lists again what only superseded runs list. Chunks that
//! lie elsewhere too are read there before a pack with them is let go.
//!
//! *Memory*: that of a [`Carrier`], a batch of it, and the directories of four packs.

use std::collections::{BTreeMap, HashSet};

use futures::future::try_join_all;

use super::ledger::{HalfId, Ledger, LedgerPack, Settlement, half};
use super::report::{PrunePhase, Watch};
use crate::carrier::{Carried, Carrier, batches};
use crate::error::DamagedObject;
use crate::pack::{ChunkKind, IndexEntry, USUAL_TAIL_BYTES};
use crate::{Damage, Error, Malformed, PackId, Repository, Result, layout};

/// Directories of packs that are read at once.
const DIRECTORIES: usize = 4;

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
    /// By the pack's own directory, each once, in the order in which they lie.
    entries: Vec<IndexEntry>,
    /// Those that its directory does not have, and why.
    missing: Vec<HalfId>,
    damage: Damage,
}

impl Wanted {
    /// The entries, if none is missing.
    fn all(self) -> Result<Vec<IndexEntry>> {
        if self.missing.is_empty() { Ok(self.entries) } else { Err(self.damage.into()) }
    }
}

/// A pack and the chunks of it that are wanted.
type Chosen<'p> = (&'p LedgerPack, &'p [HalfId]);

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
        let mut tell = || {
            watch.tell(PrunePhase::Copying, done, total);
            done += 1;
        };
        for together in self.packs(to_verify).chunks(DIRECTORIES) {
            for (_, wanted) in self.directories(together).await? {
                tell();
                for entries in batches(&wanted.all()?) {
                    for (_, read) in self.repository.read_stored(entries).await? {
                        read?;
                    }
                }
            }
        }
        for together in self.packs(to_copy).chunks(DIRECTORIES) {
            for (pack, wanted) in self.directories(together).await? {
                tell();
                lost += self.copy(&mut carrier, pack, wanted).await?;
            }
        }
        for together in self.packs(to_list).chunks(DIRECTORIES) {
            for (pack, Wanted { entries, missing, damage }) in self.directories(together).await? {
                tell();
                for entry in entries {
                    carrier.list(entry).await?;
                }
                // What a superseded run says may be untrue.
                self.copy_missing(&mut carrier, pack, &missing, damage).await?;
            }
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
        Wanted { entries, missing, damage }: Wanted,
    ) -> Result<u64> {
        let mut lost = 0;
        self.copy_missing(carrier, pack, &missing, damage).await?;
        for entries in batches(&entries) {
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

    /// The packs at these positions, with the chunks of each.
    fn packs<'p>(&'p self, chunks: &'p BTreeMap<u32, Vec<HalfId>>) -> Vec<Chosen<'p>> {
        let packs = self.ledger.packs();
        let chosen = |(position, chunks): (&u32, &'p Vec<HalfId>)| {
            Some((packs.get(*position as usize)?, chunks.as_slice()))
        };
        chunks.iter().filter_map(chosen).collect()
    }

    /// What the directories of some packs say, which are read at once.
    async fn directories<'p>(&self, packs: &[Chosen<'p>]) -> Result<Vec<(&'p LedgerPack, Wanted)>> {
        let reads = packs.iter().map(|(pack, chunks)| self.wanted_of(pack, chunks));
        let wanted = try_join_all(reads.collect::<Vec<_>>()).await?;
        Ok(packs.iter().map(|(pack, _)| *pack).zip(wanted).collect())
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
