//! Random lives of a database and its repository, compared with a model that keeps every snapshot in a map.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod place;

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_pipeline::storage::{MemoryStorage, Storage};
use cairn_pipeline::{BackupRequest, CheckRequest, Engine, Repository, RestoreRequest};
use cairn_repository::layout;
use cairn_testkit::RecordingStorage;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use place::content::Content;
use place::rig::{small_config, small_settings};
use place::source::{Contents, ToySink, ToySource};
use place::{DEADLINE, ends_within, noise};

/// Places where segments may be: same and other tables, partitions and tablets.
const KEYS: [&str; 6] = [
    "shop/orders/p1/t1/a.dat",
    "shop/orders/p1/t1/b.dat",
    "shop/orders/p1/t2/a.dat",
    "shop/orders/p2/t1/a.dat",
    "shop/items/p1/t1/a.dat",
    "web/orders/p1/t1/a.dat",
];

#[derive(Debug, Clone)]
enum Action {
    /// Makes a segment or replaces it; few seeds, so that contents meet again.
    Put {
        key: Index,
        seed: u64,
        len: u64,
    },
    Append {
        key: Index,
        len: usize,
    },
    Touch {
        key: Index,
    },
    Remove {
        key: Index,
    },
    Backup {
        rescan: bool,
    },
    /// A backup whose process dies after a part of its writes.
    Crash {
        after: Index,
        keeps_in_flight: bool,
    },
    Restore {
        which: Index,
    },
    Reopen,
    Check,
}

fn any_len() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1_u64..2000, 60_000_u64..300_000, Just(1_500_000)]
}

fn any_action() -> impl Strategy<Value = Action> {
    let key = any::<Index>;
    prop_oneof![
        4 => (key(), 0_u64..4, any_len()).prop_map(|(key, seed, len)| Action::Put { key, seed, len }),
        2 => (key(), 1_usize..200_000).prop_map(|(key, len)| Action::Append { key, len }),
        1 => key().prop_map(|key| Action::Touch { key }),
        1 => key().prop_map(|key| Action::Remove { key }),
        4 => prop::bool::weighted(0.2).prop_map(|rescan| Action::Backup { rescan }),
        2 => (any::<Index>(), any::<bool>())
            .prop_map(|(after, keeps_in_flight)| Action::Crash { after, keeps_in_flight }),
        2 => any::<Index>().prop_map(|which| Action::Restore { which }),
        1 => Just(Action::Reopen),
        1 => Just(Action::Check),
    ]
}

/// The system and what it should hold.
struct World {
    engine: Engine,
    memory: MemoryStorage,
    repository: Repository,
    source: Arc<ToySource>,
    snapshots: BTreeMap<String, Contents>,
    num_labels: usize,
}

impl World {
    fn new() -> Self {
        let engine = Engine::builder().config(small_config()).start().unwrap();
        let memory = MemoryStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(memory.clone());
        let repository = engine.create_repository_on(storage, small_settings()).unwrap();
        let (source, snapshots) = (ToySource::new(), BTreeMap::new());
        Self { engine, memory, repository, source, snapshots, num_labels: 0 }
    }

    fn apply(&mut self, action: &Action) {
        match action {
            Action::Put { key, seed, len } => {
                self.source.put(key.get::<&str>(&KEYS), Content::noise(*seed, *len));
            }
            Action::Append { key, len } => self.with_existing(*key, |source, key| {
                source.append(key, &noise(99, *len));
            }),
            Action::Touch { key } => self.with_existing(*key, ToySource::touch),
            Action::Remove { key } => self.with_existing(*key, ToySource::remove),
            Action::Backup { rescan } => {
                let label = self.next_label();
                let request = BackupRequest::new(&label).unwrap();
                let request = if *rescan { request.rescan() } else { request };
                self.back_up(&self.repository, request);
                self.snapshots.insert(label, self.source.contents());
            }
            Action::Crash { after, keeps_in_flight } => self.crash(*after, *keeps_in_flight),
            Action::Restore { which } => {
                let labels: Vec<&String> = self.snapshots.keys().collect();
                if !labels.is_empty() {
                    self.restores(which.get::<&String>(&labels));
                }
            }
            Action::Reopen => self.reopen(),
            Action::Check => self.is_clean(),
        }
    }

    fn with_existing(&self, key: Index, change: impl FnOnce(&ToySource, &str)) {
        let key = key.get::<&str>(&KEYS);
        if self.source.contents().contains_key(*key) {
            change(&self.source, key);
        }
    }

    fn next_label(&mut self) -> String {
        self.num_labels += 1;
        format!("snapshot-{}", self.num_labels)
    }

    fn back_up(&self, repository: &Repository, request: BackupRequest) {
        let job = self.engine.backup(repository, Arc::clone(&self.source) as _, request);
        ends_within(DEADLINE, job).unwrap();
    }

    /// The snapshot exists exactly when its record was among what the crash left.
    fn crash(&mut self, after: Index, keeps_in_flight: bool) {
        let label = self.next_label();
        let recording = Arc::new(RecordingStorage::over(self.memory.fork()));
        let repository = self.engine.open_repository_on(Arc::clone(&recording) as _).unwrap();
        self.back_up(&repository, BackupRequest::new(&label).unwrap());
        let count = after.index(recording.len() + 1);
        self.memory = match keeps_in_flight {
            true => recording.replay_with_in_flight(count),
            false => recording.replay(count),
        };
        let path = layout::snapshot_path(&label.parse().unwrap());
        if self.memory.objects().contains_key(&path) {
            self.snapshots.insert(label, self.source.contents());
        }
        self.reopen();
    }

    fn reopen(&mut self) {
        let storage = Arc::new(self.memory.clone());
        self.repository = self.engine.open_repository_on(storage).unwrap();
    }

    fn restores(&self, label: &str) {
        let (sink, request) = (ToySink::new(), RestoreRequest::new(label).unwrap());
        let restore = self.engine.restore(&self.repository, Arc::clone(&sink) as _, request);
        ends_within(DEADLINE, restore).unwrap();
        assert!(sink.contents() == self.snapshots[label], "{label} came back otherwise");
    }

    fn is_clean(&self) {
        let check = self.engine.check(&self.repository, CheckRequest::read_data());
        let report = ends_within(DEADLINE, check).unwrap();
        let damages: Vec<_> = report.findings().map(|finding| &finding.damage).collect();
        assert!(damages.is_empty(), "{damages:?}");
        let listed = self.repository.snapshots().unwrap();
        let listed: Vec<String> = listed.iter().map(|each| each.label.to_string()).collect();
        let mut expected: Vec<String> = self.snapshots.keys().cloned().collect();
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }
}

#[test]
fn every_snapshot_is_what_the_source_was() {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    let lives = prop::collection::vec(any_action(), 1..16);
    let outcome = runner.run(&lives, |actions| {
        let mut world = World::new();
        for action in &actions {
            world.apply(action);
        }
        world.is_clean();
        for label in world.snapshots.keys() {
            world.restores(label);
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
