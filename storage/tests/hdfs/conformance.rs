//! The contract of `Storage`, each case in a directory of its own, as a user who is not the superuser.

use std::sync::Arc;

use cairn_storage::{MemoryStorage, Storage};
use cairn_testkit::storage_conformance;

use crate::cluster::Cluster;

/// Without a cluster the reference storage stands in: the cluster has said so, or failed.
fn hdfs() -> Arc<dyn Storage> {
    match Cluster::shared() {
        Some(cluster) => Arc::new(cluster.storage_as("cairn")),
        None => Arc::new(MemoryStorage::new()),
    }
}

storage_conformance!(hdfs_backend, hdfs());
