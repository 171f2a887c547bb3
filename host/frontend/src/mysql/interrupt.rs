//! [`Interrupt`]: ends a connection, or the statement that runs on it, from anywhere.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

/// Ends a connection or its statement: what `KILL` does.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Signals>);

#[derive(Debug, Default)]
struct Signals {
    statement: Notify,
    connection: watch::Sender<bool>,
}

impl Interrupt {
    /// Ends the statement that runs, which is answered by error 1317. Where none runs, nothing happens.
    pub fn end_statement(&self) {
        self.0.statement.notify_waiters();
    }

    /// Ends the connection.
    pub fn end_connection(&self) {
        self.0.connection.send_replace(true);
    }

    /// Waits for the end of the statement that runs now. What came before is not seen.
    pub(super) async fn statement(&self) {
        self.0.statement.notified().await;
    }

    /// Waits for the end of the connection.
    pub(super) async fn connection(&self) {
        // The sender lives as long as this does.
        let _ = self.0.connection.subscribe().wait_for(|ended| *ended).await;
    }
}
