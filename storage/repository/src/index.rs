//! The index: where chunks lie.
//!
//! An index is the sum of its runs ([`encode_run`], [`decode_run`]). [`Index`] answers lookups from memory
//! for as many runs as fit a budget, the smallest first since each run that does not fit costs a
//! lookup a read of its own; the others are *paged*: each lookup reads the page of the run where the id
//! must lie. So memory is bounded by the budget (plus 12 MiB of pages) whatever the repository holds.
//!
//! # Damage
//! A run that is damaged or gone lists nothing, and [`Index::damages`] says so. That is safe for backups (what
//! is not found is stored again); for restores the chunks are missing unless another run lists them.
//! Only resident runs are verified by their hash as a whole; of a paged run, each page is checked as it is
//! read, and a wrong place is noticed when the chunk does not match its name.

mod paged;
mod resident;
mod run;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use cairn_storage::{ByteRange, Storage};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use self::paged::{PagedRun, Pages};
pub(crate) use self::resident::TableBuilder;
use self::resident::{BYTES_PER_ENTRY, ResidentTable};
use self::run::ENTRY_BYTES;
pub use self::run::{EncodedRun, MAGIC, MAX_RUN_ENTRIES, Run, decode_run, encode_run};
pub(crate) use self::run::{MAX_RUN_BYTES, encode_run_salted};
use crate::error::DamagedObject;
use crate::mark::Marks;
use crate::pack::ChunkLocation;
use crate::seal::{KeyError, Sealer};
use crate::{ChunkId, Damage, Error, IndexId, Malformed, PackId, Result, layout};

/// Memory for resident runs when the host says nothing: two million chunks, 2 TiB of data.
pub const DEFAULT_BUDGET_BYTES: u64 = 96 << 20;

/// Runs read at once while loading, and paged runs asked at once in a lookup.
const MAX_READS: usize = 16;

/// An index run as a listing shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedRun {
    /// Its name.
    pub id: IndexId,
    /// Its length in bytes.
    pub size: u64,
}

impl ListedRun {
    /// More entries than it can have.
    pub(crate) fn max_entries(&self) -> usize {
        let bytes = if self.is_too_long() { 0 } else { self.size };
        usize::try_from(bytes / ENTRY_BYTES as u64).unwrap_or(usize::MAX)
    }

    /// Whether it is none: longer than runs can be.
    pub(crate) fn is_too_long(&self) -> bool {
        self.size > MAX_RUN_BYTES
    }
}

/// Where chunks lie. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Index {
    shared: Arc<Shared>,
    runtime: Handle,
}

#[derive(Debug)]
struct Shared {
    resident: ResidentTable,
    num_resident_runs: usize,
    paged: Vec<PagedRun>,
    pages: Pages,
    damages: Vec<Damage>,
    num_gone: usize,
    budget_bytes: u64,
    trust: Trust,
    /// The same index as it was found later.
    renewal: OnceCell<Index>,
}

/// What of an index is to be counted on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    /// Whether somebody counts on it: what it lacks must not be found elsewhere then.
    pub(crate) is_counted_on: bool,
    /// Marks that were seen before the runs were listed.
    pub(crate) marks: Marks,
    /// Packs that the marks name, and so do not count.
    pub(crate) condemned: HashSet<PackId>,
    /// The packs that are there; `None` when all count.
    pub(crate) present: Option<HashSet<PackId>>,
}

impl Trust {
    fn covers(&self, pack: &PackId) -> bool {
        !self.condemned.contains(pack)
            && self.present.as_ref().is_none_or(|present| present.contains(pack))
    }
}

/// What became of a run that was loaded.
enum Loaded {
    Resident(Bytes, IndexId),
    Paged(PagedRun),
    Damaged(Damage),
    /// Deleted since it was listed.
    Gone,
}

