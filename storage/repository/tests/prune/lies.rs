//! What a host that may only append can add, if it lies: it takes nothing from older snapshots, and a repair gets the others out.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use cairn_repository::check::{CheckOptions, CheckReport, Ground, check_structure};
use cairn_repository::mark::Mark;
use cairn_repository::pack::{IndexEntry, PackBuilder, entries_of_pack};
use cairn_repository::prune::{PruneOptions, prune};
use cairn_repository::record::Record;
use cairn_repository::repair::{RepairOptions, RepairReport, Suspects, repair};
use cairn_repository::{DamagedObject, ErrorKind, IndexId, Repository, Sealer, layout};
use cairn_storage::{MemoryStorage, ObjectPath};
use tokio::runtime::Handle;

use crate::operations::{GRACE, Place};
use crate::place;
use crate::world::{self, Gate, Host, World};

fn path_of_lie(name: &str) -> ObjectPath {
    let id = layout::prune_prefix().join(&format!("{:032x}", 7)).unwrap();
    id.join(name).unwrap()
}

/// A mark that names everything there is, but for that it is settled.
fn put_lying_mark(memory: &MemoryStorage) {
    let objects = memory.objects();
    let mark = Mark {
        packs: objects.keys().filter_map(layout::parse_pack_path).collect(),
        runs: objects.keys().filter_map(layout::parse_index_path).collect(),
        bytes: 0,
    };
    memory.insert(path_of_lie("mark"), mark.encode().into());
}

fn settle_lying_mark(memory: &MemoryStorage) {
    memory.insert(path_of_lie("settled"), Vec::new().into());
}

impl Place {
    fn put_lying_mark(&self) {
        put_lying_mark(&self.memory);
        settle_lying_mark(&self.memory);
    }

    /// For each pack one that says to hold the same chunks.
    async fn put_lying_packs(&self) {
        for (path, bytes) in self.memory.objects() {
            let Some(id) = layout::parse_pack_path(&path) else { continue };
            let mut lie = PackBuilder::new(&Sealer::plain(), 1 << 20);
            for entry in entries_of_pack(&Sealer::plain(), &id, &bytes).unwrap() {
                let at = entry.location;
                let garbage = vec![b'x'; at.stored_len as usize];
                lie.push(entry.id, at.kind, at.codec, at.raw_len, &garbage).unwrap();
            }
            let lie = lie.finish().unwrap();
            self.repository.put_pack(&lie).await.unwrap();
            self.repository.put_index_run(lie.entries).await.unwrap();
        }
    }

    /// Prunes until everything has gone that goes. After each the snapshot is whole.
    async fn is_whole_through_prunes(&self, label: &str, tables: &[u8]) {
        for _ in 0..3 {
            self.wait();
            self.prune().await;
            self.restores(label, tables).await;
            self.is_sound().await;
        }
    }
}

#[tokio::test]
async fn a_mark_that_lies_deletes_nothing_that_a_snapshot_needs() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    let packs = place.ids(layout::parse_pack_path);
    place.put_lying_mark();
    place.is_whole_through_prunes("old", &[1, 2]).await;
    let left = place.ids(layout::parse_pack_path);
    assert!(packs.iter().all(|pack| !left.contains(pack)), "what it names has gone all the same");
}

#[tokio::test]
async fn a_backup_does_not_know_a_mark_of_which_it_saw_only_that_it_is_settled() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    settle_lying_mark(&place.memory);
    let index = place.repository.load_index_to_count_on(place::BUDGET, Handle::current());
    let index = index.await.unwrap();
    put_lying_mark(&place.memory);
    let record = place.repository.record(&"old".parse().unwrap()).await.unwrap();
    let record = Record { label: "new".parse().unwrap(), ..record };
    let error = place.repository.commit_counting_on(&record, &index).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pruned);
}

