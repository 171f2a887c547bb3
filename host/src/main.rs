//! The `cairn` program: the reference host process of the engine.
//!
//! `cli::low` is what was typed, `cli::high` what it means, and one file per verb does it.

mod board;
mod cli;
mod config;
mod environment;
mod exit;
mod http;
#[cfg(feature = "sql")]
mod quickstart;
mod recorder;
mod secret;
mod session;
#[cfg(feature = "sql")]
mod shell;
mod signals;
#[cfg(feature = "sql")]
mod sql;
mod ui;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main().into()
}
