//! What the cluster does not allow.

use bytes::Bytes;
use cairn_storage::{ByteRange, Error, ErrorKind, ObjectPath, PutMode, Storage, StorageExt};
use futures::TryStreamExt;

use crate::cluster::{Cluster, story, unique_root};

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

async fn put(storage: &dyn Storage, object: &str, bytes: usize) -> Result<(), Error> {
    let payload = Bytes::from(vec![7; bytes]).into();
    storage.put(&path(object), payload, PutMode::Create).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_rights_is_told() {
    let Some(cluster) = Cluster::shared() else { return };
    let root = unique_root();
    let owner = cluster.storage_with(&root, &[("username", "alice")]);
    put(&owner, "secret/object", 10).await.unwrap();
    cluster.tell(&format!("fs -chmod 700 {root}"));
    let other = cluster.storage_with(&root, &[("username", "mallory")]);
    let denied = [
        put(&other, "secret/mine", 10).await.unwrap_err(),
        other.get(&path("secret/object"), ByteRange::Full).await.unwrap_err(),
        other.head(&path("secret/object")).await.unwrap_err(),
        other.list(&ObjectPath::root()).try_collect::<Vec<_>>().await.unwrap_err(),
        other.delete(&path("secret/object")).await.unwrap_err(),
    ];
    for error in denied {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{}", story(&error));
        assert!(story(&error).contains("refuses this user"), "{}", story(&error));
        assert!(story(&error).contains("mallory"), "{}", story(&error));
    }
    owner.head(&path("secret/object")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_no_space() {
    let Some(cluster) = Cluster::shared() else { return };
    for (limit, objects, bytes) in [("-setSpaceQuota 4m", 2, 3 << 20), ("-setQuota 6", 8, 10)] {
        let root = unique_root();
        let storage =
            cluster.storage_with(&root, &[("username", "alice"), ("dfs.blocksize", "1m")]);
        put(&storage, "first", 10).await.unwrap();
        cluster.tell(&format!("admin {limit} {root}"));
        let mut refused = None;
        for number in 0..objects {
            if let Err(error) = put(&storage, &format!("more-{number}"), bytes).await {
                refused = Some((number, error));
                break;
            }
        }
        let (number, error) = refused.expect("the quota is reached");
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{}", story(&error));
        assert!(story(&error).contains("quota"), "{}", story(&error));
        let head = storage.head(&path(&format!("more-{number}"))).await.unwrap_err();
        assert_eq!(head.kind(), ErrorKind::NotFound);
        // What is there can still be read, and deleted to make room.
        storage.delete(&path("first")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_below_an_object_is_refused() {
    let Some(cluster) = Cluster::shared() else { return };
    let storage = cluster.storage_as("alice");
    put(&storage, "a", 10).await.unwrap();
    let error = put(&storage, "a/b", 10).await.unwrap_err();
    assert!(!error.is_retryable(), "{}", story(&error));
    put(&storage, "c/d", 10).await.unwrap();
    for mode in [PutMode::Create, PutMode::Overwrite] {
        let error = storage.put(&path("c"), Bytes::new().into(), mode).await.unwrap_err();
        assert!(!error.is_retryable(), "{}", story(&error));
    }
    storage.head(&path("c/d")).await.unwrap();
}
