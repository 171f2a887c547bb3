use std::collections::BTreeMap;
use std::time::Duration;

use cairn_storage::layer::{self, LayerConfig, Metered, Retry, RetryConfig};
use cairn_storage::metrics::{
    ALL, BYTES_TOTAL, IN_FLIGHT, MetricKind, REQUEST_SECONDS, REQUESTS_TOTAL, RETRIES_TOTAL,
};
use cairn_storage::{ByteRange, ErrorKind, Operation, PutMode, StorageExt};
use cairn_testkit::Fault;
use futures::future::join;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::*;

/// Makes the layers while a recorder listens on this thread; the handles keep to it.
fn metered(faulty: &Arc<FaultStorage>) -> (Arc<dyn Storage>, Snapshotter) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let inner: Arc<dyn Storage> = Arc::clone(faulty) as _;
    let storage = metrics::with_local_recorder(&recorder, || {
        Metered::new(Arc::new(Retry::new(inner, RetryConfig::default())))
    });
    (Arc::new(storage), snapshotter)
}

/// The same with every layer that records anything.
fn all_recording(faulty: &Arc<FaultStorage>) -> (Arc<dyn Storage>, Snapshotter) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let inner: Arc<dyn Storage> = Arc::clone(faulty) as _;
    let storage =
        metrics::with_local_recorder(&recorder, || layer::stack(inner, &LayerConfig::default()));
    (storage, snapshotter)
}

/// All series as text, such as `name{memory,put}`, with what they hold; zeros are left out.
fn values(snapshotter: &Snapshotter) -> BTreeMap<String, Vec<f64>> {
    let mut values = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<&str> = key.key().labels().map(|label| label.value()).collect();
        let held = match value {
            DebugValue::Counter(count) => vec![count as f64],
            DebugValue::Gauge(level) => vec![level.into_inner()],
            DebugValue::Histogram(samples) => samples.into_iter().map(Into::into).collect(),
        };
        if held.iter().any(|value| *value != 0.0) {
            values.insert(format!("{}{{{}}}", key.key().name(), labels.join(",")), held);
        }
    }
    values
}

fn expected<const N: usize>(series: [(String, Vec<f64>); N]) -> BTreeMap<String, Vec<f64>> {
    series.into()
}

#[tokio::test(start_paused = true)]
async fn successes_errors_bytes_and_retries_are_counted() {
    let (faulty, _) = faulty();
    faulty.plan(Fault::fail(ErrorKind::Transient).on(Operation::Put).times(2));
    faulty.plan(Fault::slow(Duration::from_secs(3)).on(Operation::Get));
    let (storage, snapshotter) = metered(&faulty);
    storage.put(&path("a"), payload("12345"), PutMode::Create).await.unwrap();
    let span = ByteRange::Span { offset: 1, length: 2 };
    storage.get(&path("a"), span).await.unwrap();
    storage.head(&path("b")).await.unwrap_err();
    assert_eq!(list(&*storage).await.unwrap(), ["a"]);
    let mut values = values(&snapshotter);
    let put_seconds = values.remove(&format!("{REQUEST_SECONDS}{{memory,put}}")).unwrap();
    assert!(put_seconds[0] > 0.0, "the waits between attempts count");
    assert_eq!(
        values,
        expected([
            (format!("{REQUESTS_TOTAL}{{memory,put,ok}}"), vec![1.0]),
            (format!("{REQUESTS_TOTAL}{{memory,get,ok}}"), vec![1.0]),
            (format!("{REQUESTS_TOTAL}{{memory,head,error}}"), vec![1.0]),
            (format!("{REQUESTS_TOTAL}{{memory,list,ok}}"), vec![1.0]),
            (format!("{REQUEST_SECONDS}{{memory,get}}"), vec![3.0]),
            (format!("{BYTES_TOTAL}{{memory,put}}"), vec![5.0]),
            (format!("{BYTES_TOTAL}{{memory,get}}"), vec![2.0]),
            (format!("{RETRIES_TOTAL}{{memory,put}}"), vec![2.0]),
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_counts_as_cancelled_and_is_in_flight_until_then() {
    let (faulty, memory) = faulty();
    fill(&memory, &["a", "b"]);
    let mut stalled = faulty.plan(Fault::stall().on(Operation::Put));
    let (storage, snapshotter) = metered(&faulty);
    let c = path("c");
    let put = storage.put(&c, payload("c"), PutMode::Create);
    let mut listing = storage.list(&ObjectPath::root());
    let (_, first) = join(
        async {
            tokio::select! { _ = put => {}, () = stalled.wait_for_hits(1) => {} }
        },
        listing.try_next(),
    )
    .await;
    assert_eq!(first.unwrap().unwrap().path, path("a"));
    assert_eq!(values(&snapshotter)[&format!("{IN_FLIGHT}{{memory}}")], [1.0]);
    drop(listing);
    // A snapshot empties what it shows: the next one shows the difference.
    let values = values(&snapshotter);
    assert_eq!(values[&format!("{REQUESTS_TOTAL}{{memory,list,cancelled}}")], [1.0]);
    assert_eq!(values[&format!("{IN_FLIGHT}{{memory}}")], [-1.0]);
}

#[test]
fn what_is_recorded_is_what_is_announced() {
    let (faulty, _) = faulty();
    let (storage, snapshotter) = all_recording(&faulty);
    let mut recorded = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let kind = match value {
            DebugValue::Counter(_) => MetricKind::Counter,
            DebugValue::Gauge(_) => MetricKind::Gauge,
            DebugValue::Histogram(_) => MetricKind::Histogram,
        };
        let labels: Vec<String> = key.key().labels().map(|label| label.key().to_owned()).collect();
        recorded.insert(key.key().name().to_owned(), (kind, labels));
    }
    drop(storage);
    for spec in ALL {
        let labels = spec.labels.iter().map(|label| (*label).to_owned()).collect();
        assert_eq!(recorded.remove(spec.name), Some((spec.kind, labels)), "{}", spec.name);
    }
    assert!(recorded.is_empty(), "{recorded:?}");
}
