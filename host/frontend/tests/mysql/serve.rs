//! A server for a test: on a port and a runtime of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cairn_frontend::mysql::{MysqlConfig, MysqlServer};
use cairn_testkit::skip_unless_required;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::runtime::Runtime;

use crate::toy::Toy;

pub(crate) struct Serving {
    pub(crate) toy: Arc<Toy>,
    pub(crate) runtime: Runtime,
    server: Option<MysqlServer>,
    address: SocketAddr,
}

/// A server with the limits that are the default.
pub(crate) fn serve() -> Serving {
    serve_with(|_| {})
}

pub(crate) fn serve_with(change: impl FnOnce(&mut MysqlConfig)) -> Serving {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut config = MysqlConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    change(&mut config);
    let toy = Arc::new(Toy::default());
    let server = MysqlServer::start(config, Arc::clone(&toy), runtime.handle()).unwrap();
    let address = server.address();
    Serving { toy, runtime, server: Some(server), address }
}

impl Serving {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }

    #[expect(clippy::disallowed_methods, reason = "the test is on no runtime")]
    pub(crate) fn shutdown(&mut self, grace: Duration) {
        let server = self.server.take().expect("it runs");
        self.runtime.handle().block_on(server.shutdown(grace));
    }
}

/// A certificate for `localhost`, signed by itself.
pub(crate) struct Certificate {
    pub(crate) path: PathBuf,
    pub(crate) config: Arc<rustls::ServerConfig>,
    _directory: tempfile::TempDir,
}

/// None where there is no `openssl` and need not be.
pub(crate) fn certificate() -> Option<Certificate> {
    let directory = tempfile::tempdir().unwrap();
    let (path, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args([Path::new("-keyout"), &key, Path::new("-out"), &path])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        skip_unless_required("mysql", "openssl cannot be run, so there is no certificate for TLS");
        return None;
    }
    let chain = vec![CertificateDer::from_pem_file(&path).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Some(Certificate { path, config: Arc::new(config), _directory: directory })
}
