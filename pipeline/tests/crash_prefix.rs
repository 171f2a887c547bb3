//! A crash at every instant of a backup: what it leaves is a repository, holds the snapshots whose records it
//! holds, and takes the same backup again without storing anything findable twice. And the order of writes itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_pipeline::storage::{MemoryStorage, PutMode, Storage};
use cairn_pipeline::{
    BackupReport, BackupRequest, CheckRequest, Engine, ErrorKind, Repository, RestoreRequest,
};
use cairn_repository::index::decode_run;
use cairn_repository::manifest::{ObjectList, Root, TabletList};
use cairn_repository::pack::entries_of_pack;
use cairn_repository::record::Record;
use cairn_repository::{ChunkId, PackId, Sealer, layout};
use cairn_testkit::{Mutation, RecordingStorage};
use tokio::runtime::Runtime;

use place::content::Content;
use place::rig::{small_config, small_settings};
use place::source::{Contents, ToySink, ToySource};
use place::{DEADLINE, ends_within};

/// Two backups, each recorded from the first of its changes to the last.
struct Story {
    engine: Engine,
    backups: Vec<Backup>,
}

struct Backup {
    label: &'static str,
    source: Arc<ToySource>,
    contents: Contents,
    recording: Arc<RecordingStorage>,
}

impl Backup {
    fn run(
        engine: &Engine,
        over: MemoryStorage,
        label: &'static str,
        source: &Arc<ToySource>,
    ) -> Self {
        let recording = Arc::new(RecordingStorage::over(over));
        let repository = open(engine, Arc::clone(&recording) as _);
        back_up(engine, &repository, label, source).unwrap();
        let contents = source.contents();
        Self { label, source: Arc::clone(source), contents, recording }
    }
}

fn open(engine: &Engine, storage: Arc<dyn Storage>) -> Repository {
    engine.open_repository_on(storage).unwrap()
}

fn back_up(
    engine: &Engine,
    repository: &Repository,
    label: &str,
    source: &Arc<ToySource>,
) -> Result<BackupReport, cairn_pipeline::Error> {
    let request = BackupRequest::new(label).unwrap();
    ends_within(DEADLINE, engine.backup(repository, Arc::clone(source) as _, request))
}

impl Story {
    fn tell() -> Self {
        let engine = Engine::builder().config(small_config()).start().unwrap();
        let memory = MemoryStorage::new();
        engine.create_repository_on(Arc::new(memory.clone()), small_settings()).unwrap();
        let source = ToySource::filled();
        source.put("shop/orders/p3/t1/long.dat", Content::noise(3, 4 << 20));
        let first = Backup::run(&engine, memory, "first", &source);
        // What the first left, with everything that a second one can meet.
        let later = ToySource::filled();
        later.put("shop/orders/p3/t1/long.dat", Content::noise(3, 4 << 20));
        later.append("shop/orders/p1/t1/a.dat", b" and more rows");
        later.put("shop/orders/p4/t1/new.dat", Content::noise(4, 3 << 20));
        later.remove("web/events/p1/t1/d.dat");
        let after = first.recording.replay(first.recording.len());
        let second = Backup::run(&engine, after, "second", &later);
        Self { engine, backups: vec![first, second] }
    }
}

/// Labels of the records in a storage.
fn labels(memory: &MemoryStorage) -> BTreeSet<String> {
    let paths = memory.objects().into_keys();
    paths.filter_map(|path| layout::parse_snapshot_path(&path)).map(|l| l.to_string()).collect()
}

/// Chunks that a storage's index runs list.
fn listed(memory: &MemoryStorage) -> BTreeSet<ChunkId> {
    let objects = memory.objects();
    let runs = objects.iter().filter_map(|(path, bytes)| {
        let id = layout::parse_index_path(path)?;
        Some(decode_run(&Sealer::plain(), &id, bytes).unwrap())
    });
    runs.flat_map(|run| run.entries().map(|entry| entry.id).collect::<Vec<_>>()).collect()
}

/// The pack that a change puts, and the chunks in it.
fn pack_of(mutation: &Mutation) -> Option<(PackId, Vec<ChunkId>)> {
    let Mutation::Put { path, bytes, .. } = mutation else {
        return None;
    };
    let pack = layout::parse_pack_path(path)?;
    let entries = entries_of_pack(&Sealer::plain(), &pack, bytes).unwrap();
    Some((pack, entries.into_iter().map(|entry| entry.id).collect()))
}

/// Everything that must hold of what a crash left.
fn survives(story: &Story, left: &MemoryStorage, crashed: &Backup, at: &str) {
    let engine = &story.engine;
    let contents: BTreeMap<_, _> =
        story.backups.iter().map(|backup| (backup.label, &backup.contents)).collect();
    let is_intact = |repository: &Repository, memory: &MemoryStorage, when: &str| {
        let check = engine.check(repository, CheckRequest::read_data());
        let report = ends_within(DEADLINE, check).unwrap();
        let findings: Vec<_> = report.findings().map(|finding| &finding.damage).collect();
        assert!(findings.is_empty(), "{at}, {when}: {findings:?}");
        let snapshots = repository.snapshots().unwrap();
        let listed: BTreeSet<_> = snapshots.iter().map(|each| each.label.to_string()).collect();
        assert_eq!(listed, labels(memory), "{at}, {when}");
        for label in &listed {
            let (sink, request) = (ToySink::new(), RestoreRequest::new(label).unwrap());
            let restore = engine.restore(repository, Arc::clone(&sink) as _, request);
            ends_within(DEADLINE, restore).unwrap();
            assert_eq!(&sink.contents(), contents[label.as_str()], "{at}, {when}: {label}");
        }
    };
    is_intact(&open(engine, Arc::new(left.clone())), left, "right after it");

    let memory = left.fork();
    let recording = Arc::new(RecordingStorage::over(memory.clone()));
    let repository = open(engine, Arc::clone(&recording) as _);
    let again = back_up(engine, &repository, crashed.label, &crashed.source);
    match labels(left).contains(crashed.label) {
        true => assert_eq!(again.unwrap_err().kind(), ErrorKind::Request, "{at}"),
        false => assert_eq!(again.unwrap().label, crashed.label),
    }
    let findable = listed(left);
    let mutations = recording.mutations();
    for (_, chunks) in mutations.iter().filter_map(pack_of) {
        let twice: Vec<_> = chunks.iter().filter(|id| findable.contains(id)).collect();
        assert!(twice.is_empty(), "{at}: stored again: {twice:?}");
    }
    is_intact(&repository, &memory, "after the same backup again");
}

