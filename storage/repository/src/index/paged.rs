//! Runs that stay in the storage: found by reading the page in which the id must lie.
//!
//! Ids are uniform, so the position of an id among `n` sorted ones is known up to about `sqrt(n) / 2`: the
//! page around it holds the id, or a page near it. Nothing here makes a whole run pass through memory.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cairn_storage::{ByteRange, ObjectPath, Storage};

use super::run::{self, ENTRY_BYTES, HASH_BYTES, HEADER_BYTES, PACK_BYTES, PackedEntry, RunHeader};
use crate::error::DamagedObject;
use crate::pack::ChunkLocation;
use crate::seal::{Envelope, ObjectKind, Sealer};
use crate::{ChunkId, Damage, IndexId, KeyError, Malformed, PackId, Result, layout};

/// Entries of a page, and pack ids of a page. 48 KiB: about what one request costs anyway, and 10 ids
/// of 16 in a run of a million are found with the first.
const PAGE_ITEMS: u32 = 1024;

/// Pages kept: 12 MiB of entries.
const MAX_CACHED_PAGES: usize = 256;

/// A run of which memory holds two numbers, and a key where it is sealed.
#[derive(Debug)]
pub(super) struct PagedRun {
    pub(super) id: IndexId,
    pub(super) header: RunHeader,
    body: Body,
}

/// The bytes of a run without its hash, in the storage.
#[derive(Debug)]
struct Body {
    id: IndexId,
    /// Where it is sealed. Boxed: other runs are two numbers.
    envelope: Option<Box<Envelope>>,
}

impl PagedRun {
    /// Reads the header of a run of `run_bytes`: one request.
    pub(super) async fn open(
        storage: &dyn Storage,
        sealer: &Sealer,
        id: IndexId,
        run_bytes: u64,
    ) -> Result<Self> {
        let stored = run_bytes.saturating_sub(HASH_BYTES as u64);
        let found = |malformed| damage(id, malformed);
        let Some(keys) = sealer.keys() else {
            let first = get(storage, &id, 0, stored.min(HEADER_BYTES as u64)).await?;
            let header = RunHeader::parse(&first, stored).map_err(found)?;
            return Ok(Self { id, header, body: Body { id, envelope: None } });
        };
        let first = get(storage, &id, 0, stored.min(Envelope::FIRST_BYTES)).await?;
        let root = ObjectPath::root();
        let envelope = match Envelope::parse(keys, ObjectKind::Run, &root, &first, stored) {
            // A damaged header may say so too: believed only of what is whole.
            Err(Malformed::UNKNOWN_KEY) if is_whole(storage, &id, stored).await? => {
                let object = layout::index_path(&id).to_string();
                return Err(KeyError::Outdated { object }.into());
            }
            envelope => envelope.map_err(found)?,
        };
        let length = envelope.plain_len().min(HEADER_BYTES as u64);
        let opened = envelope.open_first(length, &first).map_err(found)?;
        let header = RunHeader::parse(&opened, envelope.plain_len()).map_err(found)?;
        Ok(Self { id, header, body: Body { id, envelope: Some(Box::new(envelope)) } })
    }
}

impl Body {
    /// A range of the body, whatever it is stored as.
    async fn read(&self, storage: &dyn Storage, offset: u64, length: u64) -> Result<Bytes> {
        let Some(envelope) = &self.envelope else {
            return get(storage, &self.id, offset, length).await;
        };
        let (start, stored) = envelope.pages_around(offset, length);
        let pages = get(storage, &self.id, start, stored).await?;
        let opened = envelope.open_range(offset, length, &pages);
        Ok(opened.map_err(|malformed| damage(self.id, malformed))?.into())
    }
}

/// Whether what is stored has the hash that is its name; reads all of it, bit by bit.
async fn is_whole(storage: &dyn Storage, id: &IndexId, stored: u64) -> Result<bool> {
    const STEP_BYTES: u64 = 1 << 20;
    let (mut hasher, mut offset) = (blake3::Hasher::new(), 0);
    while offset < stored {
        let length = STEP_BYTES.min(stored - offset);
        hasher.update(&get(storage, id, offset, length).await?);
        offset += length;
    }
    Ok(hasher.finalize() == *id.as_bytes())
}

