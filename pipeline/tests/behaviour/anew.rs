//! Snapshots that are copied into a repository of its own keys, chunk sizes and compression.

use std::sync::Arc;

use cairn_pipeline::storage::{MemoryStorage, Storage};
use cairn_pipeline::tablet::{SelectedItem, Selection};
use cairn_pipeline::{
    BackupReport, BackupRequest, Compression, Error, Repository, RepositorySecret,
    RepositorySettings, SnapshotSource,
};
use cairn_repository::chunking::ChunkingParams;

use crate::place::content::Content;
use crate::place::rig::{Rig, chain};
use crate::place::{DEADLINE, ends_within};

/// An encrypted repository that cuts otherwise.
fn other(rig: &Rig) -> Repository {
    let settings = RepositorySettings {
        chunking: ChunkingParams::new(128 << 10, 256 << 10, 512 << 10).unwrap(),
        compression: Compression::Off,
        pack_bytes: 1 << 20,
    };
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let secret = RepositorySecret::key(vec![9; 32]).unwrap();
    rig.engine.create_encrypted_repository_on(storage, settings, &secret, "").unwrap()
}

fn copy(rig: &Rig, label: &str, to: &Repository) -> Result<BackupReport, Error> {
    let source = SnapshotSource::new(&rig.repository, rig.repository.snapshot(label)?);
    let request = source.request()?;
    ends_within(DEADLINE, rig.engine.backup(to, Arc::new(source), request))
}

/// The same rig, looking at another repository.
fn at(rig: &Rig, repository: Repository) -> Rig {
    let (source, engine, memory) =
        (Arc::clone(&rig.source), rig.engine.clone(), rig.memory.clone());
    Rig { source, repository, engine, memory }
}

#[test]
fn they_are_the_same_there_and_what_they_share_is_read_once() {
    let rig = Rig::new();
    rig.backup("first").unwrap();
    let first = rig.source.contents();
    rig.source.put("shop/orders/p1/t1/new.dat", Content::noise(7, 500_000));
    rig.backup("second").unwrap();
    let to = other(&rig);
    let copied = copy(&rig, "first", &to).unwrap().record;
    let before = rig.repository.snapshot("first").unwrap();
    assert_eq!(copied.timestamp, before.timestamp);
    assert_eq!((&copied.origin, &copied.host), (&before.origin, &before.host));
    assert_ne!(copied.root, before.root, "other keys name other chunks");
    assert_eq!(copy(&rig, "second", &to).unwrap().record.stats.read_bytes, 500_000);
    let there = at(&rig, to.clone());
    assert_eq!(there.restored("first"), first);
    assert_eq!(there.restored("second"), rig.source.contents());
    assert_eq!(there.check(), [""; 0]);
    // The source of both goes on there.
    let next = there.backup("third").unwrap();
    assert_eq!(next.record.stats.read_bytes, 0);
    let again = copy(&rig, "first", &to).unwrap_err();
    assert_eq!(again.code(), "CAIRN-R004");
}

#[test]
fn a_partial_snapshot_stays_one() {
    let rig = Rig::new();
    let items = vec![SelectedItem {
        database: "shop".to_owned(),
        object: Some("orders".to_owned()),
        partitions: Some(vec!["p2".to_owned()]),
    }];
    let request = BackupRequest::new("part").unwrap().select(Selection { items });
    ends_within(DEADLINE, rig.start_with(request)).unwrap();
    let to = other(&rig);
    copy(&rig, "part", &to).unwrap();
    let objects = |repository: &Repository| {
        let record = repository.snapshot("part").unwrap();
        repository.objects(&record).unwrap()
    };
    assert_eq!(objects(&to), objects(&rig.repository));
    assert_eq!(at(&rig, to).restored("part"), rig.restored("part"));
}

#[test]
fn what_is_damaged_is_not_copied() {
    let rig = Rig::new();
    rig.backup("first").unwrap();
    for path in rig.paths_below("packs") {
        let mut bytes = rig.memory.remove(&path).unwrap().to_vec();
        bytes[200] ^= 1;
        rig.memory.insert(path, bytes.into());
    }
    let to = other(&rig);
    let error = copy(&rig, "first", &to).unwrap_err();
    assert!(chain(&error).contains("packs/"), "{}", chain(&error));
    assert_eq!(to.snapshots().unwrap().len(), 0);
}
