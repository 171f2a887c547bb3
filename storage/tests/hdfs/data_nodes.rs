//! Data nodes that die.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_storage::layer::{self, LayerConfig};
use cairn_storage::{ByteRange, ErrorKind, ObjectPath, Payload, PutMode, Storage, StorageExt};
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};

use crate::cluster::{Cluster, Mode, story, unique_root, until};

const MIB: usize = 1 << 20;

/// Bytes that differ from each other, so that a piece in the wrong place is seen.
fn pattern(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(next).flat_map(u64::to_le_bytes).take(length).collect()
}

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

/// The data node on whose disk a block is being written, when a mebibyte of it is there.
fn busy_data_node(directory: &Path, data_nodes: usize) -> Option<String> {
    let is_growing = |path: PathBuf| {
        let is_block =
            path.extension().is_none() && path.components().any(|part| part.as_os_str() == "rbw");
        is_block && std::fs::metadata(&path).is_ok_and(|meta| meta.len() >= MIB as u64)
    };
    (1..=data_nodes)
        .map(|number| format!("dn{number}"))
        .find(|name| files(&directory.join(name)).into_iter().any(is_growing))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_outlives_a_data_node_that_is_killed_in_the_middle() {
    let Some(cluster) = Cluster::alone(Mode::Simple, 3) else { return };
    // One block, so that what is seen is its pipeline going on with the nodes that are left.
    let one_block = [("username", "cairn"), ("dfs.blocksize", "512m")];
    let storage = Arc::new(cluster.storage_with(&unique_root(), &one_block));
    let piece = pattern(4 * MIB);
    let object = path("large");
    let put = tokio::spawn({
        let (storage, object) = (Arc::clone(&storage), object.clone());
        let payload = Payload::from_pieces(vec![piece.clone(); 64]);
        async move { storage.put(&object, payload, PutMode::Create).await }
    });
    until("a block is half written", || async { busy_data_node(cluster.directory(), 3).is_some() })
        .await;
    let victim = busy_data_node(cluster.directory(), 3).unwrap();
    cluster.tell(&format!("kill {victim}"));
    assert!(!put.is_finished(), "the data node died too late");
    put.await.unwrap().unwrap();
    let found = storage.get(&object, ByteRange::Full).await.unwrap();
    assert_eq!(found.len(), 64 * piece.len());
    assert!(found.chunks(piece.len()).all(|chunk| chunk == piece));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_go_on_while_the_name_node_still_believes_in_a_dead_data_node() {
    let Some(cluster) = Cluster::alone(Mode::Simple, 3) else { return };
    let backend = Arc::new(cluster.storage_as("cairn"));
    let storage = layer::stack(backend, &LayerConfig::default());
    storage.put(&path("before"), pattern(1000).into(), PutMode::Create).await.unwrap();
    cluster.tell("kill dn1");
    let puts: FuturesUnordered<_> = (0..16)
        .map(|number| {
            let (storage, bytes) = (Arc::clone(&storage), pattern(100_000 + number));
            async move {
                let object = path(&format!("after/{number}"));
                storage.put(&object, bytes.clone().into(), PutMode::Create).await?;
                assert_eq!(storage.get(&object, ByteRange::Full).await?, bytes);
                Ok::<_, cairn_storage::Error>(())
            }
        })
        .collect();
    let ended = tokio::time::timeout(Duration::from_secs(60), puts.try_collect::<Vec<_>>()).await;
    ended.unwrap().unwrap();
    assert_eq!(storage.list(&path("after")).count().await, 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gets_outlive_a_data_node_that_hangs_and_is_killed() {
    let Some(cluster) = Cluster::alone(Mode::Simple, 2) else { return };
    let storage = Arc::new(cluster.storage_as("cairn"));
    let (object, bytes) = (path("read"), pattern(4 * MIB));
    storage.put(&object, bytes.clone().into(), PutMode::Create).await.unwrap();
    cluster.tell("pause dn1");
    let mut gets: FuturesUnordered<_> = (0..8)
        .map(|_| {
            let (storage, object) = (Arc::clone(&storage), object.clone());
            tokio::spawn(async move { storage.get(&object, ByteRange::Full).await })
        })
        .collect();
    // Some read from the node that works; the others hang until theirs dies.
    assert_eq!(gets.next().await.unwrap().unwrap().unwrap(), bytes);
    cluster.tell("kill dn1");
    while let Some(get) = gets.next().await {
        assert_eq!(get.unwrap().unwrap(), bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_data_node_a_put_says_so_and_nothing_is_there() {
    let Some(cluster) = Cluster::alone(Mode::Simple, 1) else { return };
    // The name node sets a block aside for each put that fails: small ones, or the disk seems full.
    let small_blocks = [("username", "cairn"), ("dfs.blocksize", "64k")];
    let storage = cluster.storage_with(&unique_root(), &small_blocks);
    storage.put(&path("before"), pattern(1000).into(), PutMode::Create).await.unwrap();
    cluster.tell("kill dn1");
    until("the name node has given the data node up", || async {
        let object = path("nowhere");
        let put = storage.put(&object, pattern(1000).into(), PutMode::Create);
        let put = tokio::time::timeout(Duration::from_secs(10), put).await;
        let error = put.expect("an answer within ten seconds").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{}", story(&error));
        story(&error).contains("no data node takes the block")
    })
    .await;
    assert_eq!(storage.list(&ObjectPath::root()).count().await, 1);

    // Who has never stored anything there is told at once.
    let late = cluster.storage_as("cairn");
    let late = late.put(&path("nowhere"), pattern(1000).into(), PutMode::Create).await;
    assert!(!late.unwrap_err().is_retryable());

    cluster.tell("start dn1");
    let storage = layer::stack(Arc::new(storage), &LayerConfig::default());
    storage.put(&path("nowhere"), pattern(1000).into(), PutMode::Create).await.unwrap();
}
