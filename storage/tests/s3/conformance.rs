//! The contract of a storage on the server of the test kit: plain, below a prefix, and in its layers.

use std::sync::Arc;

use cairn_storage::layer::{self, LayerConfig};
use cairn_storage::{S3Config, S3Storage, Storage};
use cairn_testkit::conformance::Fixture;
use cairn_testkit::storage_conformance;

use crate::properties;
use crate::server;

async fn s3() -> Fixture {
    let server = server::start().await;
    Fixture::new(Arc::new(server::bucket_of(&server)), server)
}

/// A bucket whose name no host can have, below a prefix that no object path can be.
async fn odd_place() -> Fixture {
    let server = server::start().await;
    let properties = properties(server.endpoint(), &[("cairn.s3.sign_payload", "true")]);
    let config = S3Config::new("Odd_bucket", "my backups/é", &properties).unwrap();
    Fixture::new(Arc::new(S3Storage::new(config).unwrap()), server)
}

async fn layers() -> Fixture {
    let server = server::start().await;
    let backend: Arc<dyn Storage> = Arc::new(server::bucket_of(&server));
    Fixture::new(layer::stack(backend, &LayerConfig::default()), server)
}

storage_conformance!(s3, s3().await);
storage_conformance!(s3_in_an_odd_place, odd_place().await);
storage_conformance!(s3_in_layers, layers().await);
