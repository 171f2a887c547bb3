//! What one prune after another does to a repository that nobody else uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use cairn_repository::check::{CheckOptions, Finding, check_structure};
use cairn_repository::manifest::Root;
use cairn_repository::pack::{PackBuilder, entries_of_pack};
use cairn_repository::prune::{PruneOptions, PruneReport, prune};
use cairn_repository::{ErrorKind, Repository, Sealer, layout};
use cairn_storage::layer::ReadOnly;
use cairn_storage::{ErrorKind as StorageErrorKind, MemoryStorage, ObjectPath, Operation};
use cairn_testkit::{Fault, FaultStorage};
use tokio::runtime::Handle;

use crate::place::{self, Care, Tables};

pub(crate) const GRACE: Duration = Duration::from_secs(100);

/// A repository whose store has a clock of its own.
pub(crate) struct Place {
    pub(crate) memory: MemoryStorage,
    clock: Arc<AtomicU64>,
    pub(crate) repository: Repository,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(1_000_000));
        let shown = Arc::clone(&clock);
        let now = move || SystemTime::UNIX_EPOCH + Duration::from_secs(shown.load(Relaxed));
        let memory = MemoryStorage::with_clock(now);
        let repository = place::create(Arc::new(memory.clone())).await;
        Self { memory, clock, repository }
    }

    pub(crate) async fn back_up(&self, label: &str, tables: &[u8]) {
        let tables = Tables::from(tables);
        place::back_up(&self.repository, label, &tables, Care::Looks).await.unwrap();
    }

    pub(crate) async fn forget(&self, label: &str) {
        self.repository.forget(&label.parse().unwrap(), None).await.unwrap();
    }

    pub(crate) async fn prune(&self) -> PruneReport {
        let options = PruneOptions { grace: GRACE, ..PruneOptions::default() };
        self.prune_by(&options).await
    }

    pub(crate) async fn prune_by(&self, options: &PruneOptions) -> PruneReport {
        prune(&self.repository, Handle::current(), options, &|_| {}).await.unwrap()
    }

    pub(crate) fn ids<T>(&self, parse: impl Fn(&ObjectPath) -> Option<T>) -> Vec<T> {
        self.memory.objects().keys().filter_map(parse).collect()
    }

    /// Changes an object as damage does: it does not become younger.
    pub(crate) fn damage(&self, path: &ObjectPath, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.memory.objects()[path].to_vec();
        change(&mut bytes);
        self.memory.insert(path.clone(), bytes.into());
    }

    pub(crate) async fn findings(&self) -> Vec<Finding> {
        let options = CheckOptions { directories: true, ..CheckOptions::default() };
        let report = check_structure(&self.repository, Handle::current(), &options, &|_| {});
        report.await.unwrap().findings
    }

    pub(crate) fn wait(&self) {
        self.clock.fetch_add(GRACE.as_secs() + 1, Relaxed);
    }

    pub(crate) async fn restores(&self, label: &str, tables: &[u8]) {
        let mut restored = place::restore(&self.repository, label).await.unwrap();
        restored.sort_unstable();
        assert_eq!(restored, tables);
    }

    pub(crate) async fn is_sound(&self) {
        assert_eq!(self.findings().await, []);
    }

    pub(crate) fn count(&self, is_counted: impl Fn(&ObjectPath) -> bool) -> usize {
        self.memory.objects().keys().filter(|path| is_counted(path)).count()
    }

    pub(crate) fn num_packs(&self) -> usize {
        self.count(|path| layout::parse_pack_path(path).is_some())
    }

    pub(crate) fn num_runs(&self) -> usize {
        self.count(|path| layout::parse_index_path(path).is_some())
    }
}

