//! [`StorageUrl`] and [`open`]: from what a user writes to a storage.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::layer::{self, LayerConfig};
use crate::{Error, ErrorKind, Operation, Properties, Result, Storage};

const BACKEND: &str = "storage";

/// Where a storage is.
///
/// A plain path, a `file:///` URL, or a bucket. What follows is taken as it is written; `%` is refused, because it
/// would mean two things.
///
/// ```
/// use cairn_storage::StorageUrl;
/// let url = StorageUrl::parse("file:///var/backup")?;
/// assert_eq!(url, StorageUrl::parse("/var/backup")?);
/// assert_eq!(StorageUrl::parse("s3a://bucket/a/b/")?.to_string(), "s3://bucket/a/b");
/// assert!(StorageUrl::parse("s3://key:secret@bucket").is_err());
/// # Ok::<(), cairn_storage::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageUrl {
    /// A directory of this machine.
    Local(PathBuf),
    /// A bucket of S3, or of what speaks like it: `s3://` or `s3a://`.
    S3 {
        /// Its name.
        bucket: String,
        /// Where keys begin, without slashes around; empty for the whole bucket.
        prefix: String,
    },
    /// A directory of HDFS: `hdfs://`.
    Hdfs {
        /// `host:port`, `host` or a name service; empty for that of the property `fs.defaultFS`.
        authority: String,
        /// The directory, from the root: it begins with a slash.
        path: String,
    },
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
    #[error("a location holds no keys; they are properties (aws.s3.access_key, aws.s3.secret_key)")]
    KeysInside,
    #[error("a bucket is written s3://bucket or s3://bucket/prefix; {0}")]
    Bucket(&'static str),
    #[error(
        "a directory of HDFS is written hdfs://host:port/path or hdfs://name-service/path; {0}"
    )]
    Directory(&'static str),
    #[cfg(not(all(feature = "local", feature = "s3", feature = "hdfs")))]
    #[error("{0} is not built in")]
    NotBuiltIn(&'static str),
}

const SUPPORTED: &str =
    "supported are a directory path, file:///path, s3://bucket/prefix and hdfs://host:port/path";

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
            Some(("s3" | "s3a", rest)) => read_bucket(rest),
            Some(("hdfs", rest)) => read_directory(rest),
            Some((scheme, _)) => Err(UrlError::Scheme(scheme.to_owned())),
        }
    }
}