/// What one who may only append does to a prune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// It says of a mark that it is settled, and puts it a grace later, after a backup.
    SettledEarly,
    /// It says of a mark that it is swept, before a backup.
    Swept,
}

/// Lets a prune take some steps while a backup counts on what is there, and somebody lies. Whether the prune had ended before.
async fn prune_that_meets_after(steps: usize, lie: Lie) -> bool {
    let world = Arc::new(World::new());
    let repository = place::create(Arc::new(world.memory.clone())).await;
    let back_up = async |label, tables| {
        place::back_up(&repository, label, &tables, place::Care::Looks).await.unwrap()
    };
    let options = PruneOptions { grace: GRACE, ..PruneOptions::default() };
    back_up("old", vec![1, 2]).await;
    repository.forget(&"old".parse().unwrap(), None).await.unwrap();
    world.tick(world::GRACE + 1);
    match lie {
        Lie::SettledEarly => settle_lying_mark(&world.memory),
        Lie::Swept => {
            let report = prune(&repository, Handle::current(), &options, &|_| {}).await.unwrap();
            assert!(report.waiting_packs > 0);
        }
    }
    world.tick(world::GRACE + 1);
    let gate = Arc::<Gate>::default();
    let storage = Host { world: Arc::clone(&world), gate: Arc::clone(&gate) };
    let mut pruned = pin!(async {
        let repository = Repository::open(Arc::new(storage)).await.unwrap();
        prune(&repository, Handle::current(), &options, &|_| {}).await.unwrap();
    });
    let mut step = async || {
        gate.open(false);
        let polled = poll_fn(|context| Poll::Ready(pruned.as_mut().poll(context))).await;
        gate.close();
        polled.is_ready()
    };
    let mut has_ended = false;
    for _ in 0..steps {
        has_ended = has_ended || step().await;
    }
    if lie == Lie::Swept {
        for path in world.memory.objects().into_keys().filter(|path| path.name() == "mark") {
            let swept = path.to_string().replace("/mark", "/swept");
            world.memory.insert(ObjectPath::parse(&swept).unwrap(), Vec::new().into());
        }
    }
    back_up("new", vec![1, 2]).await;
    if lie == Lie::SettledEarly {
        put_lying_mark(&world.memory);
    }
    for _ in 0..1000 {
        if has_ended || step().await {
            break;
        }
    }
    let restored = place::restore(&repository, "new").await;
    assert_eq!(restored.unwrap_or_else(|error| panic!("after {steps}: {error}")), [1, 2]);
    has_ended
}

#[tokio::test]
async fn a_prune_does_not_know_a_mark_of_which_it_saw_only_that_it_is_settled() {
    let mut steps = 0;
    while !prune_that_meets_after(steps, Lie::SettledEarly).await {
        steps += 1;
    }
    assert!(steps > 10, "{steps}");
}

#[tokio::test]
async fn nobody_counts_on_what_a_mark_names_of_which_it_is_said_that_it_is_swept() {
    let mut steps = 0;
    while !prune_that_meets_after(steps, Lie::Swept).await {
        steps += 1;
    }
    assert!(steps > 10, "{steps}");
}

#[tokio::test]
async fn what_is_said_to_be_swept_goes_all_the_same() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    let packs = place.ids(layout::parse_pack_path);
    place.put_lying_mark();
    place.memory.insert(path_of_lie("swept"), Vec::new().into());
    place.is_whole_through_prunes("old", &[1, 2]).await;
    let left = place.ids(layout::parse_pack_path);
    assert!(packs.iter().all(|pack| !left.contains(pack)));
}

#[tokio::test]
async fn a_mark_waits_for_its_grace_whenever_it_was_settled() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    settle_lying_mark(&place.memory);
    place.wait();
    put_lying_mark(&place.memory);
    let packs = place.ids(layout::parse_pack_path);
    place.prune().await;
    let left = place.ids(layout::parse_pack_path);
    assert!(packs.iter().all(|pack| left.contains(pack)), "restores may read there");
}

