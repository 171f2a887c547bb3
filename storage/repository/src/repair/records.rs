//! Puts records back from the copies that packs hold.

use std::collections::{BTreeMap, BTreeSet};

use cairn_storage::{Payload, PutMode};

use super::Repairing;
use super::report::{RepairPhase, RepairedRecord};
use crate::index::Index;
use crate::manifest::{Document, DocumentRef, ObjectList, Root, TabletList};
use crate::record::{Record, RecordStats};
use crate::record_copy::RecordCopy;
use crate::{Error, Label, Repository, Result, layout};

impl Repairing<'_> {
    /// Puts back records that are damaged, and on request those that are not there.
    pub(super) async fn put_records_back(&mut self, damaged: BTreeSet<Label>) -> Result<()> {
        if damaged.is_empty() && !self.options.missing_records {
            return Ok(());
        }
        let budget = self.options.index_budget_bytes;
        let index = self.repository.load_index(budget, self.runtime.clone()).await?;
        let there: BTreeSet<Label> = self.repository.labels().await?.into_iter().collect();
        let copies = self.newest_copies().await?;
        let wanted = copies.iter().filter(|(label, _)| {
            damaged.contains(*label) || self.options.missing_records && !there.contains(*label)
        });
        let wanted: Vec<(&Label, &Record)> = wanted.collect();
        for (done, (label, record)) in (0..).zip(&wanted) {
            self.watch.tell(RepairPhase::Records, done, wanted.len() as u64);
            let Some(stats) = stats_of(self.repository, &index, &record.root).await? else {
                continue;
            };
            let record = Record { stats, ..(*record).clone() };
            if self.put_back(&record, damaged.contains(*label)).await? {
                let Record { label, timestamp, .. } = record;
                self.report.records.push(RepairedRecord { label, timestamp });
            }
        }
        let is_back = |label: &Label| self.report.records.iter().any(|it| it.label == *label);
        self.report.lost_records = damaged.into_iter().filter(|label| !is_back(label)).collect();
        Ok(())
    }

    /// Of each label the copy of its newest record.
    async fn newest_copies(&self) -> Result<BTreeMap<Label, Record>> {
        let mut newest: BTreeMap<Label, Record> = BTreeMap::new();
        for entry in &self.copies {
            let bytes = match self.repository.read_chunk_at(&entry.id, &entry.location).await {
                Ok(bytes) => bytes,
                Err(Error::Damaged(_)) => continue,
                Err(error) => return Err(error),
            };
            let record = match RecordCopy::decode(&bytes) {
                Ok(copy) if copy.id == self.repository.config().id => copy.record,
                Ok(_) | Err(_) => continue,
            };
            let known = newest.entry(record.label.clone()).or_insert_with(|| record.clone());
            if known.timestamp < record.timestamp {
                *known = record;
            }
        }
        Ok(newest)
    }

    /// Whether a record was put back: not when another snapshot has taken the label meanwhile.
    async fn put_back(&self, record: &Record, is_damaged: bool) -> Result<bool> {
        if is_damaged {
            let payload = Payload::from(self.repository.stored_record(record));
            let path = layout::snapshot_path(&record.label);
            self.repository.storage().put(&path, payload, PutMode::Overwrite).await?;
            return Ok(true);
        }
        match self.repository.commit(record).await {
            Ok(()) => Ok(true),
            Err(Error::LabelExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// How big a snapshot is, as far as its manifest can be read; `None` when not even its root can. What the backup cost
/// is not known any more.
async fn stats_of(
    repository: &Repository,
    index: &Index,
    root: &DocumentRef,
) -> Result<Option<RecordStats>> {
    let Some(root) = read::<Root>(repository, index, root).await? else { return Ok(None) };
    let mut stats = RecordStats::default();
    for database in root.databases() {
        let objects = read::<ObjectList>(repository, index, &database.objects).await?;
        for object in objects.unwrap_or_default().objects() {
            stats.objects += 1;
            for partition in &object.partitions {
                stats.partitions += 1;
                stats.segments += partition.segments;
                stats.raw_bytes += partition.bytes;
                let tablets = read::<TabletList>(repository, index, &partition.tablets).await?;
                stats.tablets += tablets.unwrap_or_default().tablets().len() as u64;
            }
        }
    }
    Ok(Some(stats))
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
