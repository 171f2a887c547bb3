//! [`copy()`]: the same repository in another place, object by object.
//!
//! - *Does*: puts every object of a repository, byte for byte, where it is missing. What is there with the same name and
//!   length is not read: names are content. The one object that may differ is `cairn.json`, in how commits are made
//!   there (`DESIGN.md`, section 8). Index runs and records are verified whole, packs by their directories, which
//!   name them; the chunks themselves are what `check --read-data` is for.
//! - *Order*: keys, where there are any, then `cairn.json`, so that the place is taken by this repository before a terabyte is on its way; then packs,
//!   runs, holds, records (R3, R4, R5). What is copied is listed in reverse, so a repository that is written to meanwhile
//!   gives a whole copy of the snapshots that it had at the beginning.
//! - *Resumable*: a copy that was interrupted is run again.
//! - *Memory*: 128 MiB of objects on their way, or one object that is larger; about 100 bytes for each pack.
//! - *Prunes*: what a prune at the destination is about to take cannot be put there under its name: the copy is refused until it is
//!   gone, and one that a prune came into is to be repeated.
//! - *On failure*: a damaged object is left out and reported, a failing storage ends the copy. A place that holds another
//!   repository, or another snapshot under one of the labels, is refused before anything is put.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cairn_storage::{ByteRange, ErrorKind, ObjectPath, Payload, PutMode, Storage};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;

use crate::bounded::at_most;
use crate::error::DamagedObject;
use crate::index::{MAX_RUN_BYTES, decode_run};
use crate::pack::{MAX_PACK_BYTES, entries_of_pack};
use crate::record::MAX_RECORD_BYTES;
use crate::repository::{fault_of, judge_keys, list_keys};
use crate::seal::MAX_RING_BYTES;
use crate::{Damage, Error, IndexId, Label, Malformed, PackId, Repository, Result, layout};

/// Bytes that a permit for memory stands for.
const PERMIT_BYTES: u64 = 1 << 20;

/// Permits: 128 MiB, eight packs of the default size.
const PERMITS: u32 = 128;

/// Records that are compared at once.
const MAX_COMPARISONS: usize = 16;

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyProgress {
    /// What it is at.
    pub stage: CopyStage,
    /// Objects that are to be in the copy.
    pub objects_total: u64,
    /// Their bytes.
    pub bytes_total: u64,
    /// Objects that were put.
    pub objects_copied: u64,
    /// Their bytes.
    pub bytes_copied: u64,
    /// Objects that were there before.
    pub objects_present: u64,
    /// Their bytes.
    pub bytes_present: u64,
}

/// What a copy is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CopyStage {
    /// Finding out what is where.
    #[default]
    Listing,
    /// Packs and runs are on their way.
    Moving,
    /// Records: snapshots begin to exist.
    Committing,
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyReport {
    /// Where it ended.
    pub progress: CopyProgress,
    /// Snapshots that the copy has from this repository.
    pub num_snapshots: u64,
    /// Objects that are damaged and were left out.
    pub damages: Vec<Damage>,
}

/// An object to copy.
#[derive(Debug, Clone)]
enum Item {
    Pack(PackId),
    Run(IndexId),
    Record(Label),
}

impl Item {
    fn path(&self) -> ObjectPath {
        match self {
            Self::Pack(id) => layout::pack_path(id),
            Self::Run(id) => layout::index_path(id),
            Self::Record(label) => layout::snapshot_path(label),
        }
    }

    fn object(&self) -> DamagedObject {
        match self {
            Self::Pack(id) => DamagedObject::Pack(*id),
            Self::Run(id) => DamagedObject::IndexRun(*id),
            Self::Record(label) => DamagedObject::Record(label.clone()),
        }
    }

    /// No such object is longer.
    fn max_bytes(&self) -> u64 {
        match self {
            Self::Pack(_) => MAX_PACK_BYTES.into(),
            Self::Run(_) => MAX_RUN_BYTES,
            Self::Record(_) => MAX_RECORD_BYTES,
        }
    }

    /// Whether bytes are what the name says.
    fn verify(&self, from: &Repository, bytes: &Bytes) -> Result<()> {
        let verified = match self {
            Self::Pack(id) => entries_of_pack(from.sealer(), id, bytes).map(drop),
            Self::Run(id) => decode_run(from.sealer(), id, bytes).map(drop),
            Self::Record(label) => return from.judge_record(label, bytes),
        };
        Ok(verified.map_err(|malformed| Damage::new(self.object(), malformed))?)
    }
}

