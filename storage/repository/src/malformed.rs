//! [`Malformed`]: what every decoder says of bytes that it refuses.
//!
//! It knows bytes and not where they lay; whoever fetched them turns it into a [`crate::Damage`], which names the object.

use std::fmt;

/// Bytes that are not what they should be, and at which of them that shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    what: &'static str,
    at: Option<u64>,
}

impl Malformed {
    /// A finding about the whole.
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, at: None }
    }

    /// A finding at a byte offset.
    pub(crate) fn at(what: &'static str, offset: usize) -> Self {
        Self { what, at: Some(offset as u64) }
    }

    /// A finding about something that a newer key ring may open.
    pub(crate) const UNKNOWN_KEY: Self = Self::new("sealed with a key that the key ring lacks");

    /// A finding about something that is longer than its kind can be, and was not read.
    pub(crate) const TOO_LONG: Self = Self::new("longer than the format allows: it is not read");

    /// The finding in words.
    pub fn what(&self) -> &'static str {
        self.what
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(offset) => write!(f, "{} at byte {offset}", self.what),
            None => f.write_str(self.what),
        }
    }
}

impl std::error::Error for Malformed {}