#[tokio::test]
async fn what_only_a_forgotten_snapshot_had_goes_after_a_grace_and_not_before() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.back_up("new", &[3]).await;
    place.forget("old").await;
    assert_eq!(place.prune().await.condemned_packs, 0, "its packs are young");
    place.wait();
    let marked = place.prune().await;
    assert_eq!((marked.condemned_packs, marked.freed_packs), (2, 0));
    assert_eq!((marked.waiting_packs, marked.next_sweep), (2, Some(GRACE)));
    let again = place.prune().await;
    assert_eq!((again.condemned_packs, again.freed_packs, again.waiting_packs), (0, 0, 2));
    place.wait();
    let swept = place.prune().await;
    assert_eq!((swept.freed_packs, swept.waiting_packs, swept.next_sweep), (2, 0, None));
    assert_eq!(swept.freed_bytes, marked.condemned_bytes);
    assert_eq!(place.num_packs(), 2);
    place.restores("new", &[3]).await;
    place.is_sound().await;
    let nothing = place.prune().await;
    assert_eq!((nothing.condemned_packs, nothing.superseded_runs), (0, 0));
}

#[tokio::test]
async fn who_has_a_repository_to_himself_frees_it_at_once() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.forget("old").await;
    let options = PruneOptions { grace: Duration::ZERO, ..PruneOptions::default() };
    let report = place.prune_by(&options).await;
    assert_eq!((report.freed_packs, report.waiting_packs), (2, 0));
    assert_eq!((place.num_packs(), place.num_runs()), (0, 0));
}

#[tokio::test]
async fn a_dry_run_says_what_would_go_and_writes_nothing() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.forget("old").await;
    let before = place.memory.objects();
    let options = PruneOptions { grace: GRACE, dry_run: true, ..PruneOptions::default() };
    let report = place.prune_by(&options).await;
    assert_eq!((report.condemned_packs, report.freed_packs), (2, 0));
    assert_eq!(place.memory.objects(), before);
}

#[tokio::test]
async fn a_pack_of_which_little_is_used_is_made_anew() {
    let place = Place::new().await;
    place.back_up("all", &[1, 2, 3, 4]).await;
    place.back_up("one", &[3]).await;
    place.forget("all").await;
    place.wait();
    let kept = PruneOptions { grace: GRACE, max_unused: None, accept_loss: false, dry_run: true };
    assert_eq!(place.prune_by(&kept).await.condemned_packs, 1, "its documents");
    let marked = place.prune().await;
    assert_eq!((marked.condemned_packs, marked.copied_chunks), (2, 2), "{marked:?}");
    place.restores("one", &[3]).await;
    place.wait();
    assert_eq!(place.prune().await.freed_packs, 2);
    place.restores("one", &[3]).await;
    place.is_sound().await;
    place.wait();
    assert_eq!(place.prune().await.condemned_packs, 0);
}

#[tokio::test]
async fn no_more_stays_unused_than_may() {
    let place = Place::new().await;
    let (all, most): (Vec<u8>, Vec<u8>) = ((1..=100).collect(), (1..=90).collect());
    place.back_up("all", &all).await;
    place.back_up("most", &most).await;
    place.forget("all").await;
    place.wait();
    let look = async |max_unused| {
        let options = PruneOptions { grace: GRACE, max_unused, accept_loss: false, dry_run: true };
        place.prune_by(&options).await
    };
    let (alone, much, little) = (look(None).await, look(Some(50)).await, look(Some(5)).await);
    assert_eq!((alone.condemned_packs, alone.copied_chunks), (1, 0), "documents: {alone:?}");
    assert_eq!((much.condemned_packs, much.unused_bytes), (1, alone.unused_bytes));
    let segments: usize = (91..=100).map(|table| place::segment(table).len()).sum();
    // And the lists of their tablets.
    assert!(alone.unused_bytes > segments as u64, "{alone:?}");
    assert_eq!((little.condemned_packs, little.unused_bytes), (2, 0), "{little:?}");
    let marked = place.prune().await;
    assert_eq!((marked.condemned_packs, marked.copied_chunks), (2, 180), "{marked:?}");
    place.wait();
    assert_eq!(place.prune().await.freed_packs, 2);
    place.restores("most", &most).await;
    place.is_sound().await;
}

