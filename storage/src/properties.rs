//! [`Properties`]: what a user says of a storage beside its location, key by key, and [`Secret`].
//!
//! The keys are those that users know from the system they come from (`aws.s3.endpoint`, `fs.s3a.endpoint`,
//! `dfs.nameservices`). A backend takes what it knows through a [`PropertyReader`], under every spelling, into
//! a typed configuration of its own; what nobody took is an error, so that a misspelled key is not silently ignored.
//!
//! Invariant: no value is shown by `Debug` or by an error, only keys: any of them may be a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that must not be seen: `Debug` hides it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Keys and values, as in `PROPERTIES (...)` of a `CREATE REPOSITORY`.
///
/// Beside what a user said they hold what the process found in its environment ([`Properties::with_environment`]):
/// a library does not look there itself. A variable is only ever a default, and one that nobody asks for is no error.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Properties {
    said: BTreeMap<String, String>,
    #[serde(skip)]
    environment: BTreeMap<String, String>,
}

/// The variables of the environment that a backend may ask for: what a host reads and passes on.
pub const ENVIRONMENT: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "HOME",
];

/// Whose a key is, as its beginning says. One table of properties can serve storages of several kinds: each leaves
/// the keys of the others alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// S3 and what speaks like it.
    S3,
    /// HDFS.
    Hdfs,
}

impl KeyOwner {
    const ALL: [Self; 2] = [Self::S3, Self::Hdfs];

    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::S3 => &["aws.", "cairn.s3.", "fs.s3a."],
            Self::Hdfs => &["dfs.", "fs.defaultFS", "hadoop.", "kerberos_", "password", "username"],
        }
    }

    fn owns(self, key: &str) -> bool {
        self.prefixes().iter().any(|prefix| key.starts_with(prefix))
    }
}

/// What the key of a secret contains.
const SECRET_KEYS: [&str; 7] =
    ["keytab_content", "keytab_data", "passphrase", "password", "private_key", "secret", "token"];

/// Why properties cannot be used. Names keys, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// Nobody knows these keys.
    #[error("unknown property {}; known are {}", .keys.join(", "), .known.join(", "))]
    Unknown {
        /// What was given.
        keys: Vec<String>,
        /// What could have been given.
        known: Vec<&'static str>,
    },
    /// Two spellings of one property differ.
    #[error("properties {first} and {second} mean the same and have different values")]
    Conflict {
        /// One spelling.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// A value that cannot be read.
    #[error("property {key} must be {expected}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A property without which others make no sense.
    #[error("property {key} is missing: {reason}")]
    Missing {
        /// The key.
        key: &'static str,
        /// Why it is needed.
        reason: &'static str,
    },
}

impl Properties {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.said.keys().map(String::as_str)
    }

    /// Says one thing more; a key that is there takes the new value.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.said.insert(key.into(), value.into());
    }

    /// Takes out everything that begins with a prefix: what is none of a storage's business.
    #[must_use]
    pub fn take_family(&mut self, prefix: &str) -> Self {
        let said = self.said.extract_if(.., |key, _| key.starts_with(prefix)).collect();
        Self { said, environment: BTreeMap::new() }
    }

    /// The same with variables of the environment, those of [`ENVIRONMENT`] and no others.
    #[must_use]
    pub fn with_environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.environment.extend(variables.filter(|(name, _)| ENVIRONMENT.contains(&name.as_str())));
        self
    }

    /// Whether the value of a key is a secret, which has no place in a command line.
    pub fn is_secret(key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        SECRET_KEYS.iter().any(|part| key.contains(part))
    }

    /// Takes them apart, key by key.
    pub fn reader(&self) -> PropertyReader<'_> {
        PropertyReader { properties: self, taken: BTreeSet::new(), known: Vec::new() }
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let said = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { said, environment: BTreeMap::new() }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.said.keys().map(|key| (key, Secret::new("")))).finish()
    }
}

