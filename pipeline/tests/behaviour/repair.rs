//! Repairs: nothing that is sound is lost with what is damaged, the next backup stores again what live data has, and a
//! repository of which only packs are left is recovered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cairn_pipeline::storage::{MemoryStorage, ObjectPath, Operation, Storage};
use cairn_pipeline::{
    BackupRequest, CheckReport, CheckRequest, Engine, Finding, Label, PruneRequest, Repair,
    RepositorySecret, RestoreRequest,
};
use cairn_repository::pack::{ChunkKind, IndexEntry, entries_of_pack};
use cairn_repository::{PackId, Sealer, layout};
use tokio::sync::watch;

use crate::place::content::Content;
use crate::place::hooked::{Halt, HookedStorage};
use crate::place::rig::{Rig, chain, small_config, small_settings};
use crate::place::source::{ToySink, ToySource};
use crate::place::{DEADLINE, ends_within, wait_until};

/// Two snapshots, of which the first has a segment that is no longer there.
fn filled() -> Rig {
    fill(Rig::new())
}

fn fill(rig: Rig) -> Rig {
    for (number, name) in (70..).zip(["p1/t1/a.dat", "p1/t1/b.dat", "p2/t2/c.dat"]) {
        rig.source.put(&format!("shop/orders/{name}"), Content::noise(number, 600_000));
    }
    rig.backup("first").unwrap();
    rig.source.put("shop/orders/p1/t1/b.dat", Content::noise(90, 600_000));
    rig.backup("second").unwrap();
    rig
}

impl Rig {
    fn repaired_by(&self, request: CheckRequest) -> (CheckReport, Repair) {
        let mut report =
            ends_within(DEADLINE, self.engine.check(&self.repository, request)).unwrap();
        let repair = report.repair.take().unwrap();
        (report, repair)
    }

    fn repaired(&self) -> Repair {
        self.repaired_by(CheckRequest::read_data().repair()).1
    }

    fn change(&self, path: &ObjectPath, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.memory.remove(path).unwrap().to_vec();
        change(&mut bytes);
        self.memory.insert(path.clone(), bytes.into());
    }

    fn prune_at_once(&self) {
        let request = PruneRequest::new().grace(Duration::ZERO);
        ends_within(DEADLINE, self.engine.prune(&self.repository, request)).unwrap();
    }

    /// Every pack with what lies in it.
    fn packs(&self) -> Vec<(ObjectPath, Vec<IndexEntry>)> {
        let objects = self.memory.objects();
        let entries = |path: ObjectPath| {
            let id: PackId = path.name().parse().unwrap();
            let entries = entries_of_pack(&Sealer::plain(), &id, &objects[&path]).unwrap();
            (path, entries)
        };
        self.paths_below("packs").into_iter().map(entries).collect()
    }

    /// The next backup stores again what the source has; only the first snapshot has more than that.
    fn is_whole_but_for_what_is_gone(&self) {
        self.is_whole_but_for_what_is_gone_in("third");
    }

    fn is_whole_but_for_what_is_gone_in(&self, label: &str) {
        self.backup(label).unwrap();
        for label in ["second", label] {
            assert_eq!(self.restored(label), self.source.contents(), "{label}");
        }
        for finding in self.check() {
            let is_of_first = finding.contains("snapshot first, ");
            assert!(is_of_first && !finding.contains("second"), "{finding}");
        }
    }

    /// A pack with several chunks of segments.
    fn pack_of_segments(&self) -> (ObjectPath, Vec<IndexEntry>) {
        let is_of_segments = |entries: &[IndexEntry]| {
            entries.len() > 2 && entries.iter().all(|it| it.location.kind == ChunkKind::Segment)
        };
        self.packs().into_iter().find(|(_, entries)| is_of_segments(entries)).unwrap()
    }
}

fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| finding.damage.to_string()).collect()
}

#[test]
fn one_bad_chunk_takes_no_other_with_it_and_the_next_backup_stores_it_again() {
    let rig = filled();
    let (path, entries) = rig.pack_of_segments();
    rig.change(&path, |bytes| bytes[entries[1].location.offset as usize] ^= 1);
    let repair = rig.repaired();
    assert_eq!((repair.done.condemned_packs, repair.done.lost_chunks), (1, 1));
    assert_eq!(repair.done.salvaged_chunks, entries.len() as u64 - 1);
    let touched: Vec<_> = repair.left.iter().flat_map(|finding| &finding.affected).collect();
    assert!(
        !touched.is_empty() && touched.len() <= 2,
        "one segment of a snapshot or of both: {touched:?}"
    );
    assert_eq!(lines(&repair.left), ["indexes: not listed in any index run"]);
    rig.memory.remove(&path);
    rig.is_whole_but_for_what_is_gone();
}