#[tokio::test]
async fn who_prunes_again_at_once_copies_nothing_again() {
    let place = Place::new().await;
    for first in (1..60).step_by(10) {
        let tables: Vec<u8> = (first..first + 10).collect();
        place.back_up(&format!("all-{first}"), &tables).await;
        place.back_up(&format!("kept-{first}"), &tables[..6]).await;
        place.forget(&format!("all-{first}")).await;
    }
    place.wait();
    let options = PruneOptions { grace: GRACE, max_unused: Some(20), ..PruneOptions::default() };
    let once = place.prune_by(&options).await;
    assert_eq!(once.condemned_packs, 9, "six of documents, and half of the others: {once:?}");
    let again = place.prune_by(&options).await;
    assert_eq!((again.condemned_packs, again.copied_chunks), (0, 0), "{again:?}");
    assert_eq!(again.unused_bytes, once.unused_bytes);
    place.is_sound().await;
}

#[tokio::test]
async fn many_small_packs_and_runs_become_few() {
    let place = Place::new().await;
    for number in 0..20 {
        place.back_up(&format!("s{number}"), &[number]).await;
    }
    place.wait();
    let marked = place.prune().await;
    assert_eq!((marked.condemned_packs, marked.superseded_runs), (40, 40), "{marked:?}");
    place.wait();
    place.prune().await;
    assert_eq!((place.num_packs(), place.num_runs()), (1, 1));
    for number in 0..20 {
        place.restores(&format!("s{number}"), &[number]).await;
    }
    place.is_sound().await;
}

#[tokio::test]
async fn a_backup_does_not_count_on_what_is_about_to_go() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.forget("old").await;
    place.wait();
    place.prune().await;
    place.back_up("again", &[1, 2]).await;
    place.wait();
    assert_eq!(place.prune().await.freed_packs, 2);
    place.restores("again", &[1, 2]).await;
    place.is_sound().await;
}

#[tokio::test]
async fn an_index_to_count_on_finds_nothing_elsewhere() {
    let place = Place::new().await;
    place.back_up("old", &[1]).await;
    let old = place.repository.record(&"old".parse().unwrap()).await.unwrap();
    place.forget("old").await;
    place.wait();
    place.prune().await;
    let (repository, runtime) = (&place.repository, Handle::current());
    let any = repository.load_index(place::BUDGET, runtime.clone()).await.unwrap();
    repository.read_document::<Root>(&any, &old.root).await.unwrap();
    let sure = repository.load_index_to_count_on(place::BUDGET, runtime).await.unwrap();
    let lost = repository.read_document::<Root>(&sure, &old.root).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Damaged);
}

#[tokio::test]
async fn what_a_restore_misses_it_finds_where_it_lies_now() {
    let place = Place::new().await;
    place.back_up("all", &[1, 2, 3, 4]).await;
    place.back_up("one", &[3]).await;
    place.forget("all").await;
    let index = place.repository.load_index(place::BUDGET, Handle::current()).await.unwrap();
    place.wait();
    place.prune().await;
    place.wait();
    assert_eq!(place.prune().await.freed_packs, 2);
    let chunk = cairn_repository::ChunkId::of(&place::segment(3));
    assert_eq!(place.repository.read_chunk(&index, &chunk).await.unwrap(), place::segment(3));
}

#[tokio::test]
async fn traces_of_the_dead_go_after_a_grace() {
    let place = Place::new().await;
    let trace = |path: &str| ObjectPath::parse(path).unwrap();
    let intent = format!("arbitration/snapshots/x/00000001-{:032x}-intent", 7);
    place.memory.insert(trace(&intent), Vec::new().into());
    place.memory.insert(trace("forgetting/x/00"), Vec::new().into());
    place.memory.insert(trace(&format!("probe-{:032x}-0", 7)), Vec::new().into());
    place.memory.insert(trace("probe-clock-9"), Vec::new().into());
    let before = place.count(layout::is_trace);
    place.prune().await;
    assert_eq!((before, place.count(layout::is_trace)), (4, 4));
    place.wait();
    place.prune().await;
    assert_eq!(place.count(layout::is_trace), 0);
}

