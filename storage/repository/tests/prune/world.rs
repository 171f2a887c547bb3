//! The store that all hosts share, request by request: who may take its next step is decided outside, and what a host had
//! sent when it crashed or gave up takes effect later or never.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use cairn_repository::index::decode_run;
use cairn_repository::mark::Mark;
use cairn_repository::pack::{ChunkKind, IndexEntry};
use cairn_repository::{ChunkId, Label, PackId, Sealer, layout};
use cairn_storage::{
    ByteRange, Capabilities, Error, ErrorKind, MemoryStorage, ObjectMeta, ObjectPath, Operation,
    PageStream, Payload, PutMode, Result, Storage, StorageExt,
};
use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::place::Taken;

/// A grace, in the seconds of the store's clock.
pub(crate) const GRACE: u64 = 100;

/// Objects of a page of a list. What prunes announce fits one.
const PAGE: usize = 3;

/// A change that was sent.
#[derive(Debug, Clone)]
enum Change {
    Put(ObjectPath, Payload, PutMode),
    Delete(ObjectPath),
}

/// One that its sender does not wait for any more.
#[derive(Debug)]
struct Late {
    change: Change,
    /// It takes effect before, or never.
    until: u64,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) memory: MemoryStorage,
    clock: Arc<AtomicU64>,
    late: Mutex<Vec<Late>>,
    /// Whether something was deleted since it was last looked.
    is_less: AtomicBool,
    pub(crate) num_requests: AtomicU64,
    /// Snapshots of which a success was reported and that nobody began to forget.
    pub(crate) reported: Mutex<BTreeMap<String, Taken>>,
    /// Chunks that rotted, with the snapshots for which they have to be kept where they lie too. One that is taken later may have counted on
    /// the place that rotted.
    rotten: Mutex<BTreeMap<ChunkId, BTreeSet<Label>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(1_000_000));
        let shown = Arc::clone(&clock);
        let now = move || SystemTime::UNIX_EPOCH + Duration::from_secs(shown.load(Relaxed));
        Self {
            memory: MemoryStorage::with_clock(now),
            clock,
            late: Mutex::default(),
            is_less: AtomicBool::new(false),
            num_requests: AtomicU64::new(0),
            reported: Mutex::default(),
            rotten: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Relaxed)
    }

    /// Lets time pass. What could only happen before does not happen any more.
    pub(crate) fn tick(&self, seconds: u64) {
        let now = self.clock.fetch_add(seconds, Relaxed) + seconds;
        self.late.lock().unwrap().retain(|late| now < late.until);
    }

    /// Lets something happen that was sent before.
    pub(crate) fn happen_late(&self, which: usize) {
        let mut late = self.late.lock().unwrap();
        if !late.is_empty() {
            let which = which % late.len();
            let Late { change, .. } = late.swap_remove(which);
            drop(late);
            // Nobody hears of it.
            let _ = self.apply(change);
        }
    }

    fn apply(&self, change: Change) -> Result<()> {
        // A memory answers at once.
        match change {
            Change::Put(path, payload, mode) => {
                self.memory.put(&path, payload, mode).now_or_never().unwrap()
            }
            Change::Delete(path) => {
                self.is_less.store(true, Relaxed);
                self.memory.delete(&path).now_or_never().unwrap()
            }
        }
    }

    /// What is lost of what was reported; looked at only when something was deleted.
    pub(crate) fn losses(&self) -> Vec<String> {
        if !self.is_less.swap(false, Relaxed) {
            return Vec::new();
        }
        let there = self.chunks();
        let objects = self.memory.objects();
        let mut losses = Vec::new();
        for (label, taken) in self.reported.lock().unwrap().iter() {
            if !objects.contains_key(&layout::snapshot_path(&taken.record.label)) {
                losses.push(format!("{label} has no record"));
            }
            let lost =
                taken.chunks.difference(&there).filter(|id| !self.is_rotten(taken, id)).count();
            if lost > 0 {
                losses.push(format!("{label} has lost {lost} chunks"));
            }
        }
        losses
    }

    /// The chunks that some run lists where their bytes are.
    fn chunks(&self) -> BTreeSet<ChunkId> {
        self.places().into_iter().map(|entry| entry.id).collect()
    }

    /// Every place that some run lists and that holds what it should.
    fn places(&self) -> Vec<IndexEntry> {
        let objects = self.memory.objects();
        let mut places = Vec::new();
        for (path, bytes) in &objects {
            let Some(id) = layout::parse_index_path(path) else { continue };
            let run = decode_run(&Sealer::plain(), &id, bytes).unwrap();
            places.extend(run.entries().filter(|entry| {
                let (pack, start) = (entry.location.pack, entry.location.offset as usize);
                let bytes = objects.get(&layout::pack_path(&pack));
                let plain = bytes.map(|pack| &pack[start..][..entry.location.stored_len as usize]);
                plain.is_some_and(|plain| ChunkId::of(plain) == entry.id)
            }));
        }
        places
    }

    /// Whether a chunk rotted where nobody could have kept it for a snapshot.
    fn is_rotten(&self, taken: &Taken, id: &ChunkId) -> bool {
        let rotten = self.rotten.lock().unwrap();
        rotten.get(id).is_some_and(|kept_for| !kept_for.contains(&taken.record.label))
    }

    /// Whether anything of a snapshot is.
    pub(crate) fn has_rotten(&self, taken: &Taken) -> bool {
        taken.chunks.iter().any(|id| self.is_rotten(taken, id))
    }

    /// Flips a bit of a chunk of a segment somewhere. Where it lies elsewhere too, in a pack that no mark names, while `nobody_reads` it
    /// to let that go for it, it has to be kept.
    pub(crate) fn rot(&self, which: usize, nobody_reads: bool) {
        let places = self.places();
        let segments: Vec<_> =
            places.iter().filter(|it| it.location.kind == ChunkKind::Segment).collect();
        if segments.is_empty() {
            return;
        }
        let entry = segments[which % segments.len()];
        let named = self.named();
        let is_kept = |it: &IndexEntry| {
            it.id == entry.id
                && it.location.pack != entry.location.pack
                && !named.contains(&it.location.pack)
        };
        let kept_for = match nobody_reads && places.iter().any(is_kept) {
            true => {
                let reported = self.reported.lock().unwrap();
                reported.values().map(|taken| taken.record.label.clone()).collect()
            }
            false => BTreeSet::new(),
        };
        self.rotten.lock().unwrap().insert(entry.id, kept_for);
        let path = layout::pack_path(&entry.location.pack);
        let put = self.memory.head(&path).now_or_never().unwrap().unwrap().modified;
        let mut bytes = self.memory.objects()[&path].to_vec();
        bytes[entry.location.offset as usize] ^= 1;
        // What rots does not become younger.
        let put = put.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let now = self.clock.swap(put, Relaxed);
        self.memory.insert(path, bytes.into());
        self.clock.store(now, Relaxed);
    }

    /// The packs that marks name.
    fn named(&self) -> BTreeSet<PackId> {
        let is_mark =
            |path: &ObjectPath| path.starts_with(&layout::prune_prefix()) && path.name() == "mark";
        let objects = self.memory.objects().into_iter();
        let marks = objects.filter(|(path, _)| is_mark(path));
        marks.flat_map(|(_, bytes)| Mark::decode(&bytes).unwrap().packs).collect()
    }

    /// A mark that names everything there is.
    pub(crate) fn mark_of_all(&self) -> Mark {
        let objects = self.memory.objects();
        Mark {
            packs: objects.keys().filter_map(layout::parse_pack_path).collect(),
            runs: objects.keys().filter_map(layout::parse_index_path).collect(),
            bytes: 0,
        }
    }
}