#[test]
fn of_a_pack_that_was_cut_short_what_lies_before_the_cut_is_saved() {
    let rig = filled();
    let (path, entries) = rig.pack_of_segments();
    let cut = entries[1].location.offset as usize + 1;
    rig.change(&path, |bytes| bytes.truncate(cut));
    let done = rig.repaired().done;
    assert_eq!((done.salvaged_chunks, done.lost_chunks), (1, entries.len() as u64 - 1));
    rig.is_whole_but_for_what_is_gone();
}

#[test]
fn a_bad_directory_loses_nothing() {
    let rig = filled();
    let first = rig.restored("first");
    for (path, _) in rig.packs() {
        rig.change(&path, |bytes| {
            let end = bytes.len();
            bytes[end - 40] ^= 1;
        });
    }
    let repair = rig.repaired();
    assert_eq!((repair.done.lost_chunks, lines(&repair.left)), (0, vec![]));
    assert!(repair.done.condemned_packs > 1 && repair.done.salvaged_chunks > 5, "{repair:?}");
    for path in rig.memory.objects().into_keys().filter(|path| path.as_str().starts_with("prune/"))
    {
        assert!(!path.name().starts_with("swept"), "nothing goes before a grace is over");
    }
    rig.prune_at_once();
    assert_eq!((rig.restored("first"), rig.restored("second")), (first, rig.source.contents()));
    rig.works();
}

#[test]
fn the_index_is_made_anew_from_packs_alone() {
    let rig = filled();
    let first = rig.restored("first");
    for path in rig.paths_below("indexes") {
        rig.memory.remove(&path);
    }
    assert_ne!(rig.check(), [""; 0]);
    let repair = rig.repaired();
    let chunks: usize = rig.packs().iter().map(|(_, entries)| entries.len()).sum();
    assert_eq!((repair.done.listed_chunks, lines(&repair.left)), (chunks as u64, vec![]));
    assert_eq!((rig.restored("first"), rig.restored("second")), (first, rig.source.contents()));
    rig.works();
}

#[test]
fn damaged_runs_are_made_anew_and_go() {
    let rig = filled();
    let damaged = rig.paths_below("indexes");
    for path in &damaged {
        rig.change(path, |bytes| bytes[20] ^= 1);
    }
    let repair = rig.repaired();
    assert_eq!((repair.done.superseded_runs, lines(&repair.left)), (damaged.len() as u64, vec![]));
    assert_eq!(rig.check(), [""; 0], "what goes is no damage any more");
    rig.prune_at_once();
    let left = rig.paths_below("indexes");
    assert!(damaged.iter().all(|path| !left.contains(path)));
    rig.works();
}

#[test]
fn a_missing_pack_is_told_to_the_next_backup() {
    let rig = filled();
    let (path, _) = rig.pack_of_segments();
    rig.memory.remove(&path);
    let repair = rig.repaired();
    assert_eq!((repair.done.missing_packs, repair.done.condemned_packs), (1, 0));
    assert!(!repair.left.is_empty());
    rig.is_whole_but_for_what_is_gone();
}

#[test]
fn a_damaged_record_is_put_back_from_its_copy() {
    let rig = filled();
    let (first, record) = (rig.restored("first"), rig.repository.snapshot("first").unwrap());
    let path = layout::snapshot_path(&"first".parse().unwrap());
    rig.change(&path, |bytes| bytes[30] ^= 1);
    let repair = rig.repaired();
    let labels: Vec<_> = repair.done.records.iter().map(|it| it.label.to_string()).collect();
    assert_eq!((labels, lines(&repair.left)), (vec!["first".to_owned()], vec![]));
    assert_eq!(rig.restored("first"), first);
    let back = rig.repository.snapshot("first").unwrap();
    assert_eq!(
        (&back.root, back.timestamp, &back.origin),
        (&record.root, record.timestamp, &record.origin)
    );
    let sizes = |it: &cairn_pipeline::Record| {
        let it = it.stats;
        (it.objects, it.partitions, it.tablets, it.segments, it.raw_bytes)
    };
    assert_eq!(sizes(&back), sizes(&record));
    rig.works();
}

