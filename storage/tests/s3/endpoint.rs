//! Endpoints that are none: each is a clear error, soon.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cairn_storage::layer::{self, LayerConfig};
use cairn_storage::{ByteRange, Error, ErrorKind, Payload, PutMode, S3Storage, Storage};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::scripted::{self, Reply, Scripted};
use crate::{bucket, path, told};

/// What a user is told within the ten seconds that a wrong location may take, with retries as they are by default.
async fn told_in_time(storage: S3Storage) -> (Error, String) {
    let begun = Instant::now();
    let storage = layer::stack(Arc::new(storage), &LayerConfig::default());
    let error = storage.get(&path("a"), ByteRange::Full).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let told = told(&error);
    (error, told)
}

/// A port at which nobody listens.
async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn one_that_refuses() {
    let address = closed_port().await;
    let (error, told) = told_in_time(bucket(&format!("http://{address}"), &[])).await;
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(told.contains(&format!("cannot connect to http://{address}")), "{told}");
    assert!(told.contains("check the endpoint"), "{told}");
}

#[tokio::test]
async fn one_that_has_no_address() {
    let (error, told) = told_in_time(bucket("http://no-such-host.invalid", &[])).await;
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(told.contains("cannot connect to http://bucket.no-such-host.invalid"), "{told}");
}

#[tokio::test]
async fn one_that_is_silent() {
    let server = Scripted::always(Reply::Silence).await;
    let (error, told) =
        told_in_time(bucket(server.endpoint(), &[("cairn.s3.first_contact_timeout", "50ms")]))
            .await;
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(told.contains("was silent for 50ms"), "{told}");
    let default = cairn_storage::s3::S3Timeouts::default();
    assert!(default.first_contact < Duration::from_secs(10));
}

/// One that has answered has a passing fault when it does not.
#[tokio::test]
async fn one_that_falls_silent_is_tried_again() {
    let server = Scripted::start(|number, _| match number {
        1 => Reply::Silence,
        _ => Reply::object("abc"),
    })
    .await;
    let storage = layer::stack(
        Arc::new(bucket(server.endpoint(), &[("cairn.s3.first_byte_timeout", "50ms")])),
        &LayerConfig::default(),
    );
    for _ in 0..2 {
        assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "abc");
    }
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let stalled = b"HTTP/1.1 200 x\r\netag: \"e\"\r\ncontent-length: 10\r\n\r\nabc".to_vec();
    let server = Scripted::always(Reply::Stall(stalled)).await;
    let storage = bucket(server.endpoint(), &[("cairn.s3.stall_timeout", "50ms")]);
    let error = storage.get(&path("a"), ByteRange::Full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient, "{}", told(&error));
    assert!(told(&error).contains("was silent for 50ms"), "{}", told(&error));
}

/// A put that got no answer may have happened.
#[tokio::test]
async fn a_put_without_an_answer_has_an_unknown_outcome() {
    let server = Scripted::start(|number, _| match number {
        0 => Reply::object("abc"),
        1 => Reply::Silence,
        _ => Reply::Raw(Vec::new()),
    })
    .await;
    let storage = bucket(server.endpoint(), &[("cairn.s3.first_byte_timeout", "50ms")]);
    storage.head(&path("a")).await.unwrap();
    for _ in 0..2 {
        let error =
            storage.put(&path("a"), Payload::from(vec![1]), PutMode::Overwrite).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome, "{}", told(&error));
    }
}

#[tokio::test]
async fn one_that_speaks_html() {
    for status in [200, 301, 400, 403, 404] {
        let page = Reply::new(status, "<!DOCTYPE html><html>")
            .with("content-type", "text/html; charset=utf-8");
        let server = Scripted::always(page).await;
        let (error, told) = told_in_time(bucket(server.endpoint(), &[])).await;
        assert_eq!(error.kind(), ErrorKind::Other, "{told}");
        assert!(
            told.contains("does not answer as S3 does") && told.contains("an HTML page"),
            "{told}"
        );
        let error = bucket(server.endpoint(), &[]).head(&path("a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other, "HEAD {status}");
    }
}

#[tokio::test]
async fn one_that_speaks_something_else() {
    let server = Scripted::always(Reply::Raw(b"220 mail.example ESMTP\r\n".to_vec())).await;
    let (error, told) = told_in_time(bucket(server.endpoint(), &[])).await;
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(told.contains("does not speak HTTP"), "{told}");
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/s3/tls").join(name)
}

/// A server behind TLS whose certificate is for 127.0.0.1, by an authority of ours.
async fn secure() -> (String, tokio::task::JoinHandle<()>) {
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(socket) = acceptor.accept(socket).await {
                    scripted::serve_object(socket).await;
                }
            });
        }
    });
    (address, serving)
}

#[tokio::test]
async fn one_with_a_certificate_of_our_own_authority() {
    let (address, serving) = secure().await;
    let authority = file("authority.pem");
    let storage = bucket(&address, &[("aws.s3.ca_file", authority.to_str().unwrap())]);
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "abc");
    serving.abort();
}

#[tokio::test]
async fn one_with_a_certificate_of_nobody_we_know() {
    let (address, serving) = secure().await;
    let (error, told) = told_in_time(bucket(&address, &[])).await;
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(told.contains("is not trusted") && told.contains("UnknownIssuer"), "{told}");
    serving.abort();
}

#[tokio::test]
async fn one_with_the_certificate_of_another_host() {
    let (address, serving) = secure().await;
    let elsewhere = address.replace("127.0.0.1", "localhost");
    let authority = file("authority.pem");
    let (_, told) =
        told_in_time(bucket(&elsewhere, &[("aws.s3.ca_file", authority.to_str().unwrap())])).await;
    assert!(told.contains("is not trusted") && told.contains("NotValidForName"), "{told}");
    serving.abort();
}

#[tokio::test]
async fn plain_http_to_a_port_of_tls() {
    let (address, serving) = secure().await;
    let (error, told) = told_in_time(bucket(&address, &[("aws.s3.enable_ssl", "false")])).await;
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(told.contains("http://127.0.0.1"), "{told}");
    serving.abort();
}

#[tokio::test]
async fn tls_to_a_port_of_plain_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // What a server says that reads the first line of a request and cannot.
            let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, refusal).await;
        }
    });
    let (error, told) = told_in_time(bucket(&address, &[])).await;
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(told.contains("does not speak TLS") && told.contains("aws.s3.enable_ssl"), "{told}");
    serving.abort();
}

#[test]
fn a_file_of_certificates_that_holds_none_is_refused() {
    let config = |file: &str| {
        let properties = crate::properties("https://localhost", &[("aws.s3.ca_file", file)]);
        cairn_storage::S3Config::new("bucket", "", &properties).unwrap()
    };
    for name in ["missing.pem", "server.key"] {
        let error = S3Storage::new(config(file(name).to_str().unwrap())).unwrap_err();
        assert!(told(&error).contains(name), "{}", told(&error));
    }
}
