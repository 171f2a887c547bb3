//! Records: committing, finding and listing snapshots.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use cairn_storage::ObjectMeta;
use futures::{Stream, StreamExt, TryStreamExt};

use super::{Published, Repository, publish, refuse_read_only};
use crate::bounded::{at_most, refuse_longer};
use crate::error::DamagedObject;
use crate::record::{MAX_RECORD_BYTES, Record};
use crate::seal::ObjectKind;
use crate::{Damage, Error, Label, Malformed, Result, layout};

/// Records read at once in a listing.
const MAX_READS: usize = 16;

/// Records read ahead when the newest are looked at one by one: most lookups end with the first.
const READ_AHEAD: usize = 2;

/// A snapshot as a listing shows it.
#[derive(Debug)]
pub struct ListedSnapshot {
    /// Its name.
    pub label: Label,
    /// Length of its record in bytes.
    pub size: u64,
    /// When its record was put, by the clock of the storage.
    pub modified: SystemTime,
    /// Its record, or why it cannot be read: one damaged record does not hide the others.
    pub record: Result<Arc<Record>>,
}

impl ListedSnapshot {
    fn of(label: Label, meta: &ObjectMeta, record: Result<Arc<Record>>) -> Self {
        Self { label, size: meta.size, modified: meta.modified, record }
    }
}

impl Repository {
    /// Publishes a snapshot: when this returns `Ok` it exists, and it did not before. Packs and runs with
    /// everything it refers to must be durable (R3, R4).
    ///
    /// Exactly one of any number of commits of a label succeeds, whether the storage decides or the writers do
    /// among themselves ([`crate::config::CommitMode`]). Repeating a commit whose outcome is unknown is safe: it
    /// meets its own record and succeeds. [`crate::ErrorKind::LabelExists`] when the label belongs to another
    /// snapshot; [`crate::ErrorKind::Invalid`] when the record is too long, or the repository was moved to a
    /// storage that cannot decide.
    pub async fn commit(&self, record: &Record) -> Result<()> {
        refuse_read_only(&self.storage)?;
        let bytes = self.stored_record(record);
        if bytes.len() as u64 > MAX_RECORD_BYTES {
            return Err(Error::invalid("a record of more than 1 MiB"));
        }
        self.commit_bytes(&record.label, bytes).await
    }

    /// The bytes of the object that a record is stored as.
    pub fn stored_record(&self, record: &Record) -> Bytes {
        let path = layout::snapshot_path(&record.label);
        self.sealer.seal(ObjectKind::Record, &path, record.encode())
    }

    /// The record in the object of a label.
    pub(crate) fn open_record(&self, label: &Label, stored: &Bytes) -> Result<Record> {
        let path = layout::snapshot_path(label);
        let opened = refuse_longer(stored, MAX_RECORD_BYTES)
            .and_then(|()| self.sealer.open(ObjectKind::Record, &path, stored));
        let record = opened.and_then(|bytes| decode_named(label, &bytes));
        Ok(record.map_err(|malformed| damaged(label, malformed))?)
    }

    /// Publishes a record that was read elsewhere.
    pub(crate) async fn commit_bytes(&self, label: &Label, bytes: Bytes) -> Result<()> {
        let (path, mode) = (layout::snapshot_path(label), self.config.commit_mode());
        let judge = |bytes: &[u8]| self.judge_record(label, bytes);
        self.settled(label).await?;
        match publish(&self.storage, mode, &path, bytes.clone(), &judge).await? {
            Published::Ours => {}
            Published::Theirs(holder) => return Err(self.label_exists(label, &holder)),
        }
        // A delete that was meant for the snapshot before may have come this late.
        self.settled(label).await?;
        self.still_there(label, &bytes).await
    }

    /// Whether bytes are the record of a label.
    pub(crate) fn judge_record(&self, label: &Label, bytes: &[u8]) -> Result<()> {
        self.open_record(label, &Bytes::copy_from_slice(bytes)).map(drop)
    }

    /// The label belongs to the snapshot with this record.
    pub(crate) fn label_exists(&self, label: &Label, holder: &Bytes) -> Error {
        let timestamp = self.open_record(label, holder).ok().map(|holder| holder.timestamp);
        Error::LabelExists { label: label.clone(), timestamp }
    }

