//! Stands in for hyper-tls below rusoto, beside the stand-in for hyper: no TLS, for there are no connections.

use hyper::client::HttpConnector;
use hyper::client::connect::Connect;

/// Opens nothing, in secret.
#[derive(Debug, Clone, Default)]
pub struct HttpsConnector<T>(T);

impl HttpsConnector<HttpConnector> {
    /// A connector.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<T> Connect for HttpsConnector<T> {}
