//! [`HttpConfig`]: where the HTTP server listens, and by which names it is called.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The port of StarRocks' FE, which the same dashboards and habits know.
const HTTP_PORT: u16 = 8030;

/// Settings of the HTTP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) names: Vec<HostName>,
}

/// A name of the server in the network, without port, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct HostName(String);

impl HostName {
    /// Whether a Host, without its port, is this name.
    pub(crate) fn is(&self, host: &str) -> bool {
        self.0.eq_ignore_ascii_case(host)
    }
}

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        match name.split('.').all(is_label) {
            true => Ok(Self(name.to_ascii_lowercase())),
            false => Err(format!(
                "{name:?} is no host name: write it as in cairn.example.com, without scheme, port and wildcards"
            )),
        }
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, HTTP_PORT).into(), names: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_host_names_whatever_their_case() {
        let name = HostName::try_from("Backups_1.Example.com".to_owned()).unwrap();
        assert!(name.is("BACKUPS_1.example.com") && !name.is("example.com"));
        for wrong in ["", "a..b", "*.example.com", "http://a", "a:8030", "a/b", "ä.example", "."] {
            assert!(HostName::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
