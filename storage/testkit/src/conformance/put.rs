//! Cases of put.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use cairn_storage::{ByteRange, ErrorKind, ObjectPath, Payload, PutMode, Storage};

use super::expect::{self, Checked, path, pattern};
use super::{REFUSALS, list};

pub(super) async fn put_then_get_gives_the_same_bytes(storage: &Arc<dyn Storage>) -> Checked {
    let (object, bytes) = (path("a/object")?, pattern(1, 100_000));
    storage.put(&object, bytes.clone().into(), PutMode::Overwrite).await?;
    expect::same_bytes("the object", &storage.get(&object, ByteRange::Full).await?, &bytes)
}

pub(super) async fn an_empty_object_is_an_object(storage: &Arc<dyn Storage>) -> Checked {
    let object = path("empty")?;
    storage.put(&object, Payload::default(), PutMode::Overwrite).await?;
    expect::equal("its size", &storage.head(&object).await?.size, &0)?;
    for range in [
        ByteRange::Full,
        ByteRange::Span { offset: 0, length: 0 },
        ByteRange::Suffix { length: 10 },
    ] {
        expect::same_bytes("its bytes", &storage.get(&object, range).await?, b"")?;
    }
    expect::equal("the list", &list::paths(storage, &ObjectPath::root()).await?, &vec![object])
}

pub(super) async fn a_large_object_in_pieces_is_joined(storage: &Arc<dyn Storage>) -> Checked {
    let object = path("large")?;
    let bytes = pattern(3, 20 << 20);
    // Pieces of all sizes, an empty one among them.
    let (mut pieces, mut rest, mut length) = (vec![Bytes::new()], bytes.clone(), 1);
    while !rest.is_empty() {
        pieces.push(rest.split_to(length.min(rest.len())));
        length *= 3;
    }
    storage.put(&object, Payload::from_pieces(pieces), PutMode::Overwrite).await?;
    expect::equal("its size", &storage.head(&object).await?.size, &(bytes.len() as u64))?;
    expect::same_bytes("the object", &storage.get(&object, ByteRange::Full).await?, &bytes)
}

pub(super) async fn odd_names_are_kept_apart(storage: &Arc<dyn Storage>) -> Checked {
    let long = "n".repeat(200);
    let mut names: Vec<ObjectPath> = Vec::new();
    for name in [
        "-", "--help", "...", "..a", ".hidden", ".staging", ".tmp", "_", "=", ":", "+", "@", "a:b",
        "a+b", "a=b", "a@b", "a.b", "a-b", "a_b", "0", "C:", "nul", "x.tmp", "x.lock", &long,
    ] {
        names.push(path(name)?);
        names.push(path("odd.d")?.join(name)?);
    }
    for name in &names {
        let bytes = Bytes::from(name.to_string());
        storage.put(name, bytes.into(), PutMode::Overwrite).await?;
    }
    for name in &names {
        let bytes = storage.get(name, ByteRange::Full).await?;
        expect::same_bytes(name.as_str(), &bytes, name.as_str().as_bytes())?;
    }
    names.sort_unstable();
    expect::equal("the list", &list::paths(storage, &ObjectPath::root()).await?, &names)
}

pub(super) async fn the_root_is_not_an_object(storage: &Arc<dyn Storage>) -> Checked {
    let root = ObjectPath::root();
    for mode in [PutMode::Create, PutMode::Overwrite] {
        let put = storage.put(&root, Payload::default(), mode).await;
        expect::fails("a put of the root", put, REFUSALS)?;
    }
    let get = storage.get(&root, ByteRange::Full).await;
    expect::fails("a get of the root", get, [ErrorKind::NotFound])
}

pub(super) async fn create_refuses_a_taken_path_and_changes_nothing(
    storage: &Arc<dyn Storage>,
) -> Checked {
    let (object, first) = (path("taken")?, pattern(1, 1000));
    storage.put(&object, first.clone().into(), PutMode::Create).await?;
    for second in [pattern(2, 1000), pattern(2, 10), first.clone()] {
        let put = storage.put(&object, second.into(), PutMode::Create).await;
        expect::fails("a create of a taken path", put, [ErrorKind::AlreadyExists])?;
    }
    expect::same_bytes("the object", &storage.get(&object, ByteRange::Full).await?, &first)
}

pub(super) async fn overwrite_replaces_the_object(storage: &Arc<dyn Storage>) -> Checked {
    let object = path("replaced")?;
    for (seed, length) in [(1, 1000), (2, 3000), (3, 10), (4, 0)] {
        let bytes = pattern(seed, length);
        storage.put(&object, bytes.clone().into(), PutMode::Overwrite).await?;
        let found = storage.get(&object, ByteRange::Full).await?;
        expect::same_bytes("the object", &found, &bytes)?;
        expect::equal("its size", &storage.head(&object).await?.size, &(length as u64))?;
    }
    Ok(())
}

pub(super) async fn a_put_is_seen_through_a_clone_at_once(storage: &Arc<dyn Storage>) -> Checked {
    for round in 0..8 {
        let (object, bytes) = (path(&format!("seen/{round}"))?, pattern(round, 100));
        storage.put(&object, bytes.clone().into(), PutMode::Overwrite).await?;
        let clone = Arc::clone(storage);
        let reader = tokio::spawn(async move {
            let found = clone.get(&object, ByteRange::Full).await?;
            expect::same_bytes("the object", &found, &bytes)?;
            expect::equal("its size", &clone.head(&object).await?.size, &100)?;
            let listed = list::paths(&clone, &path("seen")?).await?;
            expect::that(listed.contains(&object), "the list misses an object that was put")
        });
        reader.await??;
    }
    Ok(())
}

pub(super) async fn a_cancelled_put_leaves_no_part(storage: &Arc<dyn Storage>) -> Checked {
    let bytes = pattern(5, 8 << 20);
    for polls in 0..6 {
        let object = path(&format!("cancelled-{polls}"))?;
        poll_and_drop(storage, &object, &bytes, polls).await;
        match storage.get(&object, ByteRange::Full).await {
            Ok(found) => expect::same_bytes("the cancelled object", &found, &bytes)?,
            absent => expect::fails("a get", absent, [ErrorKind::NotFound])?,
        }
        for listed in list::metas(storage, &ObjectPath::root()).await? {
            let is_whole = listed.path == object && listed.size == bytes.len() as u64;
            expect::that(is_whole, format!("the list shows {:?}", listed.path))?;
        }
        // The same bytes again, so that a cancelled put that comes late changes nothing.
        storage.put(&object, bytes.clone().into(), PutMode::Overwrite).await?;
        let found = storage.get(&object, ByteRange::Full).await?;
        expect::same_bytes("the object put again", &found, &bytes)?;
        storage.delete(&object).await?;
    }
    Ok(())
}

async fn poll_and_drop(
    storage: &Arc<dyn Storage>,
    object: &ObjectPath,
    bytes: &Bytes,
    polls: usize,
) {
    let mut put = storage.put(object, bytes.clone().into(), PutMode::Overwrite);
    for _ in 0..polls {
        let polled = poll_fn(|context| Poll::Ready(put.as_mut().poll(context))).await;
        if polled.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
