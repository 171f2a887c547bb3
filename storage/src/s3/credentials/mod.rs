//! Credentials: who sends requests, from wherever that is known.
//!
//! A [`Source`] fetches them anew each time; [`Cached`] keeps what was fetched until shortly before it expires. The
//! sources: keys that the user states, the instance profile, an assumed role on top of any other, a web identity,
//! and the chain of defaults. rusoto's own providers speak the old metadata protocol only, and remember an error for
//! ever.

mod cached;
mod config;
mod default_chain;
mod instance;
mod profile;
mod sts;

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

pub(super) use cached::Cached;
pub use config::CredentialsConfig;

use crate::{ErrorKind, Secret};

/// A key pair, and how long it is good. `Debug` hides the secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: Secret,
    pub(super) session_token: Option<Secret>,
    /// None when they do not expire, or nobody knows when.
    pub(super) expires: Option<SystemTime>,
}

impl Credentials {
    /// Keys that are good until the service says otherwise.
    pub(super) fn fixed(access_key: &str, secret_key: &str, session_token: Option<&str>) -> Self {
        Self {
            access_key: access_key.to_owned(),
            secret_key: Secret::new(secret_key),
            session_token: session_token.map(Secret::new),
            expires: None,
        }
    }
}

/// A place where credentials come from.
#[async_trait]
pub(super) trait Source: fmt::Debug + Send + Sync {
    /// Asks there.
    async fn fetch(&self) -> Result<Credentials, CredentialsError>;
}

/// Keys that the user states.
#[derive(Debug)]
pub(super) struct Stated(Credentials);

#[async_trait]
impl Source for Stated {
    async fn fetch(&self) -> Result<Credentials, CredentialsError> {
        Ok(self.0.clone())
    }
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialsError {
    /// The place has none: the next one of a chain is asked.
    #[error("no credentials from {from}: {reason}")]
    Absent { from: &'static str, reason: String },
    /// The place has some and does not hand them out.
    #[error("credentials from {from} cannot be had: {cause}")]
    Failed { from: &'static str, cause: String, is_passing: bool },
    /// None of the places has any.
    #[error("no credentials found; asked were: {0}")]
    NoneFound(String),
}

impl CredentialsError {
    fn absent(from: &'static str, reason: impl Into<String>) -> Self {
        Self::Absent { from, reason: reason.into() }
    }

    /// An answer that cannot be used.
    fn unusable(from: &'static str, cause: impl Into<String>) -> Self {
        Self::Failed { from, cause: cause.into(), is_passing: false }
    }

    /// An answer that is none; a service that is busy may have one later.
    fn status(from: &'static str, status: hyper::StatusCode) -> Self {
        let is_passing = status.is_server_error() || status == hyper::StatusCode::TOO_MANY_REQUESTS;
        Self::Failed { from, cause: format!("status {status}"), is_passing }
    }

    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Failed { is_passing: true, .. } => ErrorKind::Transient,
            Self::Failed { .. } | Self::Absent { .. } | Self::NoneFound(_) => {
                ErrorKind::PermissionDenied
            }
        }
    }
}

/// A file that is read where reading may block.
async fn read_file(
    from: &'static str,
    path: std::path::PathBuf,
) -> Result<String, CredentialsError> {
    let shown = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
    match read {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(CredentialsError::absent(from, format!("{shown} does not exist")))
        }
        Ok(Err(error)) => Err(CredentialsError::unusable(from, format!("{shown}: {error}"))),
        Err(_cancelled) => Err(CredentialsError::absent(from, "the process ends")),
    }
}
