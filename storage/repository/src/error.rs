//! The errors of this crate.
//!
//! Rules: pure decoders say [`Malformed`]; whoever fetched the bytes turns it into a [`Damage`] that names the object;
//! [`Error`] is what operations return, and its [`ErrorKind`] says what the caller can do. A source is kept and not repeated in the message.

use std::fmt;

use cairn_storage::ObjectPath;

use crate::layout::{self, MARK};
use crate::{ChunkId, IndexId, KeyError, Label, Malformed, MarkId, PackId, Timestamp};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is damaged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DamagedObject {
    /// `cairn.json`.
    Config,
    /// The record of a snapshot.
    Record(Label),
    /// An index run.
    IndexRun(IndexId),
    /// The index as a whole: a chunk is in none of its runs.
    Index,
    /// A pack.
    Pack(PackId),
    /// The mark of a prune.
    Mark(MarkId),
    /// A key slot or a key ring.
    Keys(ObjectPath),
    /// A hold: it holds all the same.
    Hold(ObjectPath),
    /// A document of a manifest, named by its first chunk: its chunks are intact, what they say is not.
    Document(ChunkId),
}

impl DamagedObject {
    /// Every [`DamagedObject::kind`].
    pub const KINDS: [&str; 9] =
        ["config", "record", "index_run", "index", "pack", "mark", "keys", "hold", "document"];

    /// What kind of object, as metrics name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Record(_) => "record",
            Self::IndexRun(_) => "index_run",
            Self::Index => "index",
            Self::Pack(_) => "pack",
            Self::Mark(_) => "mark",
            Self::Keys(_) => "keys",
            Self::Hold(_) => "hold",
            Self::Document(_) => "document",
        }
    }

    /// Its path, if it is one object.
    pub fn path(&self) -> Option<ObjectPath> {
        match self {
            Self::Config => Some(layout::config_path()),
            Self::Record(label) => Some(layout::snapshot_path(label)),
            Self::IndexRun(id) => Some(layout::index_path(id)),
            Self::Pack(id) => Some(layout::pack_path(id)),
            Self::Mark(id) => Some(layout::mark_path(*id, MARK)),
            Self::Keys(path) | Self::Hold(path) => Some(path.clone()),
            Self::Index | Self::Document(_) => None,
        }
    }
}

impl fmt::Display for DamagedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => f.write_str("indexes"),
            Self::Document(first) => write!(f, "document {first}"),
            object => match object.path() {
                Some(path) => path.fmt(f),
                None => Ok(()),
            },
        }
    }
}

/// How it is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It is shorter than what lies in it.
    Short {
        /// Bytes it must have at least.
        expected: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// Its BLAKE3 is not the one in its name or at its end.
    Hash,
    /// Its bytes break the format.
    Malformed(Malformed),
    /// It is an index run, and a pack does not have what the run says of it.
    Contradicted {
        /// The pack.
        pack: PackId,
    },
    /// Chunks that a manifest names are in no index run.
    NotListed,
    /// It names chunks whose lengths do not add up to the length it states.
    Length {
        /// The stated length in bytes.
        expected: u64,
        /// The sum.
        actual: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Short { expected, actual } => {
                write!(f, "has {actual} bytes, at least {expected} are needed")
            }
            Self::Hash => f.write_str("its content does not match its hash"),
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::Contradicted { pack } => write!(
                f,
                "lists chunks that {} does not have there: a repair lists the others anew",
                layout::pack_path(pack)
            ),
            Self::NotListed => f.write_str("not listed in any index run"),
            Self::Length { expected, actual } => {
                write!(f, "{actual} bytes instead of {expected}")
            }
        }
    }
}

/// An object of the repository that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which object.
    pub object: DamagedObject,
    /// The chunk in it, when the damage is known to that detail.
    pub chunk: Option<ChunkId>,
    /// How.
    pub fault: Fault,
}

impl Damage {
    /// A damaged object.
    pub fn new(object: DamagedObject, fault: impl Into<Fault>) -> Self {
        Self { object, chunk: None, fault: fault.into() }
    }

    /// A damaged chunk in an object.
    pub fn of_chunk(object: DamagedObject, chunk: ChunkId, fault: impl Into<Fault>) -> Self {
        Self { object, chunk: Some(chunk), fault: fault.into() }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chunk {
            Some(chunk) => write!(f, "{}: chunk {chunk}: {}", self.object, self.fault),
            None => write!(f, "{}: {}", self.object, self.fault),
        }
    }
}

