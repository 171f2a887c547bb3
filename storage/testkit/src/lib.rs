//! What the tests of Cairn share.
//!
//! - [`conformance`]: the contract of [`cairn_storage::Storage`] as named cases, for our backends, for
//!   an embedder's own and for a user's location (`cairn storage validate`).
//! - [`FaultStorage`]: a storage that fails as planned, and complains of a plan that never happened.
//! - [`RecordingStorage`]: a storage that remembers what was done to it, so that a test can rebuild it as
//!   a crash at any instant would have left it.

pub mod conformance;
mod fault;
mod recording;

pub use fault::{Fault, FaultHandle, FaultStorage};
pub use recording::{Mutation, RecordingStorage};
