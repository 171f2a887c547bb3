//! The real program while connections are cut, servers die, and it is itself killed: each job succeeds or says clearly why
//! not, and the repository stays clean and restorable.
//!
//! The servers are real processes, but for the S3 server whose connections are cut at random: it is in this one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../place/mod.rs"]
mod place;

mod cut;
mod gateway;
mod hadoop;
mod job;
mod killed;
