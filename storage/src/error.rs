//! The one error of this crate.
//!
//! Rules: a backend classifies its own failures, once, here into an [`ErrorKind`]; layers ask
//! [`Error::is_retryable`] and never look at a service's codes; every error names operation, backend
//! and path; the source is kept and not repeated in the message.

use std::fmt;
use std::time::Duration;

use crate::ObjectPath;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object does not exist.
    NotFound,
    /// The path is taken and the put was a [`crate::PutMode::Create`].
    AlreadyExists,
    /// The range does not lie inside the object.
    InvalidRange,
    /// The storage refuses this identity: wrong key, missing right, read-only mount.
    PermissionDenied,
    /// The storage or the layer does not do this at all.
    Unsupported,
    /// No space, quota used up, object too large.
    NoSpace,
    /// A passing fault (network, a server that restarts): the same call may succeed later.
    Transient,
    /// The storage pushes back (SlowDown, too many requests, overload): the same call may succeed later, and
    /// fewer calls at once help.
    Throttled,
    /// The call was given up; a put may or may not have happened.
    UnknownOutcome,
    /// Anything else: a person must look.
    Other,
}

impl ErrorKind {
    /// Whether the same call may succeed later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled | Self::UnknownOutcome)
    }

    /// Stable code for operators and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "CAIRN-S001",
            Self::AlreadyExists => "CAIRN-S002",
            Self::InvalidRange => "CAIRN-S003",
            Self::PermissionDenied => "CAIRN-S004",
            Self::Unsupported => "CAIRN-S005",
            Self::NoSpace => "CAIRN-S006",
            Self::Transient => "CAIRN-S007",
            Self::UnknownOutcome => "CAIRN-S008",
            Self::Other => "CAIRN-S009",
            Self::Throttled => "CAIRN-S010",
        }
    }
}

/// The operations of [`crate::Storage`], as errors and metrics name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`crate::Storage::put`]
    Put,
    /// [`crate::Storage::get`]
    Get,
    /// [`crate::Storage::head`]
    Head,
    /// [`crate::Storage::list_pages`]
    List,
    /// [`crate::Storage::delete`]
    Delete,
    /// Opening a storage at a URL.
    Open,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Put, Self::Get, Self::Head, Self::List, Self::Delete, Self::Open];

    /// The label value in metrics and the word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A failed operation on a storage.
#[derive(Debug, thiserror::Error)]
#[error("{operation} of {path:?} on {backend} failed: {}", kind_text(.kind))]
pub struct Error {
    kind: ErrorKind,
    operation: Operation,
    backend: &'static str,
    path: String,
    retry_after: Option<Duration>,
    #[source]
    source: Option<Source>,
}

fn kind_text(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "no such object",
        ErrorKind::AlreadyExists => "the object exists already",
        ErrorKind::InvalidRange => "the range does not lie inside the object",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::Unsupported => "not supported here",
        ErrorKind::NoSpace => "no space left",
        ErrorKind::Transient => "a passing fault",
        ErrorKind::Throttled => "the storage asks for fewer requests",
        ErrorKind::UnknownOutcome => "given up, the outcome is unknown",
        ErrorKind::Other => "the storage reported an error",
    }
}

impl Error {
    /// An error of `kind` in `operation` on `path` (displayed) of the named backend.
    pub fn new(
        kind: ErrorKind,
        operation: Operation,
        backend: &'static str,
        path: impl fmt::Display,
    ) -> Self {
        Self { kind, operation, backend, path: path.to_string(), retry_after: None, source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same with the time the service asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was tried.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The kind of backend it was tried on.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// The object or prefix it was tried on.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// Whether the storage asks for fewer calls at once: it says so, or says when to come back.
    pub fn is_pushback(&self) -> bool {
        self.kind == ErrorKind::Throttled || self.retry_after.is_some()
    }

    /// How long the service asked to wait, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the object is absent.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// `NotFound` on `path`, the commonest of all.
    pub fn not_found(operation: Operation, backend: &'static str, path: &ObjectPath) -> Self {
        Self::new(ErrorKind::NotFound, operation, backend, path)
    }
}
