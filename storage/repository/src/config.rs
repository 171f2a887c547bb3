//! `cairn.json`: what a repository was created with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bounded::refuse_longer;
use crate::cbor::Writer;
use crate::chunking::ChunkingParams;
use crate::seal::Sealer;
use crate::{Error, Malformed, RepositoryId, Result, Timestamp};

/// The format version that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Longest `cairn.json`.
pub(crate) const MAX_CONFIG_BYTES: u64 = 64 << 10;

/// The feature of repositories whose commits are arbitrated.
const ARBITRATED_COMMIT: &str = "arbitrated-commit";

/// The feature of repositories in which everything is sealed.
const ENCRYPTED: &str = "encrypted";

/// Names in `features` that this crate knows.
const KNOWN_FEATURES: [&str; 2] = [ARBITRATED_COMMIT, ENCRYPTED];

/// Smallest size a segment chunk may be configured to, in bytes.
const MIN_CHUNK_BYTES: u32 = 64 << 10;

/// What `pack_bytes` may be.
const PACK_BYTES: std::ops::RangeInclusive<u32> = (1 << 20)..=(512 << 20);

/// A repository's answer to "is this chunk worth compressing, and how hard".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Never.
    Off,
    /// As fast as data flows; data that does not compress is noticed early and left alone.
    #[default]
    Auto,
    /// This zstd level, 1 to 19, with the same early exit.
    Level(CompressionLevel),
}

/// A zstd level from 1 (fast) to 19 (small).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CompressionLevel(u8);

impl CompressionLevel {
    /// The level; `None` outside 1 to 19.
    pub const fn new(level: u8) -> Option<Self> {
        if level >= 1 && level <= 19 { Some(Self(level)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A text that is not a [`Compression`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither off nor auto nor a level from 1 to 19")]
pub struct ParseCompressionError {
    text: String,
}

impl Compression {
    /// `Level(level)`; `None` outside 1 to 19.
    pub fn level(level: u8) -> Option<Self> {
        CompressionLevel::new(level).map(Self::Level)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.pad("off"),
            Self::Auto => f.pad("auto"),
            Self::Level(level) => level.0.fmt(f),
        }
    }
}

impl FromStr for Compression {
    type Err = ParseCompressionError;

    fn from_str(text: &str) -> Result<Self, ParseCompressionError> {
        match text {
            "off" => Ok(Self::Off),
            "auto" => Ok(Self::Auto),
            _ => text
                .parse()
                .ok()
                .and_then(Self::level)
                .filter(|level| level.to_string() == text)
                .ok_or_else(|| ParseCompressionError { text: text.to_owned() }),
        }
    }
}

/// How a label gets its one record; see `DESIGN.md`, section 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitMode {
    /// The store decides: put-if-absent.
    Conditional,
    /// The writers decide among themselves, on a store that cannot.
    Arbitrated,
}

/// What the creator of a repository chooses. The default suits segments of a megabyte and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepositorySettings {
    /// How segments are cut.
    pub chunking: ChunkingParams,
    /// Whether chunks are compressed.
    pub compression: Compression,
    /// Target size of a pack in bytes, 1 MiB to 512 MiB.
    pub pack_bytes: u32,
}

impl Default for RepositorySettings {
    fn default() -> Self {
        Self {
            chunking: ChunkingParams::SEGMENTS,
            compression: Compression::Auto,
            pack_bytes: 16 << 20,
        }
    }
}

/// The content of `cairn.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryConfig {
    /// Which repository this is.
    pub id: RepositoryId,
    /// When it was created.
    pub created: Timestamp,
    /// How segments are cut.
    pub chunking: ChunkingParams,
    /// Whether chunks are compressed.
    pub compression: Compression,
    /// Target size of a pack in bytes.
    pub pack_bytes: u32,
    /// What a reader must know beyond the format version.
    pub features: Vec<String>,
    /// What proves it to be the config of its keys; in an encrypted repository only.
    pub mac: Option<blake3::Hash>,
}

impl RepositoryConfig {
    /// The config of a new repository. [`crate::ErrorKind::Invalid`] names the setting that the format
    /// does not allow.
    pub fn new(
        id: RepositoryId,
        created: Timestamp,
        settings: &RepositorySettings,
    ) -> Result<Self> {
        let RepositorySettings { chunking, compression, pack_bytes } = *settings;
        let features = Vec::new();
        let config = Self { id, created, chunking, compression, pack_bytes, features, mac: None };
        config.validate().map_err(Error::invalid)?;
        Ok(config)
    }

