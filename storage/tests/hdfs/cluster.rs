//! [`Cluster`]: a real HDFS, and storages in it.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cairn_storage::hdfs::HdfsConfig;
use cairn_storage::{HdfsStorage, Properties};
use cairn_testkit::servers::HdfsCluster;
pub(crate) use cairn_testkit::servers::HdfsMode as Mode;

/// A running cluster.
pub(crate) struct Cluster(HdfsCluster);

impl Cluster {
    /// A simple cluster of two data nodes for all tests that break nothing.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Mode::Simple, 2)).as_ref()
    }

    /// A cluster of its own for a test that breaks it; one at a time, for each is several Java machines.
    pub(crate) fn alone(mode: Mode, data_nodes: usize) -> Option<Alone> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self::start(mode, data_nodes).map(|cluster| Alone { cluster, _turn: turn })
    }

    /// `None` when this machine has no HDFS and need not.
    fn start(mode: Mode, data_nodes: usize) -> Option<Self> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        HdfsCluster::start(target, mode, data_nodes).map(Self)
    }

    /// As [`HdfsCluster::tell`], which must succeed.
    pub(crate) fn tell(&self, command: &str) -> String {
        self.0.tell(command).unwrap()
    }

    /// A new storage for a user.
    pub(crate) fn storage_as(&self, user: &str) -> HdfsStorage {
        self.storage_with(&unique_root(), &[("username", user)])
    }

    /// The storage at a root with properties.
    pub(crate) fn storage_with(&self, root: &str, properties: &[(&str, &str)]) -> HdfsStorage {
        let properties: Properties = properties.iter().copied().collect();
        let config = HdfsConfig::from_properties(self.authority(), &properties).unwrap();
        HdfsStorage::new(root, config).unwrap()
    }
}

impl Deref for Cluster {
    type Target = HdfsCluster;

    fn deref(&self) -> &HdfsCluster {
        &self.0
    }
}

/// A cluster while no other is broken.
pub(crate) struct Alone {
    cluster: Cluster,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Alone {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

/// Waits until `condition` holds, which it must within a minute.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An error and all its causes.
pub(crate) fn story(error: &dyn std::error::Error) -> String {
    let mut story = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        story = format!("{story}: {cause}");
        source = cause.source();
    }
    story
}

/// A root that no other test has.
pub(crate) fn unique_root() -> String {
    format!("/test-{:016x}", rand::random::<u64>())
}
