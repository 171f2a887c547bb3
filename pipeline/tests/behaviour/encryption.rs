//! Encrypted repositories: everything works, nothing is in clear, no key meets a nonce twice, and whatever is done to what is
//! stored is found and never restored as good data.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_pipeline::storage::{MemoryStorage, ObjectPath, OpenMode, Storage};
use cairn_pipeline::{
    BackupRequest, Engine, EngineConfig, Error, ErrorKind, PruneRequest, RepositorySecret,
};
use cairn_repository::config::RepositoryConfig;
use cairn_repository::pack::entries_of_pack;
use cairn_repository::{ChunkId, Sealer, layout};

use crate::drain::wide;
use crate::place::rig::{Rig, chain, small_config, small_settings};
use crate::place::script::{Deed, Gate, Point};
use crate::place::source::{Contents, ToySink, ToySource};
use crate::place::{DEADLINE, ends_within};

const NOTE: &str = "first";

fn secret() -> RepositorySecret {
    RepositorySecret::key(vec![7; 32]).unwrap()
}

fn encrypted() -> Rig {
    encrypted_with(small_config())
}

fn encrypted_with(config: EngineConfig) -> Rig {
    let (memory, engine) =
        (MemoryStorage::new(), Engine::builder().config(config).start().unwrap());
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let repository =
        engine.create_encrypted_repository_on(storage, small_settings(), &secret(), NOTE).unwrap();
    Rig { source: ToySource::filled(), repository, engine, memory }
}

impl Rig {
    /// The same repository, opened by somebody who comes later.
    fn unlocked(&self) -> Result<Self, Error> {
        let storage: Arc<dyn Storage> = Arc::new(self.memory.clone());
        let repository = self.engine.unlock_repository_on(storage, &secret())?;
        let (source, engine, memory) =
            (Arc::clone(&self.source), self.engine.clone(), self.memory.clone());
        Ok(Self { source, repository, engine, memory })
    }

