//! The contract on radosgw: a second S3 server, of other authors, that decides on conditions atomically.

use std::io::Write;
use std::sync::Arc;

use cairn_storage::{
    ByteRange, ObjectPath, Payload, PutMode, S3Config, S3Storage, Storage, probe_atomic_create,
};
use cairn_testkit::conformance::{CASES, Verdict, run_all};
use cairn_testkit::servers::RadosGateway;

use crate::{ACCESS_KEY, SECRET_KEY, path, properties, told};

/// Straight to the error stream: the test harness would keep it to itself.
fn say(text: impl std::fmt::Display) {
    let mut stream = std::io::stderr();
    writeln!(stream, "{text}").unwrap();
}

fn endpoint(gateway: &RadosGateway) -> String {
    format!("http://{}", gateway.address())
}

fn storage(gateway: &RadosGateway, bucket: &str) -> S3Storage {
    let more = [("aws.s3.enable_path_style_access", "true")];
    let properties = properties(&endpoint(gateway), &more);
    S3Storage::new(S3Config::new(bucket, "in/here", &properties).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn radosgw_keeps_the_contract() {
    let Some(gateway) = RadosGateway::start(ACCESS_KEY, SECRET_KEY) else { return };
    // With versions it ignores the condition, which the probe must find.
    let versioned = probe_atomic_create(&storage(&gateway, "versioned")).await;
    assert!(!versioned.unwrap_or_else(|error| panic!("{}", told(&error))));

    let storage = storage(&gateway, "bucket");
    let proved = probe_atomic_create(&storage).await;
    assert!(proved.unwrap_or_else(|error| panic!("{}", told(&error))), "it decides atomically");
    in_parts(&gateway).await;
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let report = run_all(&storage, &ObjectPath::root()).await;
    say(&report);
    assert!(report.is_ok(), "{report}");
    assert!(report.cases.iter().all(|case| matches!(case.verdict, Verdict::Passed)));
    assert_eq!(report.cases.len(), CASES.len());
}

/// An object in parts on a server whose ETags of completion rusoto cannot read.
async fn in_parts(gateway: &RadosGateway) {
    let threshold = ("cairn.s3.multipart_threshold_bytes", "5242880");
    let storage = crate::bucket(&endpoint(gateway), &[threshold]);
    let payload = Payload::from(vec![7; 40 << 20]);
    storage.put(&path("parts"), payload.clone(), PutMode::Overwrite).await.unwrap();
    let stored = storage.get(&path("parts"), ByteRange::Full).await.unwrap();
    assert!(stored == payload.to_bytes());
}
