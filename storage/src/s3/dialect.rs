//! [`Dialect`]: what differs between S3 and what speaks almost like it.
//!
//! Google Cloud Storage takes S3's requests at its XML endpoint. Its own signature (`GOOG4-HMAC-SHA256`, with the HMAC
//! keys of a service account), its own condition and its own checksum header belong together: it refuses requests
//! that mix headers of both families. So a dialect is chosen for the whole storage.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;

/// Which variant of the protocol a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon S3 and everything that follows it.
    Aws,
    /// Google Cloud Storage by its XML API.
    Gcs,
}

/// The words of a signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SigningTerms {
    pub(super) algorithm: &'static str,
    /// Stands before the secret in the first key.
    pub(super) key_prefix: &'static str,
    pub(super) service: &'static str,
    pub(super) terminator: &'static str,
    pub(super) date_header: &'static str,
    pub(super) payload_header: &'static str,
    pub(super) token_header: &'static str,
}

const AWS: SigningTerms = SigningTerms {
    algorithm: "AWS4-HMAC-SHA256",
    key_prefix: "AWS4",
    service: "s3",
    terminator: "aws4_request",
    date_header: "x-amz-date",
    payload_header: "x-amz-content-sha256",
    token_header: "x-amz-security-token",
};

/// The security token service: S3's signature for another service.
pub(super) const STS: SigningTerms = SigningTerms { service: "sts", ..AWS };

const GCS: SigningTerms = SigningTerms {
    algorithm: "GOOG4-HMAC-SHA256",
    key_prefix: "GOOG4",
    service: "storage",
    terminator: "goog4_request",
    date_header: "x-goog-date",
    payload_header: "x-goog-content-sha256",
    token_header: "x-goog-security-token",
};

const AWS_CHECKSUM: &str = "x-amz-checksum-crc32c";
const GCS_CHECKSUM: &str = "x-goog-hash";

impl Dialect {
    /// The dialect of a well-known host; any other speaks S3.
    pub(super) fn of_host(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        if host == "storage.googleapis.com" || host.ends_with(".storage.googleapis.com") {
            Self::Gcs
        } else {
            Self::Aws
        }
    }

    pub(super) fn signing(self) -> &'static SigningTerms {
        match self {
            Self::Aws => &AWS,
            Self::Gcs => &GCS,
        }
    }

    /// The region where none is said.
    pub(super) fn default_region(self) -> &'static str {
        match self {
            Self::Aws => "us-east-1",
            Self::Gcs => "auto",
        }
    }

    /// The header that makes a put a put-if-absent.
    pub(super) fn if_absent(self) -> (&'static str, &'static str) {
        match self {
            Self::Aws => ("if-none-match", "*"),
            Self::Gcs => ("x-goog-if-generation-match", "0"),
        }
    }

    /// The header that has the service check what it receives.
    pub(super) fn checksum(self, crc32c: u32) -> (&'static str, String) {
        let encoded = STANDARD.encode(crc32c.to_be_bytes());
        match self {
            Self::Aws => (AWS_CHECKSUM, encoded),
            Self::Gcs => (GCS_CHECKSUM, format!("crc32c={encoded}")),
        }
    }

    /// The header that announces the checksums of the parts of an upload. Without it S3 expects those of another
    /// algorithm.
    pub(super) fn part_checksums(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Aws => Some(("x-amz-checksum-algorithm", "CRC32C")),
            Self::Gcs => None,
        }
    }

    /// The header that asks for the checksum of what is read whole.
    pub(super) fn ask_checksum(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Aws => Some(("x-amz-checksum-mode", "ENABLED")),
            Self::Gcs => None,
        }
    }

    /// The checksum of the whole object as an answer states it. One of an object that was put in parts is a checksum
    /// of checksums (it ends in `-` and their number) and tells nothing of the bytes.
    pub(super) fn stated_checksum(self, headers: &HeaderMap) -> Option<u32> {
        let encoded = match self {
            Self::Aws => headers.get(AWS_CHECKSUM)?.to_str().ok()?,
            Self::Gcs => {
                let mut values = headers.get_all(GCS_CHECKSUM).iter();
                values.find_map(|value| {
                    value
                        .to_str()
                        .ok()?
                        .split(',')
                        .find_map(|one| one.trim().strip_prefix("crc32c="))
                })?
            }
        };
        let bytes = STANDARD.decode(encoded).ok()?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }
}

impl FromStr for Dialect {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "aws" => Ok(Self::Aws),
            "gcs" => Ok(Self::Gcs),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_tells_the_dialect() {
        assert_eq!(Dialect::of_host("storage.googleapis.com"), Dialect::Gcs);
        assert_eq!(Dialect::of_host("b.storage.googleapis.com"), Dialect::Gcs);
        assert_eq!(Dialect::of_host("storage.googleapis.com.example"), Dialect::Aws);
        assert_eq!(Dialect::of_host("s3.eu-west-1.amazonaws.com"), Dialect::Aws);
    }

    #[test]
    fn a_stated_checksum_is_what_was_sent() {
        for dialect in [Dialect::Aws, Dialect::Gcs] {
            let (name, value) = dialect.checksum(0xdead_beef);
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(dialect.stated_checksum(&headers), Some(0xdead_beef));
        }
        let mut composite = HeaderMap::new();
        composite.insert(AWS_CHECKSUM, "3q2+7w==-2".parse().unwrap());
        assert_eq!(Dialect::Aws.stated_checksum(&composite), None);
        let mut both = HeaderMap::new();
        both.insert(GCS_CHECKSUM, "md5=AAAA, crc32c=3q2+7w==".parse().unwrap());
        assert_eq!(Dialect::Gcs.stated_checksum(&both), Some(0xdead_beef));
    }
}
