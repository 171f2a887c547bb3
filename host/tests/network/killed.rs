//! kill -9 of the program at random instants of backups, restores, prunes and rotations of keys of an encrypted repository, on
//! a local disk, on S3 and on HDFS.
//!
//! After each kill `check --read-data` finds nothing, the snapshots are those that were committed, what was being restored is
//! old or new once somebody has opened it, and some snapshot restores to the warehouse of its time; in the end each does. Half of
//! the time the same command then succeeds, half of the time others meet what was left.
//!
//! Dice say what is done and after which part of its usual time it dies. Their seed is `CAIRN_KILL_SEED`, else 1; `CAIRN_KILLS` is
//! how many kills each verb must see, else 2. Both are printed, with what the kills left; a failure says what was killed when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_testkit::servers::{HdfsCluster, HdfsMode, RadosGateway};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::job::{ACCESS_KEY, Client, SECRET_KEY, bucket_properties};
use crate::place::noise;

const TABLES: [&str; 4] = ["t0", "t1", "t2", "t3"];
const SEGMENTS: u8 = 6;
/// A segment is shorter. Most are longer than the shortest chunk, so equal ones share chunks.
const SEGMENT_BYTES: usize = 1_500_000;
/// One snapshot is forgotten before a prune when there are more, or before a backup when there are many more.
const SNAPSHOTS_KEPT: usize = 3;
const MAX_SNAPSHOTS: usize = 8;
/// Runs of a verb that say how long it takes.
const RUNS_KNOWN: usize = 3;
/// Several packs and checkpoints in a backup of a few MiB.
const SETTINGS: &str =
    "[engine]\ncheckpoint_bytes = 1048576\n[repository]\npack_size = \"1 MiB\"\n";
/// Ends the properties, whatever the storage has there.
const KEY: &str = "encryption.key_file = \"key\"\n";

/// What a tree holds: names, modes, contents.
type Tree = BTreeMap<PathBuf, (u32, Vec<u8>)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Backup,
    Restore,
    Prune,
    Rotate,
}

const VERBS: [Verb; 4] = [Verb::Backup, Verb::Restore, Verb::Prune, Verb::Rotate];
const PRUNE: [&str; 3] = ["prune", "--grace", "1s"];
const ROTATE: [&str; 3] = ["repo", "key", "rotate"];

/// A warehouse, its repository and what must be in it.
struct Ordeal {
    /// Where the repository is, for who reads the outcome.
    repo: String,
    client: Client,
    seed: u64,
    dice: StdRng,
    /// What was committed and not forgotten.
    taken: BTreeMap<String, Tree>,
    /// How long the last runs of each verb took that ended by themselves.
    usual: BTreeMap<Verb, VecDeque<Duration>>,
    kills: BTreeMap<Verb, u32>,
    /// What the kills left.
    left: BTreeMap<&'static str, u32>,
    /// What was to be killed last, and when.
    last: String,
}

impl Ordeal {
    /// Makes the repository, and does everything once to see how long it takes.
    fn begin(repo: &str, properties: &str, seed: u64) -> Self {
        let client = Client::new(repo, &format!("{SETTINGS}{properties}{KEY}"));
        client.place.write("key", &[7; 32]);
        let mut ordeal = Self {
            repo: repo.to_owned(),
            client,
            seed,
            dice: StdRng::seed_from_u64(seed),
            taken: BTreeMap::new(),
            usual: VERBS.map(|verb| (verb, VecDeque::new())).into(),
            kills: VERBS.map(|verb| (verb, 0)).into(),
            left: BTreeMap::new(),
            last: String::new(),
        };
        ordeal.client.start(&["repo", "create", "--encrypt"]).succeed();
        for table in TABLES {
            for segment in 0..SEGMENTS {
                ordeal.write(table, segment, &format!("{seed} {table} {segment}"));
            }
        }
        ordeal.whole(Verb::Backup, &["backup", "--label", "first", "wh"]);
        ordeal.taken.insert("first".to_owned(), ordeal.tree("wh"));
        ordeal.whole(Verb::Restore, &["restore", "--label", "first", "target"]);
        ordeal.whole(Verb::Prune, &PRUNE);
        ordeal.whole(Verb::Rotate, &ROTATE);
        ordeal
    }

    /// Does something and dies of it, until each verb has seen so many kills.
    fn suffer(&mut self, kills: u32) {
        for round in 0.. {
            let unfinished = VERBS.into_iter().filter(|verb| self.kills[verb] < kills);
            match unfinished.choose(&mut self.dice) {
                Some(Verb::Backup) => self.backup(round),
                Some(Verb::Restore) => self.restore(round),
                Some(Verb::Prune) => self.prune(),
                Some(Verb::Rotate) => self.rotate(),
                None => break,
            }
            self.assert_snapshots();
            let label = self.any_label();
            self.compare(&label);
        }
        self.whole(Verb::Backup, &["backup", "--label", "last", "wh"]);
        self.taken.insert("last".to_owned(), self.client.place.tree("wh"));
        self.client.start(&["check", "--read-data"]).succeed();
        self.assert_snapshots();
        for label in self.taken.keys() {
            self.compare(label);
        }
    }