#[tokio::test]
async fn packs_that_lie_displace_no_sound_ones() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.wait();
    place.put_lying_packs().await;
    for _ in 0..3 {
        place.wait();
        let options = PruneOptions { grace: GRACE, ..PruneOptions::default() };
        let pruned = prune(&place.repository, Handle::current(), &options, &|_| {}).await;
        assert_eq!(pruned.unwrap_err().kind(), ErrorKind::Damaged);
        place.restores("old", &[1, 2]).await;
    }
}

#[tokio::test]
async fn marks_and_packs_that_lie_together_take_nothing_either() {
    for is_mark_first in [false, true] {
        let place = Place::new().await;
        place.back_up("old", &[1, 2]).await;
        if is_mark_first {
            place.put_lying_mark();
            place.put_lying_packs().await;
        } else {
            let sound = place.memory.objects();
            place.put_lying_packs().await;
            let lies = place.memory.objects();
            for path in lies.keys().filter(|path| !sound.contains_key(path)) {
                place.memory.remove(path);
            }
            place.put_lying_mark();
            for (path, bytes) in lies {
                place.memory.insert(path, bytes);
            }
        }
        for _ in 0..4 {
            place.wait();
            let options = PruneOptions { grace: GRACE, ..PruneOptions::default() };
            // Refused where a lie is met.
            let _ = prune(&place.repository, Handle::current(), &options, &|_| {}).await;
            place.restores("old", &[1, 2]).await;
        }
    }
}

impl Place {
    /// What lies in the packs that are there, pack by pack.
    fn entries(&self) -> Vec<Vec<IndexEntry>> {
        let objects = self.memory.objects();
        let packs = self.ids(layout::parse_pack_path).into_iter();
        let entries = packs.map(|pack| {
            entries_of_pack(&Sealer::plain(), &pack, &objects[&layout::pack_path(&pack)]).unwrap()
        });
        entries.collect()
    }

    /// Runs that list what lies in the first pack in the second, and what lies in the second where it does not.
    async fn put_lying_runs(&self) -> [IndexId; 2] {
        let packs = self.entries();
        let (mut elsewhere, mut beside) = (packs[0].clone(), packs[1].clone());
        elsewhere.iter_mut().for_each(|entry| entry.location.pack = packs[1][0].location.pack);
        beside[0].location.offset += 1;
        let run = |entries| self.repository.put_index_run(entries);
        [run(elsewhere).await.unwrap(), run(beside).await.unwrap()]
    }

    async fn checked(&self, directories: bool) -> CheckReport {
        let options = CheckOptions { directories, ..CheckOptions::default() };
        let report = check_structure(&self.repository, Handle::current(), &options, &|_| {});
        report.await.unwrap()
    }

    pub(crate) async fn repaired(&self) -> RepairReport {
        let findings = self.findings().await;
        let suspects = Suspects::of(findings.iter().map(|finding| &finding.damage));
        let options = RepairOptions { index_budget_bytes: 500, missing_records: false };
        let repaired = repair(&self.repository, Handle::current(), suspects, &options, &|_| {});
        repaired.await.unwrap()
    }
}

#[tokio::test]
async fn a_run_that_lies_is_found_and_superseded_and_stops_no_prune() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    let mut liars = place.put_lying_runs().await;
    liars.sort_unstable();
    let report = place.checked(true).await;
    let named: Vec<_> = report.findings.iter().map(|it| it.damage.object.clone()).collect();
    assert_eq!(named, liars.map(DamagedObject::IndexRun));
    assert_eq!(report.findings.iter().flat_map(|it| &it.affected).count(), 0);
    let repaired = place.repaired().await;
    assert_eq!((repaired.superseded_runs, repaired.condemned_packs), (2, 0), "{repaired:?}");
    place.is_sound().await;
    assert!(place.repaired().await.is_idle(), "once is enough");
    // They go while everything else is made anew.
    place.back_up("new", &[3]).await;
    place.forget("new").await;
    place.is_whole_through_prunes("old", &[1, 2]).await;
    let left = place.ids(layout::parse_index_path);
    assert!(liars.iter().all(|run| !left.contains(run)));
}

