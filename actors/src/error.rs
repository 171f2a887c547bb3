//! Why a job ends other than well.

use crate::edge::{RecvError, SendError};
use crate::metrics::StageId;
use crate::tablet::TabletError;

/// A fault of a stage, with its cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The source or the sink failed.
    #[error(transparent)]
    Tablet(#[from] TabletError),
    /// The repository failed, or what it holds is damaged.
    #[error(transparent)]
    Repository(Box<cairn_repository::Error>),
    /// A segment cannot be restored because of a damage in the repository.
    #[error("segment {segment} cannot be restored")]
    SegmentDamaged {
        /// Database, object, partition, tablet and segment.
        segment: String,
        /// The damage.
        #[source]
        damage: Box<cairn_repository::Damage>,
    },
    /// The job was cancelled while its record was being put, and the storage did not answer.
    #[error("cancelled during the commit: snapshot {label} may exist or not")]
    UnknownCommit {
        /// Label of the snapshot.
        label: String,
    },
    /// A stage panicked: a defect in Cairn or in the embedder's source or sink.
    #[error("the {stage} stage panicked: {message}")]
    Panicked {
        /// Which stage.
        stage: &'static str,
        /// The panic's message.
        message: String,
    },
    /// A broken promise between stages: a defect in Cairn.
    #[error("the {stage} stage met an impossible state: {what}")]
    Defect {
        /// Which stage.
        stage: &'static str,
        /// What cannot be.
        what: String,
    },
    /// The operating system refused something that is neither storage nor tablets, such as a thread.
    #[error("{what} failed")]
    System {
        /// What was tried.
        what: String,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
}

impl From<cairn_repository::Error> for Fault {
    fn from(error: cairn_repository::Error) -> Self {
        Self::Repository(Box::new(error))
    }
}

impl Fault {
    /// A [`Fault::Defect`] of a stage.
    pub(crate) fn defect(stage: StageId, what: impl Into<String>) -> Self {
        Self::Defect { stage: stage.as_str(), what: what.into() }
    }

    /// A [`Fault::SegmentDamaged`].
    pub(crate) fn segment_damaged(segment: String, damage: cairn_repository::Damage) -> Self {
        Self::SegmentDamaged { segment, damage: Box::new(damage) }
    }

    /// Stable code for operators and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tablet(error) => error.kind().code(),
            Self::Repository(error) => error.code(),
            Self::SegmentDamaged { .. } => "CAIRN-A001",
            Self::Panicked { .. } => "CAIRN-A002",
            Self::Defect { .. } => "CAIRN-A003",
            Self::System { .. } => "CAIRN-A004",
            Self::UnknownCommit { .. } => "CAIRN-A005",
        }
    }
}

/// Why a stage's work stopped before its end.
#[derive(Debug)]
pub enum Stop {
    /// The job was cancelled: an outcome, not an error.
    Cancelled,
    /// The stage behind has gone; it says why itself.
    DownstreamClosed,
    /// The stage before has gone without an end; it says why itself.
    UpstreamLost,
    /// This stage failed.
    Failed(Fault),
}

impl From<SendError> for Stop {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Cancelled => Self::Cancelled,
            SendError::DownstreamClosed => Self::DownstreamClosed,
        }
    }
}

impl From<RecvError> for Stop {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Cancelled => Self::Cancelled,
            RecvError::UpstreamLost => Self::UpstreamLost,
        }
    }
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
