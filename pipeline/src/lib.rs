//! Embeddable backup and restore for databases that keep their data in tablets.
//!
//! ```
//! use std::sync::Arc;
//! use cairn_pipeline::directory::{DirectorySink, DirectorySource};
//! use cairn_pipeline::{BackupRequest, Engine, RepositorySettings, RestoreRequest};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let place = tempfile::tempdir()?;
//! # let (warehouse, backup) = (place.path().join("warehouse"), place.path().join("backup"));
//! # std::fs::create_dir_all(warehouse.join("shop/orders/p1/t1"))?;
//! # std::fs::write(warehouse.join("shop/orders/p1/t1/segment.dat"), "rows")?;
//! let engine = Engine::start()?;
//! let repository =
//!     engine.create_repository(backup.display().to_string(), RepositorySettings::default())?;
//!
//! let source = Arc::new(DirectorySource::open(&warehouse)?);
//! let report = engine.backup(&repository, source, BackupRequest::new("monday")?).wait()?;
//! assert_eq!(report.progress.segments_read, 1);
//!
//! let sink = Arc::new(DirectorySink::open(&place.path().join("restored"))?);
//! engine.restore(&repository, sink, RestoreRequest::new("monday")?).wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! An [`Engine`] owns a few threads and runs jobs; a job moves segments from a [`TabletSource`] into a
//! [`Repository`] or back into a [`TabletSink`]. A database implements those two traits; [`directory`] does it
//! for a tree of directories. No async runtime, actor system or metrics recorder is demanded of the process, and none
//! is taken from it: metrics go to whatever recorder of the `metrics` facade is installed when a job starts.

mod browse;
mod clock;
mod config;
pub mod directory;
mod engine;
mod error;
mod job;
mod launch;
pub mod metrics;
mod observer;
mod opening;
#[cfg(doctest)]
mod readme;
mod repository;
mod request;
mod retention;
mod runtime;
mod snapshot_source;
mod watch;

pub use browse::{Differences, SegmentBytes};
pub use cairn_actors::actor::StageObservation;
#[cfg(feature = "failpoints")]
pub use cairn_actors::failpoint;
pub use cairn_actors::metrics::{EdgeId, StageId};
pub use cairn_actors::tablet;
pub use cairn_actors::tablet::{Selection, TabletSink, TabletSnapshot, TabletSource};
pub use cairn_actors::{
    EdgeReading, FlowSnapshot, Missing, ObjectReport, Priority, ProgressSnapshot, RestoreItem,
    StageReading,
};
pub use cairn_repository::browse::{
    Entry, Extent, Level, ParsePathError, SnapshotPath, shown_name,
};
pub use cairn_repository::check::{Affected, Finding};
pub use cairn_repository::compare::{Change, Difference};
pub use cairn_repository::config::{Compression, RepositorySettings};
pub use cairn_repository::copy::{CopyProgress, CopyStage};
pub use cairn_repository::hold::{Hold, HoldNames, HoldNote};
pub use cairn_repository::record::{Record, RecordStats};
pub use cairn_repository::retention::{
    Candidate, Grouping, MAX_CLOCK_DIFFERENCE, Owner, ParseGroupingError, ParsePeriodError, Period,
    Policy, Reason, Rule, Scope, Verdict, series_of,
};
pub use cairn_repository::{
    KeyError, Label, ListedSlot, ListedSnapshot, RepositorySecret, SecretKind, SlotId, SlotLabel,
    Timestamp,
};
pub use cairn_storage as storage;
pub use cairn_storage::layer::{SpeedLimitWaits, SpeedLimits};
pub use clock::{Clock, SystemClock};
pub use config::{EngineConfig, ValidConfig, WorkerCounts};
pub use engine::{Engine, EngineBuilder};
pub use error::{Error, ErrorKind, with_causes};
pub use job::{
    BackupReport, Canceller, CheckReport, CopyReport, JOB_EVENTS, JOB_SPANS, JobHandle, JobKind,
    JobState, JobWatch, PruneReport, Repair, RestoreReport, SkippedItem,
};
pub use observer::{JobEvent, NoObserver, Observer};
pub use repository::{Repository, SnapshotObject};
pub use request::{BackupRequest, CheckRequest, PruneRequest, RestoreRequest};
pub use retention::{Permit, SweepReport, SweepRequest, this_host};
pub use snapshot_source::SnapshotSource;
pub use watch::{MAX_REPOSITORIES, Target, Watch};
