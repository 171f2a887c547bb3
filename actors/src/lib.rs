//! The stages of a backup and of a restore, each under an actor, joined by bounded edges.
//!
//! ```text
//!            ┌──────────┐   ┌─────────┐   ┌──────────┐   ┌──────────┐   ┌───────────┐
//!  source ─> │ snapshot │ ─>│ chunker │ ─>│ checksum │ ─>│ uploader │ ─>│ committer │ ─> record
//!            └──────────┘   └─────────┘   └──────────┘   └──────────┘   └───────────┘
//!             windows        chunks        ids, codecs    packs          index, manifests
//! ```
//! Restore runs the other way: fetcher, verifier, installer. [`topology`] is the wiring, [`stage`] and
//! [`edge`] the rules that every stage keeps, [`actor`] the control plane, [`tablet`] what a database implements. A
//! stage never imports another stage.

pub mod actor;
pub mod cancel;
pub mod committer;
pub mod compute;
pub mod edge;
mod error;
pub mod failpoint;
mod flow;
pub mod io;
pub mod message;
pub mod metrics;
pub mod parent;
mod priority;
mod progress;
mod report;
mod scope;
pub mod stage;
pub mod staged;
pub mod tablet;
pub mod topology;

mod assembly;
mod buffer;
mod checksum;
mod chunker;
mod clock;
mod documents;
mod fetcher;
mod flight;
pub mod holdings;
mod installer;
mod losses;
mod snapshot;
mod tally;
mod trace;
mod uploader;
mod verifier;

pub use error::{Fault, Stop};
pub use fetcher::MAX_SPAN_BYTES;
pub use flow::{EdgeReading, FlowSnapshot, StageReading};
pub use losses::{Losses, Missing};
pub use priority::Priority;
pub use progress::{Phase, Progress, ProgressSnapshot};
pub use report::{BackupOutcome, ObjectReport, RestoreOutcome};
pub use scope::{RestoreItem, RestoreScope};
pub use tally::CheckTally;
pub use trace::Trace;
