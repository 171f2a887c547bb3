//! Google Cloud Storage as far as a server here can speak it: what is sent, and what is made of its answers.

use cairn_storage::{ByteRange, ErrorKind, Payload, PutMode, S3Storage, Storage};

use crate::scripted::{Reply, Scripted};
use crate::{bucket, path, told};

fn google(server: &Scripted) -> S3Storage {
    bucket(server.endpoint(), &[("cairn.s3.dialect", "gcs"), ("cairn.s3.conditional_put", "true")])
}

#[tokio::test]
async fn a_put_is_in_googles_words_only() {
    let server = Scripted::always(Reply::new(200, "")).await;
    google(&server)
        .put(&path("a"), Payload::from(b"123456789".to_vec()), PutMode::Create)
        .await
        .unwrap();
    let seen = &server.seen()[0];
    assert!(seen.header("authorization").starts_with("GOOG4-HMAC-SHA256 Credential=AKTEST/"));
    assert!(seen.header("authorization").contains("/auto/storage/goog4_request"));
    assert_eq!(seen.header("x-goog-if-generation-match"), "0");
    assert_eq!(seen.header("x-goog-hash"), "crc32c=4waSgw==");
    assert!(
        !seen.headers.keys().any(|name| name.starts_with("x-amz-") || name == "if-none-match"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_failed_condition_is_a_taken_path() {
    let server = Scripted::always(Reply::refusal(412, "PreconditionFailed")).await;
    let error =
        google(&server).put(&path("a"), Payload::default(), PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{}", told(&error));
}

#[tokio::test]
async fn its_checksum_is_compared() {
    let hashed = |body: &str| Reply::object(body).with("x-goog-hash", "crc32c=4waSgw==,md5=AAAA");
    let server = Scripted::start(move |number, _| hashed(["123456789", "123456780"][number])).await;
    let storage = google(&server);
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "123456789");
    let error = storage.get(&path("a"), ByteRange::Full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient, "{}", told(&error));
}

#[tokio::test]
async fn an_upload_in_parts_lists_no_checksums() {
    let server = Scripted::start(|_, seen| match seen.method.as_str() {
        "POST" if seen.target.contains("uploads=") => Reply::new(
            200,
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        ),
        "POST" => Reply::new(200, "<CompleteMultipartUploadResult/>"),
        "HEAD" => Reply::object(vec![0; 6 << 20]),
        _ => Reply::new(200, "").with("etag", "\"p\""),
    })
    .await;
    let threshold = ("cairn.s3.multipart_threshold_bytes", "5242880");
    let storage = bucket(server.endpoint(), &[("cairn.s3.dialect", "gcs"), threshold]);
    storage.put(&path("a"), Payload::from(vec![1; 6 << 20]), PutMode::Overwrite).await.unwrap();
    for seen in server.seen() {
        assert!(!seen.headers.keys().any(|name| name.starts_with("x-amz-")), "{:?}", seen.headers);
        assert!(!String::from_utf8_lossy(&seen.body).contains("Checksum"));
    }
}