#[tokio::test]
async fn what_a_lying_run_alone_lists_in_packs_that_have_it_is_listed_again() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.put_lying_runs().await;
    // One run that is right in everything but one place, and no other.
    let mut entries = place.entries().concat();
    for run in place.ids(layout::parse_index_path) {
        place.memory.remove(&layout::index_path(&run));
    }
    entries[0].location.offset += 1;
    place.repository.put_index_run(entries.clone()).await.unwrap();
    assert!(place.findings().await.iter().any(|it| !it.affected.is_empty()));
    let repaired = place.repaired().await;
    assert_eq!((repaired.superseded_runs, repaired.listed_chunks), (1, entries.len() as u64));
    place.is_sound().await;
    place.restores("old", &[1, 2]).await;
    place.prune().await;
}

#[tokio::test]
async fn a_lost_chunk_that_a_run_lists_elsewhere_is_lost() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    let [elsewhere, _] = place.put_lying_runs().await;
    let lost = place.entries()[0][0].location.pack;
    place.memory.remove(&layout::pack_path(&lost));
    let findings = place.findings().await;
    let is_named = |object: &DamagedObject| {
        findings.iter().any(|it| it.damage.object == *object && !it.affected.is_empty())
    };
    assert!(is_named(&DamagedObject::Pack(lost)), "{findings:?}");
    place.repaired().await;
    let left = place.checked(true).await;
    assert!(left.contradicted_runs.contains(&elsewhere), "it goes, and is still wrong");
    assert!(left.findings.iter().any(|it| !it.affected.is_empty()), "{left:?}");
    let ground = Ground::look(&place.repository, &left, 500, Handle::current()).await.unwrap();
    for entry in &place.entries()[0] {
        assert!(!ground.index.find_all(&entry.id).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_settled_mark_that_names_everything_makes_no_loss() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.put_lying_mark();
    for directories in [false, true] {
        assert_eq!(place.checked(directories).await.findings, []);
    }
    // What is damaged behind its back is told.
    let packs = place.entries();
    let is_of_segments =
        |id| [1, 2].map(|it| cairn_repository::ChunkId::of(&place::segment(it))).contains(id);
    let entry = packs.iter().flatten().find(|entry| is_of_segments(&entry.id)).unwrap();
    let path = layout::pack_path(&entry.location.pack);
    place.damage(&path, |bytes| bytes[entry.location.offset as usize] ^= 1);
    for directories in [false, true] {
        let findings = place.checked(directories).await.findings;
        let named: Vec<_> = findings.iter().map(|it| it.damage.to_string()).collect();
        assert_eq!(named, ["indexes: not listed in any index run"]);
        let touched: Vec<_> = findings[0].affected.iter().map(|it| it.segments).collect();
        assert_eq!(touched, [1]);
    }
    // Nothing else is taken for lost, by a repair either: all of it is copied out.
    place.repaired().await;
    place.back_up("again", &[1, 2]).await;
    for _ in 0..3 {
        place.wait();
        place.prune().await;
    }
    place.restores("old", &[1, 2]).await;
    place.is_sound().await;
}

#[tokio::test]
async fn runs_that_a_lying_mark_names_and_that_are_lost_are_made_anew() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.put_lying_mark();
    for run in place.ids(layout::parse_index_path) {
        place.memory.remove(&layout::index_path(&run));
    }
    assert!(!place.findings().await.is_empty());
    place.repaired().await;
    place.is_sound().await;
    place.restores("old", &[1, 2]).await;
    place.wait();
    place.prune().await;
    place.restores("old", &[1, 2]).await;
}
