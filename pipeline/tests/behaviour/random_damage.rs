//! Random damages: each is found and named, none is ever restored as good data, and what live data has is whole again after
//! a repair and a backup.
//!
//! Three deletions leave no trace that a check could find, here as anywhere: of a record (the snapshot is gone; a recovery
//! brings it back), of a hold, and of one of several key slots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_pipeline::storage::{MemoryStorage, ObjectPath, Storage};
use cairn_pipeline::{
    CheckRequest, Engine, Error, Label, PruneRequest, Repository, RepositorySecret,
};
use cairn_repository::config::RepositoryConfig;

use crate::place::content::Content;
use crate::place::rig::{Rig, chain, small_config, small_settings};
use crate::place::source::{Contents, ToySink, ToySource};
use crate::place::{DEADLINE, ends_within};

/// The finisher of splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut state = self.0;
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((state ^ (state >> 31)) % end as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A repository with a past, and everything that must come out of it.
struct Template {
    rig: Rig,
    secret: Option<RepositorySecret>,
    expected: BTreeMap<&'static str, Contents>,
    /// Objects that were replaced or have gone.
    old: BTreeMap<ObjectPath, Bytes>,
}

impl Template {
    fn new(secret: Option<RepositorySecret>) -> Self {
        let (memory, engine) =
            (MemoryStorage::new(), Engine::builder().config(small_config()).start().unwrap());
        let storage: Arc<dyn Storage> = Arc::new(memory.clone());
        let made = match &secret {
            None => engine.create_repository_on(storage, small_settings()),
            Some(secret) => {
                engine.create_encrypted_repository_on(storage, small_settings(), secret, "")
            }
        };
        let rig = Rig { source: ToySource::filled(), repository: made.unwrap(), engine, memory };
        let mut expected = BTreeMap::new();
        let mut take = |label: &'static str, seed: u64| {
            rig.source.put("shop/orders/p1/t1/new.dat", Content::noise(seed, 400_000));
            rig.backup(label).unwrap();
            expected.insert(label, rig.source.contents());
        };
        take("base", 50);
        take("again", 51);
        let before = rig.memory.objects();
        rig.repository.forget(&"again".parse().unwrap(), None).unwrap();
        let prune = PruneRequest::new().grace(Duration::ZERO);
        ends_within(DEADLINE, rig.engine.prune(&rig.repository, prune)).unwrap();
        take("again", 52);
        take("last", 53);
        let base: Label = "base".parse().unwrap();
        rig.repository.hold(&base, &"audit".parse().unwrap(), "an audit", "the auditor").unwrap();
        let now = rig.memory.objects();
        let is_old = |(path, bytes): &(ObjectPath, Bytes)| now.get(path) != Some(bytes);
        let old = before.into_iter().filter(is_old).collect();
        Self { rig, secret, expected, old }
    }

    fn open(&self, memory: &MemoryStorage) -> Result<Repository, Error> {
        let storage: Arc<dyn Storage> = Arc::new(memory.clone());
        match &self.secret {
            None => self.rig.engine.open_repository_on(storage),
            Some(secret) => self.rig.engine.unlock_repository_on(storage, secret),
        }
    }

    fn on(&self, repository: Repository, memory: &MemoryStorage) -> Rig {
        let (source, engine) = (Arc::clone(&self.rig.source), self.rig.engine.clone());
        Rig { source, repository, engine, memory: memory.clone() }
    }
}

/// What was done, and to which objects.
struct Damage {
    what: &'static str,
    paths: Vec<ObjectPath>,
}

/// Damages a store at random; `None` when the dice show something that is no damage.
fn strike(template: &Template, memory: &MemoryStorage, dice: &mut Dice) -> Option<Damage> {
    let objects: Vec<(ObjectPath, Bytes)> = memory.objects().into_iter().collect();
    let (path, bytes) = dice.pick(&objects);
    let is_below =
        |prefixes: &[&str]| prefixes.iter().any(|prefix| path.as_str().starts_with(prefix));
    let (what, new) = match dice.below(5) {
        0 if !bytes.is_empty() => {
            let mut flipped = bytes.to_vec();
            flipped[dice.below(bytes.len())] ^= 1 << dice.below(8);
            ("flipped", flipped.into())
        }
        1 if !bytes.is_empty() => ("truncated", bytes.slice(..dice.below(bytes.len()))),
        2 if !is_below(&["snapshots/", "holds/", "keys/", "prune/"]) => {
            memory.remove(path);
            return Some(Damage { what: "deleted", paths: vec![path.clone()] });
        }
        3 => {
            let (other, others) = dice.pick(&objects);
            memory.insert(path.clone(), others.clone());
            memory.insert(other.clone(), bytes.clone());
            let is_change = bytes != others;
            let paths = vec![path.clone(), other.clone()];
            return is_change.then_some(Damage { what: "swapped", paths });
        }
        4 => {
            let kind = |path: &ObjectPath| path.as_str().split('/').next().map(str::to_owned);
            let same: Vec<_> = template.old.iter().filter(|it| kind(it.0) == kind(path)).collect();
            if same.is_empty() {
                return None;
            }
            ("replayed", dice.pick(&same).1.clone())
        }
        _ => return None,
    };
    memory.insert(path.clone(), new);
    Some(Damage { what, paths: vec![path.clone()] })
}

