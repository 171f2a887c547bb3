//! Repairs: makes usable again what a damage left, and shows everybody what it took.
//!
//! `DESIGN.md`, section 13, holds the protocol and why it takes nothing from anybody. [`repair`] copies every sound chunk out of packs
//! that are damaged, lists again what no intact run lists, names the rest in a mark so that the next backup stores
//! it again from live data, and puts records back from the copies that packs hold.
//!
//! - *Memory*: the index budget, 60 bytes for each pack, the entries of damaged packs, the reads of one of them.
//! - *On cancel*, as on a crash: packs and runs that say again what others say; a mark that is not settled: the next
//!   prune settles it, the next repair names again what it names.
//! - *On failure*: nothing was deleted or overwritten but damaged records and marks.

mod options;
mod records;
mod report;
mod salvage;
mod survey;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use cairn_storage::{Payload, PutMode};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

pub use self::options::{RepairOptions, Suspects};
use self::report::Watch;
pub use self::report::{OnProgress, RepairPhase, RepairProgress, RepairReport, RepairedRecord};
use self::salvage::copy_sound;
use self::survey::{Look, Repairing};
use crate::carrier::Carrier;
use crate::index::{Index, Trust};
use crate::layout::{self, MARK, SETTLED};
use crate::mark::{MAX_NAMED, Mark, Marks};
use crate::pack::{ChunkKind, IndexEntry, USUAL_TAIL_BYTES};
use crate::repository::refuse_read_only;
use crate::seal::ObjectKind;
use crate::{Error, IndexId, KeyError, MarkId, PackId, Repository, Result};

/// Rounds before one gives up that prunes or new damages come in the midst of.
const MAX_ROUNDS: usize = 5;

/// Directories read at once.
const MAX_DIRECTORIES: usize = 16;

/// Chunks looked up at once.
const MAX_LOOKUPS: usize = 16;

/// Repairs a repository. [`crate::ErrorKind::ReadOnly`] where this host may not write.
pub async fn repair(
    repository: &Repository,
    runtime: Handle,
    suspects: Suspects,
    options: &RepairOptions,
    on_progress: OnProgress<'_>,
) -> Result<RepairReport> {
    refuse_read_only(repository.storage())?;
    // What is sealed with a key that came meanwhile is not damaged.
    let repository = &repository.refreshed().await?;
    let mut repairing = Repairing {
        repository,
        runtime,
        options: *options,
        watch: Watch::new(on_progress),
        suspects: suspects.packs,
        suspect_runs: suspects.runs,
        marks: BTreeSet::new(),
        named: Mark::default(),
        copies: Vec::new(),
        report: RepairReport::default(),
    };
    repairing.replace_marks().await?;
    for _ in 0..MAX_ROUNDS {
        if repairing.round().await? {
            repairing.put_records_back(suspects.records).await?;
            return Ok(repairing.report);
        }
    }
    Err(Error::invalid("prunes or new damages come in the midst of each try: repair again"))
}