    fn backup(&mut self, round: u32) {
        self.forget_one_of_more_than(MAX_SNAPSHOTS);
        self.change(round);
        let (warehouse, label) = (self.tree("wh"), format!("n{round:05}"));
        let backup = ["backup", "--label", &label, "wh"];
        let is_killed = self.killed(Verb::Backup, &backup);
        let mut is_committed = self.client.labels().contains(&label);
        assert!(is_killed || is_committed, "{label} succeeded and is not there");
        if is_killed {
            self.note(if is_committed { "a committed backup" } else { "a backup" });
            match (self.is_repeated(), is_committed) {
                (true, true) => self.client.start(&backup).fail(2, "CAIRN-R004"),
                (true, false) => {
                    self.whole(Verb::Backup, &backup);
                    is_committed = true;
                }
                (false, _) => {}
            }
        }
        if is_committed {
            self.taken.insert(label.clone(), warehouse);
            self.compare(&label);
        }
    }

    /// A backup that nobody kills.
    fn back_up_whole(&mut self, round: u32) {
        self.change(round);
        let label = format!("n{round:05}");
        self.whole(Verb::Backup, &["backup", "--label", &label, "wh"]);
        self.taken.insert(label, self.tree("wh"));
    }

    /// Restores over what an earlier restore left.
    fn restore(&mut self, round: u32) {
        let old = self.tree("target");
        let others = self.taken.iter().filter(|(_, tree)| **tree != old);
        let Some(label) = others.map(|(label, _)| label.clone()).choose(&mut self.dice) else {
            return self.back_up_whole(round);
        };
        let new = self.taken[&label].clone();
        let restore = ["restore", "--label", &label, "target"];
        if self.killed(Verb::Restore, &restore) {
            let seen = self.tree("target");
            assert_old_or_new(&seen, &old, &new);
            self.note(match (seen == old, seen == new) {
                (true, _) => "a restore",
                (_, true) => "a switched restore",
                _ => "a restore in its switch",
            });
            self.open("target");
            // Whoever opens it finishes a switch that has begun. What was staged stays for who restores it again.
            let opened = self.tree("target");
            assert_same(&opened, if seen == old && opened != new { &old } else { &new });
            if !self.is_repeated() {
                return;
            }
            self.whole(Verb::Restore, &restore);
        }
        assert_same(&self.client.place.tree("target"), &new);
    }

    fn prune(&mut self) {
        self.forget_one_of_more_than(SNAPSHOTS_KEPT);
        if self.killed(Verb::Prune, &PRUNE) {
            self.note("a prune");
            if self.is_repeated() {
                self.whole(Verb::Prune, &PRUNE);
            }
        }
    }

    fn forget_one_of_more_than(&mut self, number: usize) {
        if self.taken.len() > number {
            let label = self.any_label();
            self.client.start(&["forget", &label]).succeed();
            self.taken.remove(&label);
        }
    }

    fn rotate(&mut self) {
        if self.killed(Verb::Rotate, &ROTATE) {
            self.note("a rotation");
            if self.is_repeated() {
                self.whole(Verb::Rotate, &ROTATE);
            }
        }
    }

    /// Runs the program and kills it at an instant of its usual time; whether it had not ended before. Nothing is damaged.
    fn killed(&mut self, verb: Verb, arguments: &[&str]) -> bool {
        let usual = self.usual[&verb].iter().max().copied().unwrap();
        let instant = usual.mul_f64(self.dice.random_range(0.0..1.1));
        self.last = format!("{arguments:?} after {instant:?} of {usual:?}");
        let begun = Instant::now();
        let is_killed = self.client.start(arguments).killed_after(instant);
        if is_killed {
            *self.kills.get_mut(&verb).unwrap() += 1;
        } else {
            self.learn(verb, begun.elapsed());
        }
        self.client.start(&["check", "--read-data"]).succeed();
        is_killed
    }

    /// Runs the program to its end, which must be a good one.
    fn whole(&mut self, verb: Verb, arguments: &[&str]) {
        let begun = Instant::now();
        self.client.start(arguments).succeed();
        self.learn(verb, begun.elapsed());
        if verb == Verb::Backup {
            assert!(
                !self.client.place.has("wh/.cairn"),
                "a backup left something in the warehouse"
            );
        }
    }

    fn learn(&mut self, verb: Verb, took: Duration) {
        let known = self.usual.get_mut(&verb).unwrap();
        known.truncate(RUNS_KNOWN - 1);
        known.push_front(took);
    }

    /// Whether what was killed is begun again before anything else happens.
    fn is_repeated(&mut self) -> bool {
        self.dice.random()
    }

    fn any_label(&mut self) -> String {
        self.taken.keys().choose(&mut self.dice).cloned().unwrap()
    }

    fn note(&mut self, what: &'static str) {
        *self.left.entry(what).or_default() += 1;
    }

