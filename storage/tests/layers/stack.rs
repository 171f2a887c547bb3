use std::time::Duration;

use cairn_storage::layer::{self, LayerConfig};
use cairn_storage::{
    ErrorKind, LocalStorage, OpenMode, Operation, Properties, PutMode, StorageUrl, open,
};
use cairn_testkit::Fault;

use super::*;

#[test]
fn the_order_is_fixed_and_shows() {
    let root = tempfile::tempdir().unwrap();
    let local = Arc::new(LocalStorage::open(root.path()).unwrap());
    let mut config = LayerConfig::default();
    config.max_in_flight = 4.try_into().unwrap();
    let storage = layer::stack(local, &config);
    let root = root.path().display();
    let shown = format!("metered(retry(paced(limit(4, timeout(file://{root})))))");
    assert_eq!(format!("{storage:#}"), shown);
    // People are told where it is.
    assert_eq!(storage.to_string(), format!("file://{root}"));
    assert_eq!(storage.backend(), "local");
}

#[tokio::test(start_paused = true)]
async fn a_stored_object_whose_answer_was_lost_is_found_and_counts_as_created() {
    let (faulty, memory) = faulty();
    faulty.plan(Fault::stall_after_effect().on(Operation::Put));
    let inner: Arc<dyn Storage> = Arc::clone(&faulty) as _;
    let storage = layer::stack(inner, &LayerConfig::default());
    storage.put(&path("a"), payload("mine"), PutMode::Create).await.unwrap();
    assert_eq!(memory.objects()[&path("a")], "mine");
    assert_eq!(faulty.calls(Operation::Put), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_to_try_again_holds_no_permit() {
    let (faulty, memory) = faulty();
    fill(&memory, &["b"]);
    let wait = Duration::from_secs(60);
    let mut fault =
        faulty.plan(Fault::fail(ErrorKind::Transient).retry_after(wait).on(Operation::Put));
    let mut config = LayerConfig::default();
    config.max_in_flight = 1.try_into().unwrap();
    let inner: Arc<dyn Storage> = Arc::clone(&faulty) as _;
    let storage = layer::stack(inner, &config);
    let clone = Arc::clone(&storage);
    let put =
        tokio::spawn(async move { clone.put(&path("a"), payload("a"), PutMode::Create).await });
    fault.wait_for_hits(1).await;
    let began = tokio::time::Instant::now();
    storage.head(&path("b")).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    put.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_url_opens_in_each_mode() {
    let root = tempfile::tempdir().unwrap();
    let url = StorageUrl::parse(&format!("file://{}/new", root.path().display())).unwrap();
    let open = |mode| open(&url, mode, &Properties::default(), &LayerConfig::default());
    for mode in [OpenMode::Existing, OpenMode::ReadOnly] {
        assert_eq!(open(mode).unwrap_err().kind(), ErrorKind::NotFound);
    }
    let storage = open(OpenMode::Create).unwrap();
    storage.put(&path("a"), payload("a"), PutMode::Create).await.unwrap();
    open(OpenMode::Existing).unwrap().head(&path("a")).await.unwrap();
    let read_only = open(OpenMode::ReadOnly).unwrap();
    read_only.head(&path("a")).await.unwrap();
    assert_eq!(read_only.delete(&path("a")).await.unwrap_err().kind(), ErrorKind::Unsupported);
}
