//! `cairn sql`: statements on a data directory, without a server: from the command line, a file, stdin or a terminal.
//!
//! ```text
//!  -e, FILE, stdin ──> script ──┐
//!                               ├──> Statements ──> Session of the frontend
//!  a terminal ─> terminal ──────┘        └────> Sink: a Sheet on stdout, or what is asked for by the program
//! ```
//!
//! Whoever may read and write the directory may run everything: the session is that of `root` and asks for no password.

mod complete;
mod host;
mod layout;
mod output;
mod script;
mod statement;
mod terminal;
mod wait;

pub(crate) use host::Host;
pub(crate) use layout::Layout;
pub(crate) use output::{Printer, summary};
pub(crate) use script::{Form, Script, result};
pub(crate) use statement::{Sink, Statements};
pub(crate) use terminal::converse;
