//! Cases of get and head.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use cairn_storage::{ByteRange, ErrorKind, ObjectPath, PutMode, Storage};

use super::expect::{self, CaseFailure, Checked, path, pattern};

const SIZE: usize = 10_000;
const END: u64 = SIZE as u64;

async fn sample(storage: &Arc<dyn Storage>) -> Result<(ObjectPath, Bytes), CaseFailure> {
    let (object, bytes) = (path("sample/object")?, pattern(9, SIZE));
    storage.put(&object, bytes.clone().into(), PutMode::Overwrite).await?;
    Ok((object, bytes))
}

fn span(offset: u64, length: u64) -> ByteRange {
    ByteRange::Span { offset, length }
}

pub(super) async fn absent_objects_are_not_found(storage: &Arc<dyn Storage>) -> Checked {
    for absent in [path("absent")?, path("absent/too/deep")?] {
        for range in [ByteRange::Full, span(0, 0), span(5, 5), ByteRange::Suffix { length: 1 }] {
            let get = storage.get(&absent, range).await;
            expect::fails("a get of an absent object", get, [ErrorKind::NotFound])?;
        }
        let head = storage.head(&absent).await;
        expect::fails("a head of an absent object", head, [ErrorKind::NotFound])?;
    }
    Ok(())
}

pub(super) async fn a_prefix_of_objects_is_not_found(storage: &Arc<dyn Storage>) -> Checked {
    sample(storage).await?;
    for absent in [path("sample")?, path("sample/object/below")?] {
        let get = storage.get(&absent, ByteRange::Full).await;
        expect::fails("a get of a prefix", get, [ErrorKind::NotFound])?;
        let head = storage.head(&absent).await;
        expect::fails("a head of a prefix", head, [ErrorKind::NotFound])?;
    }
    Ok(())
}

pub(super) async fn a_full_range_is_the_object(storage: &Arc<dyn Storage>) -> Checked {
    let (object, bytes) = sample(storage).await?;
    for range in [ByteRange::Full, span(0, END), ByteRange::Suffix { length: END }] {
        expect::same_bytes("the object", &storage.get(&object, range).await?, &bytes)?;
    }
    Ok(())
}

pub(super) async fn a_span_is_exact(storage: &Arc<dyn Storage>) -> Checked {
    let (object, bytes) = sample(storage).await?;
    for (offset, length) in [(0, 1), (1, 4095), (4096, 4096), (SIZE - 1, 1), (17, SIZE - 17)] {
        let found = storage.get(&object, span(offset as u64, length as u64)).await?;
        expect::same_bytes("a span", &found, &bytes.slice(offset..offset + length))?;
    }
    Ok(())
}

pub(super) async fn an_empty_span_is_empty(storage: &Arc<dyn Storage>) -> Checked {
    let (object, _) = sample(storage).await?;
    for range in [span(0, 0), span(17, 0), span(END, 0), ByteRange::Suffix { length: 0 }] {
        expect::same_bytes("an empty span", &storage.get(&object, range).await?, b"")?;
    }
    Ok(())
}

pub(super) async fn a_span_beyond_the_end_is_refused(storage: &Arc<dyn Storage>) -> Checked {
    let (object, _) = sample(storage).await?;
    for range in [
        span(0, END + 1),
        span(END - 1, 2),
        span(END, 1),
        span(END + 1, 0),
        span(u64::MAX, 1),
        span(1, u64::MAX),
    ] {
        let get = storage.get(&object, range).await;
        expect::fails(&format!("a get of {range:?}"), get, [ErrorKind::InvalidRange])?;
    }
    Ok(())
}

pub(super) async fn a_suffix_is_the_end_of_the_object(storage: &Arc<dyn Storage>) -> Checked {
    let (object, bytes) = sample(storage).await?;
    for length in [1, 8, SIZE - 1] {
        let found = storage.get(&object, ByteRange::Suffix { length: length as u64 }).await?;
        expect::same_bytes("a suffix", &found, &bytes.slice(SIZE - length..))?;
    }
    for length in [END + 1, u64::MAX] {
        let found = storage.get(&object, ByteRange::Suffix { length }).await?;
        expect::same_bytes("a suffix longer than the object", &found, &bytes)?;
    }
    Ok(())
}

pub(super) async fn head_tells_path_size_and_time(storage: &Arc<dyn Storage>) -> Checked {
    let (object, bytes) = sample(storage).await?;
    let meta = storage.head(&object).await?;
    expect::equal("the path", &meta.path, &object)?;
    expect::equal("the size", &meta.size, &(bytes.len() as u64))?;
    expect::that(meta.modified > SystemTime::UNIX_EPOCH, "the time is not known")
}
