//! *Does*: turns a failed system call into a [`TabletError`] that names operation and path.
//!
//! *Invariants*: classification happens here and nowhere else.

use std::io;

use cairn_actors::tablet::{TabletError, TabletErrorKind};
use rustix::io::Errno;

/// The error of an operation ("open the file") on a path.
pub(super) fn failed(operation: &str, path: impl Into<String>, errno: Errno) -> TabletError {
    TabletError::new(kind_of(errno), path, format!("cannot {operation}"))
        .with_source(io::Error::from(errno))
}

/// The error of a segment that is no longer what the view listed.
pub(super) fn changed(path: impl Into<String>, problem: &str) -> TabletError {
    TabletError::new(TabletErrorKind::Changed, path, problem)
}

/// The error of a name or an encoding that cannot be accepted.
pub(super) fn invalid(what: impl Into<String>, problem: impl Into<String>) -> TabletError {
    TabletError::new(TabletErrorKind::Invalid, what, problem)
}

/// The error of a target that another job has.
pub(super) fn busy(what: impl Into<String>, problem: &str) -> TabletError {
    TabletError::new(TabletErrorKind::Busy, what, problem)
}

fn kind_of(errno: Errno) -> TabletErrorKind {
    match errno {
        Errno::NOSPC | Errno::DQUOT => TabletErrorKind::NoSpace,
        Errno::NOENT => TabletErrorKind::NotFound,
        Errno::NAMETOOLONG | Errno::ILSEQ => TabletErrorKind::Invalid,
        _ => TabletErrorKind::Io,
    }
}
