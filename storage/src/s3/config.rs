//! [`S3Config`]: what a user says of a bucket, read from [`Properties`] under every spelling.
//!
//! The keys are those of the system that users come from (`aws.s3.*`) and of Hadoop (`fs.s3a.*`); what is Cairn's own
//! is called `cairn.s3.*`. Where nothing is said the standard variables of the environment stand in, as far as
//! the host passed them on.

use std::path::PathBuf;

use super::credentials::CredentialsConfig;
use super::dialect::Dialect;
use super::endpoint::{Endpoint, region_of};
use super::timeouts::S3Timeouts;
use crate::{KeyOwner, Properties, PropertyError, PropertyReader};

const ENDPOINT: &[&str] = &["aws.s3.endpoint", "fs.s3a.endpoint"];
const REGION: &[&str] = &["aws.s3.region", "fs.s3a.endpoint.region"];
const PATH_STYLE: &[&str] = &["aws.s3.enable_path_style_access", "fs.s3a.path.style.access"];
const SSL: &[&str] = &["aws.s3.enable_ssl", "fs.s3a.connection.ssl.enabled"];
const CA_FILE: &[&str] = &["aws.s3.ca_file"];
/// Of Hadoop's cache of file systems, of which there is none here.
const DISABLE_CACHE: &[&str] = &["fs.s3a.impl.disable.cache"];
const DIALECT: &[&str] = &["cairn.s3.dialect"];
const SIGN_PAYLOAD: &[&str] = &["cairn.s3.sign_payload"];
const CONDITIONAL_PUT: &[&str] = &["cairn.s3.conditional_put"];
const CONNECT_TIMEOUT: &[&str] = &["cairn.s3.connect_timeout"];
const FIRST_BYTE_TIMEOUT: &[&str] = &["cairn.s3.first_byte_timeout"];
const STALL_TIMEOUT: &[&str] = &["cairn.s3.stall_timeout"];
const FIRST_CONTACT_TIMEOUT: &[&str] = &["cairn.s3.first_contact_timeout"];
const MULTIPART_THRESHOLD: &[&str] = &["cairn.s3.multipart_threshold_bytes"];
const PART_BYTES: &[&str] = &["cairn.s3.part_bytes"];

/// Everything about one bucket and how it is reached. `Debug` shows no secret.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct S3Config {
    pub(super) bucket: String,
    /// Stands before each key, without a slash at its end; empty for the whole bucket.
    pub(super) prefix: String,
    pub(super) endpoint: Endpoint,
    pub(super) region: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) credentials: CredentialsConfig,
    /// Which variant of the protocol is spoken.
    pub dialect: Dialect,
    /// How long is waited.
    pub timeouts: S3Timeouts,
    /// When and how an object is stored in parts.
    pub multipart: Multipart,
    /// Over plain HTTP every payload is signed, not only short ones.
    pub sign_payload: bool,
    /// Whether the service decides a put-if-absent atomically, where that is known. Else it is tried.
    pub conditional_put: Option<bool>,
}

/// How an object is stored in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Multipart {
    /// A longer payload is stored in parts.
    pub threshold_bytes: u64,
    /// Length of a part, but the last; more for objects that had too many.
    pub part_bytes: u64,
    /// Parts of one object on their way at once.
    pub parallel_parts: usize,
}

impl Default for Multipart {
    fn default() -> Self {
        Self {
            // Packs of the default size go in one request each, several at once.
            threshold_bytes: 64 << 20,
            part_bytes: 16 << 20,
            parallel_parts: 4,
        }
    }
}

/// The least length of a part but the last.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub(super) const MIN_PART_BYTES: u64 = 5 << 20;
/// The most that one request stores.
pub(super) const MAX_SINGLE_PUT_BYTES: u64 = 5 << 30;

impl S3Config {
    /// Reads what is said of `bucket`; keys of objects begin with `prefix`.
    pub fn new(bucket: &str, prefix: &str, properties: &Properties) -> Result<Self, PropertyError> {
        let mut reader = properties.reader();
        let said = reader.text(ENDPOINT)?.map(str::to_owned);
        let endpoint =
            said.or_else(|| own(reader.variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])));
        let region = match reader.text(REGION)? {
            Some(region) => Some(region),
            None => reader.variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]),
        };
        let at = match (&endpoint, region) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(region)) => amazon(region),
            (None, None) => amazon(Dialect::Aws.default_region()),
        };
        let is_https = reader.flag(SSL)?.unwrap_or(true);
        let wants_path_style = reader.flag(PATH_STYLE)?.unwrap_or(false);
        let endpoint = Endpoint::parse(&at, is_https, bucket, wants_path_style).map_err(|_| {
            PropertyError::Invalid {
                key: ENDPOINT[0],
                expected: "host:port, or a URL without a path",
            }
        })?;
        let dialect = reader.parsed(DIALECT, "aws or gcs")?;
        let dialect = dialect.unwrap_or_else(|| Dialect::of_host(endpoint.host()));
        let region = region.or(region_of(endpoint.host())).unwrap_or(dialect.default_region());
        let region = region.to_owned();
        let ca_file =
            reader.text(CA_FILE)?.or(reader.variable(&["AWS_CA_BUNDLE"])).map(PathBuf::from);
        reader.flag(DISABLE_CACHE)?;
        let config = Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            credentials: CredentialsConfig::read(&mut reader, &region, ca_file.clone())?,
            endpoint,
            region,
            ca_file,
            dialect,
            timeouts: read_timeouts(&mut reader)?,
            multipart: read_multipart(&mut reader)?,
            sign_payload: reader.flag(SIGN_PAYLOAD)?.unwrap_or(false),
            conditional_put: reader.flag(CONDITIONAL_PUT)?,
        };
        reader.finish(KeyOwner::S3)?;
        Ok(config)
    }
}