    /// The record of a snapshot. [`crate::ErrorKind::NoSuchSnapshot`] when there is none.
    pub async fn record(&self, label: &Label) -> Result<Record> {
        let path = layout::snapshot_path(label);
        let bytes = match self.storage.get(&path, at_most(MAX_RECORD_BYTES)).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => {
                return Err(Error::NoSuchSnapshot { label: label.clone() });
            }
            Err(error) => return Err(error.into()),
        };
        self.open_record(label, &bytes)
    }

    /// All snapshots, ascending by label, with their records. What exists is asked of the storage; of the records only
    /// those are read that this repository has not read before.
    pub async fn snapshots(&self) -> Result<Vec<ListedSnapshot>> {
        let listed = self.list_records().await?;
        let known = self.records.known(&listed);
        self.with_records(listed.into_iter().zip(known)).await
    }

    /// Those of these labels that there are, ascending by label, with their records: as many requests as labels, however many
    /// snapshots the repository has.
    pub async fn snapshots_named(&self, labels: &[Label]) -> Result<Vec<ListedSnapshot>> {
        let looks: Vec<_> = labels
            .iter()
            .map(|label| async {
                match self.storage.head(&layout::snapshot_path(label)).await {
                    Ok(meta) => Ok(Some((label.clone(), meta))),
                    Err(error) if error.is_not_found() => Ok(None),
                    Err(error) => Err(Error::from(error)),
                }
            })
            .collect();
        let found: Vec<_> =
            futures::stream::iter(looks).buffer_unordered(MAX_READS).try_collect().await?;
        let known = found.into_iter().flatten().map(|(label, meta)| {
            let record = self.records.get(&label, &meta);
            ((label, meta), record)
        });
        self.with_records(known.collect::<Vec<_>>().into_iter()).await
    }

    /// Reads the records that are not known.
    async fn with_records(
        &self,
        listed: impl ExactSizeIterator<Item = ((Label, ObjectMeta), Option<Arc<Record>>)> + Send,
    ) -> Result<Vec<ListedSnapshot>> {
        let mut snapshots = Vec::with_capacity(listed.len());
        let mut unread = Vec::new();
        for ((label, meta), known) in listed {
            match known {
                Some(record) => snapshots.push(ListedSnapshot::of(label, &meta, Ok(record))),
                None => unread.push(self.read_listed(label, meta)),
            }
        }
        let read = futures::stream::iter(unread).buffer_unordered(MAX_READS);
        snapshots.extend(read.collect::<Vec<_>>().await);
        snapshots.sort_unstable_by(|a, b| a.label.cmp(&b.label));
        Ok(snapshots)
    }

    /// At most `limit` snapshots, the newest first as the listing dates them. Records are read as the stream
    /// is polled, so that one who finds what is looked for early reads few.
    pub async fn recent_records(&self, limit: usize) -> Result<impl Stream<Item = ListedSnapshot>> {
        let mut listed = self.list_records().await?;
        listed.sort_unstable_by(|(a_label, a), (b_label, b)| {
            (b.modified, b_label).cmp(&(a.modified, a_label))
        });
        listed.truncate(limit);
        let reads = listed.into_iter().map(|(label, meta)| self.read_listed(label, meta));
        Ok(futures::stream::iter(reads.collect::<Vec<_>>()).buffered(READ_AHEAD))
    }

    /// The newest snapshot of `origin` among the `limit` newest; damaged records are passed over.
    pub async fn latest_for_origin(
        &self,
        origin: &str,
        limit: usize,
    ) -> Result<Option<Arc<Record>>> {
        let mut recent = std::pin::pin!(self.recent_records(limit).await?);
        while let Some(snapshot) = recent.next().await {
            match snapshot.record {
                Ok(record) if record.origin == origin => return Ok(Some(record)),
                Ok(_) => {}
                Err(error @ Error::Storage(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, label = %snapshot.label, "a record is skipped")
                }
            }
        }
        Ok(None)
    }

    /// The labels of all snapshots, ascending. Reads no record.
    pub async fn labels(&self) -> Result<Vec<Label>> {
        let records = self.list_records().await?;
        Ok(records.into_iter().map(|(label, _)| label).collect())
    }

    /// The labels of all snapshots with the lengths of their records, in any order.
    pub(crate) async fn record_sizes(&self) -> Result<Vec<(Label, u64)>> {
        let records = self.list_records().await?;
        Ok(records.into_iter().map(|(label, meta)| (label, meta.size)).collect())
    }

    /// What the storage lists, ascending by label.
    async fn list_records(&self) -> Result<Vec<(Label, ObjectMeta)>> {
        let prefix = layout::snapshots_prefix();
        let mut pages = self.storage.list_pages(&prefix);
        let mut records = Vec::new();
        while let Some(page) = pages.try_next().await? {
            let labelled =
                |meta: ObjectMeta| Some((layout::parse_snapshot_path(&meta.path)?, meta));
            records.extend(page.into_iter().filter_map(labelled));
        }
        records.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(records)
    }

    async fn read_listed(&self, label: Label, meta: ObjectMeta) -> ListedSnapshot {
        let record = if meta.size > MAX_RECORD_BYTES {
            Err(damaged(&label, Malformed::TOO_LONG).into())
        } else if let Some(record) = self.records.get(&label, &meta) {
            Ok(record)
        } else {
            let read = self.record(&label).await.map(Arc::new);
            read.inspect(|record| self.records.insert(&label, &meta, record))
        };
        ListedSnapshot::of(label, &meta, record)
    }
}

fn decode_named(label: &Label, bytes: &[u8]) -> Result<Record, Malformed> {
    let record = Record::decode(bytes)?;
    if record.label != *label {
        return Err(Malformed::new("the record of another label"));
    }
    Ok(record)
}

fn damaged(label: &Label, malformed: Malformed) -> Damage {
    Damage::new(DamagedObject::Record(label.clone()), malformed)
}