/// What a host may do next.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_open: AtomicBool,
    gives_up: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    /// Lets the host take one step, or give one up.
    pub(crate) fn open(&self, gives_up: bool) {
        self.is_open.store(true, Relaxed);
        self.gives_up.store(gives_up, Relaxed);
        for waker in self.waiting.lock().unwrap().drain(..) {
            waker.wake();
        }
    }

    /// Closes it again; whether the host took the step.
    pub(crate) fn close(&self) -> bool {
        !self.is_open.swap(false, Relaxed)
    }

    /// Waits until the host may take a step; whether it is given up.
    async fn pass(&self) -> bool {
        poll_fn(|context| {
            if self.is_open.swap(false, Relaxed) {
                return Poll::Ready(self.gives_up.load(Relaxed));
            }
            self.waiting.lock().unwrap().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// A change on its way; who drops it has crashed, or does not wait.
struct Sent<'a> {
    world: &'a World,
    change: Option<Change>,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if let Some(change) = self.change.take() {
            let until = self.world.now() + GRACE;
            self.world.late.lock().unwrap().push(Late { change, until });
        }
    }
}

/// The store as one host sees it.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) world: Arc<World>,
    pub(crate) gate: Arc<Gate>,
}

impl Host {
    async fn step(&self, operation: Operation, path: &ObjectPath) -> Result<()> {
        let gives_up = self.gate.pass().await;
        self.world.num_requests.fetch_add(1, Relaxed);
        if gives_up {
            Err(Error::new(ErrorKind::Transient, operation, "model", path))
        } else {
            Ok(())
        }
    }

    async fn change(&self, operation: Operation, path: &ObjectPath, change: Change) -> Result<()> {
        let mut sent = Sent { world: &self.world, change: Some(change) };
        self.step(operation, path).await?;
        match sent.change.take() {
            Some(change) => self.world.apply(change),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("model")
    }
}

#[async_trait]
impl Storage for Host {
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        self.change(Operation::Put, path, Change::Put(path.clone(), payload, mode)).await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        self.step(Operation::Get, path).await?;
        self.world.memory.get(path, range).await
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.step(Operation::Head, path).await?;
        self.world.memory.head(path).await
    }

    /// Page by page in the order of names: no picture of one instant.
    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let start = (prefix.clone(), None::<ObjectPath>, false);
        let page = if *prefix == layout::prune_prefix() { usize::MAX } else { PAGE };
        let pages = stream::unfold(start, move |(prefix, last, is_over)| async move {
            if is_over {
                return None;
            }
            if let Err(error) = self.step(Operation::List, &prefix).await {
                return Some((Err(error), (prefix, last, true)));
            }
            let metas: Vec<_> = match self.world.memory.list(&prefix).try_collect().await {
                Ok(metas) => metas,
                Err(error) => return Some((Err(error), (prefix, last, true))),
            };
            let behind = |meta: &ObjectMeta| last.as_ref().is_none_or(|last| meta.path > *last);
            let metas: Vec<_> = metas.into_iter().filter(behind).take(page).collect();
            let end = metas.last().map(|meta| meta.path.clone());
            let is_over = metas.len() < page;
            Some((Ok(metas), (prefix, end.or(last), is_over)))
        });
        pages.boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.change(Operation::Delete, path, Change::Delete(path.clone())).await
    }
}
