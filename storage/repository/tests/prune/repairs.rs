//! Repairs and recoveries that fail at any of their requests, or crash there: whoever repairs next comes to the same end.

use std::sync::Arc;

use cairn_repository::check::{CheckOptions, check_structure};
use cairn_repository::pack::entries_of_pack;
use cairn_repository::repair::{RepairOptions, Suspects, repair};
use cairn_repository::{ChunkId, Error, Repository, Sealer, layout};
use cairn_storage::{ErrorKind, MemoryStorage, ObjectPath, Operation, Storage};
use cairn_testkit::{Fault, FaultStorage};
use tokio::runtime::Handle;

use crate::operations::Place;
use crate::place;

/// Opens a repository that may have lost anything but packs, and repairs it by what a check finds and by every pack.
async fn recover(storage: Arc<dyn Storage>, missing_records: bool) -> Result<(), Error> {
    let repository = Repository::recover(storage, None).await?;
    let options = CheckOptions { directories: true, ..CheckOptions::default() };
    let found = check_structure(&repository, Handle::current(), &options, &|_| {}).await?;
    let mut damages: Vec<_> = found.findings.into_iter().map(|it| it.damage).collect();
    // As who reads all data would have found.
    for (pack, length) in repository.packs().await? {
        let bytes = repository.read_pack(&pack, 0, length).await?;
        let Ok(entries) = entries_of_pack(&Sealer::plain(), &pack, &bytes) else { continue };
        for entry in entries {
            if let Err(Error::Damaged(damage)) =
                repository.read_chunk_at(&entry.id, &entry.location).await
            {
                damages.push(damage);
            }
        }
    }
    let options = RepairOptions { index_budget_bytes: 500, missing_records };
    let suspects = Suspects::of(&damages);
    repair(&repository, Handle::current(), suspects, &options, &|_| {}).await.map(drop)
}

/// Gives up each put in turn, with and without effect, and all that would follow; then recovers to the end and looks.
async fn at_each_put<F: Future<Output = ()>>(
    damaged: &MemoryStorage,
    missing_records: bool,
    look: impl Fn(MemoryStorage) -> F,
) {
    let counting = Arc::new(FaultStorage::new(Arc::new(damaged.fork())));
    recover(Arc::clone(&counting) as _, missing_records).await.unwrap();
    let puts = u32::try_from(counting.calls(Operation::Put)).unwrap();
    assert!(puts > 5, "{puts}");
    for nth in 1..=puts {
        for fault in [Fault::fail, Fault::fail_after_effect] {
            let memory = damaged.fork();
            let failing = Arc::new(FaultStorage::new(Arc::new(memory.clone())));
            let planned = fault(ErrorKind::UnknownOutcome).on(Operation::Put).nth(nth).always();
            failing.plan(planned);
            recover(failing, missing_records).await.unwrap_err();
            recover(Arc::new(memory.clone()), missing_records).await.unwrap();
            look(memory).await;
        }
    }
}

async fn opened(memory: &MemoryStorage) -> Repository {
    Repository::open(Arc::new(memory.clone())).await.unwrap()
}

async fn restores(memory: &MemoryStorage, label: &str, tables: &[u8]) {
    let mut restored = place::restore(&opened(memory).await, label).await.unwrap();
    restored.sort_unstable();
    assert_eq!(restored, tables, "{label}");
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_is_given_up_at_any_put_is_made_by_the_next() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.back_up("gone", &[4]).await;
    place.back_up("new", &[2, 3]).await;
    place.forget("gone").await;
    place.wait();
    place.prune().await;
    let objects = place.memory.objects();
    // A chunk, a run, a record, a mark.
    let one = ChunkId::of(&place::segment(1));
    for pack in place.ids(layout::parse_pack_path) {
        let path = layout::pack_path(&pack);
        let entries = entries_of_pack(&Sealer::plain(), &pack, &objects[&path]).unwrap();
        if let Some(entry) = entries.iter().find(|entry| entry.id == one) {
            place.damage(&path, |bytes| bytes[entry.location.offset as usize] ^= 1);
        }
    }
    let run = place.ids(layout::parse_index_path)[0];
    place.damage(&layout::index_path(&run), |bytes| bytes[20] ^= 1);
    let record = layout::snapshot_path(&"new".parse().unwrap());
    place.damage(&record, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let is_mark = |path: &&ObjectPath| path.as_str().starts_with("prune/") && path.name() == "mark";
    place.damage(objects.keys().find(is_mark).unwrap(), |bytes| bytes[10] ^= 1);
    at_each_put(&place.memory, false, async |memory| {
        restores(&memory, "new", &[2, 3]).await;
        let repository = opened(&memory).await;
        // The next backup stores what was lost; older snapshots are whole with it.
        place::back_up(&repository, "next", &vec![1, 2, 3], place::Care::Looks).await.unwrap();
        for (label, tables) in [("old", &[1, 2][..]), ("new", &[2, 3]), ("next", &[1, 2, 3])] {
            restores(&memory, label, tables).await;
        }
        let options = CheckOptions { directories: true, ..CheckOptions::default() };
        let check = check_structure(&repository, Handle::current(), &options, &|_| {});
        assert_eq!(check.await.unwrap().findings, []);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_is_given_up_at_any_put_is_made_by_the_next() {
    let place = Place::new().await;
    place.back_up("old", &[1, 2]).await;
    place.back_up("new", &[2, 3]).await;
    let id = place.repository.config().id;
    for path in place.memory.objects().into_keys() {
        if layout::parse_pack_path(&path).is_none() {
            place.memory.remove(&path);
        }
    }
    at_each_put(&place.memory, true, async |memory| {
        let repository = opened(&memory).await;
        assert_eq!(repository.config().id, id);
        restores(&memory, "old", &[1, 2]).await;
        restores(&memory, "new", &[2, 3]).await;
    })
    .await;
}