/// Whether what is stored says what it said, a line end less behind a config, or was said of what is through: the marks here
/// are swept.
fn is_harmless(template: &Template, memory: &MemoryStorage, paths: &[ObjectPath]) -> bool {
    if paths.iter().any(|path| path.as_str().starts_with("prune/")) {
        return true;
    }
    let path = ObjectPath::parse("cairn.json").unwrap();
    let config = |memory: &MemoryStorage| {
        memory.objects().get(&path).and_then(|bytes| RepositoryConfig::decode(bytes).ok())
    };
    let is_changed = memory.objects().get(&path) != template.rig.memory.objects().get(&path);
    is_changed && config(memory) == config(&template.rig.memory)
}

/// Strikes a copy of the repository once and looks at everything that follows; whether there was a damage.
fn one(template: &Template, seed: u64) -> bool {
    let memory = template.rig.memory.fork();
    let mut dice = Dice(seed);
    let Some(Damage { what, paths }) = strike(template, &memory, &mut dice) else { return false };
    if is_harmless(template, &memory, &paths) {
        return false;
    }
    let about = format!("seed {seed}: {what} {paths:?}");
    let names = |text: &str| paths.iter().any(|path| text.contains(path.as_str()));
    let repository = match template.open(&memory) {
        Ok(repository) => {
            let rig = template.on(repository.clone(), &memory);
            let findings = rig.check();
            // A run that is not there has no name any more: what it listed has.
            let is_run = paths.iter().any(|path| path.as_str().starts_with("indexes/"));
            let is_replay = what == "replayed" && paths[0].as_str() == "snapshots/again";
            let is_named = findings.iter().any(|finding| {
                names(finding) || (is_run || is_replay) && finding.starts_with("indexes: ")
            });
            // A run that lists nothing that is needed, or what another lists too, is not missed.
            let is_missed = !(what == "deleted" && is_run && findings.is_empty());
            assert!(is_named || !is_missed, "{about}: {findings:?}");
            if !is_missed {
                template.expected.keys().for_each(|label| drop(rig.restored(label)));
            }
            restores_nothing_else(template, &rig, &about);
            repository
        }
        Err(error) => {
            let text = chain(&error);
            let is_of_keys = paths.iter().any(|path| path.as_str().starts_with("key"));
            let is_config = paths.iter().any(|path| path.as_str() == "cairn.json");
            assert!(names(&text) || is_of_keys || is_config, "{about}: {text}");
            let storage: Arc<dyn Storage> = Arc::new(memory.clone());
            let recovered =
                template.rig.engine.recover_repository_on(storage, template.secret.as_ref());
            match recovered {
                Ok(repository) => repository,
                Err(_) if is_of_keys => return true,
                Err(error) => panic!("{about}: {}", chain(&error)),
            }
        }
    };
    // Record and copy of it, both at once.
    let may_lose_last = what == "swapped" && names("snapshots/last");
    is_whole_again(template, &template.on(repository, &memory), may_lose_last, &about);
    true
}

/// What is restored is what was backed up under this label, or there is an error.
fn restores_nothing_else(template: &Template, rig: &Rig, about: &str) {
    for (label, expected) in &template.expected {
        let sink = ToySink::new();
        if rig.restore_into(label, &sink).is_ok() {
            assert!(sink.contents() == *expected, "{about}: {label} is restored as something else");
        }
    }
}

/// A repair, and a backup of what there is.
fn is_whole_again(template: &Template, rig: &Rig, may_lose_last: bool, about: &str) {
    let request = CheckRequest::read_data().recover();
    ends_within(DEADLINE, rig.engine.check(&rig.repository, request))
        .unwrap_or_else(|error| panic!("{about}: repair: {}", chain(&error)));
    rig.backup("healed").unwrap_or_else(|error| panic!("{about}: backup: {}", chain(&error)));
    assert!(rig.restored("healed") == template.expected["last"], "{about}: healed");
    let last = ToySink::new();
    let is_restored = rig.restore_into("last", &last).is_ok();
    assert!(is_restored || may_lose_last, "{about}: last is lost");
    restores_nothing_else(template, rig, about);
}

fn strikes(number: usize, first: u64) {
    let secret = RepositorySecret::key(vec![7; 32]).unwrap();
    for template in [Template::new(None), Template::new(Some(secret))] {
        let struck = (first..).filter(|seed| one(&template, *seed)).take(number / 2);
        assert_eq!(struck.count(), number / 2);
    }
}

#[test]
fn a_hundred_random_damages() {
    strikes(100, 0);
}

#[test]
#[ignore = "takes minutes: the same with other seeds"]
fn a_thousand_random_damages() {
    strikes(1000, 1_000_000);
}
