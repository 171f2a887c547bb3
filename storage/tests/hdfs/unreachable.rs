//! Endpoints that are no name node. None of these needs a cluster.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use cairn_storage::hdfs::HdfsConfig;
use cairn_storage::{Error, HdfsStorage, ObjectPath, PutMode, Storage};
use tokio::time::timeout;

use crate::cluster::story;

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

fn at(authority: &str) -> HdfsStorage {
    HdfsStorage::new("/any", HdfsConfig::at(authority)).unwrap()
}

/// What a head says within ten seconds. A put says the same.
async fn refusal(authority: &str) -> Error {
    let storage = at(authority);
    let object = path("object");
    let put = storage.put(&object, Bytes::new().into(), PutMode::Create);
    let head = timeout(Duration::from_secs(10), storage.head(&object)).await;
    let put = timeout(Duration::from_secs(10), put).await;
    for error in [head.expect("in time").unwrap_err(), put.expect("in time").unwrap_err()] {
        // Nobody has ever answered: to try again for two minutes helps nobody.
        assert!(!error.is_retryable(), "{}", story(&error));
        assert!(story(&error).contains("no active name node has answered"), "{}", story(&error));
    }
    storage.head(&object).await.unwrap_err()
}

/// A server that does the same to everybody who connects, for as long as the process lives.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert!(story(&refusal(&address).await).contains("refused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_nobody_knows_is_refused() {
    let error = refusal("no-such-host.invalid:8020").await;
    assert!(story(&error).contains("lookup"), "{}", story(&error));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_listens_is_given_up() {
    let (keep, kept) = std::sync::mpsc::sync_channel(64);
    let address = server(move |stream| keep.send(stream).unwrap());
    let error = refusal(&address.to_string()).await;
    assert!(story(&error).contains("did not answer"), "{}", story(&error));
    drop(kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_server_is_no_name_node() {
    let address = server(|mut stream| {
        let mut request = [0; 7];
        stream.read_exact(&mut request).unwrap();
        let _ = stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>no</html>");
    });
    refusal(&address.to_string()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_that_is_dropped_hangs_up() {
    let (keep, kept) = std::sync::mpsc::sync_channel(64);
    let address = server(move |stream| keep.send(stream).unwrap());
    let storage = at(&address.to_string());
    let head = tokio::spawn({
        let storage = storage.clone();
        async move { storage.head(&path("object")).await.map(drop) }
    });
    let mut connection = kept.recv().unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    head.abort();
    assert!(head.await.unwrap_err().is_cancelled());
    drop(storage);
    // Everything there is to read, and its end.
    connection.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_storage_needs_no_runtime_of_the_caller() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let storage = at(&address);
    let head = futures::executor::LocalPool::new().run_until(storage.head(&path("object")));
    assert!(story(&head.unwrap_err()).contains("refused"));
}
