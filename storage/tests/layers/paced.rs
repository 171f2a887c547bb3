use std::time::Duration;

use cairn_storage::layer::{self, Bandwidth, LayerConfig, Paced, SpeedLimits};
use cairn_storage::{ByteRange, ErrorKind, Operation, PutMode};
use cairn_testkit::Fault;
use futures::future::{join, join_all};
use tokio::time::Instant;

use super::*;

/// 10 MiB/s up, 20 MiB/s down.
const LIMITS: SpeedLimits =
    SpeedLimits { max_upload_speed_kbps: 10 << 10, max_download_speed_kbps: 20 << 10 };

fn paced(faulty: &Arc<FaultStorage>, bandwidth: &Bandwidth) -> Paced {
    let inner: Arc<dyn Storage> = Arc::clone(faulty) as _;
    Paced::new(inner, bandwidth.clone())
}

fn megabytes(count: usize) -> Payload {
    Bytes::from(vec![0; count << 20]).into()
}

#[track_caller]
fn assert_near(took: Duration, ideal: f64) {
    let took = took.as_secs_f64();
    assert!((took - ideal).abs() <= ideal * 0.05, "{took} s instead of {ideal} s");
}

#[tokio::test(start_paused = true)]
async fn puts_of_several_storages_keep_to_one_limit_whatever_their_size() {
    let bandwidth = Bandwidth::new(LIMITS);
    let ((first, _), (second, _)) = (faulty(), faulty());
    let storages = [paced(&first, &bandwidth), paced(&second, &bandwidth)];
    let begun = Instant::now();
    // 8 of 4 MiB and 64 of 256 KiB, all at once: 48 MiB.
    let large = storages.iter().flat_map(|storage| {
        (0..4).map(async move |number| {
            let object = path(&format!("large/{number}"));
            storage.put(&object, megabytes(4), PutMode::Create).await.unwrap();
        })
    });
    let small = storages.iter().flat_map(|storage| {
        (0..32).map(async move |number| {
            let object = path(&format!("small/{number}"));
            let payload = Bytes::from(vec![0; 256 << 10]).into();
            storage.put(&object, payload, PutMode::Create).await.unwrap();
        })
    });
    join(join_all(large), join_all(small)).await;
    assert_near(begun.elapsed(), 4.8);
}

#[tokio::test(start_paused = true)]
async fn a_large_put_has_waited_for_its_bytes_when_it_is_sent() {
    let (faulty, memory) = faulty();
    let storage = paced(&faulty, &Bandwidth::new(LIMITS));
    let a = path("a");
    let put = storage.put(&a, megabytes(16), PutMode::Create);
    let look = async {
        tokio::time::sleep(Duration::from_millis(1590)).await;
        memory.objects().len()
    };
    let (put, objects) = join(put, look).await;
    put.unwrap();
    assert_eq!(objects, 0, "not sent before its time");
}

#[tokio::test(start_paused = true)]
async fn gets_keep_to_their_own_limit_and_a_range_that_is_refused_costs_nothing() {
    let (faulty, memory) = faulty();
    memory.insert(path("a"), megabytes(4).to_bytes());
    let storage = paced(&faulty, &Bandwidth::new(LIMITS));
    let ranges = [
        ByteRange::Full,
        ByteRange::Suffix { length: 4 << 20 },
        ByteRange::Span { offset: 0, length: 4 << 20 },
    ];
    for range in ranges {
        let begun = Instant::now();
        let a = path("a");
        for got in join_all((0..10).map(|_| storage.get(&a, range))).await {
            assert_eq!(got.unwrap().len(), 4 << 20);
        }
        assert_near(begun.elapsed(), 2.0);
    }
    let begun = Instant::now();
    let beyond = ByteRange::Span { offset: 0, length: u64::MAX };
    let refused = storage.get(&path("a"), beyond).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRange);
    storage.head(&path("a")).await.unwrap();
    assert_eq!(list(&storage).await.unwrap(), ["a"]);
    storage.delete(&path("a")).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_limit_changes_under_way_for_every_storage_of_a_stack() {
    let (faulty, _) = faulty();
    let mut config = LayerConfig::default();
    config.bandwidth = Bandwidth::new(LIMITS);
    let inner: Arc<dyn Storage> = Arc::clone(&faulty) as _;
    let storage = layer::stack(inner, &config);
    let begun = Instant::now();
    let puts = async {
        for number in 0..10 {
            let object = path(&number.to_string());
            storage.put(&object, megabytes(16), PutMode::Create).await.unwrap();
        }
    };
    let change = async {
        tokio::time::sleep(Duration::from_secs(8)).await;
        config.bandwidth.set(SpeedLimits { max_upload_speed_kbps: 40 << 10, ..LIMITS });
    };
    join(puts, change).await;
    // 80 MiB at 10 MiB/s, 80 MiB at 40 MiB/s.
    assert_near(begun.elapsed(), 10.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_is_paid_again_and_a_wait_for_bandwidth_is_no_timeout() {
    let (faulty, _) = faulty();
    faulty.plan(Fault::fail(ErrorKind::Transient).on(Operation::Put));
    let mut config = LayerConfig::default();
    config.max_in_flight = 1.try_into().unwrap();
    config.bandwidth = Bandwidth::new(SpeedLimits { max_upload_speed_kbps: 10, ..LIMITS });
    let inner: Arc<dyn Storage> = Arc::clone(&faulty) as _;
    let storage = layer::stack(inner, &config);
    let (begun, a) = (Instant::now(), path("a"));
    let put = storage.put(&a, megabytes(1), PutMode::Overwrite);
    let others = async {
        storage.delete(&path("b")).await.unwrap();
        begun.elapsed()
    };
    let (put, others) = join(put, others).await;
    put.unwrap();
    assert_eq!(others, Duration::ZERO, "a put that waits for bandwidth holds no permit");
    assert_near(begun.elapsed(), 204.8);
}
