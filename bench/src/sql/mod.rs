//! `cairn-bench sql`: what clients of `cairn serve` wait for.
//!
//! ```text
//!              ┌─ query: the restored lineitem, beside plain DataFusion on the same files
//! place ─ run ─┼─ load:  clients at a fixed rate, phases without and with backups in turn
//!              └─ show:  SHOW statements among many tables and snapshots, while backups run
//! ```
//! The server is a process of its own and clients speak MySQL's protocol, as real ones do. What is measured goes to
//! `raw.json` at once (`record`); the summary is made of that file alone (`summary`).

mod backups;
mod client;
mod load;
mod paced;
mod place;
mod plain;
mod query;
mod record;
mod run;
mod server;
mod show;
mod summary;
mod tpch;

pub use self::run::run;
pub use self::summary::{is_run, print};
