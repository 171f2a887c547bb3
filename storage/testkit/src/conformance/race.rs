//! Cases of several callers at once. They are races for real on a runtime of several threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use cairn_storage::{ByteRange, ErrorKind, ObjectPath, PutMode, Storage};
use futures::StreamExt;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::expect::{self, CaseFailure, Checked, path, pattern};
use super::list;

const WRITERS: u8 = 16;

/// Runs `look` again and again until `work` is done, at least once after it.
async fn watch<F>(
    work: impl Future<Output = Checked>,
    look: impl Fn() -> F + Send + 'static,
) -> Checked
where
    F: Future<Output = Checked> + Send,
{
    let is_done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_done);
    let watcher = tokio::spawn(async move {
        loop {
            // Relaxed: the join below orders everything that matters.
            let is_last = seen.load(Ordering::Relaxed);
            look().await?;
            if is_last {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    });
    let worked = work.await;
    is_done.store(true, Ordering::Relaxed);
    let watched: Checked = watcher.await?;
    worked.and(watched)
}

pub(super) async fn an_object_appears_whole_or_not_at_all(storage: &Arc<dyn Storage>) -> Checked {
    let bytes = pattern(1, 2 << 20);
    for round in 0..4 {
        let object = path(&format!("appearing/{round}"))?;
        let put = async {
            storage.put(&object, bytes.clone().into(), PutMode::Overwrite).await?;
            Ok(())
        };
        let (clone, whole, target) = (Arc::clone(storage), bytes.clone(), object.clone());
        let look = move || whole_or_absent(Arc::clone(&clone), target.clone(), whole.clone());
        watch(put, look).await?;
    }
    Ok(())
}

async fn whole_or_absent(storage: Arc<dyn Storage>, object: ObjectPath, whole: Bytes) -> Checked {
    for meta in list::metas(&storage, &path("appearing")?).await? {
        expect::equal("a listed size", &meta.size, &(whole.len() as u64))?;
    }
    match storage.head(&object).await {
        Ok(meta) => expect::equal("the size", &meta.size, &(whole.len() as u64))?,
        absent => return expect::fails("a head", absent, [ErrorKind::NotFound]),
    }
    // What head has seen, get must see.
    let found = storage.get(&object, ByteRange::Full).await?;
    expect::same_bytes("the object", &found, &whole)
}

pub(super) async fn overwrite_is_atomic_for_readers(storage: &Arc<dyn Storage>) -> Checked {
    let object = path("replaced")?;
    let version = |seed: u8| Bytes::from(vec![seed; 300_000 + usize::from(seed)]);
    storage.put(&object, version(0).into(), PutMode::Overwrite).await?;
    let put = async {
        for seed in 1..16 {
            storage.put(&object, version(seed).into(), PutMode::Overwrite).await?;
        }
        Ok(())
    };
    let (clone, target) = (Arc::clone(storage), object.clone());
    let look = move || {
        let (storage, object) = (Arc::clone(&clone), target.clone());
        async move {
            let found = storage.get(&object, ByteRange::Full).await?;
            let seed = *found.first().ok_or_else(|| CaseFailure::new("the object is empty"))?;
            let version = vec![seed; 300_000 + usize::from(seed)];
            expect::same_bytes("an object that begins like a version", &found, &version)
        }
    };
    watch(put, look).await
}

pub(super) async fn one_of_many_creates_wins(storage: &Arc<dyn Storage>) -> Checked {
    for round in 0..4 {
        let object = path(&format!("contested/{round}"))?;
        let barrier = Arc::new(Barrier::new(usize::from(WRITERS)));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (storage, object) = (Arc::clone(storage), object.clone());
            let barrier = Arc::clone(&barrier);
            writers.spawn(async move {
                let bytes = pattern(writer, 10_000);
                barrier.wait().await;
                (writer, storage.put(&object, bytes.into(), PutMode::Create).await)
            });
        }
        let mut winners = Vec::new();
        while let Some(ended) = writers.join_next().await {
            let (writer, put) = ended?;
            match put {
                Ok(()) => winners.push(writer),
                lost => expect::fails("a lost create", lost, [ErrorKind::AlreadyExists])?,
            }
        }
        let [winner] = winners.as_slice() else {
            return Err(CaseFailure::new(format!("the winners are {winners:?}")));
        };
        let found = storage.get(&object, ByteRange::Full).await?;
        expect::same_bytes("the winner's object", &found, &pattern(*winner, 10_000))?;
        let listed = list::metas(storage, &path("contested")?).await?;
        expect::equal("objects after the race", &listed.len(), &(round + 1))?;
    }
    Ok(())
}

pub(super) async fn a_list_survives_concurrent_deletes(storage: &Arc<dyn Storage>) -> Checked {
    const OBJECTS: usize = 64;
    let mut objects = Vec::new();
    for number in 0..OBJECTS {
        let object = path(&format!("going/{}/{number}", number % 8))?;
        storage.put(&object, Bytes::from_static(b"x").into(), PutMode::Overwrite).await?;
        objects.push(object);
    }
    let stays = path("going/stays")?;
    storage.put(&stays, Bytes::from_static(b"x").into(), PutMode::Overwrite).await?;
    let deletes = async {
        let deletes: Vec<_> = objects.iter().map(|object| storage.delete(object)).collect();
        let deletes = futures::stream::iter(deletes).buffer_unordered(8);
        for deleted in deletes.collect::<Vec<_>>().await {
            deleted?;
        }
        Ok(())
    };
    let (clone, kept) = (Arc::clone(storage), stays.clone());
    let look = move || {
        let (storage, stays) = (Arc::clone(&clone), kept.clone());
        async move {
            let listed = list::paths(&storage, &path("going")?).await?;
            expect::that(listed.contains(&stays), "the list misses an object that was there")
        }
    };
    watch(deletes, look).await?;
    expect::equal("the list", &list::paths(storage, &path("going")?).await?, &vec![stays])
}
