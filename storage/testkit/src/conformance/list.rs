//! Cases of list.

use std::sync::Arc;

use bytes::Bytes;
use cairn_storage::{ObjectMeta, ObjectPath, PutMode, Storage, StorageExt};
use futures::{StreamExt, TryStreamExt};

use super::expect::{self, CaseFailure, Checked, path};

/// More than a page of any service.
const MANY: usize = 1500;
/// Of these in one directory; the others are in another.
const TOGETHER: usize = 1200;
/// Puts at once while the many objects are made.
const CONCURRENCY: usize = 64;

pub(super) async fn metas(
    storage: &Arc<dyn Storage>,
    prefix: &ObjectPath,
) -> Result<Vec<ObjectMeta>, CaseFailure> {
    Ok(storage.list(prefix).try_collect().await?)
}

/// The listed paths, sorted.
pub(super) async fn paths(
    storage: &Arc<dyn Storage>,
    prefix: &ObjectPath,
) -> Result<Vec<ObjectPath>, CaseFailure> {
    let metas = metas(storage, prefix).await?;
    let mut paths: Vec<ObjectPath> = metas.into_iter().map(|meta| meta.path).collect();
    paths.sort_unstable();
    Ok(paths)
}

async fn put_all(storage: &Arc<dyn Storage>, objects: &[&str]) -> Checked {
    for object in objects {
        let bytes = Bytes::from((*object).to_owned());
        storage.put(&path(object)?, bytes.into(), PutMode::Overwrite).await?;
    }
    Ok(())
}

async fn lists(storage: &Arc<dyn Storage>, prefix: &str, expected: &[&str]) -> Checked {
    let found = paths(storage, &path(prefix)?).await?;
    let mut expected = expected.iter().map(|text| path(text)).collect::<Result<Vec<_>, _>>()?;
    expected.sort_unstable();
    expect::equal(&format!("the list of {prefix:?}"), &found, &expected)
}

pub(super) async fn a_list_of_nothing_is_empty(storage: &Arc<dyn Storage>) -> Checked {
    lists(storage, "absent", &[]).await?;
    lists(storage, "absent/too/deep", &[]).await
}

pub(super) async fn a_list_covers_whole_segments(storage: &Arc<dyn Storage>) -> Checked {
    put_all(storage, &["a/b/1", "a/b/2", "a/bc", "a/b-c/1", "a/b.c", "ab/1", "a:b/1"]).await?;
    lists(storage, "a/b", &["a/b/1", "a/b/2"]).await?;
    lists(storage, "a", &["a/b/1", "a/b/2", "a/bc", "a/b-c/1", "a/b.c"]).await?;
    // A list shows what lies below a path, not what is there.
    lists(storage, "a/bc", &[]).await
}

pub(super) async fn a_list_goes_into_nested_prefixes(storage: &Arc<dyn Storage>) -> Checked {
    let objects = ["1", "x/1", "x/y/1", "x/y/z/1", "x/y/z/w/1", "x2/y/1"];
    put_all(storage, &objects).await?;
    lists(storage, "", &objects).await?;
    lists(storage, "x", &["x/1", "x/y/1", "x/y/z/1", "x/y/z/w/1"]).await?;
    lists(storage, "x/y/z", &["x/y/z/1", "x/y/z/w/1"]).await
}

pub(super) async fn a_list_tells_sizes(storage: &Arc<dyn Storage>) -> Checked {
    put_all(storage, &["s", "size/12", "size/1234"]).await?;
    for meta in metas(storage, &ObjectPath::root()).await? {
        let size = meta.path.as_str().len() as u64;
        expect::equal(&format!("the size of {}", meta.path), &meta.size, &size)?;
        expect::equal("head and list", &storage.head(&meta.path).await?, &meta)?;
    }
    Ok(())
}

pub(super) async fn many_objects_are_listed_once_each(storage: &Arc<dyn Storage>) -> Checked {
    let mut expected = Vec::with_capacity(MANY);
    for number in 0..MANY {
        expected.push(path(&format!("many/{}/{number}", number / TOGETHER))?);
    }
    let put = |object| storage.put(object, Bytes::from_static(b"x").into(), PutMode::Overwrite);
    let puts: Vec<_> = expected.iter().map(put).collect();
    let puts = futures::stream::iter(puts).buffer_unordered(CONCURRENCY);
    puts.try_collect::<Vec<()>>().await?;
    expected.sort_unstable();
    let found = paths(storage, &path("many")?).await?;
    expect::equal("the number of objects", &found.len(), &MANY)?;
    expect::that(found == expected, "the list shows other objects than were put")
}