    /// What opens the packs.
    fn sealer(&self) -> Sealer {
        let storage: Arc<dyn Storage> = Arc::new(self.memory.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let secret = secret();
        let opened = cairn_repository::Repository::unlock(storage, &secret);
        runtime.block_on(opened).unwrap().sealer().clone()
    }

    fn damage(&self, path: &ObjectPath, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.memory.objects()[path].to_vec();
        change(&mut bytes);
        self.memory.insert(path.clone(), bytes.into());
    }

    /// What a later opener finds: why it does not open, or what a check of every byte says.
    fn findings(&self) -> Vec<String> {
        match self.unlocked() {
            Ok(opened) => opened.check(),
            Err(error) => vec![chain(&error)],
        }
    }

    /// Puts everything back as it was.
    fn reset(&self, objects: &std::collections::BTreeMap<ObjectPath, Bytes>) {
        for path in self.memory.objects().into_keys() {
            self.memory.remove(&path);
        }
        for (path, bytes) in objects {
            self.memory.insert(path.clone(), bytes.clone());
        }
    }
}

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

/// A restore gives all of what was backed up, or fails.
fn restores_nothing_else(rig: &Rig, label: &str, expected: &Contents) {
    let Ok(rig) = rig.unlocked() else { return };
    let sink = ToySink::new();
    if rig.restore_into(label, &sink).is_ok() {
        assert_eq!(sink.contents(), *expected);
    }
}

#[test]
fn a_backup_works_as_anywhere() {
    let rig = encrypted();
    assert!(rig.repository.is_encrypted());
    rig.works();
    let contents = rig.source.contents();
    // What is known is not stored again: not by an unchanged segment, and not by equal bytes under another name.
    let copied = contents["shop/orders/p1/t2/b.dat"].clone();
    rig.source.put("web/events/p1/t1/copy.dat", copied.as_slice());
    rig.source.touch("shop/orders/p2/t1/c.dat");
    let later = rig.unlocked().unwrap();
    let report = later.backup("later").unwrap();
    assert_eq!(report.progress.new_chunks, 0);
    assert_eq!(later.restored("later"), rig.source.contents());
    assert_eq!(later.restored("works-0"), contents);
    later.repository.ping().unwrap();
    later.repository.forget(&"works-0".parse().unwrap(), None).unwrap();
    assert_eq!(rig.labels(), ["later"]);
    later.works();
}

#[test]
fn the_index_may_stay_in_the_repository() {
    let rig = encrypted_with(EngineConfig { index_memory_bytes: 0, ..small_config() });
    rig.works();
    rig.source.touch("shop/orders/p2/t1/c.dat");
    assert_eq!(rig.backup("later").unwrap().progress.new_chunks, 0);
    rig.works();
}

#[test]
fn files_hold_it_too_and_a_passphrase_opens_it() {
    let directory = tempfile::tempdir().unwrap();
    let location = directory.path().join("repository").display().to_string();
    let (engine, rig) = (Engine::start().unwrap(), Rig::new());
    let passphrase = RepositorySecret::passphrase("four random words").unwrap();
    let storage = engine.open_storage(location.as_str(), OpenMode::Create).unwrap();
    let made = engine.create_encrypted_repository_on(storage, small_settings(), &passphrase, "");
    let backup = BackupRequest::new("a").unwrap();
    let source = Arc::clone(&rig.source) as _;
    ends_within(DEADLINE, engine.backup(&made.unwrap(), source, backup)).unwrap();
    let open = |secret: &RepositorySecret| {
        let storage = engine.open_storage(location.as_str(), OpenMode::Existing).unwrap();
        engine.unlock_repository_on(storage, secret)
    };
    let repository = open(&passphrase).unwrap();
    let (memory, source) = (MemoryStorage::new(), Arc::clone(&rig.source));
    let opened = Rig { source, repository, engine: engine.clone(), memory };
    assert_eq!(opened.restored("a"), rig.source.contents());
    assert_eq!(opened.check(), [""; 0]);
    let wrong = open(&RepositorySecret::passphrase("three random words").unwrap()).unwrap_err();
    let text = format!(
        "the repository at {} does not open with this passphrase",
        opened.repository.location()
    );
    assert_eq!(
        (wrong.kind(), wrong.code(), wrong.to_string()),
        (ErrorKind::Config, "CAIRN-R020", text)
    );
}

#[test]
fn nothing_that_is_known_shows_in_what_is_stored() {
    let rig = encrypted();
    let marker = "a marker that nobody else writes; ".repeat(3000);
    rig.source.put("secretdb/secrettable/secretpart/secrettablet/secret.dat", marker.as_str());
    rig.backup("label").unwrap();
    let contents = rig.source.contents();
    let mut markers: Vec<Vec<u8>> = ["secretdb", "secrettable", "secretpart", "secret.dat"]
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    markers.push(b"nobody else writes".to_vec());
    // 16 bytes of noise, and the name that the content would have without a key.
    for bytes in contents.values().filter(|bytes| bytes.len() > 1000) {
        markers.push(bytes[500..516].to_vec());
        markers.push(ChunkId::of(bytes).as_bytes()[..16].to_vec());
    }
    let hosts = rig.repository.snapshot("label").unwrap();
    markers.push(hosts.host.into_bytes());
    markers.push(hosts.origin.into_bytes());
    for (path, stored) in rig.memory.objects() {
        for marker in markers.iter().filter(|marker| marker.len() > 5) {
            let found = stored.windows(marker.len()).any(|window| window == marker.as_slice());
            assert!(!found, "{path} has {:?} in clear", String::from_utf8_lossy(marker));
        }
    }
}

/// Every pair of key and nonce that lies in the storage. A key is named by what it is made of: the chunk, or the salt.
fn used(rig: &Rig) -> Vec<Vec<u8>> {
    let sealer = rig.sealer();
    let mut used = Vec::new();
    let mut salt = |sealed: &[u8]| {
        assert!(sealed.starts_with(b"CAIRNSL1"));
        used.push(sealed[8..48].to_vec());
    };
    let mut chunks = Vec::new();
    for (path, bytes) in rig.memory.objects() {
        if let Some(pack) = layout::parse_pack_path(&path) {
            let entries = entries_of_pack(&sealer, &pack, &bytes).unwrap();
            salt(&bytes[usize::try_from(entries.last().unwrap().location.end()).unwrap()..]);
            for entry in entries {
                let at = entry.location.offset as usize;
                chunks.push([entry.id.as_bytes(), &bytes[at + 4..at + 16]].concat());
                chunks.push(bytes[at + 4..at + 16].to_vec());
            }
        } else if path != layout::config_path() && !path.as_str().starts_with("keys/") {
            salt(&bytes);
        }
    }
    used.extend(chunks);
    used
}

#[test]
fn no_key_meets_a_nonce_twice() {
    let rig = encrypted();
    for number in 0..6 {
        rig.source.put("shop/orders/p1/t1/a.dat", format!("rows {number}").as_str());
        rig.backup(&format!("s{number}")).unwrap();
        // The index is lost: everything is stored once more, chunk by chunk, beside what is there.
        for run in rig.paths_below("indexes") {
            rig.memory.remove(&run);
        }
    }
    let used = used(&rig);
    assert!(used.len() > 200, "{}", used.len());
    let distinct: HashSet<_> = used.iter().collect();
    assert_eq!(distinct.len(), used.len());
}

#[test]
fn a_flipped_byte_anywhere_is_found_and_named() {
    let rig = encrypted();
    rig.backup("a").unwrap();
    let (objects, expected) = (rig.memory.objects(), rig.source.contents());
    for (path, bytes) in &objects {
        let length = bytes.len();
        let ends =
            (0..length.min(60)).step_by(11).chain((length.saturating_sub(90)..length).step_by(13));
        let spread = (0..length).step_by(length / 5 + 1);
        for at in ends.chain(spread).collect::<HashSet<_>>() {
            rig.damage(path, |bytes| bytes[at] ^= 0x10);
            let findings = rig.findings();
            let is_named = match path.as_str() {
                // Not what it was, and so no config, or one that the keys do not know.
                "cairn.json" => !findings.is_empty(),
                // There is no other.
                slot if slot.starts_with("keys/") => findings[0].contains("no key slot"),
                ring if ring.starts_with("keyring/") => findings[0].contains("no key ring"),
                object => findings.iter().any(|finding| finding.contains(object)),
            };
            assert!(is_named, "{path} at {at} of {length}: {findings:?}");
            restores_nothing_else(&rig, "a", &expected);
            rig.reset(&objects);
        }
    }
    assert_eq!(rig.findings(), [""; 0]);
}

#[test]
fn objects_that_change_places_are_found() {
    let rig = encrypted();
    rig.backup("a").unwrap();
    rig.source.put("shop/orders/p1/t1/a.dat", "other rows");
    rig.backup("b").unwrap();
    let (objects, expected) = (rig.memory.objects(), rig.source.contents());
    for prefix in ["packs", "indexes", "snapshots"] {
        let paths = rig.paths_below(prefix);
        let (one, two) = (&paths[0], &paths[1]);
        rig.memory.insert(one.clone(), objects[two].clone());
        rig.memory.insert(two.clone(), objects[one].clone());
        let findings = rig.findings().join("\n");
        assert!(findings.contains(one.as_str()) && findings.contains(two.as_str()), "{findings}");
        restores_nothing_else(&rig, "b", &expected);
        rig.reset(&objects);
    }
    // A record under another label, and one kind of object in the place of another.
    rig.memory.insert(path("snapshots/c"), objects[&path("snapshots/a")].clone());
    assert_eq!(rig.findings().len(), 1);
    assert!(rig.findings()[0].starts_with("snapshots/c: not what was sealed for this place"));
    rig.reset(&objects);
    let ring = rig.paths_below("keyring").remove(0);
    rig.memory.insert(path("snapshots/b"), objects[&ring].clone());
    assert!(rig.findings()[0].starts_with("snapshots/b: "), "{:?}", rig.findings());
    rig.reset(&objects);
    // A whole repository of the same secret does not lend its objects.
    let other = encrypted();
    other.backup("a").unwrap();
    rig.memory.insert(path("snapshots/a"), other.memory.objects()[&path("snapshots/a")].clone());
    assert!(rig.findings()[0].starts_with("snapshots/a: "), "{:?}", rig.findings());
}

#[test]
fn chunks_that_change_places_in_a_pack_are_found() {
    let rig = encrypted();
    for number in 0..4 {
        let name = format!("shop/orders/p1/t1/{number}.dat");
        rig.source.put(&name, format!("row {number}").as_str());
    }
    rig.backup("a").unwrap();
    let sealer = rig.sealer();
    for pack in rig.paths_below("packs") {
        let id = layout::parse_pack_path(&pack).unwrap();
        let entries = entries_of_pack(&sealer, &id, &rig.memory.objects()[&pack]).unwrap();
        let places: Vec<_> = entries.iter().filter(|entry| entry.location.raw_len == 5).collect();
        let [one, two, ..] = places[..] else { continue };
        let range = |at: u32, length: u32| at as usize..(at + length) as usize;
        let (from, to) = (
            range(one.location.offset, one.location.stored_len),
            range(two.location.offset, two.location.stored_len),
        );
        rig.damage(&pack, |bytes| {
            let first = bytes[from.clone()].to_vec();
            bytes.copy_within(to.clone(), from.start);
            bytes[to].copy_from_slice(&first);
        });
        let findings = rig.findings();
        assert_eq!(findings.len(), 2, "{findings:?}");
        for (finding, id) in findings.iter().zip([one.id, two.id].iter()) {
            assert!(finding.contains(&format!("{pack}: chunk ")), "{finding} {id}");
        }
        restores_nothing_else(&rig, "a", &rig.source.contents());
        return;
    }
    panic!("no pack has two rows");
}

#[test]
fn nobody_switches_encryption_off_or_changes_the_settings() {
    let rig = encrypted();
    rig.backup("a").unwrap();
    let config = layout::config_path();
    let stored = String::from_utf8(rig.memory.objects()[&config].to_vec()).unwrap();
    let refused = |text: String| {
        rig.memory.insert(config.clone(), text.into());
        chain(&rig.unlocked().map(|_| ()).unwrap_err())
    };
    for (old, new) in [
        ("\"max_bytes\": 262144", "\"max_bytes\": 1048576"),
        ("\"compression\": \"auto\"", "\"compression\": \"off\""),
        ("\"pack_bytes\": 1048576", "\"pack_bytes\": 2097152"),
        ("\"features\": [", "\"features\": [\"arbitrated-commit\","),
    ] {
        assert!(stored.contains(old), "{stored}");
        let found = refused(stored.replace(old, new));
        assert!(
            found.contains("cairn.json: its authentication code is not that of the keys"),
            "{found}"
        );
    }
    let mut plain: serde_json::Value = serde_json::from_str(&stored).unwrap();
    plain["features"] = serde_json::json!([]);
    let found = refused(plain.to_string());
    assert!(found.contains("by its features or by its members, but not by both"), "{found}");
    let config_of_all = RepositoryConfig::decode(stored.as_bytes()).unwrap();
    let plain = RepositoryConfig { features: Vec::new(), mac: None, ..config_of_all };
    let found = refused(String::from_utf8(plain.encode()).unwrap());
    assert!(found.contains("is not encrypted, and a key was given for it"), "{found}");
    rig.memory.insert(config, stored.into());
    rig.unlocked().unwrap().works();
    let storage: Arc<dyn Storage> = Arc::new(rig.memory.clone());
    let keyless = rig.engine.open_repository_on(storage).unwrap_err();
    assert!(keyless.to_string().contains("give its passphrase, its key file"), "{keyless}");
}

#[test]
fn slots_come_and_go_and_the_last_stays() {
    let rig = encrypted();
    rig.backup("a").unwrap();
    let storage: Arc<dyn Storage> = Arc::new(rig.memory.clone());
    let slots = || rig.engine.key_slots(&storage).unwrap();
    let first = slots()[0].id;
    assert_eq!(slots()[0].label.as_ref().unwrap().note, NOTE);
    let last = rig.repository.remove_key_slot(first).unwrap_err();
    assert!(last.to_string().contains("is the last key slot"), "{last}");
    let other = RepositorySecret::key(vec![8; 40]).unwrap();
    let open =
        |secret: &RepositorySecret| rig.engine.unlock_repository_on(Arc::clone(&storage), secret);
    assert!(open(&other).is_err());
    let added = rig.repository.add_key_slot(&other, "second").unwrap();
    assert_eq!(open(&other).unwrap().snapshots().unwrap().len(), 1);
    // A damaged slot does not count as one that is left.
    rig.damage(&layout::key_slot_path(&added), |bytes| bytes[20] ^= 1);
    assert!(rig.repository.remove_key_slot(first).is_err());
    assert_eq!(rig.findings().len(), 1);
    assert!(rig.findings()[0].contains(&added.to_string()), "{:?}", rig.findings());
    rig.damage(&layout::key_slot_path(&added), |bytes| bytes[20] ^= 1);
    rig.repository.remove_key_slot(first).unwrap();
    assert!(open(&secret()).is_err());
    assert!(open(&other).is_ok());
    assert!(
        rig.repository
            .remove_key_slot(first)
            .unwrap_err()
            .to_string()
            .contains("there is no key slot")
    );
    // A slot under another name opens nothing.
    let moved = rig.memory.remove(&layout::key_slot_path(&added)).unwrap();
    rig.memory.insert(layout::key_slot_path(&first), moved);
    assert!(open(&other).is_err());
}

#[test]
fn rotation_rewrites_nothing_and_whoever_was_there_goes_on() {
    let rig = encrypted();
    rig.backup("a").unwrap();
    let before = rig.memory.objects();
    let early = rig.unlocked().unwrap();
    assert_eq!(rig.repository.rotate_keys().unwrap(), 2);
    let after = rig.memory.objects();
    assert_eq!(after.len(), before.len() + 1);
    assert!(before.iter().all(|(path, bytes)| after[path] == *bytes));
    rig.source.put("shop/orders/p1/t1/a.dat", "rows of another generation");
    rig.backup("b").unwrap();
    assert_eq!(early.restored("b"), rig.source.contents());
    assert_eq!(early.repository.snapshots().unwrap().len(), 2);
    assert_eq!(early.check(), [""; 0]);
    assert_eq!(early.repository.rotate_keys().unwrap(), 3);
    early.works();
    rig.works();
    // An old ring in the place of the new ones: nothing is skipped as if it were only damaged.
    let newest = rig.paths_below("keyring");
    for ring in &newest[1..] {
        rig.memory.remove(ring);
    }
    let late = rig.unlocked().unwrap();
    let refused = late.backup("c").unwrap_err();
    assert_eq!(refused.code(), "CAIRN-R020");
    assert!(refused.to_string().contains("sealed with a key that the key ring lacks"), "{refused}");
}

#[test]
fn a_copy_needs_no_secret_of_its_own() {
    let rig = encrypted();
    rig.backup("a").unwrap();
    rig.repository.rotate_keys().unwrap();
    rig.backup("b").unwrap();
    let to = MemoryStorage::new();
    let copy = || ends_within(DEADLINE, rig.engine.copy(&rig.repository, Arc::new(to.clone())));
    assert!(copy().unwrap().is_whole());
    assert_eq!(to.objects(), rig.memory.objects());
    rig.backup("c").unwrap();
    assert!(copy().unwrap().is_whole());
    assert_eq!(to.objects(), rig.memory.objects());
    let copied = Rig { memory: to, source: Arc::clone(&rig.source), ..encrypted() };
    assert_eq!(copied.findings(), [""; 0]);
    copied.unlocked().unwrap().works();
}

#[test]
fn what_a_prune_a_hold_and_a_checkpoint_say_is_sealed_and_understood() {
    let rig = encrypted();
    rig.backup("first").unwrap();
    let name = "audit".parse().unwrap();
    rig.repository.hold(&"first".parse().unwrap(), &name, "tax office", "me").unwrap();
    rig.source.put("shop/orders/p1/t1/more.dat", "rows of more");
    rig.backup("second").unwrap();
    rig.repository.forget(&"second".parse().unwrap(), None).unwrap();
    let prune = PruneRequest::new().grace(Duration::ZERO);
    let pruned = ends_within(DEADLINE, rig.engine.prune(&rig.repository, prune)).unwrap().pruned;
    assert!(pruned.freed_packs > 0, "{pruned:?}");

    wide(&rig);
    let gate = Gate::default();
    rig.source.script.plan_times(Point::Open, 2, Deed::Block(gate.clone()));
    let job = rig.start("third");
    gate.wait_for_arrival();
    job.drain();
    gate.open();
    ends_within(DEADLINE, job).unwrap_err();

    for (prefix, name) in [("prune", "mark"), ("holds", "audit"), ("checkpoints", "")] {
        let mut paths = rig.paths_below(prefix);
        paths.retain(|path| path.as_str().ends_with(name));
        assert!(!paths.is_empty(), "{prefix}");
        for path in paths {
            assert!(rig.memory.objects()[&path].starts_with(b"CAIRNSL1"), "{path}");
        }
    }
    let later = rig.unlocked().unwrap();
    let refused = later.repository.forget(&"first".parse().unwrap(), None).unwrap_err();
    assert!(chain(&refused).contains("tax office"), "{}", chain(&refused));
    assert_eq!(later.check(), [""; 0]);
    later.backup("third").unwrap();
    assert_eq!(later.restored("third"), rig.source.contents());
}
