//! What a repair gives way to, and what a recovery is not misled by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use cairn_repository::codec::Codec;
use cairn_repository::pack::{ChunkKind, PackBuilder};
use cairn_repository::repair::{RepairOptions, RepairPhase, Suspects, repair};
use cairn_repository::{
    Damage, DamagedObject, ErrorKind, Fault, Label, Repository, RepositorySecret, layout,
};
use cairn_storage::{MemoryStorage, ObjectPath};
use futures::FutureExt;
use tokio::runtime::Handle;

use crate::sample::{self, secret};

const OPTIONS: RepairOptions =
    RepairOptions { index_budget_bytes: 1 << 20, missing_records: false };

fn below(memory: &MemoryStorage, prefix: &str) -> Vec<ObjectPath> {
    let prefix = ObjectPath::parse(prefix).unwrap();
    memory.objects().into_keys().filter(|path| path.starts_with(&prefix)).collect()
}

fn damage(memory: &MemoryStorage, path: &ObjectPath) {
    let mut bytes = memory.objects()[path].to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    memory.insert(path.clone(), bytes.into());
}

/// Stores the copy of a record, as the backup would have that made it.
async fn keep_copy(repository: &Repository, label: &str) {
    let record = repository.record(&label.parse().unwrap()).await.unwrap();
    let (sealer, copy) = (repository.sealer(), repository.record_copy(&record));
    let id = sealer.chunk_id(&copy);
    let length = u32::try_from(copy.len()).unwrap();
    let sealed = sealer.seal_chunk(&id, Codec::Raw, length, &copy);
    let (codec, stored) = sealed.unwrap_or((Codec::Raw, copy));
    let mut pack = PackBuilder::new(sealer, 1 << 20);
    pack.push(id, ChunkKind::RecordCopy, codec, length, &stored).unwrap();
    let pack = pack.finish().unwrap();
    repository.put_pack(&pack).await.unwrap();
    repository.put_index_run(pack.entries).await.unwrap();
}

#[tokio::test]
async fn a_repair_gives_way_to_a_key_ring_that_came_meanwhile() {
    let memory = sample::encrypted_sample().await;
    let (repository, other) = (sample::unlock(&memory).await, sample::unlock(&memory).await);
    damage(&memory, &below(&memory, "indexes")[0]);
    let before: Vec<_> = memory.objects().into_keys().collect();
    let is_rotated = AtomicBool::new(false);
    let rotate = |_| {
        if !is_rotated.swap(true, Relaxed) {
            other.rotate_keys().now_or_never().unwrap().unwrap();
        }
    };
    let refused = repair(&repository, Handle::current(), Suspects::default(), &OPTIONS, &rotate);
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Key);
    assert_eq!(below(&memory, "prune"), []);
    assert!(before.iter().all(|path| memory.objects().contains_key(path)), "nothing went");
    // Repeated, it takes the newer ring and comes to its end.
    let repaired = repair(&repository, Handle::current(), Suspects::default(), &OPTIONS, &|_| ());
    assert_eq!(repaired.await.unwrap().superseded_runs, 1);
    assert_eq!(sample::read_back(&repository, "first").await, sample::expected("first"));
}

#[tokio::test]
async fn a_repair_gives_way_to_a_record_that_came_meanwhile() {
    let memory = sample::sample().await;
    let repository = sample::open(&memory).await;
    keep_copy(&repository, "first").await;
    let label: Label = "first".parse().unwrap();
    let (path, old) = (layout::snapshot_path(&label), repository.record(&label).await.unwrap());
    damage(&memory, &path);
    let suspects =
        || Suspects::of(&[Damage::new(DamagedObject::Record(label.clone()), Fault::Hash)]);
    // Somebody forgot the damaged one, and backed up again.
    let mut newer = old.clone();
    newer.host = "another".to_owned();
    let take = |progress: cairn_repository::repair::RepairProgress| {
        if progress.phase == RepairPhase::Records {
            memory.insert(path.clone(), newer.encode().into());
        }
    };
    let repaired = repair(&repository, Handle::current(), suspects(), &OPTIONS, &take).await;
    assert_eq!(repaired.unwrap().records, []);
    assert_eq!(repository.record(&label).await.unwrap(), newer);
    assert_eq!(below(&memory, "forgetting"), [], "nobody waits for it");
    // Where nobody came it is put back.
    damage(&memory, &path);
    let repaired = repair(&repository, Handle::current(), suspects(), &OPTIONS, &|_| ()).await;
    assert_eq!(repaired.unwrap().records.len(), 1);
    let back = repository.record(&label).await.unwrap();
    assert_eq!((back.root, back.host), (old.root, old.host));
}

#[tokio::test]
async fn the_oldest_key_slots_are_tried_first() {
    let memory = sample::encrypted_sample().await;
    let slot = memory.objects()[&below(&memory, "keys")[0]].clone();
    let garbage = MemoryStorage::new();
    Repository::create_encrypted(
        Arc::new(garbage.clone()),
        &sample::settings(),
        &RepositorySecret::key(vec![9; 32]).unwrap(),
        "",
    )
    .await
    .unwrap();
    let foreign = garbage.objects()[&below(&garbage, "keys")[0]].clone();
    for number in 0..64_u32 {
        let path = ObjectPath::parse(&format!("keys/{number:032x}")).unwrap();
        memory.insert(path, if number % 2 == 0 { foreign.clone() } else { slot.slice(..20) });
    }
    sample::unlock(&memory).await;
}

#[tokio::test]
async fn a_config_with_a_foreign_id_is_recovered() {
    let memory = sample::encrypted_sample().await;
    let repository = sample::unlock(&memory).await;
    keep_copy(&repository, "second").await;
    let config = String::from_utf8(memory.objects()[&layout::config_path()].to_vec()).unwrap();
    let id = repository.config().id.to_string();
    let mut other = id.clone();
    other.replace_range(..1, if id.starts_with('0') { "1" } else { "0" });
    memory.insert(layout::config_path(), config.replace(&id, &other).into());
    let shared = || Arc::new(memory.clone());
    Repository::unlock(shared(), &secret()).await.unwrap_err();
    let recovered = Repository::recover(shared(), Some(&secret())).await.unwrap();
    assert_eq!(recovered.config(), repository.config());
    let opened = sample::unlock(&memory).await;
    assert_eq!(sample::read_back(&opened, "second").await, sample::expected("second"));
    // Who has another secret recovers nothing.
    memory.insert(layout::config_path(), config.replace(&id, &other).into());
    let wrong = RepositorySecret::key(vec![9; 32]).unwrap();
    let refused = Repository::recover(shared(), Some(&wrong)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Key);
    let left = memory.objects()[&layout::config_path()].clone();
    assert!(String::from_utf8(left.to_vec()).unwrap().contains(&other), "nothing was changed");
}