/// Copies a repository to a storage that holds nothing, or an older or unfinished copy of it. At most `in_flight`
/// objects are on their way at once; `watch` is told of every step.
pub async fn copy(
    from: &Repository,
    to: Arc<dyn Storage>,
    in_flight: usize,
    watch: &(dyn Fn(CopyProgress) + Send + Sync),
) -> Result<CopyReport> {
    watch(CopyProgress::default());
    let (to, mut damages) = destination(from, to).await?;
    // In this order: whatever a record needs was there before it, and is in the lists that follow.
    let records = from.record_sizes().await?;
    let runs = from.runs().await?;
    let packs = from.packs().await?;
    let marks = to.marks().await?;
    // What was swept may come back under its name.
    let named = marks.waiting();
    if runs.iter().any(|run| named.runs.contains(&run.id))
        || packs.iter().any(|(pack, _)| named.packs.contains(pack))
    {
        return Err(is_pruned(&to));
    }
    let copying = Copying {
        from,
        to: &to,
        in_flight: in_flight.max(1),
        permits: Semaphore::new(PERMITS as usize),
        watch,
        counts: Counts::default(),
    };
    let missing_records = copying.missing_records(records).await?;
    let there: HashMap<IndexId, u64> =
        to.runs().await?.into_iter().map(|run| (run.id, run.size)).collect();
    let missing_runs = copying.missing(
        runs.into_iter().map(|run| (run.id, run.size)),
        |id, size| there.get(id) == Some(&size),
        Item::Run,
    );
    let there: HashMap<PackId, u32> = to.packs().await?.into_iter().collect();
    let missing_packs = copying.missing(
        packs.into_iter().map(|(id, size)| (id, size.into())),
        |id, size| there.get(id).is_some_and(|there| u64::from(*there) == size),
        Item::Pack,
    );
    drop(there);
    copying.tell(CopyStage::Moving);
    damages.extend(copying.all(missing_packs, CopyStage::Moving).await?);
    damages.extend(copying.all(missing_runs, CopyStage::Moving).await?);
    to.copy_holds(from).await?;
    // In any order: what each of them needs is there.
    damages.extend(copying.all(missing_records, CopyStage::Committing).await?);
    if !to.marks_seen().await?.ids().is_subset(&marks.ids()) {
        return Err(is_pruned(&to));
    }
    let num_snapshots = to.labels().await?.len() as u64;
    Ok(CopyReport { progress: copying.progress(CopyStage::Committing), num_snapshots, damages })
}

fn is_pruned(to: &Repository) -> Error {
    let location = to.storage();
    Error::invalid(format!(
        "{location} is being pruned: copy again when `cairn prune` there has deleted what it marked"
    ))
}

/// The repository at the destination, made when there is none, and the keys that are damaged.
async fn destination(from: &Repository, to: Arc<dyn Storage>) -> Result<(Repository, Vec<Damage>)> {
    let id = from.config().id;
    let foreign = |id| Error::invalid(format!("{to} holds another repository, {id}"));
    let found = match Repository::id_at(&to).await {
        Err(Error::NotARepository { .. }) => None,
        found => Some(found?),
    };
    if let Some(found) = found.filter(|found| *found != id) {
        return Err(foreign(found));
    }
    // Before the config: whoever finds that finds keys.
    let damages = copy_keys(from, &to).await?;
    let sealer = from.sealer().clone();
    let opened = match found {
        Some(_) => Repository::open_as(Arc::clone(&to), sealer).await,
        None => {
            let config = from.config().clone();
            match Repository::create_as(Arc::clone(&to), config, sealer.clone()).await {
                // Another copy made it in between.
                Err(Error::AlreadyARepository { .. }) => {
                    Repository::open_as(Arc::clone(&to), sealer).await
                }
                made => made,
            }
        }
    }?;
    match opened.config().id {
        found if found == id => Ok((opened, damages)),
        found => Err(foreign(found)),
    }
}

/// Copies key slots and key rings, which are few and small. What is there stays.
async fn copy_keys(from: &Repository, to: &Arc<dyn Storage>) -> Result<Vec<Damage>> {
    let mut damages = Vec::new();
    for path in list_keys(from).await? {
        let bytes = from.storage().get(&path, at_most(MAX_RING_BYTES)).await?;
        if let Err(damage) = judge_keys(from, &path, &bytes) {
            damages.push(damage);
            continue;
        }
        match to.put(&path, Payload::from(bytes), PutMode::Create).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            put => put?,
        }
    }
    Ok(damages)
}

/// A copy under way.
struct Copying<'a> {
    from: &'a Repository,
    to: &'a Repository,
    in_flight: usize,
    /// Memory for objects on their way.
    permits: Semaphore,
    watch: &'a (dyn Fn(CopyProgress) + Send + Sync),
    counts: Counts,
}

/// Relaxed throughout: each number stands alone.
#[derive(Default)]
struct Counts {
    objects_total: AtomicU64,
    bytes_total: AtomicU64,
    objects_copied: AtomicU64,
    bytes_copied: AtomicU64,
    objects_present: AtomicU64,
    bytes_present: AtomicU64,
}

