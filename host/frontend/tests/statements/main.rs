//! Statements, from their text to their answer, on a server without a port and a data directory of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account;
mod data;
mod database;
mod encryption;
mod job;
mod materialized_view;
mod message;
mod privilege;
mod restore;
mod retention;
mod rig;
mod show;
mod show_create;
mod snapshot;
mod table;
mod variable;
mod view;
