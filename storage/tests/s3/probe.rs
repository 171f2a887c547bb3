//! Put-if-absent: what a service does with it is found out, and nothing is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use cairn_storage::{ErrorKind, Payload, PutMode, Storage, StorageExt, probe_atomic_create};
use futures::TryStreamExt;

use crate::scripted::{Reply, Scripted, Seen};
use crate::server;
use crate::{bucket, path, told};

/// A service that keeps objects, and decides on conditions as `honours` says.
async fn service(honours: impl Fn(usize) -> bool + Send + Sync + 'static) -> Scripted {
    let objects = Mutex::new(BTreeMap::<String, Vec<u8>>::new());
    Scripted::start(move |number, seen| {
        let mut objects = objects.lock().unwrap();
        let target = name(seen);
        match seen.method.as_str() {
            "PUT"
                if seen.header("if-none-match") == "*"
                    && objects.contains_key(&target)
                    && honours(number) =>
            {
                Reply::refusal(412, "PreconditionFailed")
            }
            "PUT" => {
                objects.insert(target, seen.body.clone());
                Reply::new(200, "")
            }
            "DELETE" => {
                objects.remove(&target);
                Reply::new(204, "")
            }
            _ => match objects.get(&target) {
                Some(body) => Reply::object(body.clone()),
                None if seen.method == "HEAD" => Reply::new(404, ""),
                None => Reply::refusal(404, "NoSuchKey"),
            },
        }
    })
    .await
}

/// The object of a request.
fn name(seen: &Seen) -> String {
    seen.target.split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_service_that_honours_it_is_trusted() {
    let server = service(|_| true).await;
    let storage = bucket(server.endpoint(), &[]);
    assert!(probe_atomic_create(&storage).await.unwrap());
    let seen = server.seen();
    let created: BTreeSet<_> = seen.iter().filter(|seen| seen.method == "PUT").map(name).collect();
    let deleted = seen.iter().filter(|seen| seen.method == "DELETE").map(name).collect();
    assert_eq!(created, deleted, "nothing stays behind");
}

#[tokio::test]
async fn a_service_that_ignores_it_is_not() {
    let server = service(|_| false).await;
    assert!(!probe_atomic_create(&bucket(server.endpoint(), &[])).await.unwrap());
    // Told of it, the storage promises no more, and still refuses what it can see.
    let storage = bucket(server.endpoint(), &[("cairn.s3.conditional_put", "false")]);
    assert!(!storage.capabilities().atomic_create);
    assert!(!probe_atomic_create(&storage).await.unwrap());
    storage.put(&path("a"), Payload::from(vec![1]), PutMode::Create).await.unwrap();
    let error = storage.put(&path("a"), Payload::from(vec![2]), PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{}", told(&error));
}

/// In the first race one condition is overlooked.
#[tokio::test]
async fn a_service_that_races_is_not() {
    let server = service(|number| number != 3).await;
    assert!(!probe_atomic_create(&bucket(server.endpoint(), &[])).await.unwrap());
}

#[tokio::test]
async fn a_service_that_does_not_know_it_is_asked_once() {
    let server = Scripted::start(|_, seen| match seen.method.as_str() {
        "PUT" if seen.header("if-none-match") == "*" => Reply::refusal(501, "NotImplemented"),
        "PUT" => Reply::new(200, ""),
        _ => Reply::new(404, ""),
    })
    .await;
    let storage = bucket(server.endpoint(), &[]);
    for _ in 0..2 {
        storage.put(&path("a"), Payload::from(vec![1]), PutMode::Create).await.unwrap();
    }
    assert!(!storage.capabilities().atomic_create);
    let methods: Vec<_> = server.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["PUT", "HEAD", "PUT", "HEAD", "PUT"]);
}

#[tokio::test]
async fn a_probe_that_cannot_write_is_an_error() {
    let server = Scripted::always(Reply::refusal(403, "AccessDenied")).await;
    let storage = bucket(server.endpoint(), &[]);
    let error = probe_atomic_create(&storage).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_real_server_is_as_it_was_after_a_probe() {
    let server = server::start().await;
    let storage = server::bucket_of(&server);
    probe_atomic_create(&storage).await.unwrap();
    let root = cairn_storage::ObjectPath::root();
    let left: Vec<_> = storage.list(&root).try_collect().await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
