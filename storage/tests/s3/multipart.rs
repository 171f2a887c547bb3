//! Objects in parts.

use cairn_storage::{ByteRange, ErrorKind, Payload, PutMode, S3Storage, Storage};

use crate::scripted::{Reply, Scripted, Seen};
use crate::server;
use crate::{bucket, path, told};

const PART: usize = 5 << 20;

/// A bucket that stores everything above five MiB in parts of that length.
fn in_parts(endpoint: &str) -> S3Storage {
    let bytes = PART.to_string();
    let more = [
        ("cairn.s3.multipart_threshold_bytes", &*bytes),
        ("cairn.s3.part_bytes", &*bytes),
        // A create that the service decides is one request.
        ("cairn.s3.conditional_put", "false"),
    ];
    bucket(endpoint, &more)
}

fn payload() -> Payload {
    let piece = |byte: u8| vec![byte; 3 << 20].into();
    Payload::from_pieces((0..5).map(piece).collect())
}

fn begun() -> Reply {
    Reply::new(
        200,
        "<InitiateMultipartUploadResult><UploadId>upload-1</UploadId></InitiateMultipartUploadResult>",
    )
}

fn part() -> Reply {
    Reply::new(200, "").with("etag", "\"p\"")
}

fn completed() -> Reply {
    Reply::new(200, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
}

/// Answers what is right, but for what `special` says.
async fn service(special: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |_, seen| {
        special(seen).unwrap_or_else(|| match seen.method.as_str() {
            "POST" if seen.target.contains("uploads=") => begun(),
            "PUT" => part(),
            "POST" => completed(),
            "HEAD" => Reply::object(vec![0; 15 << 20]),
            _ => Reply::new(204, ""),
        })
    })
    .await
}

fn is_abort(seen: &Seen) -> bool {
    seen.method == "DELETE" && seen.target.contains("uploadId=upload-1")
}

#[tokio::test]
async fn a_long_object_is_stored_in_parts_and_read_whole() {
    let server = server::start().await;
    let storage = in_parts(server.endpoint());
    storage.put(&path("a"), payload(), PutMode::Overwrite).await.unwrap();
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), payload().to_bytes());
    assert_eq!(storage.head(&path("a")).await.unwrap().size, payload().len());
}

#[tokio::test]
async fn each_part_is_sent_with_its_checksum_and_listed_with_it() {
    let server = service(|_| None).await;
    in_parts(server.endpoint()).put(&path("a"), payload(), PutMode::Overwrite).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].header("x-amz-checksum-algorithm"), "CRC32C");
    let parts: Vec<&Seen> = seen.iter().filter(|seen| seen.method == "PUT").collect();
    assert_eq!(parts.iter().map(|part| part.body.len()).collect::<Vec<_>>(), [PART; 3]);
    let list =
        seen.iter().find(|seen| seen.method == "POST" && seen.target.contains("uploadId")).unwrap();
    let list = String::from_utf8_lossy(&list.body).into_owned();
    for part in parts {
        let checksum = part.header("x-amz-checksum-crc32c");
        assert!(list.contains(&format!("<ChecksumCRC32C>{checksum}</ChecksumCRC32C>")), "{list}");
    }
    let order: Vec<_> = ["<PartNumber>1<", "<PartNumber>2<", "<PartNumber>3<"]
        .iter()
        .map(|part| list.find(part).unwrap())
        .collect();
    assert!(order.is_sorted(), "{list}");
}

/// rusoto takes this for a success, and the object does not exist.
#[tokio::test]
async fn a_completion_that_fails_after_its_200_is_a_failure() {
    for (body, kind) in [
        ("\n\n<Error><Code>InternalError</Code></Error>", ErrorKind::Transient),
        ("<Error><Code>AccessDenied</Code></Error>", ErrorKind::PermissionDenied),
        ("", ErrorKind::Other),
        ("<html></html>", ErrorKind::Other),
    ] {
        let is_completion = |seen: &Seen| seen.method == "POST" && seen.target.contains("uploadId");
        let server = service(move |seen| is_completion(seen).then(|| Reply::new(200, body))).await;
        let error = in_parts(server.endpoint())
            .put(&path("a"), payload(), PutMode::Overwrite)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{}", told(&error));
        server.wait_for(is_abort).await;
    }
}

#[tokio::test]
async fn an_object_that_is_shorter_than_what_was_sent_is_a_failure() {
    let server = service(|seen| (seen.method == "HEAD").then(|| Reply::object("short"))).await;
    let error = in_parts(server.endpoint())
        .put(&path("a"), payload(), PutMode::Overwrite)
        .await
        .unwrap_err();
    assert!(told(&error).contains("completed with 5 of 15728640 bytes"), "{}", told(&error));
}

#[tokio::test]
async fn who_may_not_look_can_still_store() {
    let server = service(|seen| (seen.method == "HEAD").then(|| Reply::new(403, ""))).await;
    in_parts(server.endpoint()).put(&path("a"), payload(), PutMode::Create).await.unwrap();
}

#[tokio::test]
async fn an_upload_whose_part_fails_is_aborted() {
    let server = service(|seen| {
        (seen.method == "PUT" && seen.target.contains("partNumber=2"))
            .then(|| Reply::refusal(403, "AccessDenied"))
    })
    .await;
    let error = in_parts(server.endpoint())
        .put(&path("a"), payload(), PutMode::Overwrite)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    server.wait_for(is_abort).await;
}

#[tokio::test]
async fn an_upload_that_is_cancelled_is_aborted() {
    let server = service(|seen| (seen.method == "PUT").then_some(Reply::Silence)).await;
    let storage = in_parts(server.endpoint());
    let put =
        tokio::spawn(async move { storage.put(&path("a"), payload(), PutMode::Overwrite).await });
    server.wait_for(|seen| seen.method == "PUT").await;
    put.abort();
    server.wait_for(is_abort).await;
}

#[tokio::test]
async fn parts_go_several_at_once() {
    let server = service(|seen| (seen.method == "PUT").then_some(Reply::Silence)).await;
    let storage = in_parts(server.endpoint());
    let put =
        tokio::spawn(async move { storage.put(&path("a"), payload(), PutMode::Overwrite).await });
    // Each of them, though none is answered.
    for part in ["partNumber=1", "partNumber=2", "partNumber=3"] {
        server.wait_for(|seen| seen.target.contains(part)).await;
    }
    put.abort();
}
