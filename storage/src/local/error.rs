//! What goes wrong on a file system, and what the caller can do about it.

use std::fmt;
use std::io;

use rustix::io::Errno;

use super::BACKEND;
use crate::{Error, ErrorKind, Operation};

/// A failure below an operation, which does not know yet which operation that was.
#[derive(Debug, thiserror::Error)]
pub(super) enum LocalError {
    #[error("could not {doing}")]
    Io { doing: &'static str, source: io::Error },
    #[error("the path is not a regular file")]
    NotAFile,
    #[error("the range does not lie inside the {size} bytes of the object")]
    Range { size: u64 },
    #[error("the file ended early, somebody else changes it")]
    EndedEarly,
    #[error("another process removed the staging file")]
    Swept,
    #[error("the call was cancelled")]
    Cancelled,
    #[error("the root is not an object")]
    Root,
}

impl LocalError {
    /// Wraps the error of a system call that was to do `doing`.
    pub(super) fn io<E: Into<io::Error>>(doing: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::Io { doing, source: source.into() }
    }

    /// Whether it says that there is nothing at the path.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(Errno::from_io_error(source), Some(Errno::NOENT | Errno::NOTDIR))
            }
            Self::NotAFile => true,
            _ => false,
        }
    }

    /// Whether it says that the path of a put-if-absent is taken.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Io { source, .. } if Errno::from_io_error(source) == Some(Errno::EXIST))
    }

    /// The error of this crate for `operation` on `path`: the one place that classifies.
    pub(super) fn classify(self, operation: Operation, path: impl fmt::Display) -> Error {
        let kind = match &self {
            Self::Io { source, .. } => kind_of(source, operation),
            Self::NotAFile => absent(operation),
            Self::Range { .. } => ErrorKind::InvalidRange,
            Self::Swept => ErrorKind::Transient,
            Self::Root => match operation {
                Operation::Get | Operation::Head => ErrorKind::NotFound,
                _ => ErrorKind::Unsupported,
            },
            Self::EndedEarly | Self::Cancelled => ErrorKind::Other,
        };
        Error::new(kind, operation, BACKEND, path).with_source(self)
    }
}

fn kind_of(source: &io::Error, operation: Operation) -> ErrorKind {
    match Errno::from_io_error(source) {
        Some(Errno::NOENT | Errno::NOTDIR) => absent(operation),
        Some(Errno::EXIST) => ErrorKind::AlreadyExists,
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => ErrorKind::PermissionDenied,
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => ErrorKind::NoSpace,
        // Too many open files, no memory, a server that was restarted: all of them pass.
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::STALE) => {
            ErrorKind::Transient
        }
        _ if source.kind() == io::ErrorKind::OutOfMemory => ErrorKind::Transient,
        _ => ErrorKind::Other,
    }
}

/// Nothing at the path is an answer to a read, and to an open; to anything else it is a surprise.
fn absent(operation: Operation) -> ErrorKind {
    match operation {
        Operation::Get | Operation::Head | Operation::Open => ErrorKind::NotFound,
        Operation::Put | Operation::List | Operation::Delete => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(errno: Errno, operation: Operation) -> ErrorKind {
        LocalError::io("try")(errno).classify(operation, "a").kind()
    }

    #[test]
    fn errors_of_the_kernel_become_what_the_caller_can_do() {
        use ErrorKind::*;
        let table = [
            (Errno::NOSPC, Operation::Put, NoSpace),
            (Errno::DQUOT, Operation::Put, NoSpace),
            (Errno::FBIG, Operation::Put, NoSpace),
            (Errno::ACCESS, Operation::Get, PermissionDenied),
            (Errno::PERM, Operation::Delete, PermissionDenied),
            (Errno::ROFS, Operation::Put, PermissionDenied),
            (Errno::NOENT, Operation::Get, NotFound),
            (Errno::NOTDIR, Operation::Head, NotFound),
            (Errno::NOTDIR, Operation::Put, Other),
            (Errno::EXIST, Operation::Put, AlreadyExists),
            (Errno::MFILE, Operation::Get, Transient),
            (Errno::LOOP, Operation::Get, Other),
            (Errno::IO, Operation::Get, Other),
        ];
        for (errno, operation, expected) in table {
            assert_eq!(kind(errno, operation), expected, "{errno:?} in {operation}");
        }
    }
}
