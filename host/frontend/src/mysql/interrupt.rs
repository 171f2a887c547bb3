//! [`Interrupt`]: ends a connection, or the statement that runs on it, from anywhere.

use std::sync::Arc;

use tokio::sync::watch;

/// Ends a connection or its statement: what `KILL` does.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Signals>);

#[derive(Debug, Default)]
struct Signals {
    /// How many statements were ended.
    statement: watch::Sender<u64>,
    connection: watch::Sender<bool>,
}

impl Interrupt {
    /// Ends the statement that runs, which is answered by error 1317. Where none runs, nothing happens.
    pub fn end_statement(&self) {
        self.0.statement.send_modify(|ended| *ended = ended.wrapping_add(1));
    }

    /// Ends the connection.
    pub fn end_connection(&self) {
        self.0.connection.send_replace(true);
    }

    /// The end of the statement that begins now. What came before is not seen; what comes until the last of its answer is.
    pub(super) fn statement(&self) -> StatementEnd {
        StatementEnd(self.0.statement.subscribe())
    }

    /// Waits for the end of the connection.
    pub(super) async fn connection(&self) {
        // The sender lives as long as this does.
        let _ = self.0.connection.subscribe().wait_for(|ended| *ended).await;
    }
}

/// Whether a statement was ended.
#[derive(Debug)]
pub(super) struct StatementEnd(watch::Receiver<u64>);

impl StatementEnd {
    /// Whether it was.
    pub(super) fn has_come(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// Waits for it. May be dropped: what came is not forgotten.
    pub(super) async fn wait(&self) {
        while !self.has_come() {
            let mut next = self.0.clone();
            if next.changed().await.is_err() {
                // With the connection.
                return std::future::pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn an_end_is_seen_by_the_statement_that_runs_and_by_no_later_one() {
        let interrupt = Interrupt::default();
        interrupt.end_statement();
        let running = interrupt.statement();
        assert!(running.wait().now_or_never().is_none(), "that was before");
        // Nobody waits just now: rows are being written.
        interrupt.end_statement();
        assert!(running.has_come());
        running.wait().await;
        running.wait().await;
        assert!(!interrupt.statement().has_come(), "the next one was not meant");
    }
}
