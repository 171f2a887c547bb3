//! Cases of delete.

use std::sync::Arc;

use cairn_storage::{ByteRange, ErrorKind, PutMode, Storage};

use super::expect::{self, Checked, path, pattern};
use super::list;

pub(super) async fn deleting_an_absent_object_succeeds(storage: &Arc<dyn Storage>) -> Checked {
    storage.delete(&path("absent")?).await?;
    storage.delete(&path("absent/too/deep")?).await?;
    let object = path("once")?;
    storage.put(&object, pattern(1, 10).into(), PutMode::Overwrite).await?;
    storage.delete(&object).await?;
    storage.delete(&object).await?;
    Ok(())
}

pub(super) async fn a_deleted_object_is_gone(storage: &Arc<dyn Storage>) -> Checked {
    let object = path("gone/object")?;
    storage.put(&object, pattern(1, 10).into(), PutMode::Overwrite).await?;
    storage.delete(&object).await?;
    let get = storage.get(&object, ByteRange::Full).await;
    expect::fails("a get of a deleted object", get, [ErrorKind::NotFound])?;
    let head = storage.head(&object).await;
    expect::fails("a head of a deleted object", head, [ErrorKind::NotFound])?;
    expect::equal("the list", &list::paths(storage, &path("gone")?).await?, &Vec::new())
}

pub(super) async fn a_deleted_path_can_be_created_again(storage: &Arc<dyn Storage>) -> Checked {
    let object = path("again")?;
    for seed in 0..3 {
        let bytes = pattern(seed, 100);
        storage.put(&object, bytes.clone().into(), PutMode::Create).await?;
        let found = storage.get(&object, ByteRange::Full).await?;
        expect::same_bytes("the object", &found, &bytes)?;
        storage.delete(&object).await?;
    }
    Ok(())
}

pub(super) async fn a_delete_leaves_the_neighbours(storage: &Arc<dyn Storage>) -> Checked {
    let neighbours = [path("near/a")?, path("near/ab")?, path("near/a-b")?, path("nea")?];
    let object = path("near/b")?;
    for each in neighbours.iter().chain([&object]) {
        storage.put(each, pattern(1, 10).into(), PutMode::Overwrite).await?;
    }
    // A prefix is no object: to delete it deletes nothing.
    storage.delete(&path("near")?).await?;
    storage.delete(&object).await?;
    for neighbour in &neighbours {
        storage.head(neighbour).await?;
    }
    Ok(())
}
