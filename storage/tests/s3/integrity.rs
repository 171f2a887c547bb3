//! Answers that are not what was stored: detected, and never accepted.

use std::sync::Arc;

use cairn_storage::layer::{self, LayerConfig};
use cairn_storage::{ByteRange, ErrorKind, Payload, PutMode, Storage};

use crate::scripted::{Reply, Scripted};
use crate::server;
use crate::{bucket, path, told};

fn span(offset: u64, length: u64) -> ByteRange {
    ByteRange::Span { offset, length }
}

fn part(range: &str, body: &str) -> Reply {
    let Reply::Http { headers, body, .. } = Reply::object(body).with("content-range", range) else {
        unreachable!()
    };
    Reply::Http { status: 206, headers, body }
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_tried_again() {
    let server = Scripted::start(|number, _| match number {
        0 => Reply::Raw(b"HTTP/1.1 200 x\r\netag: \"e\"\r\ncontent-length: 10\r\n\r\nabc".to_vec()),
        _ => Reply::object("0123456789"),
    })
    .await;
    let storage = layer::stack(Arc::new(bucket(server.endpoint(), &[])), &LayerConfig::default());
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "0123456789");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_body_that_was_changed_is_tried_again() {
    let checked = |body: &str| Reply::object(body).with("x-amz-checksum-crc32c", "4waSgw==");
    let server = Scripted::start(move |number, seen| {
        assert_eq!(seen.header("x-amz-checksum-mode"), "ENABLED");
        checked(if number == 0 { "123456780" } else { "123456789" })
    })
    .await;
    let storage = layer::stack(Arc::new(bucket(server.endpoint(), &[])), &LayerConfig::default());
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "123456789");
    assert_eq!(server.seen().len(), 2);
}

/// A checksum of checksums says nothing of the bytes.
#[tokio::test]
async fn the_checksum_of_parts_is_no_checksum_of_the_whole() {
    let server =
        Scripted::always(Reply::object("abc").with("x-amz-checksum-crc32c", "4waSgw==-3")).await;
    assert_eq!(
        bucket(server.endpoint(), &[]).get(&path("a"), ByteRange::Full).await.unwrap(),
        "abc"
    );
}

#[tokio::test]
async fn a_range_is_what_was_asked_for_or_an_error() {
    let server = Scripted::always(part("bytes 2-4/10", "234")).await;
    let storage = bucket(server.endpoint(), &[]);
    assert_eq!(storage.get(&path("a"), span(2, 3)).await.unwrap(), "234");
    assert_eq!(server.seen()[0].header("range"), "bytes=2-4");
    for (what, reply, kind) in [
        ("another place", part("bytes 3-5/10", "345"), ErrorKind::Transient),
        ("more than was asked for", part("bytes 2-5/10", "2345"), ErrorKind::Transient),
        ("less, within the object", part("bytes 2-3/10", "23"), ErrorKind::Transient),
        ("beyond the end", part("bytes 2-3/4", "23"), ErrorKind::InvalidRange),
        ("the whole object", Reply::object("234"), ErrorKind::Transient),
        ("a refusal", Reply::refusal(416, "InvalidRange"), ErrorKind::InvalidRange),
    ] {
        let server = Scripted::always(reply).await;
        let error = bucket(server.endpoint(), &[]).get(&path("a"), span(2, 3)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {}", told(&error));
    }
}

/// A service that lies about a length cannot make this process allocate it.
#[tokio::test]
async fn a_body_longer_than_the_range_is_not_read() {
    let endless = b"HTTP/1.1 206 x\r\netag: \"e\"\r\ncontent-length: 9999999999999\r\ncontent-range: bytes 2-4/10\r\n\r\n".to_vec();
    let server = Scripted::always(Reply::Raw(endless)).await;
    let error = bucket(server.endpoint(), &[]).get(&path("a"), span(2, 3)).await.unwrap_err();
    assert!(told(&error).contains("at most 3 were asked for"), "{}", told(&error));
}

#[tokio::test]
async fn a_service_that_finds_a_put_damaged_gets_it_again() {
    let server = Scripted::start(|number, _| match number {
        0 => Reply::refusal(400, "BadDigest"),
        _ => Reply::new(200, ""),
    })
    .await;
    let storage = layer::stack(Arc::new(bucket(server.endpoint(), &[])), &LayerConfig::default());
    storage.put(&path("a"), Payload::from(vec![1]), PutMode::Overwrite).await.unwrap();
    assert_eq!(server.seen().len(), 2);
}

/// A real server compares what arrives with the checksum that was sent.
#[tokio::test]
async fn a_real_server_takes_the_checksum() {
    let server = server::start().await;
    let storage = server::bucket_of(&server);
    for size in [0, 1, 100_000, 3 << 20] {
        let payload = Payload::from(vec![7; size]);
        storage.put(&path("a"), payload.clone(), PutMode::Overwrite).await.unwrap();
        assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), payload.to_bytes());
    }
}

/// Short payloads are signed over plain HTTP, long ones only where that is wanted.
#[tokio::test]
async fn a_payload_is_signed_where_nothing_else_guards_it() {
    let server = Scripted::always(Reply::new(200, "")).await;
    let put = async |sign: &str, size: usize| {
        let storage = bucket(server.endpoint(), &[("cairn.s3.sign_payload", sign)]);
        storage.put(&path("a"), Payload::from(vec![7; size]), PutMode::Overwrite).await.unwrap();
        server.seen().last().unwrap().header("x-amz-content-sha256").to_owned()
    };
    assert_ne!(put("false", 1 << 20).await, "UNSIGNED-PAYLOAD");
    assert_eq!(put("false", (1 << 20) + 1).await, "UNSIGNED-PAYLOAD");
    assert_ne!(put("true", (1 << 20) + 1).await, "UNSIGNED-PAYLOAD");
}
