//! [`HostConfig`]: the configuration file.
//!
//! `host/cairn.toml` is the documented default: `cairn config print` writes it, and a test keeps it equal to the code.

mod http;
mod retention;
mod sql;
mod watch;

use std::path::Path;

use anyhow::Context;
use bytesize::ByteSize;
use cairn_pipeline::storage::Properties;
use cairn_pipeline::{Compression, EngineConfig, RepositorySettings};
use serde::{Deserialize, Serialize};

use crate::exit::Refusal;
pub(crate) use http::{HostName, HttpConfig};
pub(crate) use retention::RetentionConfig;
pub(crate) use sql::SqlConfig;
pub(crate) use watch::{Intervals, WatchConfig};

/// The default, with a comment for every setting.
pub(crate) const DOCUMENTED_DEFAULT: &str = include_str!("../cairn.toml");

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HostConfig {
    pub(crate) engine: EngineConfig,
    pub(crate) repository: NewRepositoryConfig,
    pub(crate) retention: RetentionConfig,
    pub(crate) watch: WatchConfig,
    pub(crate) http: HttpConfig,
    pub(crate) sql: SqlConfig,
    pub(crate) log: LogConfig,
    #[serde(with = "dotted")]
    pub(crate) properties: Properties,
}

/// Settings of repositories that are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NewRepositoryConfig {
    #[serde(with = "as_text")]
    pub(crate) compression: Compression,
    #[serde(with = "as_text")]
    pub(crate) pack_size: ByteSize,
}

/// Settings of the log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// Empty for what suits the command.
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object of JSON.
    Json,
}

/// What the format allows; judged here, before a directory is made for a repository that cannot be.
const PACK_BYTES: std::ops::RangeInclusive<u32> = 1 << 20..=512 << 20;

impl Default for NewRepositoryConfig {
    fn default() -> Self {
        let settings = RepositorySettings::default();
        Self { compression: settings.compression, pack_size: ByteSize(settings.pack_bytes.into()) }
    }
}

impl HostConfig {
    /// Reads a file; no file is the default.
    pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let about = || format!("the configuration file {}", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|error| Refusal::usage(error.to_string()))
            .with_context(about)?;
        toml::from_str(&text)
            .map_err(|error| Refusal::usage(error.to_string().trim_end().to_owned()))
            .with_context(about)
    }
}

impl LogConfig {
    /// The same, except where the environment says otherwise.
    pub(crate) fn with_environment(
        self,
        filter: Option<String>,
        format: Option<String>,
    ) -> anyhow::Result<Self> {
        let format = match format.as_deref() {
            None => self.format,
            Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => {
                return Err(Refusal::usage(format!(
                    "CAIRN_LOG_FORMAT is {other:?}: it can be text or json"
                )));
            }
        };
        Ok(Self { filter: filter.unwrap_or(self.filter), format })
    }
}

impl NewRepositoryConfig {
    /// What the engine wants to be told.
    pub(crate) fn settings(&self) -> anyhow::Result<RepositorySettings> {
        let pack_bytes = u32::try_from(self.pack_size.as_u64());
        let pack_bytes = pack_bytes.ok().filter(|bytes| PACK_BYTES.contains(bytes));
        let pack_bytes = pack_bytes.ok_or_else(|| {
            Refusal::usage(format!("pack size {}: must be 1 MiB to 512 MiB", self.pack_size))
        })?;
        Ok(RepositorySettings {
            compression: self.compression,
            pack_bytes,
            ..RepositorySettings::default()
        })
    }
}

mod as_text {
    //! Values that show themselves as what they are read from.

    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(from)?;
        text.parse().map_err(|error: T::Err| D::Error::custom(error))
    }
}

mod dotted {
    //! Properties: TOML reads a key with dots as tables in tables, users mean one key. Switches and numbers need no quotes.

    use cairn_pipeline::storage::Properties;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use toml::{Table, Value};

    pub(super) fn serialize<S: Serializer>(value: &Properties, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Properties, D::Error> {
        let mut properties = Properties::default();
        flatten("", Table::deserialize(from)?, &mut properties).map_err(D::Error::custom)?;
        Ok(properties)
    }

    fn flatten(prefix: &str, table: Table, into: &mut Properties) -> Result<(), String> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                Value::Table(inner) => flatten(&format!("{key}."), inner, into)?,
                Value::String(text) => into.insert(key, text),
                Value::Boolean(switch) => into.insert(key, switch.to_string()),
                Value::Integer(number) => into.insert(key, number.to_string()),
                // The value itself may be a secret.
                _ => return Err(format!("property {key} must be a text, a number, true or false")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The dotted names of all values of a document.
    fn names(table: &toml::Table, prefix: &str, into: &mut BTreeSet<String>) {
        for (key, value) in table {
            let name = format!("{prefix}{key}");
            match value.as_table() {
                Some(inner) => names(inner, &format!("{name}."), into),
                None => {
                    into.insert(name);
                }
            }
        }
    }

    #[test]
    fn the_documented_default_is_the_default_and_complete() {
        let documented: HostConfig = toml::from_str(DOCUMENTED_DEFAULT).unwrap();
        assert_eq!(documented, HostConfig::default());
        let (mut written, mut known) = (BTreeSet::new(), BTreeSet::new());
        names(&toml::from_str(DOCUMENTED_DEFAULT).unwrap(), "", &mut written);
        names(&toml::Table::try_from(HostConfig::default()).unwrap(), "", &mut known);
        assert_eq!(written, known, "host/cairn.toml must show every setting");
    }

    #[test]
    fn every_setting_is_preceded_by_its_comment() {
        let lines: Vec<&str> = DOCUMENTED_DEFAULT.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
            assert!(pair[0].starts_with('#') || pair[1].starts_with('#'), "{}", pair[1]);
        }
    }

    #[test]
    fn properties_are_written_with_quotes_or_without() {
        let written = "[properties]\naws.s3.endpoint = \"e\"\n\"aws.s3.region\" = \"r\"\n\
                       aws.s3.enable_ssl = false\ndfs.replication = 2\n";
        let config: HostConfig = toml::from_str(written).unwrap();
        let pairs = [
            ("aws.s3.endpoint", "e"),
            ("aws.s3.region", "r"),
            ("aws.s3.enable_ssl", "false"),
            ("dfs.replication", "2"),
        ];
        assert_eq!(config.properties, pairs.into_iter().collect());
        let wrong = toml::from_str::<HostConfig>("[properties]\na.secret = [\"HIDDEN\"]");
        let error = wrong.unwrap_err().to_string();
        assert!(error.contains("property a.secret must be a text"), "{error}");
    }

    #[test]
    fn an_unknown_setting_is_an_error_that_names_it() {
        let error = toml::from_str::<HostConfig>("[engine]\nreaders = 1").unwrap_err();
        assert!(error.to_string().contains("unknown field `readers`"), "{error}");
        let error =
            toml::from_str::<HostConfig>("[repository]\ncompression = \"fast\"").unwrap_err();
        assert!(error.to_string().contains("neither off nor auto"), "{error}");
    }
}