impl Repairing<'_> {
    /// Damaged marks name nothing that could be known, and stop everybody: they are replaced by ones that name nothing.
    async fn replace_marks(&mut self) -> Result<()> {
        let (_, damaged) = self.repository.readable_marks().await?;
        if damaged.is_empty() {
            return Ok(());
        }
        self.refuse_outdated().await?;
        for (id, damage) in damaged {
            tracing::warn!(%damage, "the mark of a prune is replaced by one that names nothing");
            self.put_mark(id, &Mark::default()).await?;
            self.report.replaced_marks += 1;
        }
        // A replaced mark is not new to who knew it; this one tells everybody to look again.
        self.put_new_mark(Mark::default()).await
    }

    /// Whether everything is done: not if marks or damages came that it did not know of.
    async fn round(&mut self) -> Result<bool> {
        self.report = RepairReport {
            replaced_marks: self.report.replaced_marks,
            condemned_packs: self.report.condemned_packs,
            superseded_runs: self.report.superseded_runs,
            ..RepairReport::default()
        };
        self.copies.clear();
        let look = self.look().await?;
        let listed = self.read_runs(&look).await?;
        let bad = self.salvage(&look, &listed).await?;
        let is_bad = |pack: &PackId| bad.contains(pack) || !look.packs.contains_key(pack);
        let doubtful =
            listed.doubtful.iter().filter(|(_, packs)| packs.iter().any(is_bad)).map(|(id, _)| *id);
        let superseded: Vec<IndexId> = listed.wrong.iter().copied().chain(doubtful).collect();
        let late = self.list_unlisted(&look, &bad, &superseded).await?;
        if !late.is_empty() {
            self.suspects.extend(late);
            return Ok(false);
        }
        self.condemn(&look, &bad, superseded).await?;
        let mut known = look.marks.ids();
        known.extend(&self.marks);
        if !self.repository.marks_seen().await?.ids().is_subset(&known) {
            return Ok(false);
        }
        for mark in &self.marks {
            let path = layout::mark_path(*mark, SETTLED);
            let storage = self.repository.storage();
            storage.put(&path, Payload::default(), PutMode::Overwrite).await?;
        }
        Ok(true)
    }

    /// Lists what packs hold and no run lists that stays; packs whose directories cannot be read.
    async fn list_unlisted(
        &mut self,
        look: &Look,
        bad: &HashSet<PackId>,
        superseded: &[IndexId],
    ) -> Result<Vec<PackId>> {
        let index = self.index(look, bad, superseded).await?;
        let packs = look.packs.iter().map(|(pack, length)| (*pack, *length));
        let packs: Vec<_> = packs.filter(|(pack, _)| !bad.contains(pack)).collect();
        let (repository, total) = (self.repository, packs.len() as u64);
        let reads = stream::iter(packs).map(async |(pack, length)| {
            (pack, repository.read_directory(&pack, length, USUAL_TAIL_BYTES).await)
        });
        let mut reads = std::pin::pin!(reads.buffer_unordered(MAX_DIRECTORIES));
        let (mut carrier, mut late) = (Carrier::new(repository), Vec::new());
        let mut done = 0;
        while let Some((pack, directory)) = reads.next().await {
            self.watch.tell(RepairPhase::Directories, done, total);
            done += 1;
            let entries = match directory {
                Ok(entries) => entries,
                Err(Error::Damaged(_)) => {
                    // What settled marks name goes anyhow.
                    late.extend((!look.settled.packs.contains(&pack)).then_some(pack));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_copy = |entry: &&IndexEntry| entry.location.kind == ChunkKind::RecordCopy;
            self.copies.extend(entries.iter().filter(is_copy));
            let goes = look.named.packs.contains(&pack);
            let unlisted = unlisted(&index, entries, goes).await?;
            if look.settled.packs.contains(&pack) {
                copy_sound(repository, &mut carrier, unlisted).await?;
                continue;
            }
            self.report.listed_chunks += unlisted.len() as u64;
            for entry in unlisted {
                carrier.list(entry).await?;
            }
        }
        let carried = carrier.finish().await?;
        self.report.salvaged_chunks += carried.chunks;
        self.report.salvaged_bytes += carried.bytes;
        Ok(late)
    }

    /// What can be counted on without what is bad.
    async fn index(
        &self,
        look: &Look,
        bad: &HashSet<PackId>,
        superseded: &[IndexId],
    ) -> Result<Index> {
        let superseded: HashSet<&IndexId> = superseded.iter().collect();
        let mut runs = look.runs.clone();
        runs.retain(|run| !look.named.runs.contains(&run.id) && !superseded.contains(&run.id));
        let trust = Trust {
            is_counted_on: true,
            marks: Marks::default(),
            condemned: look.named.packs.union(bad).copied().collect(),
            present: Some(look.packs.keys().copied().collect()),
        };
        let storage = Arc::clone(self.repository.storage());
        let (sealer, budget) = (self.repository.sealer(), self.options.index_budget_bytes);
        Index::load_trusting(storage, sealer, runs, trust, budget, self.runtime.clone()).await
    }

    /// Puts a mark, if there is something to name that none of this repair names.
    async fn condemn(
        &mut self,
        look: &Look,
        bad: &HashSet<PackId>,
        superseded: Vec<IndexId>,
    ) -> Result<()> {
        let news = bad.iter().filter(|pack| !self.named.packs.contains(pack));
        let lengths = news.filter_map(|pack| Some((*pack, *look.packs.get(pack)?)));
        let (packs, lengths): (Vec<PackId>, Vec<u64>) = lengths.unzip();
        if packs.is_empty() && superseded.is_empty() {
            return Ok(());
        }
        self.refuse_outdated().await?;
        self.report.condemned_packs += packs.len() as u64;
        self.report.superseded_runs += superseded.len() as u64;
        self.named.packs.extend(&packs);
        self.named.runs.extend(&superseded);
        // As many marks as it takes; the bytes stand in the first.
        let mut bytes = lengths.into_iter().sum();
        let (mut packs, mut runs) = (packs.chunks(MAX_NAMED), superseded.chunks(MAX_NAMED));
        loop {
            let (packs, runs) = (packs.next(), runs.next());
            if packs.is_none() && runs.is_none() {
                return Ok(());
            }
            let (packs, runs) = (packs.unwrap_or_default(), runs.unwrap_or_default());
            let mark = Mark { packs: packs.to_vec(), runs: runs.to_vec(), bytes };
            self.put_new_mark(mark).await?;
            bytes = 0;
        }
    }

    async fn put_new_mark(&mut self, mark: Mark) -> Result<()> {
        let id = MarkId::random();
        self.put_mark(id, &mark).await?;
        self.marks.insert(id);
        Ok(())
    }

    /// Asked before anything is put that makes others believe in a damage: what a key opens that this host does not have
    /// looks damaged to it.
    async fn refuse_outdated(&self) -> Result<()> {
        let generation = |repository: &Repository| repository.sealer().generation();
        let now = self.repository.refreshed().await?;
        match generation(&now) == generation(self.repository) {
            true => Ok(()),
            false => Err(KeyError::Outdated { object: "the key ring".to_owned() }.into()),
        }
    }

    async fn put_mark(&self, id: MarkId, mark: &Mark) -> Result<()> {
        let path = layout::mark_path(id, MARK);
        let sealed = self.repository.sealer().seal(ObjectKind::Mark, &path, mark.encode());
        let storage = self.repository.storage();
        Ok(storage.put(&path, Payload::from(sealed), PutMode::Overwrite).await?)
    }
}

/// Of what lies in a pack what no run lists there; where the pack `goes`, what no run lists anywhere.
async fn unlisted(index: &Index, entries: Vec<IndexEntry>, goes: bool) -> Result<Vec<IndexEntry>> {
    let looks = stream::iter(entries).map(async |entry| {
        let places = index.find_all(&entry.id).await?;
        let is_listed = !places.is_empty() && (goes || places.contains(&entry.location));
        Ok((!is_listed).then_some(entry))
    });
    let unlisted = looks.buffered(MAX_LOOKUPS).try_filter_map(async |entry| Ok(entry));
    unlisted.try_collect().await
}
