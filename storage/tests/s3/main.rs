//! The S3 backend: the contract on real servers, and what only S3 does wrong.
//!
//! A server that is right is a real one: that of the test kit everywhere, radosgw where it is installed. What no real
//! server can be brought to say is said by one that follows a script (`scripted.rs`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod credentials;
mod endpoint;
mod gcs;
mod integrity;
mod multipart;
mod probe;
mod radosgw;
mod refusals;
mod rusoto;
mod scripted;
mod secrets;
mod server;

use cairn_storage::{ObjectPath, Properties, S3Config, S3Storage};

/// Keys that every server of these tests knows.
pub(crate) const ACCESS_KEY: &str = "AKTEST";
pub(crate) const SECRET_KEY: &str = "very-secret-key";

pub(crate) fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

/// What is said of a bucket at `endpoint`, beside `more`.
pub(crate) fn properties(endpoint: &str, more: &[(&str, &str)]) -> Properties {
    let mut properties: Properties = [
        ("aws.s3.endpoint", endpoint),
        ("aws.s3.access_key", ACCESS_KEY),
        ("aws.s3.secret_key", SECRET_KEY),
    ]
    .into_iter()
    .collect();
    for (key, value) in more {
        properties.insert(*key, *value);
    }
    properties
}

/// The bucket called `bucket` at `endpoint`.
pub(crate) fn bucket(endpoint: &str, more: &[(&str, &str)]) -> S3Storage {
    let config = S3Config::new("bucket", "", &properties(endpoint, more)).unwrap();
    S3Storage::new(config).unwrap()
}

/// An error with all of its causes, as a user reads it.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