/// `//bucket/prefix`. A bucket may have any name that a service has allowed, whatever rules hosts have.
fn read_bucket(rest: &str) -> Result<StorageUrl, UrlError> {
    let rest = rest.strip_prefix("//").ok_or(UrlError::Bucket("slashes are missing"))?;
    if rest.contains(['@', '?', '#']) {
        return Err(UrlError::KeysInside);
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if bucket.is_empty() || !bucket.bytes().all(is_named) || matches!(bucket, "." | "..") {
        return Err(UrlError::Bucket("its name has letters, digits and -._ only"));
    }
    let prefix = prefix.trim_end_matches('/');
    if prefix.contains(|char: char| char == '%' || char.is_control()) {
        return Err(UrlError::Bucket("the prefix is taken as it is written and cannot hold '%'"));
    }
    if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(UrlError::Bucket("no part of the prefix is empty, '.' or '..'"));
    }
    Ok(StorageUrl::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

/// `//authority/path`.
fn read_directory(rest: &str) -> Result<StorageUrl, UrlError> {
    let rest = rest.strip_prefix("//").ok_or(UrlError::Directory("slashes are missing"))?;
    if rest.contains(['@', '?', '#']) {
        return Err(UrlError::Directory("who we are there is said by properties (username)"));
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = path.trim_matches('/');
    if path.contains(|char: char| char == '%' || char.is_control()) {
        return Err(UrlError::Directory("the path is taken as it is written and cannot hold '%'"));
    }
    if path.split('/').any(|part| part.is_empty() || matches!(part, "." | "..")) {
        return Err(UrlError::Directory("it has a path, and no part of it is empty, '.' or '..'"));
    }
    Ok(StorageUrl::Hdfs { authority: authority.to_owned(), path: format!("/{path}") })
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
pub(crate) fn without_secrets(text: &str) -> String {
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
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Hdfs { authority, path } => write!(f, "hdfs://{authority}{path}"),
        }
    }
}

/// Opens the storage at `url` in its layers (see [`layer::stack`]), with what is said of it. Blocks shortly; does
/// no network.
pub fn open(
    url: &StorageUrl,
    mode: OpenMode,
    properties: &Properties,
    layers: &LayerConfig,
) -> Result<Arc<dyn Storage>> {
    let backend = match url {
        StorageUrl::Local(path) => open_local(path, mode)?,
        StorageUrl::S3 { bucket, prefix } => open_s3(bucket, prefix, properties)?,
        StorageUrl::Hdfs { authority, path } => open_hdfs(authority, path, properties)?,
    };
    let stacked = layer::stack(backend, layers);
    Ok(match mode {
        OpenMode::Create | OpenMode::Existing => stacked,
        OpenMode::ReadOnly => Arc::new(layer::ReadOnly::new(stacked)),
    })
}

#[cfg(feature = "local")]
fn open_local(path: &Path, mode: OpenMode) -> Result<Arc<dyn Storage>> {
    use crate::LocalStorage;

    Ok(Arc::new(match mode {
        OpenMode::Create => LocalStorage::create(path)?,
        OpenMode::Existing | OpenMode::ReadOnly => LocalStorage::open(path)?,
    }))
}

#[cfg(not(feature = "local"))]
fn open_local(path: &Path, _mode: OpenMode) -> Result<Arc<dyn Storage>> {
    Err(not_built_in(path.display(), "a local directory"))
}

/// A bucket is not made: who owns one decides on its region, its rules and its cost.
#[cfg(feature = "s3")]
fn open_s3(bucket: &str, prefix: &str, properties: &Properties) -> Result<Arc<dyn Storage>> {
    use crate::{S3Config, S3Storage};

    let config = S3Config::new(bucket, prefix, properties).map_err(|cause| {
        Error::new(ErrorKind::Unsupported, Operation::Open, BACKEND, format!("s3://{bucket}"))
            .with_source(cause)
    })?;
    Ok(Arc::new(S3Storage::new(config)?))
}

#[cfg(not(feature = "s3"))]
fn open_s3(bucket: &str, _prefix: &str, _properties: &Properties) -> Result<Arc<dyn Storage>> {
    Err(not_built_in(format_args!("s3://{bucket}"), "S3"))
}

/// The directory is made with its first object.
#[cfg(feature = "hdfs")]
fn open_hdfs(authority: &str, path: &str, properties: &Properties) -> Result<Arc<dyn Storage>> {
    use crate::hdfs::{HdfsConfig, HdfsStorage};

    let config = HdfsConfig::from_properties(authority, properties).map_err(|cause| {
        let place = format!("hdfs://{authority}{path}");
        Error::new(ErrorKind::Unsupported, Operation::Open, BACKEND, place).with_source(cause)
    })?;
    Ok(Arc::new(HdfsStorage::new(path, config)?))
}

#[cfg(not(feature = "hdfs"))]
fn open_hdfs(authority: &str, path: &str, _properties: &Properties) -> Result<Arc<dyn Storage>> {
    Err(not_built_in(format_args!("hdfs://{authority}{path}"), "HDFS"))
}

#[cfg(not(all(feature = "local", feature = "s3", feature = "hdfs")))]
fn not_built_in(place: impl fmt::Display, what: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, Operation::Open, BACKEND, place)
        .with_source(UrlError::NotBuiltIn(what))
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
        for scheme in ["gs", "viewfs", "memory"] {
            let (_, source) = refusal(&format!("{scheme}://somewhere/backup"));
            let expected = format!(
                "scheme {scheme:?} is not supported; \
                 supported are a directory path, file:///path, s3://bucket/prefix and hdfs://host:port/path"
            );
            assert_eq!(source, expected);
        }
        assert!(refusal("memory:").1.starts_with("scheme \"memory\""));
    }

    #[test]
    fn buckets_have_any_name_and_a_prefix() {
        for (text, bucket, prefix) in [
            ("s3://bucket", "bucket", ""),
            ("s3a://My_bucket.1/", "My_bucket.1", ""),
            ("s3a://bucket/my backups/é/", "bucket", "my backups/é"),
        ] {
            let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
            assert_eq!(
                StorageUrl::parse(text).unwrap(),
                StorageUrl::S3 { bucket, prefix },
                "{text}"
            );
        }
        for text in
            ["s3:bucket", "s3://", "s3:///a", "s3://a b", "s3://..", "s3://a//b", "s3://a/../b"]
        {
            assert!(refusal(text).1.contains("a bucket is written"), "{text}");
        }
        assert!(refusal("s3://bucket/a%20b").1.contains("'%'"));
    }

    #[test]
    fn directories_of_hdfs_have_an_authority_or_none_and_a_path() {
        for (text, authority, path) in [
            ("hdfs://127.0.0.1:8020/backup/", "127.0.0.1:8020", "/backup"),
            ("hdfs://service/a/my backups", "service", "/a/my backups"),
            ("hdfs:///backup", "", "/backup"),
        ] {
            let url = StorageUrl::parse(text).unwrap();
            let (authority, path) = (authority.to_owned(), path.to_owned());
            assert_eq!(url, StorageUrl::Hdfs { authority, path }, "{text}");
            assert_eq!(StorageUrl::parse(&url.to_string()).unwrap(), url);
        }
        for text in
            ["hdfs:/backup", "hdfs://host", "hdfs://host/", "hdfs://h/a/../b", "hdfs://u@h/a"]
        {
            assert!(refusal(text).1.contains("a directory of HDFS is written"), "{text}");
        }
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
