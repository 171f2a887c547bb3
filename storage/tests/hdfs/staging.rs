//! What unfinished puts leave.

use std::process::Command;

use bytes::Bytes;
use cairn_storage::{ErrorKind, ObjectPath, PutMode, Storage, StorageExt};
use futures::StreamExt;

use crate::cluster::{Cluster, unique_root, until};

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_that_is_dropped_removes_its_staging_file() {
    let Some(cluster) = Cluster::shared() else { return };
    let root = unique_root();
    let storage = cluster.storage_with(&root, &[("username", "alice")]);
    let staging = cluster.storage_with(&format!("{root}/.staging~"), &[("username", "alice")]);
    let staged = || async { staging.list(&ObjectPath::root()).count().await };
    let pieces = vec![Bytes::from(vec![3; 1 << 20]); 64];
    let payload = cairn_storage::Payload::from_pieces(pieces);
    let object = path("dropped");
    let put = storage.put(&object, payload, PutMode::Create);
    tokio::select! {
        _ = put => panic!("the put was too fast to be dropped"),
        () = until("a staging file is there", || async { staged().await > 0 }) => {}
    }
    until("the staging file is gone", || async { staged().await == 0 }).await;
    assert_eq!(storage.head(&object).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_that_fails_removes_its_staging_file() {
    let Some(cluster) = Cluster::shared() else { return };
    let root = unique_root();
    let storage = cluster.storage_with(&root, &[("username", "alice")]);
    let staging = cluster.storage_with(&format!("{root}/.staging~"), &[("username", "alice")]);
    let bytes = || Bytes::from_static(b"bytes").into();
    storage.put(&path("taken"), bytes(), PutMode::Create).await.unwrap();
    let error = storage.put(&path("taken"), bytes(), PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    until("the staging file is gone", || async {
        staging.list(&ObjectPath::root()).count().await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_is_swept_after_a_day_and_not_before() {
    let Some(cluster) = Cluster::shared() else { return };
    let root = unique_root();
    let scratch = tempfile::tempdir().unwrap();
    // The superuser makes the directory, so what lies in it is to be removed by the superuser.
    cluster.tell(&format!("fs -mkdir -p {root}/.staging~"));
    for (name, age) in [("old", "25 hours ago"), ("young", "23 hours ago")] {
        let file = scratch.path().join(name);
        std::fs::write(&file, "rubbish").unwrap();
        let touched = Command::new("touch").args(["-d", age]).arg(&file).status().unwrap();
        assert!(touched.success());
        cluster.tell(&format!("fs -put -p {} {root}/.staging~/{name}", file.display()));
    }
    let staging = cluster.storage_with(&format!("{root}/.staging~"), &[]);
    staging.head(&path("old")).await.unwrap();
    let storage = cluster.storage_with(&root, &[]);
    storage
        .put(&path("object"), Bytes::from_static(b"bytes").into(), PutMode::Create)
        .await
        .unwrap();
    until("the old file is gone", || async { staging.head(&path("old")).await.is_err() }).await;
    staging.head(&path("young")).await.unwrap();
}