impl std::error::Error for Damage {}

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no repository here: create one or look elsewhere.
    NotARepository,
    /// There is a repository here already: open it.
    AlreadyARepository,
    /// A newer version of Cairn wrote it: update.
    NewerFormat,
    /// The label is taken: choose another.
    LabelExists,
    /// No snapshot has this label.
    NoSuchSnapshot,
    /// The storage takes no puts.
    ReadOnly,
    /// Something stored is not as it was written: check, repair.
    Damaged,
    /// The storage failed; its own error is the source.
    Storage,
    /// The caller gave values that the format does not allow.
    Invalid,
    /// Another host is forgetting the snapshot of this label, or died while it did: choose another label, or wait.
    Busy,
    /// The storage lets this host delete nothing.
    AppendOnly,
    /// Somebody holds the snapshot: release every hold first.
    Held,
    /// No hold has this name.
    NoSuchHold,
    /// The clocks of this host and of the storage are too far apart: set the wrong one.
    ClocksDiffer,
    /// A prune took what a backup counted on: the backup has to begin again.
    Pruned,
    /// The keys do not serve: give others, or none.
    Key,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::NotARepository,
        Self::AlreadyARepository,
        Self::NewerFormat,
        Self::LabelExists,
        Self::NoSuchSnapshot,
        Self::ReadOnly,
        Self::Damaged,
        Self::Storage,
        Self::Invalid,
        Self::Busy,
        Self::AppendOnly,
        Self::Held,
        Self::NoSuchHold,
        Self::ClocksDiffer,
        Self::Pruned,
        Self::Key,
    ];

    /// Stable code for operators and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotARepository => "CAIRN-R001",
            Self::AlreadyARepository => "CAIRN-R002",
            Self::NewerFormat => "CAIRN-R003",
            Self::LabelExists => "CAIRN-R004",
            Self::NoSuchSnapshot => "CAIRN-R005",
            Self::ReadOnly => "CAIRN-R006",
            Self::Damaged => "CAIRN-R007",
            Self::Storage => "CAIRN-R008",
            Self::Invalid => "CAIRN-R009",
            Self::Busy => "CAIRN-R010",
            Self::AppendOnly => "CAIRN-R011",
            Self::Held => "CAIRN-R012",
            Self::NoSuchHold => "CAIRN-R013",
            Self::ClocksDiffer => "CAIRN-R014",
            Self::Pruned => "CAIRN-R015",
            // Apart from the others, so that they may grow.
            Self::Key => "CAIRN-R020",
        }
    }
}

/// A failed operation on a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// See [`ErrorKind::NotARepository`].
    #[error("there is no repository at {location}")]
    NotARepository {
        /// The storage, for humans.
        location: String,
    },
    /// See [`ErrorKind::AlreadyARepository`].
    #[error("there is a repository at {location} already")]
    AlreadyARepository {
        /// The storage, for humans.
        location: String,
    },
    /// See [`ErrorKind::NewerFormat`].
    #[error("the repository needs {needs}, which this version of Cairn does not know")]
    NewerFormat {
        /// The format version or feature.
        needs: String,
    },
    /// See [`ErrorKind::LabelExists`].
    #[error("the label {label} belongs to a snapshot{} already", taken_at(.timestamp))]
    LabelExists {
        /// The label.
        label: Label,
        /// When its holder was taken; `None` when the holder's record is damaged.
        timestamp: Option<Timestamp>,
    },
    /// See [`ErrorKind::NoSuchSnapshot`].
    #[error("there is no snapshot {label}")]
    NoSuchSnapshot {
        /// The label.
        label: Label,
    },
    /// See [`ErrorKind::ReadOnly`].
    #[error("{location} is read-only")]
    ReadOnly {
        /// The storage, for humans.
        location: String,
    },
    /// See [`ErrorKind::Damaged`].
    #[error("the repository is damaged")]
    Damaged(#[source] Damage),
    /// See [`ErrorKind::Storage`].
    #[error("the storage of the repository failed")]
    Storage(#[source] cairn_storage::Error),
    /// See [`ErrorKind::Invalid`].
    #[error("{what}")]
    Invalid {
        /// What is not allowed, as a phrase.
        what: String,
    },
    /// See [`ErrorKind::Busy`].
    #[error(
        "the snapshot {label} is being forgotten by another host, or was by one that died: choose another label, or wait"
    )]
    Busy {
        /// The label.
        label: Label,
    },
    /// See [`ErrorKind::Key`].
    #[error(transparent)]
    Key(#[from] KeyError),
    /// See [`ErrorKind::AppendOnly`].
    #[error(
        "{location} lets this host delete nothing: forget snapshots and prune with credentials that may"
    )]
    AppendOnly {
        /// The storage, for humans.
        location: String,
    },
    /// See [`ErrorKind::Held`].
    #[error("the snapshot {label} is held: {by}; it goes only when every hold on it is released")]
    Held {
        /// The label.
        label: Label,
        /// The holds.
        by: String,
    },
    /// See [`ErrorKind::NoSuchHold`].
    #[error("the snapshot {label} is not held as {name}")]
    NoSuchHold {
        /// The label.
        label: Label,
        /// The name.
        name: Label,
    },
    /// See [`ErrorKind::ClocksDiffer`].
    #[error(
        "it is {host} on this host and {storage} at the storage: one of the clocks is wrong, and snapshots that are not due could go; set it right"
    )]
    ClocksDiffer {
        /// The time here.
        host: Timestamp,
        /// The time there.
        storage: Timestamp,
    },
    /// See [`ErrorKind::Pruned`].
    #[error("a prune took what the snapshot {label} counted on: back up again")]
    Pruned {
        /// Its label.
        label: Label,
    },
}