#[tokio::test]
async fn the_youngest_mark_stays_and_older_ones_go() {
    let place = Place::new().await;
    for number in 0..4 {
        place.back_up(&format!("s{number}"), &[number]).await;
        place.forget(&format!("s{number}")).await;
        place.wait();
        place.prune().await;
        place.wait();
        place.prune().await;
    }
    place.wait();
    place.prune().await;
    let marks = place.count(|path| path.as_str().starts_with("prune/") && path.name() == "mark");
    assert_eq!(marks, 1);
    assert_eq!(place.num_packs(), 0);
}

#[tokio::test]
async fn damage_ends_a_prune_before_anything_goes() {
    for damaged in 0..3 {
        let place = Place::new().await;
        place.back_up("old", &[1]).await;
        place.back_up("new", &[2]).await;
        place.forget("old").await;
        place.wait();
        let is_damaged = |path: &ObjectPath| match damaged {
            0 => layout::parse_snapshot_path(path).is_some(),
            1 => layout::parse_index_path(path).is_some(),
            _ => layout::parse_pack_path(path).is_some(),
        };
        for path in place.memory.objects().into_keys().filter(is_damaged) {
            place.memory.insert(path, "rotten".into());
        }
        let before = place.memory.objects();
        let options = PruneOptions { grace: Duration::ZERO, ..PruneOptions::default() };
        let error =
            prune(&place.repository, Handle::current(), &options, &|_| {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert_eq!(place.memory.objects(), before);
    }
}

#[tokio::test]
async fn who_may_not_delete_is_told_so_and_leaves_nothing() {
    let place = Place::new().await;
    place.back_up("old", &[1]).await;
    let before = place.memory.objects();
    let options = PruneOptions::default();
    let inner = || Arc::new(place.memory.clone());
    let read_only = Repository::open(Arc::new(ReadOnly::new(inner()))).await.unwrap();
    let refused = prune(&read_only, Handle::current(), &options, &|_| {}).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    let credentials = Arc::new(FaultStorage::new(inner()));
    let denied = Fault::fail(cairn_storage::ErrorKind::PermissionDenied);
    credentials.plan(denied.on(Operation::Delete).always());
    let append_only = Repository::open(credentials).await.unwrap();
    let refused = prune(&append_only, Handle::current(), &options, &|_| {}).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AppendOnly);
    assert_eq!(place.memory.objects(), before);
}

/// Stores everything of the packs that are there once more, as a second host would have, and damages that.
async fn store_damaged_again(place: &Place) {
    for (path, bytes) in place.memory.objects() {
        let Some(id) = layout::parse_pack_path(&path) else { continue };
        let mut again = PackBuilder::new(&Sealer::plain(), 1 << 20);
        let entries = entries_of_pack(&Sealer::plain(), &id, &bytes).unwrap();
        for entry in &entries {
            let at = entry.location;
            let stored = &bytes[at.offset as usize..][..at.stored_len as usize];
            again.push(entry.id, at.kind, at.codec, at.raw_len, stored).unwrap();
        }
        let again = again.finish().unwrap();
        place.repository.put_pack(&again).await.unwrap();
        place.repository.put_index_run(again.entries.clone()).await.unwrap();
        let mut rotten = again.bytes.to_vec();
        for entry in &again.entries {
            rotten[entry.location.offset as usize] ^= 1;
        }
        place.memory.insert(layout::pack_path(&again.id), rotten.into());
    }
}

#[tokio::test]
async fn merging_runs_keeps_every_place_of_a_chunk() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    store_damaged_again(&place).await;
    let num_runs = place.num_runs();
    for number in 0..9 {
        place.back_up(&format!("more-{number}"), &[10 + number]).await;
    }
    assert!(place.num_runs() > num_runs + 16);
    let keep = PruneOptions { grace: GRACE, max_unused: None, ..PruneOptions::default() };
    place.wait();
    // The damaged places are younger: they are read before the sound ones go, and so nothing goes.
    for _ in 0..3 {
        let _ = prune(&place.repository, Handle::current(), &keep, &|_| {}).await;
        place.wait();
        place.restores("old", &[1, 2]).await;
    }
}