    /// The same repository, of which everything is sealed by `sealer`. To be called last: the code covers all of it.
    #[must_use]
    pub fn sealed_by(mut self, sealer: &Sealer) -> Self {
        if let Some(keys) = sealer.keys() {
            self.features.retain(|name| name != ENCRYPTED);
            self.features.push(ENCRYPTED.to_owned());
            self.mac = Some(keys.config_mac(&self.authenticated()));
        }
        self
    }

    /// Whether everything in the repository is sealed.
    pub fn is_encrypted(&self) -> bool {
        self.mac.is_some()
    }

    /// Whether it is the config of these keys.
    pub(crate) fn is_of(&self, sealer: &Sealer) -> bool {
        let mac = sealer.keys().map(|keys| keys.config_mac(&self.authenticated()));
        // Hashes compare in constant time.
        self.mac == mac
    }

    /// What shows that a value is not the one that was written, where no code of keys does.
    fn hash(&self) -> String {
        blake3::hash(&self.authenticated()).to_hex().to_string()
    }

    /// What code or hash cover: all values, in one form only.
    fn authenticated(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(11).uint(FORMAT_VERSION.into()).bytes(self.id.as_bytes());
        writer.text(&self.created.to_string()).text(CHUNKING_ALGORITHM);
        for size in [self.chunking.min(), self.chunking.avg(), self.chunking.max()] {
            writer.uint(size.into());
        }
        writer.text(&self.compression.to_string()).uint(self.pack_bytes.into());
        writer.array(self.features.len());
        for feature in &self.features {
            writer.text(feature);
        }
        writer.text(ENCRYPTION_ALGORITHM);
        writer.finish()
    }

    /// The same repository in a place where commits are made like this.
    #[must_use]
    pub fn with_commit_mode(mut self, mode: CommitMode) -> Self {
        self.features.retain(|name| name != ARBITRATED_COMMIT);
        if mode == CommitMode::Arbitrated {
            self.features.push(ARBITRATED_COMMIT.to_owned());
        }
        self
    }

    /// How every writer of this repository commits.
    pub fn commit_mode(&self) -> CommitMode {
        match self.features.iter().any(|name| name == ARBITRATED_COMMIT) {
            true => CommitMode::Arbitrated,
            false => CommitMode::Conditional,
        }
    }

    /// The bytes of `cairn.json`.
    pub fn encode(&self) -> Vec<u8> {
        let stored = StoredConfig {
            format: FORMAT_NAME.to_owned(),
            version: FORMAT_VERSION,
            id: self.id.to_string(),
            created: self.created.to_string(),
            chunking: StoredChunking {
                algorithm: CHUNKING_ALGORITHM.to_owned(),
                min_bytes: self.chunking.min(),
                avg_bytes: self.chunking.avg(),
                max_bytes: self.chunking.max(),
            },
            compression: self.compression.to_string(),
            pack_bytes: self.pack_bytes,
            features: self.features.clone(),
            blake3: self.mac.is_none().then(|| self.hash()),
            encryption: self.mac.map(|mac| StoredEncryption {
                algorithm: ENCRYPTION_ALGORITHM.to_owned(),
                mac: mac.to_hex().to_string(),
            }),
        };
        // Serialising strings and numbers into memory has no way to fail.
        let mut bytes = serde_json::to_vec_pretty(&stored).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads `cairn.json`. The version is judged before anything else is looked at:
    /// [`ConfigError::Newer`] stands before any other finding.
    pub fn decode(bytes: &[u8]) -> Result<Self, ConfigError> {
        refuse_longer(bytes, MAX_CONFIG_BYTES).map_err(ConfigError::Malformed)?;
        let malformed = |what| ConfigError::Malformed(Malformed::new(what));
        let head: StoredHead = serde_json::from_slice(bytes)
            .map_err(|_| malformed("not the config of a repository"))?;
        if head.format != FORMAT_NAME {
            return Err(malformed("the config of something else"));
        }
        if head.version > FORMAT_VERSION {
            return Err(ConfigError::Newer { needs: format!("format version {}", head.version) });
        }
        if head.version == 0 {
            return Err(malformed("there is no format version 0"));
        }
        if let Some(name) =
            head.features.iter().find(|name| !KNOWN_FEATURES.contains(&name.as_str()))
        {
            return Err(ConfigError::Newer { needs: format!("the feature {name:?}") });
        }
        let stored: StoredConfig =
            serde_json::from_slice(bytes).map_err(|_| malformed("a field is missing or wrong"))?;
        stored.check().map_err(malformed)
    }

    fn validate(&self) -> Result<(), &'static str> {
        if self.chunking.min() < MIN_CHUNK_BYTES {
            Err("chunks of segments have a minimum of at least 64 KiB")
        } else if !PACK_BYTES.contains(&self.pack_bytes) {
            Err("the pack size is 1 MiB to 512 MiB")
        } else {
            Ok(())
        }
    }
}

/// Why bytes are not a config that this crate can use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// It needs what only a newer version knows.
    Newer {
        /// The format version or feature.
        needs: String,
    },
    /// It is damaged.
    Malformed(Malformed),
}

