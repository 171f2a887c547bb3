//! Makes firm what is not: copies chunks out of packs that go, and lists again what only superseded runs list. Chunks that
//! lie elsewhere too are read there before a pack with them is condemned.
//!
//! *Memory*: that of a [`Carrier`], and the reads of one pack that is copied from.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};

use super::ledger::{HalfId, Ledger, LedgerPack, Settlement, half};
use super::{PrunePhase, Watch};
use crate::carrier::{Carried, Carrier};
use crate::codec::{Decompressor, open_chunk};
use crate::error::DamagedObject;
use crate::pack::IndexEntry;
use crate::read_plan::coalesce;
use crate::{Damage, Malformed, Repository, Result};

/// Bytes of a pack's end that are read for its directory: 1400 chunks.
const TAIL_BYTES: u64 = 64 << 10;

/// Bytes between two chunks that are cheaper to read than a second request is.
const MAX_GAP_BYTES: u32 = 256 << 10;

/// Longest read in bytes.
const MAX_SPAN_BYTES: u32 = 8 << 20;

/// Reads of one pack at once.
const MAX_READS: usize = 4;

/// Makes everything firm that a settlement says is not.
pub(super) async fn carry(
    repository: &Repository,
    ledger: &Ledger,
    settlement: &Settlement,
    watch: Watch<'_>,
) -> Result<Carried> {
    let mut carrier = Carrier::new(repository);
    let packs = |positions: u32| ledger.packs().get(positions as usize);
    let Settlement { to_copy, to_list, to_verify, .. } = settlement;
    let total = (to_copy.len() + to_list.len() + to_verify.len()) as u64;
    let mut done = 0;
    for (position, chunks) in to_verify {
        watch.tell(PrunePhase::Copying, done, total);
        done += 1;
        let Some(pack) = packs(*position) else { continue };
        read(repository, pack, chunks, None).await?;
    }
    for (position, chunks) in to_copy {
        watch.tell(PrunePhase::Copying, done, total);
        done += 1;
        let Some(pack) = packs(*position) else { continue };
        read(repository, pack, chunks, Some(&mut carrier)).await?;
    }
    for (position, chunks) in to_list {
        watch.tell(PrunePhase::Copying, done, total);
        done += 1;
        let Some(pack) = packs(*position) else { continue };
        for entry in wanted_of(repository, pack, chunks).await? {
            carrier.list(entry).await?;
        }
    }
    let carried = carrier.finish().await?;
    watch.tell(PrunePhase::Copying, total, total);
    Ok(carried)
}

/// Reads chunks of a pack, verified, and has them carried. [`crate::ErrorKind::Damaged`] when one is not what it says.
async fn read(
    repository: &Repository,
    pack: &LedgerPack,
    chunks: &[HalfId],
    mut carrier: Option<&mut Carrier<'_>>,
) -> Result<()> {
    let entries = wanted_of(repository, pack, chunks).await?;
    let wanted = entries.iter().enumerate().map(|(at, entry)| (at, entry.id, entry.location));
    let spans = coalesce(wanted, MAX_GAP_BYTES, MAX_SPAN_BYTES);
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
            if let Some(carrier) = &mut carrier {
                carrier.push(IndexEntry { id: *id, location: *location }, &stored).await?;
            }
        }
    }
    Ok(())
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
