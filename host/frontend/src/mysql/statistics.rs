//! What COM_STATISTICS says, which `mysqladmin status` and the `\s` of `mysql` show.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// Counts of a server. They order nothing, hence `Relaxed`.
#[derive(Debug)]
pub(super) struct Statistics {
    begun: Instant,
    commands: AtomicU64,
    connections: AtomicU64,
}

/// An open connection, while it lives.
pub(super) struct Counted<'a>(&'a Statistics);

impl Statistics {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), commands: AtomicU64::new(0), connections: AtomicU64::new(0) }
    }

    pub(super) fn count_command(&self) {
        self.commands.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_connection(&self) -> Counted<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Counted(self)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.begun.elapsed().as_secs();
        let commands = self.commands.load(Ordering::Relaxed);
        let connections = self.connections.load(Ordering::Relaxed);
        write!(f, "Uptime: {seconds}  Threads: {connections}  Questions: {commands}")
    }
}
