//! TLS of the port: a certificate and its key from PEM files, read once.
//!
//! What is wrong with them is said when the server starts, not to the first client.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM.
    #[error("the {what} {path}: {problem}")]
    File {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Each is fine, and they do not belong together.
    #[error("the certificate {certificate} and the key {key}: {problem}")]
    Pair {
        /// The one.
        certificate: PathBuf,
        /// The other.
        key: PathBuf,
        /// What is wrong.
        problem: rustls::Error,
    },
}

/// The certificate with those that vouch for it, the server's own first, and its key.
pub fn server_config(
    certificate: &Path,
    key: &Path,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let fault = |what, path: &Path, problem: String| TlsError::File {
        what,
        path: path.to_owned(),
        problem,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault("certificate", certificate, words(&error)))?;
    if chain.is_empty() {
        let problem = words(&PemError::NoItemsFound);
        return Err(fault("certificate", certificate, problem));
    }
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| fault("key", key, words(&error)))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|problem| TlsError::Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            problem,
        })?;
    Ok(Arc::new(config))
}

/// Never a line of the file: it may be of a key.
fn words(error: &PemError) -> String {
    match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "it holds no such thing in PEM form".to_owned(),
        _ => "it is no PEM file".to_owned(),
    }
}
