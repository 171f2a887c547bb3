//! Name nodes that change, rest, or fall silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cairn_storage::hdfs::HdfsConfig;
use cairn_storage::layer::{self, LayerConfig};
use cairn_storage::{ByteRange, ErrorKind, HdfsStorage, ObjectPath, PutMode, Storage, StorageExt};
use futures::StreamExt;
use tokio::time::{Instant, timeout};

use crate::cluster::{Cluster, Mode, story, unique_root, until};

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

fn bytes(number: usize) -> bytes::Bytes {
    format!("object {number} ").repeat(100).into()
}

/// Each test within this time has its answer, right or wrong.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_rides_through_a_failover() {
    let Some(cluster) = Cluster::alone(Mode::Ha, 1) else { return };
    let mut config = HdfsConfig::at("cairn");
    config.config_dir = Some(cluster.directory().join("conf"));
    config.user = Some("cairn".to_owned());
    let backend = Arc::new(HdfsStorage::new(&unique_root(), config).unwrap());
    let storage = layer::stack(backend, &LayerConfig::default());
    let done = Arc::new(AtomicUsize::new(0));
    let puts = tokio::spawn({
        let (storage, done) = (Arc::clone(&storage), Arc::clone(&done));
        async move {
            for number in 0..24 {
                let object = path(&format!("during/{number}"));
                storage.put(&object, bytes(number).into(), PutMode::Create).await?;
                done.fetch_add(1, Ordering::SeqCst);
            }
            Ok::<_, cairn_storage::Error>(())
        }
    });
    let has_put = |count| {
        let done = Arc::clone(&done);
        move || {
            let done = Arc::clone(&done);
            async move { done.load(Ordering::SeqCst) >= count }
        }
    };
    until("some objects are there", has_put(4)).await;
    cluster.tell("kill nn1");
    cluster.tell("failover nn1 nn2");
    puts.await.unwrap().unwrap();
    assert_eq!(storage.list(&path("during")).count().await, 24);
    for number in 0..24 {
        let found = storage.get(&path(&format!("during/{number}")), ByteRange::Full).await;
        assert_eq!(found.unwrap(), bytes(number));
    }

    // One that comes back is on standby, and says so to who asks it alone.
    cluster.tell("start nn1");
    let standby = HdfsConfig::at(cluster.first_name_node());
    let standby = HdfsStorage::new(&unique_root(), standby).unwrap();
    let begun = Instant::now();
    let error = standby.head(&path("any")).await.unwrap_err();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert!(!error.is_retryable(), "{}", story(&error));
    assert!(story(&error).contains("standby"), "{}", story(&error));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn safe_mode_passes() {
    let Some(cluster) = Cluster::alone(Mode::Simple, 1) else { return };
    let storage = cluster.storage_as("cairn");
    storage.put(&path("before"), bytes(1).into(), PutMode::Create).await.unwrap();
    cluster.tell("admin -safemode enter");
    let during = path("during");
    let put = storage.put(&during, bytes(2).into(), PutMode::Create);
    let error = timeout(SOON, put).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(story(&error).contains("the name node is in safe mode"), "{}", story(&error));
    assert!(!story(&error).contains("\tat "), "a stack trace: {}", story(&error));
    assert_eq!(storage.get(&path("before"), ByteRange::Full).await.unwrap(), bytes(1));
    let error = timeout(SOON, storage.delete(&path("before"))).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);

    // Who comes while it lasts is told at once, for it may last until a person ends it.
    let late = cluster.storage_as("cairn");
    let error = late.put(&path("late"), bytes(3).into(), PutMode::Create).await.unwrap_err();
    assert!(!error.is_retryable(), "{}", story(&error));
    assert!(story(&error).contains("the name node is in safe mode"), "{}", story(&error));

    cluster.tell("admin -safemode leave");
    storage.put(&path("during"), bytes(2).into(), PutMode::Create).await.unwrap();
    late.put(&path("late"), bytes(3).into(), PutMode::Create).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_node_that_is_restarted_is_waited_for() {
    let Some(cluster) = Cluster::alone(Mode::Simple, 1) else { return };
    let backend = Arc::new(cluster.storage_as("cairn"));
    let storage = layer::stack(backend, &LayerConfig::default());
    storage.put(&path("before"), bytes(1).into(), PutMode::Create).await.unwrap();
    cluster.tell("kill nn1");
    let put = tokio::spawn({
        let storage = Arc::clone(&storage);
        async move { storage.put(&path("during"), bytes(2).into(), PutMode::Create).await }
    });
    cluster.tell("start nn1");
    put.await.unwrap().unwrap();
    assert_eq!(storage.get(&path("during"), ByteRange::Full).await.unwrap(), bytes(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_name_node_is_given_up_and_reached_again() {
    let Some(cluster) = Cluster::alone(Mode::Simple, 1) else { return };
    let storage = cluster.storage_as("cairn");
    storage.put(&path("there"), bytes(1).into(), PutMode::Create).await.unwrap();
    cluster.tell("pause nn1");
    let error = timeout(SOON, storage.head(&path("there"))).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(story(&error).contains("did not answer"), "{}", story(&error));
    cluster.tell("resume nn1");
    assert_eq!(
        timeout(SOON, storage.head(&path("there"))).await.unwrap().unwrap().size,
        bytes(1).len() as u64
    );
}
