//! The server of the test kit with the bucket of these tests.

use cairn_storage::S3Storage;
use cairn_testkit::S3Server;

use crate::{ACCESS_KEY, SECRET_KEY, bucket};

/// A server with empty buckets called `bucket` and `Odd_bucket`.
pub(crate) async fn start() -> S3Server {
    S3Server::start(ACCESS_KEY, SECRET_KEY, &["bucket", "Odd_bucket"]).await.unwrap()
}

/// Its first bucket.
pub(crate) fn bucket_of(server: &S3Server) -> S3Storage {
    bucket(server.endpoint(), &[])
}