#[tokio::test]
async fn prunes_that_died_before_their_mark_leave_nothing_that_the_next_does_not_merge() {
    let place = Place::new().await;
    let tables: Vec<u8> = (1..=20).collect();
    for table in &tables {
        place.back_up(&format!("of-{table}"), &[*table]).await;
    }
    place.wait();
    let runs = place.num_runs();
    for _ in 0..6 {
        let faults = FaultStorage::new(Arc::new(place.memory.clone()));
        let puts = Fault::fail(StorageErrorKind::PermissionDenied).on(Operation::Put);
        faults.plan(puts.at(|path| path.name() == "mark"));
        let repository = Repository::open(Arc::new(faults)).await.unwrap();
        let options = PruneOptions { grace: GRACE, ..PruneOptions::default() };
        prune(&repository, Handle::current(), &options, &|_| {}).await.unwrap_err();
    }
    assert!(place.num_runs() > runs, "they died before they had listed anything");
    place.prune().await;
    place.wait();
    place.prune().await;
    assert_eq!(place.num_runs(), 1);
    place.is_sound().await;
    for table in tables {
        place.restores(&format!("of-{table}"), &[table]).await;
    }
}

/// Reads of packs by a prune that deletes what it marks, which must change nothing for who restores.
async fn pack_reads_of_a_prune(place: &Place) -> u64 {
    let faults = Arc::new(FaultStorage::new(Arc::new(place.memory.clone())));
    let is_pack = |path: &ObjectPath| layout::parse_pack_path(path).is_some();
    let slow = Fault::slow(Duration::ZERO).on(Operation::Get).at(is_pack).always();
    let reads = faults.plan(slow);
    let repository = Repository::open(faults).await.unwrap();
    let options = PruneOptions { grace: Duration::ZERO, ..PruneOptions::default() };
    prune(&repository, Handle::current(), &options, &|_| {}).await.unwrap();
    reads.hits().into()
}

#[tokio::test]
async fn documents_and_chunks_that_lie_together_are_read_together() {
    let place = Place::new().await;
    let all: Vec<u8> = (1..=200).collect();
    let half: Vec<u8> = all.iter().copied().filter(|table| table % 2 == 0).collect();
    place.back_up("all", &all).await;
    place.back_up("half", &half).await;
    place.forget("all").await;
    // Root, objects and tablets; the directory of the pack of which a half stays, and that half.
    let reads = pack_reads_of_a_prune(&place).await;
    assert!((1..=10).contains(&reads), "{reads} reads for {} tables", half.len());
    place.restores("half", &half).await;
    place.is_sound().await;
}

#[tokio::test]
async fn of_many_snapshots_every_one_that_stays_stays_whole() {
    let place = Place::new().await;
    for number in 1..=200 {
        place.back_up(&format!("s{number}"), &[number, 255]).await;
    }
    for number in (1..=200).filter(|number| number % 3 > 0) {
        place.forget(&format!("s{number}")).await;
    }
    place.wait();
    assert!(place.prune().await.condemned_packs > 100);
    place.wait();
    let swept = place.prune().await;
    assert_eq!(swept.num_snapshots, 66);
    assert!(swept.freed_packs > 100);
    place.is_sound().await;
    for number in (3..=200).step_by(3) {
        place.restores(&format!("s{number}"), &[number, 255]).await;
    }
}