#[test]
fn every_prefix_of_a_backup_is_a_repository() {
    let story = Story::tell();
    for backup in &story.backups {
        let (recording, label) = (&backup.recording, backup.label);
        assert!(recording.len() > 6, "{label}: {} changes say little", recording.len());
        for count in 0..=recording.len() {
            let at = format!("{label} after {count} of {}", recording.len());
            survives(&story, &recording.replay(count), backup, &at);
            let in_flight = recording.in_flight(count);
            if !in_flight.is_empty() {
                let left = recording.replay_with_in_flight(count);
                survives(&story, &left, backup, &format!("{at} and all in flight"));
            }
            if in_flight.len() > 1 {
                for mutation in in_flight {
                    let left = recording.replay(count);
                    let Mutation::Put { path, bytes, .. } = mutation else { continue };
                    survives(&story, &left, backup, &format!("{at} and {path}"));
                    left.insert(path, bytes);
                }
            }
        }
    }
}

/// The position of the last put; checkpoints that are superseded go after it.
fn last_put(mutations: &[Mutation]) -> usize {
    let is_put = |mutation: &Mutation| matches!(mutation, Mutation::Put { .. });
    mutations.iter().rposition(is_put).unwrap()
}

#[test]
fn runs_follow_their_packs_and_the_record_is_last() {
    for backup in &Story::tell().backups {
        let recording = &backup.recording;
        let mutations = recording.mutations();
        let is_harmless = |mutation: &Mutation| match mutation {
            Mutation::Put { mode, .. } => *mode == PutMode::Create,
            Mutation::Delete { path, .. } => path.as_str().starts_with("checkpoints/"),
        };
        assert!(mutations.iter().all(is_harmless), "a backup changes nothing that is there");

        // R3: the put of a run begins when the puts of all packs that it names have ended.
        let before: BTreeSet<PackId> =
            recording.replay(0).objects().keys().filter_map(layout::parse_pack_path).collect();
        let mut packs: BTreeMap<PackId, usize> = BTreeMap::new();
        let mut num_runs = 0;
        for (position, mutation) in mutations.iter().enumerate() {
            let Mutation::Put { path, bytes, .. } = mutation else { continue };
            if let Some(pack) = layout::parse_pack_path(path) {
                packs.insert(pack, position);
            }
            let Some(id) = layout::parse_index_path(path) else { continue };
            num_runs += 1;
            for pack in decode_run(&Sealer::plain(), &id, bytes).unwrap().packs() {
                let Some(put_at) = packs.get(&pack) else {
                    assert!(before.contains(&pack), "R3: {pack} is not there yet");
                    continue;
                };
                assert!(
                    !recording.in_flight(*put_at).contains(mutation),
                    "R3: {pack} is not durable"
                );
            }
        }
        assert!(num_runs > 1, "no checkpoint was written: the test says little");

        // R5: the put of the record begins when every other put has ended.
        let last = last_put(&mutations);
        let record = layout::parse_snapshot_path(mutations[last].path()).unwrap();
        assert_eq!(record.as_str(), backup.label);
        for count in 0..last {
            assert!(
                !recording.in_flight(count).contains(&mutations[last]),
                "R5: {count} of {last}"
            );
        }
    }
}

#[test]
fn a_record_reaches_only_what_runs_list() {
    for backup in &Story::tell().backups {
        let recording = &backup.recording;
        let last = last_put(&recording.mutations());
        let Mutation::Put { bytes, .. } = &recording.mutations()[last] else { panic!("no put") };
        let record = Record::decode(bytes).unwrap();
        // R4, as of the instant before the record.
        let runtime = Runtime::new().unwrap();
        let storage = Arc::new(recording.replay(last));
        runtime.block_on(async {
            let repository = cairn_repository::Repository::open(storage).await.unwrap();
            let index = repository.load_index(1 << 20, runtime.handle().clone()).await.unwrap();
            let root: Root = repository.read_document(&index, &record.root).await.unwrap();
            let mut num_chunks = 0;
            for database in root.databases() {
                let list = repository.read_document::<ObjectList>(&index, &database.objects);
                let list = list.await.unwrap();
                for partition in list.objects().iter().flat_map(|object| &object.partitions) {
                    let tablets =
                        repository.read_document::<TabletList>(&index, &partition.tablets);
                    let tablets = tablets.await.unwrap();
                    let segments = tablets.tablets().iter().flat_map(|tablet| &tablet.segments);
                    for id in segments.flat_map(|segment| segment.chunks.iter()) {
                        num_chunks += 1;
                        assert!(index.find(&id).await.unwrap().is_some(), "R4: {id}");
                    }
                }
            }
            assert!(num_chunks > 20, "{num_chunks} chunks say little");
        });
    }
}