fn taken_at(timestamp: &Option<Timestamp>) -> String {
    timestamp.map(|timestamp| format!(" of {timestamp}")).unwrap_or_default()
}

impl Error {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotARepository { .. } => ErrorKind::NotARepository,
            Self::AlreadyARepository { .. } => ErrorKind::AlreadyARepository,
            Self::NewerFormat { .. } => ErrorKind::NewerFormat,
            Self::LabelExists { .. } => ErrorKind::LabelExists,
            Self::NoSuchSnapshot { .. } => ErrorKind::NoSuchSnapshot,
            Self::ReadOnly { .. } => ErrorKind::ReadOnly,
            Self::Damaged(_) => ErrorKind::Damaged,
            Self::Storage(_) => ErrorKind::Storage,
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::AppendOnly { .. } => ErrorKind::AppendOnly,
            Self::Held { .. } => ErrorKind::Held,
            Self::NoSuchHold { .. } => ErrorKind::NoSuchHold,
            Self::ClocksDiffer { .. } => ErrorKind::ClocksDiffer,
            Self::Pruned { .. } => ErrorKind::Pruned,
            Self::Key(_) => ErrorKind::Key,
        }
    }

    /// Stable code for operators and logs.
    pub fn code(&self) -> &'static str {
        self.kind().code()
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Storage(source) => source.is_retryable(),
            Self::Pruned { .. } => true,
            _ => false,
        }
    }

    /// The damage, if that is what it is.
    pub fn damage(&self) -> Option<&Damage> {
        match self {
            Self::Damaged(damage) => Some(damage),
            _ => None,
        }
    }

    /// Values that the format does not allow.
    pub(crate) fn invalid(what: impl fmt::Display) -> Self {
        Self::Invalid { what: what.to_string() }
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<cairn_storage::Error> for Error {
    fn from(error: cairn_storage::Error) -> Self {
        Self::Storage(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_and_unique() {
        let codes = ErrorKind::ALL.map(ErrorKind::code);
        assert_eq!(codes[0], "CAIRN-R001");
        assert_eq!(codes[15], "CAIRN-R020");
        assert!(codes.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn messages_name_what_they_are_about() {
        let label: Label = "nightly".parse().unwrap();
        let taken = Error::LabelExists {
            label: label.clone(),
            timestamp: Some(Timestamp::from_unix_millis(0)),
        };
        assert_eq!(
            taken.to_string(),
            "the label nightly belongs to a snapshot of 1970-01-01-00-00-00-000 already"
        );
        let damage = Damage::new(DamagedObject::Record(label), Malformed::at("trailing bytes", 7));
        assert_eq!(damage.to_string(), "snapshots/nightly: trailing bytes at byte 7");
    }
}