    /// Writes some segments anew, every two of them with the same content, and takes one away or brings it back.
    fn change(&mut self, round: u32) {
        for change in 0..self.dice.random_range(1..=6) {
            let table = TABLES.choose(&mut self.dice).unwrap();
            let segment = self.dice.random_range(0..SEGMENTS);
            let path = segment_path(table, segment);
            if change == 0 && self.client.place.has(&path) {
                fs::remove_file(self.client.place.path(&path)).unwrap();
            } else {
                self.write(table, segment, &format!("{} {round} {}", self.seed, change / 2));
            }
        }
    }

    /// Writes a segment; the content says how long it is.
    fn write(&self, table: &str, segment: u8, content: &str) {
        let mut bytes = noise(content, 0, SEGMENT_BYTES);
        let part = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        bytes.truncate(SEGMENT_BYTES * part / usize::from(u16::MAX));
        self.client.place.write(&segment_path(table, segment), &bytes);
    }

    /// What is listed is what was committed and not forgotten, and nothing else.
    fn assert_snapshots(&self) {
        let taken: Vec<String> = self.taken.keys().cloned().collect();
        assert_eq!(self.client.labels(), taken);
    }

    /// A snapshot is the warehouse of its time.
    fn compare(&self, label: &str) {
        self.client.restore(label, "proof").succeed();
        assert_same(&self.client.place.tree("proof"), &self.taken[label]);
        fs::remove_dir_all(self.client.place.path("proof")).unwrap();
    }

    /// Opens a directory, if it is there, as a source of something else.
    fn open(&self, name: &str) {
        if self.client.place.has(name) {
            let status = self.client.place.command(&["backup", "--repo", "aside", name]).output();
            assert!(status.unwrap().status.success(), "{name} cannot be opened");
            fs::remove_dir_all(self.client.place.path("aside")).unwrap();
        }
    }

    /// What is in a directory, without what a dead job pinned or staged there; nothing where there is none.
    fn tree(&self, name: &str) -> Tree {
        let mut tree = match self.client.place.has(name) {
            true => self.client.place.tree(name),
            false => Tree::new(),
        };
        tree.retain(|path, _| !path.starts_with(".cairn"));
        tree
    }
}

impl Drop for Ordeal {
    fn drop(&mut self) {
        let Self { repo, seed, kills, left, last, .. } = self;
        // Past the test runner, which keeps the output of what passes to itself.
        let mut told = std::io::stderr();
        let _ = writeln!(told, "seed {seed} on {repo}: kills {kills:?}; they left {left:?}");
        if std::thread::panicking() {
            let kept = std::env::temp_dir().join(format!("cairn-killed-{}", std::process::id()));
            let _ = fs::rename(self.client.place.path(""), &kept);
            let _ = writeln!(told, "killed last: {last}; everything is in {}", kept.display());
        }
    }
}

fn segment_path(table: &str, segment: u8) -> String {
    format!("wh/shop/{table}/p{}/t1/{segment}.dat", segment % 2)
}

/// Names what differs: the contents would fill a book.
#[track_caller]
fn assert_same(seen: &Tree, expected: &Tree) {
    let paths: BTreeSet<&PathBuf> = seen.keys().chain(expected.keys()).collect();
    let differ = |path: &&PathBuf| seen.get(*path) != expected.get(*path);
    assert_eq!(paths.into_iter().filter(differ).collect::<Vec<_>>(), [""; 0].map(Path::new));
}

/// Each table is one or the other; they change one by one.
#[track_caller]
fn assert_old_or_new(seen: &Tree, old: &Tree, new: &Tree) {
    let is_table = |path: &&PathBuf| path.components().count() == 2;
    for table in old.keys().chain(new.keys()).filter(is_table) {
        let [seen, old, new] = [seen, old, new].map(|tree| {
            tree.iter().filter(|(path, _)| path.starts_with(table)).collect::<Vec<_>>()
        });
        assert!(seen == old || seen == new, "{} is neither old nor new", table.display());
    }
}

/// A number of the environment, or else this one.
#[expect(clippy::disallowed_methods, reason = "a long run is asked for there")]
fn asked<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().ok().unwrap_or_else(|| panic!("{name}={text}: must be a number")),
        Err(_) => otherwise,
    }
}

fn suffer(repo: &str, properties: &str) {
    let mut ordeal = Ordeal::begin(repo, properties, asked("CAIRN_KILL_SEED", 1));
    ordeal.suffer(asked("CAIRN_KILLS", 2));
}

#[test]
fn nothing_is_lost_on_a_local_disk() {
    suffer("repo", "[properties]\n");
}

#[test]
fn nothing_is_lost_on_s3() {
    let Some(gateway) = RadosGateway::start(ACCESS_KEY, SECRET_KEY) else { return };
    suffer("s3://bucket/backups", &bucket_properties(gateway.address()));
}

#[test]
fn nothing_is_lost_on_hdfs() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let Some(cluster) = HdfsCluster::start(target, HdfsMode::Simple, 1) else { return };
    let properties = "[properties]\nusername = \"cairn\"\ndfs.replication = 1\n";
    suffer(&format!("hdfs://{}/backups", cluster.authority()), properties);
}