#[test]
fn a_record_of_which_no_pack_knows_is_named() {
    let rig = filled();
    rig.backup("same").unwrap();
    let path = layout::snapshot_path(&"same".parse().unwrap());
    rig.change(&path, |bytes| bytes[30] ^= 1);
    let repair = rig.repaired();
    assert_eq!(repair.done.lost_records, ["same".parse().unwrap()]);
    assert_eq!(lines(&repair.left), ["snapshots/same: its content does not match its hash"]);
}

#[test]
fn a_damaged_mark_stops_nobody_after_a_repair() {
    let rig = filled();
    rig.repository.forget(&"first".parse().unwrap(), None).unwrap();
    let grace = PruneRequest::new().grace(Duration::from_millis(1));
    ends_within(DEADLINE, rig.engine.prune(&rig.repository, grace)).unwrap();
    let marks = rig.paths_below("prune");
    let mark = marks.iter().find(|path| path.name() == "mark").unwrap();
    rig.change(mark, |bytes| bytes[10] ^= 1);
    assert_eq!(rig.check().len(), 1, "it is found");
    assert_eq!(rig.repaired().done.replaced_marks, 1);
    rig.works();
}

#[test]
fn a_prune_goes_on_over_a_loss_only_when_told_so() {
    let rig = filled();
    let (path, _) = rig.pack_of_segments();
    rig.memory.remove(&path);
    let prune = |request| ends_within(DEADLINE, rig.engine.prune(&rig.repository, request));
    let refused = prune(PruneRequest::new().grace(Duration::ZERO)).unwrap_err();
    assert_eq!(refused.kind(), cairn_pipeline::ErrorKind::Repository);
    let report = prune(PruneRequest::new().grace(Duration::ZERO).accept_loss()).unwrap();
    assert!(report.pruned.lost_chunks > 0);
    rig.backup("third").unwrap();
    assert_eq!(rig.restored("second"), rig.source.contents(), "nothing else was taken for rubbish");
}

#[test]
fn what_a_repair_could_not_save_stops_no_prune_that_accepts_the_loss() {
    let rig = filled();
    let (path, entries) = rig.pack_of_segments();
    for entry in &entries {
        rig.change(&path, |bytes| bytes[entry.location.offset as usize] ^= 1);
    }
    assert_eq!(rig.repaired().done.lost_chunks, entries.len() as u64);
    let prune = |request: PruneRequest| {
        let request = request.grace(Duration::ZERO);
        ends_within(DEADLINE, rig.engine.prune(&rig.repository, request))
    };
    prune(PruneRequest::new()).unwrap_err();
    let pruned = prune(PruneRequest::new().accept_loss()).unwrap().pruned;
    assert!(pruned.lost_chunks > 0 && pruned.freed_packs > 0, "{pruned:?}");
    rig.is_whole_but_for_what_is_gone();
    prune(PruneRequest::new().accept_loss()).unwrap();
    rig.is_whole_but_for_what_is_gone_in("fourth");
}

