//! What the user says of the cluster reaches it.

use cairn_storage::hdfs::HdfsConfig;
use cairn_storage::{ByteRange, HdfsStorage, ObjectPath, PutMode, Storage};

use crate::cluster::{Cluster, unique_root};

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_and_blocks_are_as_said() {
    let Some(cluster) = Cluster::shared() else { return };
    let said = [("username", "alice"), ("dfs.replication", "1"), ("dfs.blocksize", "64k")];
    for (properties, expected) in [(&said[..], "1 65536"), (&said[..1], "2 134217728")] {
        let root = unique_root();
        let storage = cluster.storage_with(&root, properties);
        // More than two blocks of the smaller size, and not a whole number of them.
        let bytes = bytes::Bytes::from(vec![5; 150_001]);
        storage.put(&path("object"), bytes.clone().into(), PutMode::Create).await.unwrap();
        assert_eq!(storage.get(&path("object"), ByteRange::Full).await.unwrap(), bytes);
        let across = ByteRange::Span { offset: 65_530, length: 70_000 };
        assert_eq!(storage.get(&path("object"), across).await.unwrap(), bytes.slice(..70_000));
        assert_eq!(
            cluster.tell(&format!("fs -stat %r_%o {root}/object")).replace('_', " "),
            expected
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_configuration_names_the_cluster() {
    let Some(cluster) = Cluster::shared() else { return };
    let mut config = HdfsConfig::at("");
    config.config_dir = Some(cluster.directory().join("conf"));
    let storage = HdfsStorage::new(&unique_root(), config).unwrap();
    storage
        .put(&path("object"), "bytes".as_bytes().to_vec().into(), PutMode::Create)
        .await
        .unwrap();
    assert_eq!(storage.head(&path("object")).await.unwrap().size, 5);
}
