//! The only place of this crate that prints.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a line at once, so that a run can be followed through a pipe.
pub(crate) fn say(line: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
