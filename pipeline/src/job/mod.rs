//! Jobs: what an engine runs on request.

mod backup;
mod check;
mod copy;
mod core;
mod handle;
pub(crate) mod log;
mod prune;
mod report;
mod restore;
mod state;
mod watch;

pub(crate) use self::backup::{host_name, run as run_backup};
pub(crate) use self::check::run as run_check;
pub(crate) use self::copy::run as run_copy;
pub(crate) use self::core::{JobCore, Surroundings};
pub use self::handle::{Canceller, JobHandle};
pub use self::log::{JOB_EVENTS, JOB_SPANS};
pub(crate) use self::prune::run as run_prune;
pub use self::report::{
    BackupReport, CheckReport, CopyReport, PruneReport, Repair, RestoreReport, SkippedItem,
};
pub(crate) use self::restore::run as run_restore;
pub use self::state::{JobKind, JobState};
pub use self::watch::JobWatch;