impl Index {
    /// An index of these runs. `budget_bytes` bounds the memory of the resident ones; `runtime` is where
    /// [`Index::locate`] has pages read. A run that only a newer key ring opens is no damage but
    /// [`crate::ErrorKind::Key`]: to pass over it would hide what it lists.
    pub async fn load(
        storage: Arc<dyn Storage>,
        sealer: &Sealer,
        runs: Vec<ListedRun>,
        budget_bytes: u64,
        runtime: Handle,
    ) -> Result<Self> {
        Self::load_trusting(storage, sealer, runs, Trust::default(), budget_bytes, runtime).await
    }

    /// The same of what is to be counted on.
    pub(crate) async fn load_trusting(
        storage: Arc<dyn Storage>,
        sealer: &Sealer,
        mut runs: Vec<ListedRun>,
        trust: Trust,
        budget_bytes: u64,
        runtime: Handle,
    ) -> Result<Self> {
        runs.sort_unstable_by_key(|run| (run.size, run.id));
        let mut left = budget_bytes;
        let reads = runs.into_iter().map(|run| {
            let cost = resident_cost(run.size);
            let is_resident = cost <= left;
            left = if is_resident { left - cost } else { 0 };
            load_run(Arc::clone(&storage), sealer.clone(), run, is_resident)
        });
        let mut loaded = stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(MAX_READS);
        let mut builder = TableBuilder::default();
        let (mut num_resident_runs, mut paged, mut damages) = (0, Vec::new(), Vec::new());
        let mut num_gone = 0;
        while let Some(run) = loaded.try_next().await? {
            match run {
                Loaded::Resident(bytes, id) => match decode_run(sealer, &id, &bytes) {
                    Ok(run) if builder.add(&run, |_, pack| trust.covers(pack)) => {
                        num_resident_runs += 1
                    }
                    Ok(_) => return Err(Error::invalid("a budget of more than 2^32 entries")),
                    Err(Malformed::UNKNOWN_KEY) => {
                        let object = layout::index_path(&id).to_string();
                        return Err(KeyError::Outdated { object }.into());
                    }
                    Err(malformed) => damages.push(damaged_run(id, malformed)),
                },
                Loaded::Paged(run) => paged.push(run),
                Loaded::Damaged(damage) => damages.push(damage),
                Loaded::Gone => num_gone += 1,
            }
        }
        drop(loaded);
        for damage in &damages {
            tracing::warn!(%damage, "an index run is skipped");
        }
        let shared = Shared {
            resident: builder.build(),
            num_resident_runs,
            paged,
            pages: Pages::new(storage),
            damages,
            num_gone,
            budget_bytes,
            trust,
            renewal: OnceCell::new(),
        };
        Ok(Self { shared: Arc::new(shared), runtime })
    }

    /// An index of what was collected, all of it in memory.
    pub(crate) fn of(storage: Arc<dyn Storage>, table: TableBuilder, runtime: Handle) -> Self {
        let shared = Shared {
            resident: table.build(),
            num_resident_runs: 0,
            paged: Vec::new(),
            pages: Pages::new(storage),
            damages: Vec::new(),
            num_gone: 0,
            budget_bytes: DEFAULT_BUDGET_BYTES,
            trust: Trust::default(),
            renewal: OnceCell::new(),
        };
        Self { shared: Arc::new(shared), runtime }
    }

    /// A place of a chunk, or `None` when no run lists it.
    ///
    /// Blocks the thread while pages are read, which happens on the runtime given at load: call it from
    /// threads of one's own, and [`Index::find`] from tasks. Never blocks when all runs are
    /// resident, nor for a chunk that a resident run lists.
    pub fn locate(&self, id: &ChunkId) -> Result<Option<ChunkLocation>> {
        let resident = self.shared.resident.places(id).next();
        if resident.is_some() || self.shared.paged.is_empty() {
            return Ok(resident);
        }
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        let (shared, id) = (Arc::clone(&self.shared), *id);
        let look = async move {
            // Nobody waits any more when this fails.
            let _ = answer.send(shared.find_paged(&id).await);
        };
        self.runtime.spawn(look.in_current_span().with_current_subscriber());
        answered.recv().unwrap_or_else(|_| Err(Error::invalid("a lookup on a stopped runtime")))
    }