const FORMAT_NAME: &str = "cairn";
const CHUNKING_ALGORITHM: &str = "fastcdc-v2020";
const ENCRYPTION_ALGORITHM: &str = "aes-256-gcm";

/// What is read first and keeps its meaning in all versions.
#[derive(Deserialize)]
struct StoredHead {
    format: String,
    version: u32,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredConfig {
    format: String,
    version: u32,
    id: String,
    created: String,
    chunking: StoredChunking,
    compression: String,
    pack_bytes: u32,
    features: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blake3: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encryption: Option<StoredEncryption>,
}

#[derive(Serialize, Deserialize)]
struct StoredEncryption {
    algorithm: String,
    mac: String,
}

impl StoredEncryption {
    fn check(&self) -> Result<blake3::Hash, &'static str> {
        if self.algorithm != ENCRYPTION_ALGORITHM {
            return Err("unknown encryption algorithm");
        }
        let mac = blake3::Hash::from_hex(&self.mac).ok();
        mac.filter(|mac| *mac.to_hex() == *self.mac)
            .ok_or("the authentication code is not 64 hexadecimal digits")
    }
}

#[derive(Serialize, Deserialize)]
struct StoredChunking {
    algorithm: String,
    min_bytes: u32,
    avg_bytes: u32,
    max_bytes: u32,
}

