//! What a job did, object by object.

use cairn_repository::record::Record;

use crate::losses::Missing;
use crate::tablet::{ObjectKey, Skipped};

/// What happened to one object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ObjectReport {
    /// Database of the object.
    pub database: String,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Its partitions in the snapshot.
    pub partitions: u64,
    /// Its tablets in the snapshot.
    pub tablets: u64,
    /// Its segments in the snapshot.
    pub segments: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Segments that were read (backup) or written (restore).
    pub read_segments: u64,
    /// Bytes of those.
    pub read_bytes: u64,
}

impl ObjectReport {
    pub(crate) fn new(key: &ObjectKey) -> Self {
        Self {
            database: key.database.to_string(),
            kind: key.kind.to_string(),
            name: key.name.to_string(),
            partitions: 0,
            tablets: 0,
            segments: 0,
            bytes: 0,
            read_segments: 0,
            read_bytes: 0,
        }
    }
}

/// How a backup ended.
#[derive(Debug)]
pub enum BackupOutcome {
    /// The snapshot exists.
    Committed {
        /// Its record.
        record: Box<Record>,
        /// Every object of it.
        objects: Vec<ObjectReport>,
        /// What the source left out.
        skipped: Vec<Skipped>,
    },
    /// Drained: what was read is in the repository, no snapshot was made.
    Drained,
}

/// How a restore ended.
#[derive(Debug)]
pub struct RestoreOutcome {
    /// Every object that was restored.
    pub objects: Vec<ObjectReport>,
    /// What was left out because it is lost.
    pub missing: Vec<Missing>,
}
