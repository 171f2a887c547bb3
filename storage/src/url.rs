//! [`StorageUrl`] and [`open`]: from what a user writes to a storage.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use crate::layer::{self, LayerConfig};
use crate::{Error, ErrorKind, Operation, Result, Storage};

const BACKEND: &str = "storage";

/// Where a storage is.
///
/// A plain path or a `file:///` URL. The path of a URL is taken as it is written; one with `%` is refused,
/// because it would mean two things.
///
/// ```
/// use cairn_storage::StorageUrl;
/// let url = StorageUrl::parse("file:///var/backup")?;
/// assert_eq!(url, StorageUrl::parse("/var/backup")?);
/// assert!(StorageUrl::parse("s3://bucket/backup").is_err());
/// # Ok::<(), cairn_storage::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageUrl {
    /// A directory of this machine.
    Local(PathBuf),
}

/// How a storage is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpenMode {
    /// Made when it is missing.
    Create,
    /// It must be there.
    Existing,
    /// It must be there, and nothing may change it.
    ReadOnly,
}

/// Why a text is not a [`StorageUrl`]: the source of the error.
#[derive(Debug, thiserror::Error)]
enum UrlError {
    #[error("the location is empty; {SUPPORTED}")]
    Empty,
    #[error("scheme {0:?} is not supported; {SUPPORTED}")]
    Scheme(String),
    #[error("a file URL has the form file:///path, without a host")]
    Host,
    #[error("a file URL is taken as it is written and cannot hold '%'; write the plain path")]
    Encoded,
    #[cfg(not(feature = "local"))]
    #[error("local directories are not built in")]
    NotBuiltIn,
}

const SUPPORTED: &str = "supported are a directory path and file:///path";

impl StorageUrl {
    /// Reads what a user wrote. Anything that is not supported is [`ErrorKind::Unsupported`], and the
    /// source of the error says what is.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(|cause| {
            Error::new(ErrorKind::Unsupported, Operation::Open, BACKEND, without_secrets(text))
                .with_source(cause)
        })
    }

    fn read(text: &str) -> Result<Self, UrlError> {
        match split_scheme(text) {
            None if text.is_empty() => Err(UrlError::Empty),
            None => Ok(Self::Local(text.into())),
            Some(("file", rest)) => {
                let path = rest.strip_prefix("//").filter(|path| path.starts_with('/'));
                let path = path.ok_or(UrlError::Host)?;
                if path.contains('%') {
                    return Err(UrlError::Encoded);
                }
                Ok(Self::Local(path.into()))
            }
            Some((scheme, _)) => Err(UrlError::Scheme(scheme.to_owned())),
        }
    }
}

/// The scheme and what follows its colon. As in any URL reference, a colon behind a slash belongs to the
/// path: `./a:b` is a path.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// A text fit for a message: people put keys before the `@` and behind the `?`.
fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = split_scheme(text) else {
        return text.to_owned();
    };
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    match rest.rsplit_once('@') {
        Some((_, after)) => format!("{scheme}://***@{after}"),
        None => format!("{scheme}:{rest}"),
    }
}

impl FromStr for StorageUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
        }
    }
}

/// Opens the storage at `url` in its layers (see [`layer::stack`]). Blocks shortly; does no network.
pub fn open(url: &StorageUrl, mode: OpenMode, layers: &LayerConfig) -> Result<Arc<dyn Storage>> {
    let stacked = layer::stack(open_backend(url, mode)?, layers);
    Ok(match mode {
        OpenMode::Create | OpenMode::Existing => stacked,
        OpenMode::ReadOnly => Arc::new(layer::ReadOnly::new(stacked)),
    })
}

#[cfg(feature = "local")]
fn open_backend(url: &StorageUrl, mode: OpenMode) -> Result<Arc<dyn Storage>> {
    use crate::LocalStorage;

    let StorageUrl::Local(path) = url;
    Ok(Arc::new(match mode {
        OpenMode::Create => LocalStorage::create(path)?,
        OpenMode::Existing | OpenMode::ReadOnly => LocalStorage::open(path)?,
    }))
}

#[cfg(not(feature = "local"))]
fn open_backend(url: &StorageUrl, _mode: OpenMode) -> Result<Arc<dyn Storage>> {
    Err(Error::new(ErrorKind::Unsupported, Operation::Open, BACKEND, url)
        .with_source(UrlError::NotBuiltIn))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn refusal(text: &str) -> (String, String) {
        let error = StorageUrl::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        (error.to_string(), error.source().unwrap().to_string())
    }

    #[test]
    fn paths_and_file_urls_are_directories() {
        for (text, path) in [
            ("/var/backup", "/var/backup"),
            ("backup", "backup"),
            ("./a:b", "./a:b"),
            ("file:///var/my backup", "/var/my backup"),
        ] {
            assert_eq!(StorageUrl::parse(text).unwrap(), StorageUrl::Local(path.into()), "{text}");
        }
    }

    #[test]
    fn other_schemes_are_named_and_what_is_supported_too() {
        for scheme in ["s3", "s3a", "hdfs", "memory"] {
            let (_, source) = refusal(&format!("{scheme}://somewhere/backup"));
            let expected = format!(
                "scheme {scheme:?} is not supported; \
                 supported are a directory path and file:///path"
            );
            assert_eq!(source, expected);
        }
        assert!(refusal("memory:").1.starts_with("scheme \"memory\""));
    }

    #[test]
    fn malformed_locations_say_why() {
        assert!(refusal("").1.contains("empty"));
        assert!(refusal("file://host/path").1.contains("without a host"));
        assert!(refusal("file:relative").1.contains("file:///path"));
        assert!(refusal("file:///a%20b").1.contains("plain path"));
    }

    #[test]
    fn a_message_keeps_secrets() {
        let (message, source) = refusal("s3://KEY:SECRET@bucket/path?token=HIDDEN");
        assert_eq!(
            message,
            "open of \"s3://***@bucket/path\" on storage failed: not supported here"
        );
        assert!(!source.contains("SECRET") && !source.contains("HIDDEN"));
    }
}