impl StoredConfig {
    fn check(self) -> Result<RepositoryConfig, &'static str> {
        if self.chunking.algorithm != CHUNKING_ALGORITHM {
            return Err("unknown chunking algorithm");
        }
        let mac = self.encryption.as_ref().map(StoredEncryption::check).transpose()?;
        if mac.is_some() != self.features.iter().any(|name| name == ENCRYPTED) {
            return Err("encrypted by its features or by its members, but not by both");
        }
        let StoredChunking { min_bytes, avg_bytes, max_bytes, .. } = self.chunking;
        let config = RepositoryConfig {
            id: self.id.parse().map_err(|_| "the id is not 32 hexadecimal digits")?,
            created: self.created.parse().map_err(|_| "the time of creation is not a timestamp")?,
            chunking: ChunkingParams::new(min_bytes, avg_bytes, max_bytes)
                .map_err(|_| "chunk sizes that no chunker works with")?,
            compression: self.compression.parse().map_err(|_| "unknown compression")?,
            pack_bytes: self.pack_bytes,
            features: self.features,
            mac,
        };
        config.validate()?;
        if mac.is_none() && self.blake3 != Some(config.hash()) {
            return Err("its values do not match its hash");
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config() -> RepositoryConfig {
        let created = "2026-11-23-08-00-00-000".parse().unwrap();
        let id = RepositoryId::from_bytes([0xab; 16]);
        RepositoryConfig::new(id, created, &RepositorySettings::default()).unwrap()
    }

    fn with(field: &str, value: serde_json::Value) -> Vec<u8> {
        let mut json: serde_json::Value = serde_json::from_slice(&config().encode()).unwrap();
        json[field] = value;
        serde_json::to_vec(&json).unwrap()
    }

    #[test]
    fn the_bytes_are_those_of_the_design() {
        let json: serde_json::Value = serde_json::from_slice(&config().encode()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "format": "cairn", "version": 1, "id": "abababababababababababababababab",
                "created": "2026-11-23-08-00-00-000",
                "chunking": { "algorithm": "fastcdc-v2020", "min_bytes": 524288,
                              "avg_bytes": 524288, "max_bytes": 2097152 },
                "compression": "auto", "pack_bytes": 16777216, "features": [],
                "blake3": blake3::hash(&config().authenticated()).to_hex().to_string(),
            })
        );
        assert_eq!(RepositoryConfig::decode(&config().encode()), Ok(config()));
    }

    #[test]
    fn a_newer_version_is_named_whatever_else_it_says() {
        let bytes = br#"{ "format": "cairn", "version": 2, "id": ["all", "new"] }"#;
        let needs = "format version 2".to_owned();
        assert_eq!(RepositoryConfig::decode(bytes), Err(ConfigError::Newer { needs }));
    }

    #[test]
    fn an_unknown_feature_is_named() {
        let needs = "the feature \"telepathy\"".to_owned();
        assert_eq!(
            RepositoryConfig::decode(&with("features", serde_json::json!(["telepathy"]))),
            Err(ConfigError::Newer { needs })
        );
    }

    #[test]
    fn the_commit_mode_is_a_feature_and_conditional_without_it() {
        assert_eq!(config().commit_mode(), CommitMode::Conditional);
        let arbitrated = config().with_commit_mode(CommitMode::Arbitrated);
        assert_eq!(arbitrated.features, ["arbitrated-commit"]);
        let decoded = RepositoryConfig::decode(&arbitrated.encode()).unwrap();
        assert_eq!(decoded.commit_mode(), CommitMode::Arbitrated);
        assert_eq!(decoded.clone().with_commit_mode(CommitMode::Arbitrated), decoded);
        assert_eq!(decoded.with_commit_mode(CommitMode::Conditional), config());
    }

    #[test]
    fn wrong_values_are_refused() {
        let what = |bytes: &[u8]| match RepositoryConfig::decode(bytes) {
            Err(ConfigError::Malformed(malformed)) => malformed.what(),
            other => panic!("{other:?}"),
        };
        assert_eq!(what(b"<html>"), "not the config of a repository");
        assert_eq!(what(&with("format", "kopia".into())), "the config of something else");
        assert_eq!(what(&with("version", 0.into())), "there is no format version 0");
        assert_eq!(what(&with("id", "ab".into())), "the id is not 32 hexadecimal digits");
        assert_eq!(what(&with("compression", "20".into())), "unknown compression");
        assert_eq!(what(&with("pack_bytes", 1.into())), "the pack size is 1 MiB to 512 MiB");
        assert_eq!(what(&with("chunking", 1.into())), "a field is missing or wrong");
        assert_eq!(
            what(&with("pack_bytes", 33_554_432.into())),
            "its values do not match its hash"
        );
        assert_eq!(
            what(&with("blake3", serde_json::Value::Null)),
            "its values do not match its hash"
        );
    }

    #[test]
    fn a_creator_is_told_which_setting_is_wrong() {
        let chunking = ChunkingParams::DOCUMENTS;
        let settings = RepositorySettings { chunking, ..RepositorySettings::default() };
        let config = config();
        let error = RepositoryConfig::new(config.id, config.created, &settings).unwrap_err();
        assert_eq!(error.to_string(), "chunks of segments have a minimum of at least 64 KiB");
    }

    #[test]
    fn compression_reads_what_it_shows() {
        let levels = (1..=19).filter_map(Compression::level);
        for compression in [Compression::Off, Compression::Auto].into_iter().chain(levels) {
            assert_eq!(compression.to_string().parse(), Ok(compression));
        }
        for text in ["", "0", "20", "+3", "03", "fast", "-1"] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn decoding_is_total(bytes: Vec<u8>, at: prop::sample::Index, with: u8) {
            let _ = RepositoryConfig::decode(&bytes);
            let mut mutated = config().encode();
            let at = at.index(mutated.len());
            mutated[at] = with;
            let _ = RepositoryConfig::decode(&mutated);
        }
    }
}
