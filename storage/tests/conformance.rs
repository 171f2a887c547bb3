//! The contract of `Storage`, on every backend and on every layer over the reference backend.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroUsize;
use std::sync::Arc;

use cairn_storage::layer::{
    self, Bandwidth, LayerConfig, Limit, Metered, Paced, Prefix, ReadOnly, Retry, RetryConfig,
    SpeedLimits, Timeout, TimeoutConfig,
};
use cairn_storage::{LocalStorage, MemoryStorage, ObjectPath, Storage};
use cairn_testkit::conformance::{CASES, Fixture, Verdict, run_all};
use cairn_testkit::storage_conformance;

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

fn local() -> Fixture {
    let root = tempfile::tempdir().unwrap();
    Fixture::new(Arc::new(LocalStorage::open(root.path()).unwrap()), root)
}

fn of<S: Storage>(storage: S) -> Arc<dyn Storage> {
    Arc::new(storage)
}

fn inside() -> Prefix {
    Prefix::new(memory(), ObjectPath::parse("inside/of").unwrap())
}

storage_conformance!(memory_backend, memory());
storage_conformance!(local_backend, local());
/// A limit that every call meets and none feels.
fn fast() -> Bandwidth {
    let max_upload_speed_kbps = 100 << 20;
    Bandwidth::new(SpeedLimits {
        max_upload_speed_kbps,
        max_download_speed_kbps: max_upload_speed_kbps,
    })
}

storage_conformance!(paced_layer, of(Paced::new(memory(), fast())));
storage_conformance!(retry_layer, of(Retry::new(memory(), RetryConfig::default())));
storage_conformance!(limit_layer, of(Limit::new(memory(), NonZeroUsize::MIN)));
storage_conformance!(timeout_layer, of(Timeout::new(memory(), TimeoutConfig::default())));
storage_conformance!(prefix_layer, of(inside()));
storage_conformance!(metered_layer, of(Metered::new(memory())));
storage_conformance!(read_only_layer, of(ReadOnly::new(memory())));
storage_conformance!(stacked_layers, layer::stack(memory(), &LayerConfig::default()));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_on_a_users_location_reports_each_case_and_leaves_nothing() {
    let memory = MemoryStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let report = run_all(&storage, &ObjectPath::parse("users/own").unwrap()).await;
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.cases.len(), CASES.len());
    assert!(report.cases.iter().all(|case| matches!(case.verdict, Verdict::Passed)));
    assert!(memory.objects().is_empty());
}
