//! No secret is shown by anything: not by `Debug`, not by an error, not by the log.

use std::fmt;
use std::sync::{Arc, Mutex};

use cairn_storage::{
    ByteRange, Payload, PutMode, S3Config, S3Storage, Storage, StorageExt, StorageUrl,
};
use futures::TryStreamExt;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::scripted::{Reply, Scripted};
use crate::{path, told};

const SECRETS: [&str; 3] = ["hidden-secret-key", "hidden-session-token", "hidden-external-id"];

/// Keeps what is logged, values and all.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn add(&self, record: impl FnOnce(&mut Self)) {
        record(&mut self.clone());
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        *self.0.lock().unwrap() += &format!("{field}={value:?}\n");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.add(|log| span.record(log));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.add(|log| values.record(log));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.add(|log| event.record(log));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let log = Log::default();
    let shown = show_everything().with_subscriber(log.clone()).await;
    let logged = log.0.lock().unwrap().clone();
    assert!(logged.contains("corrected"), "the log is read at all: {logged}");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!logged.contains(secret), "{logged}");
    }
}

/// All that a storage shows of itself while everything goes wrong.
async fn show_everything() -> String {
    let mut shown = String::new();
    let replies = [
        Reply::object("abc"),
        Reply::refusal(403, "SignatureDoesNotMatch"),
        Reply::refusal(400, "ExpiredToken"),
        Reply::refusal(403, "RequestTimeTooSkewed").with("date", "Sun, 02 Jan 2050 03:04:05 GMT"),
        Reply::refusal(503, "SlowDown"),
        Reply::new(404, "<html>"),
        Reply::Raw(b"nonsense\r\n\r\n".to_vec()),
        Reply::Raw(Vec::new()),
    ];
    for reply in replies {
        let server = Scripted::always(reply).await;
        let properties = crate::properties(
            server.endpoint(),
            &[("aws.s3.secret_key", SECRETS[0]), ("aws.s3.session_token", SECRETS[1])],
        );
        let config = S3Config::new("bucket", "in/here", &properties).unwrap();
        shown += &format!("{properties:?} {config:?}");
        let storage = S3Storage::new(config).unwrap();
        shown += &format!("{storage:?} {storage}");
        let put = storage.put(&path("a"), Payload::from(vec![1]), PutMode::Create).await;
        let get = storage.get(&path("a"), ByteRange::Full).await;
        let list = storage.list(&path("a")).try_collect::<Vec<_>>().await;
        let delete = storage.delete(&path("a")).await;
        shown += &format!("{put:?} {get:?} {list:?} {delete:?}");
        for error in [put.err(), get.err(), list.err(), delete.err()].into_iter().flatten() {
            shown += &told(&error);
        }
    }
    let misplaced = format!("s3://key:{}@bucket/a?token={}", SECRETS[0], SECRETS[1]);
    shown += &told(&StorageUrl::parse(&misplaced).unwrap_err());
    let unknown = crate::properties(
        "localhost",
        &[("aws.s3.secretkey", SECRETS[0]), ("aws.s3.external_id", SECRETS[2])],
    );
    shown += &format!("{:?}", S3Config::new("bucket", "", &unknown));
    shown
}