async fn get(storage: &dyn Storage, id: &IndexId, offset: u64, length: u64) -> Result<Bytes> {
    let range = ByteRange::Span { offset, length };
    match storage.get(&layout::index_path(id), range).await {
        Ok(bytes) if bytes.len() as u64 == length => Ok(bytes),
        Ok(_) => Err(damage(*id, Malformed::new("a short read")).into()),
        Err(error) if error.kind() == cairn_storage::ErrorKind::InvalidRange => {
            Err(damage(*id, Malformed::new("a short read")).into())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Table {
    Packs,
    Entries,
}

/// Which page: of which run, of which of its tables, which number.
type PageKey = (IndexId, Table, u32);

/// Pages of runs, the recently used ones kept.
#[derive(Debug)]
pub(super) struct Pages {
    storage: Arc<dyn Storage>,
    /// Guards the map only: never held while a page is read, so two lookups may read the same page.
    cache: Mutex<PageCache>,
}

#[derive(Debug, Default)]
struct PageCache {
    /// A page and when it was used last.
    pages: HashMap<PageKey, (Bytes, u64)>,
    clock: u64,
}

impl PageCache {
    fn get(&mut self, key: &PageKey) -> Option<Bytes> {
        self.clock += 1;
        let (page, used) = self.pages.get_mut(key)?;
        *used = self.clock;
        Some(page.clone())
    }

    fn insert(&mut self, key: PageKey, page: Bytes) {
        if self.pages.len() >= MAX_CACHED_PAGES {
            let oldest = self.pages.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.pages.remove(&oldest);
            }
        }
        self.pages.insert(key, (page, self.clock));
    }
}

impl Pages {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, cache: Mutex::default() }
    }

    /// Finds a chunk in a run. A run that is gone or damaged where it is looked at lists nothing: the worst
    /// that follows is that a chunk is stored twice.
    pub(super) async fn find(&self, run: &PagedRun, id: &ChunkId) -> Result<Option<ChunkLocation>> {
        match self.search(run, id).await {
            Err(crate::Error::Damaged(damage)) => {
                tracing::warn!(%damage, "an index run is skipped");
                Ok(None)
            }
            Err(crate::Error::Storage(error)) if error.is_not_found() => Ok(None),
            other => other,
        }
    }

    async fn search(&self, run: &PagedRun, id: &ChunkId) -> Result<Option<ChunkLocation>> {
        let mut search = Search::new(id, run.header.num_entries);
        while let Some(number) = search.page() {
            let page = self.page(run, Table::Entries, number).await?;
            let (entries, _) = page.as_chunks::<ENTRY_BYTES>();
            match compare(entries, id) {
                Ordering::Equal => return self.look_into(run, entries, id).await,
                direction => search.miss(number, direction),
            }
        }
        Ok(None)
    }

    async fn look_into(
        &self,
        run: &PagedRun,
        page: &[[u8; ENTRY_BYTES]],
        id: &ChunkId,
    ) -> Result<Option<ChunkLocation>> {
        let found = page.binary_search_by_key(id, |bytes| PackedEntry::from_bytes(bytes).id);
        let Some(bytes) = found.ok().and_then(|position| page.get(position)) else {
            return Ok(None);
        };
        let entry = PackedEntry::from_bytes(bytes);
        let packs = self.page(run, Table::Packs, entry.pack / PAGE_ITEMS).await?;
        let (packs, _) = packs.as_chunks::<PACK_BYTES>();
        let pack = packs.get((entry.pack % PAGE_ITEMS) as usize);
        let located = pack.and_then(|pack| entry.located(PackId::from_bytes(*pack)));
        Ok(located.map(|entry| entry.location))
    }

    /// A page whose entries have been checked, from the cache or the storage.
    async fn page(&self, run: &PagedRun, table: Table, number: u32) -> Result<Bytes> {
        let key = (run.id, table, number);
        if let Some(page) = self.lock_cache().get(&key) {
            return Ok(page);
        }
        let start = number * PAGE_ITEMS;
        let RunHeader { num_packs, num_entries } = run.header;
        let (length, offset_of): (u32, fn(RunHeader, u32) -> u64) = match table {
            Table::Packs => (num_packs, RunHeader::pack_offset),
            Table::Entries => (num_entries, RunHeader::entry_offset),
        };
        let end = start.saturating_add(PAGE_ITEMS).min(length);
        let offset = offset_of(run.header, start);
        let length = offset_of(run.header, end).saturating_sub(offset);
        let page = run.body.read(self.storage.as_ref(), offset, length).await?;
        if table == Table::Entries {
            let (entries, _) = page.as_chunks();
            run::check_entries(entries, num_packs)
                .map_err(|malformed| damage(run.id, malformed))?;
        }
        self.lock_cache().insert(key, page.clone());
        Ok(page)
    }

    /// The cache is a map of immutable pages: whole whatever happened to another thread.
    fn lock_cache(&self) -> std::sync::MutexGuard<'_, PageCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn damage(id: IndexId, malformed: Malformed) -> Damage {
    Damage::new(DamagedObject::IndexRun(id), malformed)
}

/// Where an id lies: before this page, in it, or behind it.
fn compare(page: &[[u8; ENTRY_BYTES]], id: &ChunkId) -> Ordering {
    let id_at = |bytes: &[u8; ENTRY_BYTES]| PackedEntry::from_bytes(bytes).id;
    match (page.first().map(id_at), page.last().map(id_at)) {
        (Some(first), _) if *id < first => Ordering::Less,
        (_, Some(last)) if *id > last => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

/// The order in which pages are tried: the interpolated one, then away from it in growing steps.
#[derive(Debug)]
struct Search {
    /// Pages that may hold the id.
    low: u32,
    high: u32,
    next: u32,
    /// Misses in the same direction so far.
    step: u32,
    direction: Ordering,
}

impl Search {
    fn new(id: &ChunkId, num_entries: u32) -> Self {
        let position = (u128::from(id.leading()) * u128::from(num_entries)) >> u64::BITS;
        let next = u32::try_from(position).unwrap_or(u32::MAX) / PAGE_ITEMS;
        let high = num_entries.div_ceil(PAGE_ITEMS);
        Self { low: 0, high, next, step: 0, direction: Ordering::Equal }
    }

    /// The page to look at; `None` when the run does not hold the id.
    fn page(&self) -> Option<u32> {
        (self.low < self.high).then_some(self.next)
    }

    /// The id lies in `direction` of `page`. The neighbour is tried first, then the steps double; a
    /// change of direction starts over, so that ids of any distribution end the search soon.
    fn miss(&mut self, page: u32, direction: Ordering) {
        self.step =
            if self.direction == direction { self.step.saturating_mul(2).max(1) } else { 0 };
        self.direction = direction;
        if direction == Ordering::Less {
            self.high = page;
            self.next = page.saturating_sub(1).saturating_sub(self.step).max(self.low);
        } else {
            self.low = page + 1;
            self.next = self.low.saturating_add(self.step).min(self.high.saturating_sub(1));
        }
    }
}