/// Takes properties one by one and remembers which were asked for.
///
/// ```
/// use cairn_storage::{KeyOwner, Properties};
/// let properties: Properties = [("fs.s3a.endpoint", "localhost:9000")].into_iter().collect();
/// let mut reader = properties.reader();
/// assert_eq!(reader.text(&["aws.s3.endpoint", "fs.s3a.endpoint"])?, Some("localhost:9000"));
/// reader.finish(KeyOwner::S3)?;
/// # Ok::<(), cairn_storage::PropertyError>(())
/// ```
#[derive(Debug)]
pub struct PropertyReader<'a> {
    properties: &'a Properties,
    taken: BTreeSet<&'a str>,
    known: Vec<&'static str>,
}

impl<'a> PropertyReader<'a> {
    /// The value of a property under any of its spellings. An empty value counts as none.
    pub fn text(
        &mut self,
        spellings: &'static [&'static str],
    ) -> Result<Option<&'a str>, PropertyError> {
        Ok(self.find(spellings)?.map(|(_, value)| value))
    }

    /// The first of these variables of the environment that is set. An empty value counts as none.
    pub fn variable(&self, names: &[&str]) -> Option<&'a str> {
        let set = |name: &&str| self.properties.environment.get(*name).map(String::as_str);
        names.iter().filter_map(set).find(|value| !value.is_empty())
    }

    /// As [`PropertyReader::text`] for a secret.
    pub fn secret(
        &mut self,
        spellings: &'static [&'static str],
    ) -> Result<Option<Secret>, PropertyError> {
        Ok(self.text(spellings)?.map(Secret::new))
    }

    /// The same for a value of a type; `expected` completes "must be".
    pub fn parsed<T: FromStr>(
        &mut self,
        spellings: &'static [&'static str],
        expected: &'static str,
    ) -> Result<Option<T>, PropertyError> {
        let Some((key, value)) = self.find(spellings)? else { return Ok(None) };
        value.parse().map(Some).map_err(|_| PropertyError::Invalid { key, expected })
    }

    /// The same for a switch.
    pub fn flag(
        &mut self,
        spellings: &'static [&'static str],
    ) -> Result<Option<bool>, PropertyError> {
        let Some((key, value)) = self.find(spellings)? else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(PropertyError::Invalid { key, expected: "true or false" }),
        }
    }

    /// Everything that begins with a prefix, whole keys: for families such as `dfs.ha.namenodes.<name>`.
    pub fn family(&mut self, prefix: &'static str) -> Vec<(&'a str, &'a str)> {
        self.known.push(prefix);
        let all = self.properties.said.iter();
        let members: Vec<_> = all
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        self.taken.extend(members.iter().map(|(key, _)| *key));
        members
    }

    /// The end, for a storage of this kind: whatever was not asked for is unknown, unless it is another kind's.
    pub fn finish(self, owner: KeyOwner) -> Result<(), PropertyError> {
        let is_others =
            |key: &str| KeyOwner::ALL.iter().any(|other| *other != owner && other.owns(key));
        let keys = self.properties.keys();
        let keys = keys.filter(|key| !self.taken.contains(key) && !is_others(key));
        let keys: Vec<String> = keys.map(str::to_owned).collect();
        if keys.is_empty() {
            return Ok(());
        }
        Err(PropertyError::Unknown { keys, known: self.known })
    }

    fn find(
        &mut self,
        spellings: &'static [&'static str],
    ) -> Result<Option<(&'static str, &'a str)>, PropertyError> {
        self.known.extend(spellings);
        let mut found: Option<(&'static str, &'a str)> = None;
        for spelling in spellings {
            let Some((key, value)) = self.properties.said.get_key_value(*spelling) else {
                continue;
            };
            self.taken.insert(key);
            match found {
                _ if value.is_empty() => {}
                Some((first, other)) if other != value => {
                    return Err(PropertyError::Conflict { first, second: spelling });
                }
                _ => found = found.or(Some((spelling, value))),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[&str] = &["aws.s3.secret_key", "fs.s3a.secret.key"];

    fn of(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().copied().collect()
    }

    #[test]
    fn either_spelling_will_do_and_both_must_agree() {
        for key in KEY {
            let properties = of(&[(key, "s")]);
            let mut reader = properties.reader();
            assert_eq!(reader.secret(KEY).unwrap().unwrap().reveal(), "s");
            reader.finish(KeyOwner::S3).unwrap();
        }
        let same = of(&[(KEY[0], "s"), (KEY[1], "s")]);
        assert!(same.reader().text(KEY).unwrap().is_some());
        let other = of(&[(KEY[0], "s"), (KEY[1], "t")]);
        let error = other.reader().text(KEY).unwrap_err();
        assert_eq!(error, PropertyError::Conflict { first: KEY[0], second: KEY[1] });
    }

    #[test]
    fn what_nobody_asked_for_is_named_with_what_could_be_said() {
        let properties = of(&[("aws.s3.secretkey", "hidden")]);
        let mut reader = properties.reader();
        assert_eq!(reader.text(KEY).unwrap(), None);
        let error = reader.finish(KeyOwner::S3).unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown property aws.s3.secretkey; known are aws.s3.secret_key, fs.s3a.secret.key"
        );
    }

    #[test]
    fn keys_of_another_backend_are_left_to_it() {
        let judge = |key: &str, owner| of(&[(key, "x")]).reader().finish(owner);
        for (key, owner) in [
            ("dfs.nameservices", KeyOwner::Hdfs),
            ("username", KeyOwner::Hdfs),
            ("aws.s3.region", KeyOwner::S3),
        ] {
            for other in KeyOwner::ALL {
                assert_eq!(judge(key, other).is_ok(), other != owner, "{key}");
            }
        }
        for owner in KeyOwner::ALL {
            let error = judge("asw.s3.region", owner).unwrap_err().to_string();
            assert!(error.contains("asw.s3.region"), "{error}");
        }
    }

    #[test]
    fn values_are_read_or_their_key_is_named() {
        let properties = of(&[("on", "TRUE"), ("many", "7"), ("odd", "maybe")]);
        let mut reader = properties.reader();
        assert_eq!(reader.flag(&["on"]).unwrap(), Some(true));
        assert_eq!(reader.parsed::<u32>(&["many"], "a number").unwrap(), Some(7));
        assert_eq!(
            reader.flag(&["odd"]).unwrap_err().to_string(),
            "property odd must be true or false"
        );
    }

    #[test]
    fn a_family_takes_all_its_members() {
        let properties = of(&[("dfs.ha.namenodes.a", "x"), ("dfs.ha.namenodes.b", "y")]);
        let mut reader = properties.reader();
        assert_eq!(reader.family("dfs.ha.namenodes.").len(), 2);
        reader.finish(KeyOwner::Hdfs).unwrap();
    }

    #[test]
    fn the_environment_is_asked_and_never_complained_about() {
        let found = [("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "r"), ("PATH", "hidden")];
        let properties = Properties::default().with_environment(found);
        let reader = properties.reader();
        assert_eq!(reader.variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]), Some("r"));
        assert_eq!(reader.variable(&["PATH"]), None);
        reader.finish(KeyOwner::Hdfs).unwrap();
        assert!(ENVIRONMENT.is_sorted());
    }

    #[test]
    fn secrets_are_known_by_their_keys() {
        for key in ["aws.s3.secret_key", "fs.s3a.secret.key", "aws.s3.session_token", "password"] {
            assert!(Properties::is_secret(key), "{key}");
        }
        for key in ["aws.s3.endpoint", "fs.s3a.access.key", "fs.s3a.aws.credentials.provider"] {
            assert!(!Properties::is_secret(key), "{key}");
        }
    }

    #[test]
    fn nothing_shows_a_value() {
        let properties = of(&[("aws.s3.secret_key", "hidden")]);
        let shown = format!("{properties:?} {:?}", properties.reader().secret(KEY));
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(shown.contains("aws.s3.secret_key"));
    }
}
