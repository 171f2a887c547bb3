use cairn_storage::layer::Prefix;
use cairn_storage::{ByteRange, ErrorKind, PutMode, StorageExt};

use super::*;

#[tokio::test]
async fn objects_are_below_the_prefix_and_the_neighbours_are_not_seen() {
    let memory = MemoryStorage::new();
    fill(&memory, &["in", "in/1", "in/side/2", "inside/3", "4"]);
    let storage = Prefix::new(Arc::new(memory.clone()), path("in"));
    assert_eq!(list(&storage).await.unwrap(), ["1", "side/2"]);
    storage.put(&path("side/5"), payload("5"), PutMode::Create).await.unwrap();
    assert!(memory.objects().contains_key(&path("in/side/5")));
    assert_eq!(storage.head(&path("side/5")).await.unwrap().path, path("side/5"));
}

#[tokio::test]
async fn an_error_names_the_full_path() {
    let storage = Prefix::new(Arc::new(MemoryStorage::new()), path("in"));
    let error = storage.get(&path("absent"), ByteRange::Full).await.unwrap_err();
    assert_eq!(error.path(), "in/absent");
}

#[tokio::test]
async fn a_path_that_becomes_too_long_is_refused() {
    let long = path(&vec!["a".repeat(199); 4].join("/"));
    let storage = Prefix::new(Arc::new(MemoryStorage::new()), path("in"));
    let error = storage.put(&long, payload("a"), PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = storage.list(&long).try_next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
