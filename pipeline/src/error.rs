//! The one error of the embedding API.

use std::any::Any;

use cairn_actors::Fault;
use cairn_actors::stage::panic_message;
use cairn_actors::tablet::TabletErrorKind;

use crate::job::JobKind;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Change the request: a wrong label, an object that does not exist, a taken label.
    Request,
    /// Change the settings.
    Config,
    /// Look at the database's side: a segment changed, is unreadable, a target is busy.
    Tablets,
    /// Look at the storage: unreachable, no permission, no space.
    Storage,
    /// The repository is damaged, or is none.
    Repository,
    /// The job was cancelled.
    Cancelled,
    /// A defect in Cairn or in the embedder's source or sink.
    Defect,
}

/// Why something did not happen.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    may_pass: bool,
}

impl Error {
    pub(crate) fn config(message: String) -> Self {
        Self { kind: ErrorKind::Config, code: "CAIRN-P001", message, source: None, may_pass: false }
    }

    pub(crate) fn request(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind: ErrorKind::Request,
            code: "CAIRN-P002",
            message,
            source: None,
            may_pass: false,
        }
    }

    pub(crate) fn cancelled() -> Self {
        let message = "the job was cancelled".to_owned();
        Self {
            kind: ErrorKind::Cancelled,
            code: "CAIRN-P003",
            message,
            source: None,
            may_pass: false,
        }
    }

    /// A job panicked outside of its stages.
    pub(crate) fn panicked(kind: JobKind, panic: &(dyn Any + Send)) -> Self {
        let message = format!("the {} job panicked: {}", kind.as_str(), panic_message(panic));
        Self { kind: ErrorKind::Defect, code: "CAIRN-A002", message, source: None, may_pass: false }
    }

    pub(crate) fn engine_closed() -> Self {
        let message = "the engine was closed".to_owned();
        Self {
            kind: ErrorKind::Cancelled,
            code: "CAIRN-P004",
            message,
            source: None,
            may_pass: false,
        }
    }

    pub(crate) fn label_exists(holder: &cairn_repository::record::Record) -> Self {
        cairn_repository::Error::LabelExists {
            label: holder.label.clone(),
            timestamp: Some(holder.timestamp),
        }
        .into()
    }

    /// A label that another snapshot has now.
    pub(crate) fn other_snapshot(
        holder: &cairn_repository::record::Record,
        wanted: cairn_repository::Timestamp,
    ) -> Self {
        let (label, taken) = (&holder.label, holder.timestamp);
        Self::request(format!("the snapshot {label} was taken at {taken}, not at {wanted}"))
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Stable code for operators, logs and SQL.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Whether the storage did not answer, or not as a storage of its kind does: where it once worked, it may again without anybody
    /// changing a setting.
    pub fn may_pass(&self) -> bool {
        self.may_pass
    }

    /// Whether a prune took what a backup counted on: the same backup, begun again, succeeds.
    pub(crate) fn is_pruned(&self) -> bool {
        self.code == cairn_repository::ErrorKind::Pruned.code()
    }

    /// Whether the job was cancelled: an outcome rather than a fault.
    pub fn is_cancelled(&self) -> bool {
        self.kind == ErrorKind::Cancelled
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}

/// Keeps message and causes of an error whose own type is not part of this API.
fn wrap(
    kind: ErrorKind,
    code: &'static str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    let message = error.to_string();
    let source = error.source().map(chain);
    Error { kind, code, message, source, may_pass: false }
}

/// Whether such an error of a storage may be over some time.
fn may_pass(error: &cairn_storage::Error) -> bool {
    error.is_retryable() || error.kind() == cairn_storage::ErrorKind::Other
}

/// The causes below an error as texts; the types stay inside.
fn chain(error: &(dyn std::error::Error + 'static)) -> Box<dyn std::error::Error + Send + Sync> {
    Box::new(Cause { message: error.to_string(), source: error.source().map(chain) })
}

#[derive(Debug)]
struct Cause {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}

impl From<cairn_repository::Error> for Error {
    fn from(error: cairn_repository::Error) -> Self {
        use cairn_repository::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::LabelExists
            | Kind::NoSuchSnapshot
            | Kind::Busy
            | Kind::Invalid
            | Kind::Held
            | Kind::NoSuchHold => ErrorKind::Request,
            Kind::ClocksDiffer | Kind::Key => ErrorKind::Config,
            Kind::Storage | Kind::ReadOnly | Kind::AppendOnly => ErrorKind::Storage,
            _ => ErrorKind::Repository,
        };
        let may_pass = matches!(&error, cairn_repository::Error::Storage(cause) if may_pass(cause));
        Self { may_pass, ..wrap(kind, error.code(), error) }
    }
}

impl From<cairn_storage::Error> for Error {
    fn from(error: cairn_storage::Error) -> Self {
        let may_pass = may_pass(&error);
        Self { may_pass, ..wrap(ErrorKind::Storage, error.kind().code(), error) }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Repository(error) => (*error).into(),
            fault => {
                let kind = match &fault {
                    Fault::Tablet(error) if error.kind() == TabletErrorKind::NotFound => {
                        ErrorKind::Request
                    }
                    Fault::Tablet(_) => ErrorKind::Tablets,
                    Fault::SegmentDamaged { .. } => ErrorKind::Repository,
                    Fault::UnknownCommit { .. } => ErrorKind::Storage,
                    _ => ErrorKind::Defect,
                };
                let code = fault.code();
                wrap(kind, code, fault)
            }
        }
    }
}

impl From<cairn_actors::tablet::TabletError> for Error {
    fn from(error: cairn_actors::tablet::TabletError) -> Self {
        Fault::from(error).into()
    }
}

impl From<cairn_repository::LabelError> for Error {
    fn from(error: cairn_repository::LabelError) -> Self {
        Self::request(error.to_string())
    }
}

/// An error with its causes, in one line: what logs and SHOW have. A cause that an error has said already is not said again.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
