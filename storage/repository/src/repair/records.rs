//! Puts records back from the copies that packs hold.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};

use super::report::{RepairPhase, RepairedRecord};
use super::survey::Repairing;
use crate::bounded::at_most;
use crate::index::Index;
use crate::manifest::{Document, DocumentRef, ObjectList, Root, TabletList};
use crate::record::{MAX_RECORD_BYTES, Record, RecordStats};
use crate::record_copy::RecordCopy;
use crate::{Error, Label, Repository, Result, layout};

/// Copies, or documents, read at once.
const MAX_READS: usize = 16;

impl Repairing<'_> {
    /// Puts back records that are damaged, and on request those that are not there.
    pub(super) async fn put_records_back(&mut self, damaged: BTreeSet<Label>) -> Result<()> {
        if damaged.is_empty() && !self.options.missing_records {
            return Ok(());
        }
        let budget = self.options.index_budget_bytes;
        let index = self.repository.load_index(budget, self.runtime.clone()).await?;
        let there: BTreeSet<Label> = self.repository.labels().await?.into_iter().collect();
        let copies = self.copies_by_label().await?;
        let is_wanted = |label: &Label| {
            damaged.contains(label) || self.options.missing_records && !there.contains(label)
        };
        let wanted: Vec<_> = copies.into_iter().filter(|(label, _)| is_wanted(label)).collect();
        let total = wanted.len() as u64;
        let mut sizes =
            Sizes { repository: self.repository, index: &index, tablets: HashMap::new() };
        for (done, (label, copies)) in (0..).zip(wanted) {
            self.watch.tell(RepairPhase::Records, done, total);
            let record = match damaged.contains(&label) {
                true => self.the_one_meant(&label, copies).await?,
                false => copies.into_iter().max_by_key(|record| record.timestamp),
            };
            let Some(record) = record else { continue };
            let Some(stats) = sizes.of(&record.root).await? else { continue };
            let record = Record { stats, ..record };
            match self.put_back(&record, damaged.contains(&label)).await {
                Ok(true) => {
                    let timestamp = record.timestamp;
                    self.report.records.push(RepairedRecord { label, timestamp });
                }
                Ok(false) => {}
                Err(Error::Busy { label }) => self.report.busy_records.push(label),
                Err(error) => return Err(error),
            }
        }
        let is_told = |label: &Label| {
            self.report.busy_records.contains(label)
                || self.report.records.iter().any(|it| it.label == *label)
        };
        self.report.lost_records = damaged.into_iter().filter(|label| !is_told(label)).collect();
        Ok(())
    }

    /// The copies of records, those of backups that did not end and of snapshots that were forgotten too.
    async fn copies_by_label(&self) -> Result<BTreeMap<Label, Vec<Record>>> {
        let (repository, id) = (self.repository, self.repository.config().id);
        let reads = stream::iter(self.copies.clone()).map(async |entry| {
            let bytes = match repository.read_chunk_at(&entry.id, &entry.location).await {
                Ok(bytes) => bytes,
                Err(Error::Damaged(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            let copy = RecordCopy::decode(&bytes).ok().filter(|copy| copy.id == id);
            Ok(copy.map(|copy| copy.record))
        });
        let mut reads = std::pin::pin!(reads.buffer_unordered(MAX_READS));
        let mut copies: BTreeMap<Label, Vec<Record>> = BTreeMap::new();
        while let Some(record) = reads.try_next().await? {
            let Some(record) = record else { continue };
            let of_label = copies.entry(record.label.clone()).or_default();
            if !of_label.contains(&record) {
                of_label.push(record);
            }
        }
        Ok(copies)
    }

    /// Which of several records a damaged one was: what is left of it says when it was taken. Where nothing tells, none.
    async fn the_one_meant(
        &self,
        label: &Label,
        mut copies: Vec<Record>,
    ) -> Result<Option<Record>> {
        if copies.len() > 1 {
            let path = layout::snapshot_path(label);
            let left = match self.repository.storage().get(&path, at_most(MAX_RECORD_BYTES)).await {
                Ok(left) => left,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            copies.retain(|record| {
                let taken = record.timestamp.to_string();
                left.windows(taken.len()).any(|text| text == taken.as_bytes())
            });
        }
        Ok(if copies.len() == 1 { copies.pop() } else { None })
    }

    /// Whether a record was put back: not when another snapshot has taken the label meanwhile, or nothing is damaged any more.
    async fn put_back(&self, record: &Record, is_damaged: bool) -> Result<bool> {
        if is_damaged {
            self.refuse_outdated().await?;
            return self.repository.replace_damaged(record).await;
        }
        match self.repository.commit(record).await {
            Ok(()) => Ok(true),
            Err(Error::LabelExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Counts how big snapshots are, as far as their manifests can be read; a document that they share is read once.
struct Sizes<'a> {
    repository: &'a Repository,
    index: &'a Index,
    /// Tablets of documents, by the keys of their references.
    tablets: HashMap<u128, u64>,
}

impl Sizes<'_> {
    /// How big a snapshot is; `None` when not even its root can be read. What the backup cost is not known any more.
    async fn of(&mut self, root: &DocumentRef) -> Result<Option<RecordStats>> {
        let (repository, index) = (self.repository, self.index);
        let Some(root) = read::<Root>(repository, index, root).await? else { return Ok(None) };
        let mut stats = RecordStats::default();
        for database in root.databases() {
            let objects = read::<ObjectList>(repository, index, &database.objects).await?;
            let objects = objects.unwrap_or_default();
            stats.objects += objects.objects().len() as u64;
            let partitions = || objects.objects().iter().flat_map(|object| &object.partitions);
            self.count_tablets(partitions().map(|partition| &partition.tablets)).await?;
            for partition in partitions() {
                stats.partitions += 1;
                stats.segments += partition.segments;
                stats.raw_bytes += partition.bytes;
                let tablets = self.tablets.get(&partition.tablets.key());
                stats.tablets += tablets.copied().unwrap_or_default();
            }
        }
        Ok(Some(stats))
    }

    async fn count_tablets(
        &mut self,
        references: impl Iterator<Item = &DocumentRef>,
    ) -> Result<()> {
        let (repository, index) = (self.repository, self.index);
        let unknown = references.filter(|reference| !self.tablets.contains_key(&reference.key()));
        let counts = unknown.map(async |reference| {
            let tablets = read::<TabletList>(repository, index, reference).await?;
            Ok::<_, Error>((reference.key(), tablets.unwrap_or_default().tablets().len() as u64))
        });
        let counts = stream::iter(counts.collect::<Vec<_>>()).buffer_unordered(MAX_READS);
        let counts: Vec<_> = counts.try_collect().await?;
        self.tablets.extend(counts);
        Ok(())
    }
}

async fn read<D: Document>(
    repository: &Repository,
    index: &Index,
    reference: &DocumentRef,
) -> Result<Option<D>> {
    match repository.read_document(index, reference).await {
        Ok(document) => Ok(Some(document)),
        Err(Error::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
