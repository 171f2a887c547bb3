//! Each known defect of rusoto has a guard, and here the test that fails without it.

use cairn_storage::{ByteRange, ErrorKind, Payload, PutMode, Storage, StorageExt};

use crate::scripted::{Reply, Scripted};
use crate::server;
use crate::{bucket, path, told};

/// It unwraps a header that should be a number.
#[tokio::test]
async fn a_header_that_is_no_number_is_no_panic() {
    for name in ["x-amz-missing-meta", "x-amz-mp-parts-count", "x-amz-tagging-count"] {
        let reply = Reply::object("abc").with(name, "abc").with("x-amz-delete-marker", "perhaps");
        let server = Scripted::always(reply).await;
        let storage = bucket(server.endpoint(), &[]);
        assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "abc");
        assert_eq!(storage.head(&path("a")).await.unwrap().size, 3);
    }
}

/// Its client unwraps a header that should be ASCII.
#[tokio::test]
async fn a_header_that_is_no_ascii_is_no_panic() {
    let server = Scripted::always(Reply::object("abc").with("x-amz-meta-a", "é")).await;
    let storage = bucket(server.endpoint(), &[]);
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "abc");
}

/// It unwraps numbers and switches of documents.
#[tokio::test]
async fn a_document_that_cannot_be_read_is_no_panic() {
    for content in
        ["<IsTruncated>perhaps</IsTruncated>", "<KeyCount>x</KeyCount>", "<Contents>", "&#x0;"]
    {
        let server = Scripted::always(Reply::new(
            200,
            format!("<ListBucketResult>{content}</ListBucketResult>"),
        ))
        .await;
        let storage = bucket(server.endpoint(), &[]);
        let error =
            futures::StreamExt::next(&mut storage.list(&path("a"))).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other, "{}", told(&error));
        assert!(told(&error).contains("cannot be read"), "{}", told(&error));
    }
}

/// It gives each refusal that it has no type for as a text.
#[tokio::test]
async fn a_refusal_is_known_by_its_code() {
    for (status, code, kind) in [
        (503, "SlowDown", ErrorKind::Throttled),
        (400, "RequestTimeout", ErrorKind::Transient),
        (500, "InternalError", ErrorKind::Transient),
        (403, "AccessDenied", ErrorKind::PermissionDenied),
        (404, "NoSuchKey", ErrorKind::NotFound),
    ] {
        let server = Scripted::always(Reply::refusal(status, code).with("retry-after", "3")).await;
        let error =
            bucket(server.endpoint(), &[]).get(&path("a"), ByteRange::Full).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}");
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(3));
        assert!(told(&error).contains(code), "{}", told(&error));
    }
}

/// It has neither conditions nor checksums.
#[tokio::test]
async fn a_put_has_its_condition_and_its_checksum() {
    let server = Scripted::always(Reply::new(200, "").with("etag", "\"e\"")).await;
    let storage = bucket(server.endpoint(), &[("cairn.s3.conditional_put", "true")]);
    let payload = || Payload::from(b"123456789".to_vec());
    storage.put(&path("a"), payload(), PutMode::Create).await.unwrap();
    storage.put(&path("a"), payload(), PutMode::Overwrite).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].header("if-none-match"), "*");
    assert_eq!(seen[1].header("if-none-match"), "");
    for seen in seen {
        // The check value of CRC-32C, 0xe3069283.
        assert_eq!(seen.header("x-amz-checksum-crc32c"), "4waSgw==");
        assert!(seen.header("authorization").contains(";x-amz-checksum-crc32c;"), "{seen:?}");
        assert_eq!(seen.body, b"123456789");
    }
}

/// It addresses a bucket by the path only, which some services refuse.
#[tokio::test]
async fn a_bucket_is_named_as_the_service_wants_it() {
    let server = Scripted::always(Reply::object("abc")).await;
    let storage = bucket(server.endpoint(), &[("aws.s3.enable_path_style_access", "true")]);
    storage.get(&path("a/b=c"), ByteRange::Full).await.unwrap();
    assert_eq!(server.seen()[0].target, "/bucket/a/b%3Dc");
}

/// Its connections are its own; ours are used again.
#[tokio::test]
async fn connections_are_used_again() {
    let server = Scripted::always(Reply::object("abc")).await;
    let storage = bucket(server.endpoint(), &[]);
    for _ in 0..10 {
        storage.get(&path("a"), ByteRange::Full).await.unwrap();
    }
    assert_eq!(server.num_connections(), 1);
}

/// It sends a stream in chunks of its own and joins what it reads; ours goes out from its pieces.
#[tokio::test]
async fn a_payload_in_pieces_is_sent_as_one_body() {
    let server = server::start().await;
    let storage = server::bucket_of(&server);
    let piece = |byte: u8| vec![byte; 700_000].into();
    let payload = Payload::from_pieces(vec![piece(1), piece(2), piece(3)]);
    storage.put(&path("a"), payload.clone(), PutMode::Overwrite).await.unwrap();
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), payload.to_bytes());
}