impl Copying<'_> {
    fn progress(&self, stage: CopyStage) -> CopyProgress {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CopyProgress {
            stage,
            objects_total: read(&self.counts.objects_total),
            bytes_total: read(&self.counts.bytes_total),
            objects_copied: read(&self.counts.objects_copied),
            bytes_copied: read(&self.counts.bytes_copied),
            objects_present: read(&self.counts.objects_present),
            bytes_present: read(&self.counts.bytes_present),
        }
    }

    fn tell(&self, stage: CopyStage) {
        (self.watch)(self.progress(stage));
    }

    /// Counts an object, and whether it is there already.
    fn plan(&self, size: u64, is_there: bool) {
        add(&self.counts.objects_total, &self.counts.bytes_total, size);
        if is_there {
            add(&self.counts.objects_present, &self.counts.bytes_present, size);
        }
    }

    /// The objects named by content that are not there with their length.
    fn missing<I>(
        &self,
        objects: impl Iterator<Item = (I, u64)>,
        is_there: impl Fn(&I, u64) -> bool,
        item: impl Fn(I) -> Item,
    ) -> Vec<(Item, u64)> {
        let missing = objects.filter(|(id, size)| {
            let is_there = is_there(id, *size);
            self.plan(*size, is_there);
            !is_there
        });
        missing.map(|(id, size)| (item(id), size)).collect()
    }

    /// The records that are not there. A label is no content: those that are there are compared.
    async fn missing_records(&self, records: Vec<(Label, u64)>) -> Result<Vec<(Item, u64)>> {
        let there: HashMap<Label, u64> = self.to.record_sizes().await?.into_iter().collect();
        let compared = records.into_iter().map(async |(label, size)| {
            let is_there = match there.contains_key(&label) {
                true => self.is_same_record(&label).await?,
                false => false,
            };
            self.plan(size, is_there);
            Ok::<_, Error>((!is_there).then_some((Item::Record(label), size)))
        });
        let compared = stream::iter(compared.collect::<Vec<_>>()).buffered(MAX_COMPARISONS);
        let missing = compared.try_filter_map(async |missing| Ok(missing));
        missing.try_collect().await
    }

    /// True, or the label belongs to another snapshot there.
    async fn is_same_record(&self, label: &Label) -> Result<bool> {
        let path = layout::snapshot_path(label);
        let theirs = self.to.storage().get(&path, at_most(MAX_RECORD_BYTES)).await?;
        if self.from.storage().get(&path, at_most(MAX_RECORD_BYTES)).await? == theirs {
            return Ok(true);
        }
        Err(self.to.label_exists(label, &theirs))
    }

    /// Copies objects, several at once, and returns those that are damaged.
    async fn all(&self, items: Vec<(Item, u64)>, stage: CopyStage) -> Result<Vec<Damage>> {
        self.tell(stage);
        let copies = items.into_iter().map(async |(item, size)| {
            let damage = self.one(&item, size).await?;
            if damage.is_none() {
                add(&self.counts.objects_copied, &self.counts.bytes_copied, size);
            }
            self.tell(stage);
            Ok::<_, Error>(damage)
        });
        let copies = stream::iter(copies).buffer_unordered(self.in_flight);
        copies.try_filter_map(async |damage| Ok(damage)).try_collect().await
    }

    /// Copies an object, or says how it is damaged.
    async fn one(&self, item: &Item, size: u64) -> Result<Option<Damage>> {
        if size > item.max_bytes() {
            return Ok(Some(Damage::new(item.object(), Malformed::TOO_LONG)));
        }
        // An object that is larger than all permits has them all to itself.
        let permits = u32::try_from(size.div_ceil(PERMIT_BYTES)).unwrap_or(PERMITS).min(PERMITS);
        // Nobody closes the semaphore; without it the copy would only need more memory.
        let _permits = self.permits.acquire_many(permits).await.ok();
        let span = ByteRange::Span { offset: 0, length: size };
        let bytes = match self.from.storage().get(&item.path(), span).await {
            Ok(bytes) => bytes,
            Err(error) => {
                let fault = fault_of(&error).ok_or(error)?;
                return Ok(Some(Damage::new(item.object(), fault)));
            }
        };
        match item.verify(self.from, &bytes) {
            Err(Error::Damaged(damage)) => return Ok(Some(damage)),
            verified => verified?,
        }
        self.put(item, bytes).await?;
        Ok(None)
    }

    async fn put(&self, item: &Item, bytes: Bytes) -> Result<()> {
        match item {
            Item::Pack(_) | Item::Run(_) => self.to.put_content_named(&item.path(), bytes).await,
            Item::Record(label) => self.to.commit_bytes(label, bytes).await,
        }
    }
}

fn add(objects: &AtomicU64, bytes: &AtomicU64, size: u64) {
    objects.fetch_add(1, Ordering::Relaxed);
    bytes.fetch_add(size, Ordering::Relaxed);
}