#[test]
fn of_several_copies_of_a_record_the_one_that_was_meant_is_put_back_or_none() {
    let rig = filled();
    let label: Label = "again".parse().unwrap();
    rig.source.put("shop/orders/p1/t1/b.dat", Content::noise(91, 600_000));
    rig.backup("again").unwrap();
    rig.repository.forget(&label, None).unwrap();
    rig.source.put("shop/orders/p1/t1/b.dat", Content::noise(92, 600_000));
    rig.backup("again").unwrap();
    let record = rig.repository.snapshot("again").unwrap();
    let path = layout::snapshot_path(&label);
    // The hash is wrong, and the time can still be read.
    rig.change(&path, |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(rig.repaired().done.records.len(), 1);
    assert_eq!(rig.repository.snapshot("again").unwrap().root, record.root);
    rig.change(&path, |bytes| bytes.truncate(12));
    assert_eq!(rig.repaired().done.lost_records, [label]);
}

const KEPT_BYTES: u32 = 50_021;

/// Two hosts store the same content at once, each in packs of its own, and of all that one chunk is needed, by the snapshot
/// `third`; both packs with it are damaged there. Also answers what these packs were.
fn damaged_twice() -> (Rig, Arc<HookedStorage>, Vec<(ObjectPath, Bytes)>) {
    let mut hooked = None;
    let rig = Rig::on(MemoryStorage::new(), |memory| {
        Arc::clone(hooked.insert(HookedStorage::new(memory))) as _
    });
    let hooked = hooked.unwrap();
    rig.source.put("shop/orders/p1/t1/kept.dat", Content::noise(1, KEPT_BYTES.into()));
    rig.source.put("shop/orders/p1/t1/others.dat", Content::noise(2, 1_500_000));
    // Neither has listed it when the other looks.
    let (go, told) = watch::channel(false);
    hooked.set(move |operation, path| {
        let lists = operation == Operation::Put && path.as_str().starts_with("indexes");
        lists.then(|| Halt::Wait(told.clone()))
    });
    let first = rig.start("first");
    wait_until("it is about to list", || go.receiver_count() > 1);
    let engine = Engine::builder().config(small_config()).start().unwrap();
    let repository = engine.open_repository_on(Arc::new(rig.memory.clone())).unwrap();
    let request = BackupRequest::new("second").unwrap();
    let second = engine.backup(&repository, Arc::clone(&rig.source) as _, request);
    ends_within(DEADLINE, second).unwrap();
    go.send(true).unwrap();
    ends_within(DEADLINE, first).unwrap();
    hooked.unset();
    for key in rig.source.contents().keys().filter(|key| !key.ends_with("kept.dat")) {
        rig.source.remove(key);
    }
    rig.backup("third").unwrap();
    for label in ["first", "second"] {
        rig.repository.forget(&label.parse().unwrap(), None).unwrap();
    }
    let before = rig.memory.objects();
    let mut holders = Vec::new();
    for (path, entries) in rig.packs() {
        if let Some(kept) = entries.iter().find(|it| it.location.raw_len == KEPT_BYTES) {
            rig.change(&path, |bytes| bytes[kept.location.offset as usize] ^= 1);
            holders.push((path.clone(), before[&path].clone()));
        }
    }
    assert_eq!(holders.len(), 2);
    (rig, hooked, holders)
}

#[test]
fn what_several_packs_have_and_none_gives_is_a_loss_to_be_accepted() {
    let (rig, ..) = damaged_twice();
    let prune = |request: PruneRequest| {
        let request = request.grace(Duration::ZERO);
        ends_within(DEADLINE, rig.engine.prune(&rig.repository, request))
    };
    prune(PruneRequest::new()).unwrap_err();
    assert_eq!(prune(PruneRequest::new().accept_loss()).unwrap().pruned.lost_chunks, 1);
}

/// A pack that goes while a prune runs goes to another prune, which has copied what was needed of it: what the packs that are left
/// do not give is not lost for that.
#[test]
fn no_loss_is_accepted_while_a_pack_that_had_the_chunk_is_gone() {
    let (rig, hooked, holders) = damaged_twice();
    // The first that is read makes the other go.
    let packs: Vec<_> = holders.iter().map(|(path, _)| path.clone()).collect();
    let (memory, is_gone) = (rig.memory.clone(), AtomicBool::new(false));
    let both = packs.clone();
    hooked.set(move |operation, path| {
        let is_read = operation == Operation::Get && both.contains(path);
        if is_read && !is_gone.swap(true, Ordering::Relaxed) {
            both.iter().filter(|pack| *pack != path).for_each(|pack| drop(memory.remove(pack)));
        }
        None
    });
    let request = PruneRequest::new().grace(Duration::ZERO).accept_loss();
    let refused = ends_within(DEADLINE, rig.engine.prune(&rig.repository, request)).unwrap_err();
    hooked.unset();
    let left = rig.paths_below("packs").into_iter().filter(|path| packs.contains(path));
    let left: Vec<_> = left.collect();
    assert_eq!(left.len(), 1);
    assert!(chain(&refused).contains(left[0].as_str()), "{}", chain(&refused));
    for (path, bytes) in holders {
        rig.memory.insert(path, bytes);
    }
    assert_eq!(rig.restored("third"), rig.source.contents());
}

/// Leaves nothing but packs, and keys.
fn lose_all_but_packs(rig: &Rig) {
    for path in rig.memory.objects().into_keys() {
        let kept = ["packs/", "keys/", "keyring/"];
        if !kept.iter().any(|prefix| path.as_str().starts_with(prefix)) {
            rig.memory.remove(&path);
        }
    }
}

/// The same rig on the repository as it is recovered.
fn recovered(rig: Rig, secret: Option<&RepositorySecret>) -> (Rig, Repair) {
    let storage: Arc<dyn Storage> = Arc::new(rig.memory.clone());
    let repository = rig.engine.recover_repository_on(storage, secret).unwrap();
    let rig = Rig { repository, ..rig };
    let (_, repair) = rig.repaired_by(CheckRequest::read_data().recover());
    (rig, repair)
}

#[test]
fn a_repository_of_which_only_packs_are_left_is_recovered() {
    let rig = filled();
    let (first, id) = (rig.restored("first"), rig.repository.id());
    lose_all_but_packs(&rig);
    let (rig, repair) = recovered(rig, None);
    assert_eq!(rig.repository.id(), id);
    let labels: Vec<_> = repair.done.records.iter().map(|it| it.label.to_string()).collect();
    assert_eq!(
        (labels, lines(&repair.left)),
        (vec!["first".to_owned(), "second".to_owned()], vec![])
    );
    assert_eq!((rig.restored("first"), rig.restored("second")), (first, rig.source.contents()));
    rig.works();
}

#[test]
fn an_encrypted_one_too_as_long_as_its_keys_are_left() {
    let secret = RepositorySecret::key(vec![7; 32]).unwrap();
    let (memory, engine) =
        (MemoryStorage::new(), Engine::builder().config(small_config()).start().unwrap());
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let repository = engine
        .create_encrypted_repository_on(Arc::clone(&storage), small_settings(), &secret, "")
        .unwrap();
    let rig = fill(Rig { source: ToySource::filled(), repository, engine, memory });
    let first = rig.restored("first");
    lose_all_but_packs(&rig);
    let refused = rig.engine.recover_repository_on(Arc::clone(&storage), None).unwrap_err();
    assert_eq!(refused.kind(), cairn_pipeline::ErrorKind::Config, "{refused}");
    let other = RepositorySecret::key(vec![8; 32]).unwrap();
    rig.engine.recover_repository_on(Arc::clone(&storage), Some(&other)).unwrap_err();
    let (rig, repair) = recovered(rig, Some(&secret));
    assert_eq!((repair.done.records.len(), lines(&repair.left)), (2, vec![]));
    assert_eq!((rig.restored("first"), rig.restored("second")), (first, rig.source.contents()));
    for path in rig.paths_below("keyring") {
        rig.memory.remove(&path);
    }
    lose_all_but_packs(&rig);
    rig.engine.recover_repository_on(storage, Some(&secret)).unwrap_err();
}

#[test]
fn a_copy_of_a_forgotten_record_goes_with_a_prune() {
    let rig = filled();
    rig.repository.forget(&"second".parse().unwrap(), None).unwrap();
    rig.prune_at_once();
    let (_, repair) = rig.repaired_by(CheckRequest::structure().recover());
    assert_eq!(repair.done.records, []);
    assert_eq!(rig.labels(), ["first"]);
}

#[test]
fn a_partial_restore_leaves_out_what_is_lost_and_says_so() {
    let rig = Rig::new();
    rig.source.put("shop/orders/p1/t1/long.dat", Content::noise(70, 600_000));
    rig.backup("only").unwrap();
    let (path, entries) = rig.pack_of_segments();
    rig.change(&path, |bytes| bytes[entries[1].location.offset as usize] ^= 1);
    let restore = |request: RestoreRequest| {
        let sink = ToySink::new();
        let job = rig.engine.restore(&rig.repository, Arc::clone(&sink) as _, request);
        (ends_within(DEADLINE, job), sink)
    };
    let request = || RestoreRequest::new("only").unwrap();
    restore(request()).0.unwrap_err();
    let (report, sink) = restore(request().partial());
    let missing = report.unwrap().missing;
    assert_eq!((missing.len(), missing[0].segments), (1, Some(1)), "{missing:?}");
    let mut expected = rig.source.contents();
    let key = missing[0].place.replacen('.', "/", 1);
    assert!(expected.remove(&key).is_some(), "{missing:?}");
    assert_eq!(sink.contents(), expected);
    for path in rig.paths_below("packs") {
        rig.memory.remove(&path);
    }
    restore(request().partial()).0.unwrap_err();
}
