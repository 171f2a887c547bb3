//! The program as its users meet it: arguments in, status and output out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../place/mod.rs"]
mod place;
#[path = "../running/mod.rs"]
mod running;

mod backup_restore;
mod bad_input;
mod browse;
mod bucket;
mod damage;
mod encryption;
mod expect;
mod forget;
mod http;
mod log;
mod metrics_table;
mod other_verbs;
mod prune;
#[cfg(feature = "sql")]
mod quickstart;
mod repo_copy;
mod retention;
mod signals;
#[cfg(feature = "sql")]
mod sql;