fn read_timeouts(reader: &mut PropertyReader<'_>) -> Result<S3Timeouts, PropertyError> {
    let default = S3Timeouts::default();
    let mut read = |spellings, default| {
        let said = reader.parsed::<humantime::Duration>(spellings, "a time such as 10s")?;
        Ok(said.map_or(default, Into::into))
    };
    Ok(S3Timeouts {
        connect: read(CONNECT_TIMEOUT, default.connect)?,
        first_byte: read(FIRST_BYTE_TIMEOUT, default.first_byte)?,
        stall: read(STALL_TIMEOUT, default.stall)?,
        first_contact: read(FIRST_CONTACT_TIMEOUT, default.first_contact)?,
    })
}

fn read_multipart(reader: &mut PropertyReader<'_>) -> Result<Multipart, PropertyError> {
    let default = Multipart::default();
    let mut read = |spellings: &'static [&'static str], default| match reader
        .parsed(spellings, "a number of bytes")?
    {
        Some(bytes) if !(MIN_PART_BYTES..=MAX_SINGLE_PUT_BYTES).contains(&bytes) => {
            Err(PropertyError::Invalid { key: spellings[0], expected: "5242880 to 5368709120" })
        }
        said => Ok(said.unwrap_or(default)),
    };
    Ok(Multipart {
        threshold_bytes: read(MULTIPART_THRESHOLD, default.threshold_bytes)?,
        part_bytes: read(PART_BYTES, default.part_bytes)?,
        ..default
    })
}

fn own(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// Amazon's endpoint of a region.
fn amazon(region: &str) -> String {
    let country = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("s3.{region}.amazonaws.com{country}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [(&str, &str); 2] = [("aws.s3.access_key", "k"), ("aws.s3.secret_key", "HIDDEN")];

    fn read(pairs: &[(&str, &str)]) -> Result<S3Config, PropertyError> {
        let properties = KEYS.iter().chain(pairs).copied().collect();
        S3Config::new("bucket", "in/here", &properties)
    }

    #[test]
    fn both_spellings_mean_the_same() {
        let stated = read(&[
            ("aws.s3.endpoint", "localhost:9000"),
            ("aws.s3.region", "r"),
            ("aws.s3.enable_ssl", "false"),
            ("aws.s3.enable_path_style_access", "true"),
        ]);
        let hadoop = S3Config::new(
            "bucket",
            "in/here",
            &Properties::from_iter([
                ("fs.s3a.access.key", "k"),
                ("fs.s3a.secret.key", "HIDDEN"),
                ("fs.s3a.endpoint", "localhost:9000"),
                ("fs.s3a.endpoint.region", "r"),
                ("fs.s3a.connection.ssl.enabled", "false"),
                ("fs.s3a.path.style.access", "true"),
                ("fs.s3a.impl.disable.cache", "true"),
            ]),
        );
        let (stated, hadoop) = (format!("{stated:?}"), format!("{hadoop:?}"));
        assert!(stated.contains("localhost:9000"), "{stated}");
        assert_eq!(stated, hadoop);
        assert!(!stated.contains("HIDDEN"), "{stated}");
    }

    #[test]
    fn region_and_endpoint_follow_from_each_other() {
        let of = |pairs: &[(&str, &str)]| {
            let config = read(pairs).unwrap();
            (config.endpoint.origin(), config.region)
        };
        let pair = |origin: &str, region: &str| (origin.to_owned(), region.to_owned());
        assert_eq!(of(&[]), pair("https://bucket.s3.us-east-1.amazonaws.com", "us-east-1"));
        assert_eq!(
            of(&[("aws.s3.region", "cn-north-1")]),
            pair("https://bucket.s3.cn-north-1.amazonaws.com.cn", "cn-north-1")
        );
        assert_eq!(
            of(&[("aws.s3.endpoint", "https://s3.eu-west-1.amazonaws.com")]),
            pair("https://bucket.s3.eu-west-1.amazonaws.com", "eu-west-1")
        );
        assert_eq!(
            of(&[("fs.s3a.endpoint", "storage.googleapis.com")]),
            pair("https://bucket.storage.googleapis.com", "auto")
        );
    }

    #[test]
    fn the_environment_stands_in_for_what_is_not_said() {
        let found = [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", "http://localhost:1"),
            ("AWS_CA_BUNDLE", "/ca"),
        ];
        let said: Properties = KEYS.into_iter().collect();
        let config = S3Config::new("b", "", &said.with_environment(found)).unwrap();
        assert_eq!(
            (config.endpoint.origin().as_str(), &*config.region),
            ("http://localhost:1", "eu-west-1")
        );
        assert_eq!(config.ca_file, Some("/ca".into()));
    }

    #[test]
    fn what_makes_no_sense_names_its_key() {
        for (key, value) in [
            ("aws.s3.endpoint", "http://a/path"),
            ("cairn.s3.dialect", "azure"),
            ("cairn.s3.part_bytes", "1"),
            ("cairn.s3.stall_timeout", "soon"),
            ("aws.s3.acess_key", "k"),
        ] {
            let error = read(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
