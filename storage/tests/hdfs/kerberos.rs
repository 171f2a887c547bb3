//! A secure cluster. Kerberos is configured by the environment of the process, so each case runs in a process of
//! its own, which is this test once more.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use cairn_storage::hdfs::HdfsConfig;
use cairn_storage::{
    ByteRange, Error, ErrorKind, HdfsStorage, ObjectPath, Properties, PutMode, Storage, StorageExt,
};
use futures::StreamExt;
use tokio::time::timeout;

use crate::cluster::{Alone, Cluster, Mode, story};

const KERBEROS: (&str, &str) = ("hadoop.security.authentication", "kerberos");
const PRINCIPAL: (&str, &str) = ("kerberos_principal", "hdfs/localhost");

/// Runs `case` of this file with what it needs on its standard input.
fn in_process(cluster: &Alone, case: &str) {
    let name = format!("kerberos::{case}");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", &name])
        .env("KRB5_CONFIG", cluster.directory().join("krb5.conf"))
        .env("KRB5CCNAME", cluster.directory().join("no-such-cache"))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let place = format!("{}\n{}\n", cluster.authority(), cluster.directory().display());
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), place.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{case}");
}

/// Authority and directory of the cluster, from the standard input.
fn place() -> (String, String) {
    let mut lines = std::io::stdin().lines().map(Result::unwrap);
    (lines.next().unwrap(), lines.next().unwrap())
}

fn storage(authority: &str, properties: &[(&str, &str)]) -> HdfsStorage {
    let properties: Properties = properties.iter().copied().collect();
    HdfsStorage::new("/secure", HdfsConfig::from_properties(authority, &properties).unwrap())
        .unwrap()
}

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

async fn refusal(storage: &HdfsStorage) -> Error {
    let object = path("any");
    let error = timeout(Duration::from_secs(10), storage.head(&object))
        .await
        .expect("in time")
        .unwrap_err();
    assert!(!error.is_retryable(), "{}", story(&error));
    error
}

#[test]
fn a_secure_cluster_wants_a_ticket() {
    let Some(cluster) = Cluster::alone(Mode::Kerberos, 1) else { return };
    in_process(&cluster, "case_a_keytab_opens_it");
    in_process(&cluster, "case_without_a_ticket_it_stays_closed");
    in_process(&cluster, "case_without_kerberos_it_stays_closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_secure_cluster_wants_a_ticket"]
async fn case_a_keytab_opens_it() {
    let (authority, directory) = place();
    let keytab = format!("{directory}/hdfs.keytab");
    let content = base64(&std::fs::read(&keytab).unwrap());
    let data = ("dfs.data.transfer.protection", "authentication");
    for (number, keytab) in
        [("kerberos_keytab", keytab.as_str()), ("kerberos_keytab_content", content.as_str())]
            .into_iter()
            .enumerate()
    {
        let storage = storage(&authority, &[KERBEROS, PRINCIPAL, keytab, data]);
        let (object, bytes) = (path(&format!("object-{number}")), Bytes::from(vec![9; 3 << 20]));
        storage.put(&object, bytes.clone().into(), PutMode::Create).await.unwrap();
        assert_eq!(storage.get(&object, ByteRange::Full).await.unwrap(), bytes);
        let again = storage.put(&object, bytes.into(), PutMode::Create).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert_eq!(storage.list(&ObjectPath::root()).count().await, number + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_secure_cluster_wants_a_ticket"]
async fn case_without_a_ticket_it_stays_closed() {
    let (authority, directory) = place();
    let error = refusal(&storage(&authority, &[KERBEROS])).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{}", story(&error));
    assert!(story(&error).contains("Kerberos gives no ticket"), "{}", story(&error));

    // The key of somebody else.
    let keytab = format!("{directory}/cairn.keytab");
    let error =
        refusal(&storage(&authority, &[KERBEROS, PRINCIPAL, ("kerberos_keytab", &keytab)])).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{}", story(&error));
    assert!(story(&error).contains("Kerberos gives no ticket"), "{}", story(&error));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_secure_cluster_wants_a_ticket"]
async fn case_without_kerberos_it_stays_closed() {
    let (authority, _) = place();
    let error = refusal(&storage(&authority, &[])).await;
    assert!(story(&error).contains("are address and authentication right?"), "{}", story(&error));
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
