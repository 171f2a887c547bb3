//! What a case says when a rule is broken, and the few ways to check one.

use std::error::Error as _;
use std::fmt::{Debug, Write};

use bytes::Bytes;
use cairn_storage::{Error, ErrorKind, ObjectPath, PathError};

/// A rule of the contract that was broken.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct CaseFailure {
    what: String,
    #[source]
    source: Option<Box<Error>>,
}

impl CaseFailure {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    pub(super) fn caused(what: impl Into<String>, source: Error) -> Self {
        Self { what: what.into(), source: Some(Box::new(source)) }
    }

    /// The message and those of all causes, in one line.
    pub fn with_causes(&self) -> String {
        let mut text = self.what.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing to a String does not fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}

impl From<Error> for CaseFailure {
    fn from(error: Error) -> Self {
        Self::caused("a call that must succeed failed", error)
    }
}

impl From<PathError> for CaseFailure {
    fn from(error: PathError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<tokio::task::JoinError> for CaseFailure {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::new(format!("a task of the case died: {error}"))
    }
}

pub(super) type Checked = Result<(), CaseFailure>;

pub(super) fn path(text: &str) -> Result<ObjectPath, CaseFailure> {
    Ok(ObjectPath::parse(text)?)
}

pub(super) fn that(condition: bool, what: impl Into<String>) -> Checked {
    if condition { Ok(()) } else { Err(CaseFailure::new(what)) }
}

pub(super) fn equal<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Checked {
    that(found == expected, format!("{what}: found {found:?}, expected {expected:?}"))
}

/// Bytes are compared without printing megabytes.
pub(super) fn same_bytes(what: &str, found: &[u8], expected: &[u8]) -> Checked {
    if found == expected {
        return Ok(());
    }
    let (found_len, expected_len) = (found.len(), expected.len());
    let problem = match found.iter().zip(expected).position(|(a, b)| a != b) {
        _ if found_len != expected_len => format!("found {found_len} bytes, not {expected_len}"),
        Some(position) => format!("byte {position} of {expected_len} differs"),
        None => "the bytes differ".to_owned(),
    };
    Err(CaseFailure::new(format!("{what}: {problem}")))
}

pub(super) fn fails<T>(
    what: &str,
    result: Result<T, Error>,
    kinds: impl IntoIterator<Item = ErrorKind>,
) -> Checked {
    let kinds: Vec<ErrorKind> = kinds.into_iter().collect();
    match result {
        Ok(_) => Err(CaseFailure::new(format!("{what} succeeded, expected {kinds:?}"))),
        Err(error) if kinds.contains(&error.kind()) => Ok(()),
        Err(error) => {
            let kind = error.kind();
            Err(CaseFailure::caused(format!("{what}: found {kind:?}, expected {kinds:?}"), error))
        }
    }
}

/// Bytes that differ from position to position and from seed to seed.
pub(super) fn pattern(seed: u8, length: usize) -> Bytes {
    // A prime, so that no two blocks of a power of two are alike.
    let period: Vec<u8> = (0..251_u8).map(|byte| byte.wrapping_mul(7).wrapping_add(seed)).collect();
    let mut bytes = period.repeat(length.div_ceil(period.len()));
    bytes.truncate(length);
    bytes.into()
}
