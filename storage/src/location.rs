//! [`Location`]: where a storage is and what is said of it, as a user gives both.

use std::fmt;

use crate::url::without_secrets;
use crate::{Properties, Result, StorageUrl};

/// A URL or path as it was written, with [`Properties`]. Neither `Debug` nor `Display` shows a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Location {
    text: String,
    properties: Properties,
}

impl Location {
    /// A place of which nothing more is said.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), properties: Properties::default() }
    }

    /// The same place with properties.
    #[must_use]
    pub fn with_properties(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    /// The place, understood.
    pub fn url(&self) -> Result<StorageUrl> {
        StorageUrl::parse(&self.text)
    }

    /// What is said of it.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }
}

impl From<&str> for Location {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&String> for Location {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

impl From<String> for Location {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.text))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location")
            .field("text", &without_secrets(&self.text))
            .field("properties", &self.properties)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret() {
        let location = Location::from("s3://KEY:HIDDEN@bucket/path?token=HIDDEN")
            .with_properties([("aws.s3.secret_key", "HIDDEN")].into_iter().collect());
        let shown = format!("{location} {location:?}");
        assert!(shown.contains("s3://***@bucket/path") && !shown.contains("HIDDEN"), "{shown}");
    }
}