    /// A place of a chunk, or `None` when no run lists it.
    pub async fn find(&self, id: &ChunkId) -> Result<Option<ChunkLocation>> {
        match self.shared.resident.places(id).next() {
            Some(location) => Ok(Some(location)),
            None => self.shared.find_paged(id).await,
        }
    }

    /// Every place of a chunk: more than one when it was stored by two writers at once, or repaired.
    pub async fn find_all(&self, id: &ChunkId) -> Result<Vec<ChunkLocation>> {
        let mut places: Vec<ChunkLocation> = self.shared.resident.places(id).collect();
        let mut paged = self.shared.paged_places(id);
        while let Some(place) = paged.next().await {
            places.extend(place?);
        }
        Ok(places)
    }

    /// Entries in all runs. A chunk that paged runs list several times counts several times.
    pub fn num_entries(&self) -> u64 {
        let paged = self.shared.paged.iter().map(|run| u64::from(run.header.num_entries));
        self.shared.resident.num_entries() as u64 + paged.sum::<u64>()
    }

    /// Runs held in memory.
    pub fn num_resident_runs(&self) -> usize {
        self.shared.num_resident_runs
    }

    /// Runs that lookups read pages of.
    pub fn num_paged_runs(&self) -> usize {
        self.shared.paged.len()
    }

    /// Runs that went between being listed and being read: what they listed may be in others, which came later.
    pub(crate) fn num_gone(&self) -> usize {
        self.shared.num_gone
    }

    /// The marks that were seen before it was loaded.
    pub(crate) fn marks(&self) -> &Marks {
        &self.shared.trust.marks
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn budget_bytes(&self) -> u64 {
        self.shared.budget_bytes
    }

    /// Where it is kept as it was found later; `None` when what it lacks must not be found elsewhere.
    pub(crate) fn renewal(&self) -> Option<&OnceCell<Self>> {
        (!self.shared.trust.is_counted_on).then_some(&self.shared.renewal)
    }

    /// Runs that were left out at load because they are damaged.
    pub fn damages(&self) -> &[Damage] {
        &self.shared.damages
    }
}

impl Shared {
    async fn find_paged(&self, id: &ChunkId) -> Result<Option<ChunkLocation>> {
        let mut places = self.paged_places(id);
        while let Some(place) = places.next().await {
            if let Some(location) = place? {
                return Ok(Some(location));
            }
        }
        Ok(None)
    }

    fn paged_places<'a>(&'a self, id: &'a ChunkId) -> BoxStream<'a, Result<Option<ChunkLocation>>> {
        let lookups = self.paged.iter().map(|run| async {
            let place = self.pages.find(run, id).await?;
            Ok(place.filter(|place| self.trust.covers(&place.pack)))
        });
        stream::iter(lookups.collect::<Vec<_>>()).buffer_unordered(MAX_READS).boxed()
    }
}

/// Memory that a run of so many bytes takes when resident.
fn resident_cost(run_bytes: u64) -> u64 {
    run_bytes.saturating_mul(BYTES_PER_ENTRY).div_ceil(ENTRY_BYTES as u64)
}

async fn load_run(
    storage: Arc<dyn Storage>,
    sealer: Sealer,
    run: ListedRun,
    is_resident: bool,
) -> Result<Loaded> {
    let loaded = if run.is_too_long() {
        return Ok(Loaded::Damaged(damaged_run(run.id, Malformed::TOO_LONG)));
    } else if is_resident {
        let read = storage.get(&layout::index_path(&run.id), ByteRange::Full).await;
        read.map(|bytes| Loaded::Resident(bytes, run.id)).map_err(Error::from)
    } else {
        let opened = PagedRun::open(storage.as_ref(), &sealer, run.id, run.size).await;
        opened.map(Loaded::Paged)
    };
    match loaded {
        Err(Error::Storage(error)) if error.is_not_found() => Ok(Loaded::Gone),
        Err(Error::Damaged(damage)) => Ok(Loaded::Damaged(damage)),
        loaded => loaded,
    }
}

fn damaged_run(id: IndexId, malformed: Malformed) -> Damage {
    Damage::new(DamagedObject::IndexRun(id), malformed)
}

#[cfg(test)]
mod tests;
