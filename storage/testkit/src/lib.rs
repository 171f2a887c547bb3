//! What the tests of Cairn share.
//!
//! - [`conformance`]: the contract of [`cairn_storage::Storage`] as named cases, for our backends, for
//!   an embedder's own and for a user's location (`cairn storage validate`).
//! - [`FaultStorage`]: a storage that fails as planned, and complains of a plan that never happened.
//! - [`TcpProxy`]: a network that is slow and fails as planned, for whatever speaks TCP to a server.
//! - [`RecordingStorage`]: a storage that remembers what was done to it, so that a test can rebuild it as
//!   a crash at any instant would have left it.
//! - [`AppendOnlyStorage`]: what credentials that can neither delete nor overwrite leave of a storage.
//! - [`UndecidedStorage`]: a storage on which several creates of one path may win.
//! - [`mariadb`]: the client of that name, for whoever serves SQL.
//! - `S3Server` (feature `s3-server`): an S3 server in this process.
//! - `servers` (feature `servers`): a real HDFS and Ceph's S3 gateway, started beside this process.

mod append_only;
pub mod conformance;
mod fault;
mod mariadb;
mod patience;
mod proxy;
mod recording;
mod requirement;
#[cfg(feature = "s3-server")]
mod s3_server;
#[cfg(feature = "servers")]
pub mod servers;
mod undecided;

pub use append_only::AppendOnlyStorage;
pub use fault::{Fault, FaultHandle, FaultStorage};
pub use mariadb::{mariadb, mariadb_reads};
pub use patience::wait_until;
pub use proxy::{Direction, Line, NetFault, TcpProxy};
pub use recording::{Mutation, RecordingStorage};
pub use requirement::skip_unless_required;
#[cfg(feature = "s3-server")]
pub use s3_server::{Requests, S3Server};
pub use undecided::{Indecision, UndecidedStorage};
