//! [`Exit`]: what the process tells its parent.

use std::process::ExitCode;

#[cfg(feature = "sql")]
use cairn_frontend::mysql::SqlError;
use cairn_pipeline::ErrorKind;

/// MySQL's number of an error that says that a statement was interrupted.
#[cfg(feature = "sql")]
pub(crate) const QUERY_INTERRUPTED: u16 = 1317;

/// How a command ended, as a number that scripts can rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Something went wrong that none of the others describes.
    Failed = 1,
    /// The command asks for something that does not make sense or does not exist.
    Usage = 2,
    /// The repository is damaged.
    Damaged = 3,
    /// The storage is unreachable, refuses, or is full.
    Storage = 4,
    /// The warehouse is unreadable, changed too much, is busy, or is full.
    Warehouse = 5,
    /// Cancelled by SIGINT or SIGTERM.
    Cancelled = 130,
}

/// The table of `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    failed for a reason that is none of these
  2    the command asks for something that makes no sense or does not exist
  3    the repository is damaged
  4    the storage is unreachable, refuses, or is full
  5    the warehouse is unreadable, busy, full, or changed while it was read
  130  cancelled (Ctrl-C or SIGTERM); a second signal kills at once";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows its exit code: a request that this program itself refuses.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) exit: Exit,
    message: String,
}

impl Refusal {
    /// A request that makes no sense or names what does not exist.
    pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
        Self::new(Exit::Usage, message).into()
    }

    /// With an exit code of its own.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Exit {
    /// The code of an error: that of the first cause that says something about it.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        error.chain().find_map(Self::of_cause).unwrap_or(Self::Failed)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if let Some(refusal) = cause.downcast_ref::<Refusal>() {
            return Some(refusal.exit);
        }
        if let Some(error) = cause.downcast_ref::<cairn_pipeline::Error>() {
            return Some(Self::of_kind(error.kind(), error.code()));
        }
        if let Some(error) = cause.downcast_ref::<cairn_pipeline::tablet::TabletError>() {
            return Some(Self::of_kind(ErrorKind::Tablets, error.kind().code()));
        }
        #[cfg(feature = "sql")]
        if let Some(error) = cause.downcast_ref::<SqlError>() {
            return Some(Self::of_sql(error));
        }
        #[cfg(feature = "sql")]
        if let Some(error) = cause.downcast_ref::<cairn_warehouse::Error>() {
            return Some(Self::of_warehouse(error.kind()));
        }
        let error = cause.downcast_ref::<cairn_pipeline::storage::Error>()?;
        Some(Self::of_kind(ErrorKind::Storage, error.kind().code()))
    }

    /// The code of an error of a statement.
    #[cfg(feature = "sql")]
    pub(crate) fn of_sql(error: &SqlError) -> Self {
        match error.code {
            QUERY_INTERRUPTED => Self::Cancelled,
            // Syntax, names, privileges; no database chosen.
            _ if error.sqlstate.starts_with("42") || error.sqlstate.starts_with("3D") => {
                Self::Usage
            }
            _ => Self::Failed,
        }
    }

    #[cfg(feature = "sql")]
    fn of_warehouse(kind: cairn_warehouse::ErrorKind) -> Self {
        use cairn_warehouse::ErrorKind::{AlreadyExists, Invalid, NotFound, Unsupported};
        match kind {
            NotFound | AlreadyExists | Invalid | Unsupported => Self::Usage,
            _ => Self::Warehouse,
        }
    }

    fn of_kind(kind: ErrorKind, code: &str) -> Self {
        match (kind, code) {
            // Not found and not supported are about what was asked for, wherever they come from.
            (_, "CAIRN-T001" | "CAIRN-T006" | "CAIRN-S001" | "CAIRN-S005") => Self::Usage,
            (_, "CAIRN-R001" | "CAIRN-R002") => Self::Usage,
            (_, "CAIRN-R003" | "CAIRN-R014") => Self::Failed,
            (ErrorKind::Request | ErrorKind::Config, _) => Self::Usage,
            (ErrorKind::Tablets, _) => Self::Warehouse,
            (ErrorKind::Storage, _) => Self::Storage,
            (ErrorKind::Repository, _) => Self::Damaged,
            (ErrorKind::Cancelled, _) => Self::Cancelled,
            _ => Self::Failed,
        }
    }
}

/// The stable code of an error, if it has one.
pub(crate) fn code_of(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        let of_engine = cause.downcast_ref::<cairn_pipeline::Error>().map(|error| error.code());
        let of_tablet = cause
            .downcast_ref::<cairn_pipeline::tablet::TabletError>()
            .map(|error| error.kind().code());
        let of_storage =
            cause.downcast_ref::<cairn_pipeline::storage::Error>().map(|error| error.kind().code());
        of_engine.or(of_tablet).or(of_storage)
    })
}

/// Whether an error only says that nobody reads the output any more (`cairn snapshots | head -1`).
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(broken)
}
