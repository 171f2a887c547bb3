//! What a service refuses, and what its user is told.

use std::time::Duration;

use cairn_storage::layer::{self, LayerConfig};
use cairn_storage::{
    ByteRange, Error, ErrorKind, Payload, PutMode, S3Storage, Storage, StorageExt,
};
use cairn_testkit::S3Server;
use futures::StreamExt;

use crate::scripted::{Reply, Scripted};
use crate::server;
use crate::{ACCESS_KEY, SECRET_KEY, bucket, path, told};

async fn refused(storage: &S3Storage) -> Error {
    storage.get(&path("a"), ByteRange::Full).await.unwrap_err()
}

async fn refusal(reply: Reply) -> Error {
    let server = Scripted::always(reply).await;
    refused(&bucket(server.endpoint(), &[])).await
}

#[tokio::test]
async fn a_wrong_access_key_is_named() {
    let server = server::start().await;
    let error = refused(&bucket(server.endpoint(), &[("aws.s3.access_key", "AKWRONG")])).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{}", told(&error));
    let error = refusal(Reply::refusal(403, "InvalidAccessKeyId")).await;
    assert!(told(&error).contains("no such access key there"), "{}", told(&error));
}

#[tokio::test]
async fn a_wrong_secret_key_is_named() {
    let server = server::start().await;
    let error = refused(&bucket(server.endpoint(), &[("aws.s3.secret_key", "wrong")])).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{}", told(&error));
    assert!(
        told(&error).contains("the secret key is not that of the access key"),
        "{}",
        told(&error)
    );
}

#[tokio::test]
async fn a_missing_bucket_is_not_a_missing_object() {
    let server = S3Server::start(ACCESS_KEY, SECRET_KEY, &[]).await.unwrap();
    let listed = server::bucket_of(&server).list(&path("a")).next().await.unwrap();
    let error = listed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other, "{}", told(&error));
    assert!(told(&error).contains("the bucket does not exist"), "{}", told(&error));
}

#[tokio::test]
async fn an_expired_token_is_named() {
    let error = refusal(Reply::refusal(400, "ExpiredToken")).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(told(&error).contains("the session token has expired"), "{}", told(&error));
}

#[tokio::test]
async fn the_right_region_is_named() {
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-3</Region></Error>";
    for reply in [
        Reply::new(400, malformed),
        Reply::refusal(301, "PermanentRedirect").with("x-amz-bucket-region", "eu-west-3"),
        // To a HEAD there is nothing but headers.
        Reply::new(301, "").with("x-amz-bucket-region", "eu-west-3"),
    ] {
        let error = refusal(reply).await;
        assert_eq!(error.kind(), ErrorKind::Other);
        assert!(
            told(&error).contains("in region eu-west-3: set aws.s3.region"),
            "{}",
            told(&error)
        );
    }
}

/// The service tells its time; the next request is signed by it.
#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_services() {
    let server = Scripted::start(|_, seen| {
        if seen.header("x-amz-date").starts_with("20500102T") {
            Reply::object("abc")
        } else {
            Reply::refusal(403, "RequestTimeTooSkewed")
                .with("date", "Sun, 02 Jan 2050 03:04:05 GMT")
        }
    })
    .await;
    let storage = bucket(server.endpoint(), &[]);
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "abc");
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "abc");
    assert_eq!(server.seen().len(), 3, "corrected once for all");
}

#[tokio::test]
async fn a_clock_that_cannot_be_corrected_is_named_with_the_difference() {
    let skewed =
        Reply::refusal(403, "RequestTimeTooSkewed").with("date", "Sun, 02 Jan 2050 03:04:05 GMT");
    let server = Scripted::always(skewed).await;
    let error = refused(&bucket(server.endpoint(), &[])).await;
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(told(&error).contains("s ahead of this machine's"), "{}", told(&error));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn who_may_only_write_can_write() {
    let server = Scripted::start(|_, seen| match seen.method.as_str() {
        "PUT" => Reply::new(200, ""),
        _ => Reply::refusal(403, "AccessDenied"),
    })
    .await;
    let storage = bucket(server.endpoint(), &[]);
    storage.put(&path("a"), Payload::from(vec![1]), PutMode::Create).await.unwrap();
    let error = storage.delete(&path("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let error = storage.list(&path("a")).next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn who_may_only_read_is_told_so() {
    let server = Scripted::always(Reply::refusal(403, "AccessDenied")).await;
    let storage = bucket(server.endpoint(), &[]);
    let error =
        storage.put(&path("a"), Payload::from(vec![1]), PutMode::Overwrite).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(told(&error).contains("AccessDenied"), "{}", told(&error));
}

#[tokio::test]
async fn an_absent_object_is_deleted_already() {
    let server = Scripted::always(Reply::refusal(404, "NoSuchKey")).await;
    bucket(server.endpoint(), &[]).delete(&path("a")).await.unwrap();
}

#[tokio::test]
async fn a_storm_of_403_ends_at_once() {
    let server = Scripted::always(Reply::refusal(403, "AccessDenied")).await;
    let storage =
        layer::stack(std::sync::Arc::new(bucket(server.endpoint(), &[])), &LayerConfig::default());
    let error = storage.get(&path("a"), ByteRange::Full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_storm_of_503_passes() {
    let server = Scripted::start(|number, _| match number {
        0..4 => Reply::refusal(503, "SlowDown"),
        4..6 => Reply::new(503, "<html>busy</html>").with("content-type", "text/html"),
        _ => Reply::object("abc"),
    })
    .await;
    let mut config = LayerConfig::default();
    config.retry.max_backoff = Duration::from_millis(5);
    let storage = layer::stack(std::sync::Arc::new(bucket(server.endpoint(), &[])), &config);
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "abc");
    assert_eq!(server.seen().len(), 7);
}

/// A listing whose next page never comes would otherwise go on for ever.
#[tokio::test]
async fn a_listing_that_goes_round_in_a_circle_ends() {
    let page = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    let server = Scripted::always(Reply::new(200, page)).await;
    let error = bucket(server.endpoint(), &[]).list(&path("a")).next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert_eq!(server.seen().len(), 2);
}
