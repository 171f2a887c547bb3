//! [`Live`]: what only this process knows of a job that runs: its switch, its progress, and the wish to cancel it, which is
//! heard whenever it comes.

use std::sync::{Arc, Mutex};

use cairn_pipeline::{Canceller, JobWatch, ProgressSnapshot};
use cairn_warehouse::RestoreClaim;
use tokio::sync::watch;

use super::lock;

/// A running job.
#[derive(Debug)]
pub(super) struct Live {
    canceller: Mutex<Option<Canceller>>,
    /// Of the engine's job, once there is one.
    watch: Mutex<Option<JobWatch>>,
    is_cancelled: watch::Sender<bool>,
    /// Of a restore.
    pub(super) claim: Option<Arc<RestoreClaim>>,
    /// Whether an earlier life of the server had begun it: it may have done all but tell of its end.
    pub(super) is_resumed: bool,
}

impl Live {
    pub(super) fn new(
        is_cancelled: bool,
        claim: Option<Arc<RestoreClaim>>,
        is_resumed: bool,
    ) -> Self {
        let is_cancelled = watch::Sender::new(is_cancelled);
        let (canceller, watch) = Default::default();
        Self { canceller, watch, is_cancelled, claim, is_resumed }
    }

    /// Cancels the job, also one that has not reached the engine yet.
    pub(super) fn cancel(&self) {
        self.is_cancelled.send_replace(true);
        // Under its lock in one order with the wish: whoever puts the switch there afterwards sees it.
        if let Some(canceller) = &*lock(&self.canceller) {
            canceller.cancel();
        }
    }

    /// Whether somebody wants it cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        *self.is_cancelled.borrow()
    }

    /// Waits until somebody wants it cancelled.
    pub(super) async fn cancelled(&self) {
        // The sender lives as long as this does.
        let _ = self.is_cancelled.subscribe().wait_for(|is_cancelled| *is_cancelled).await;
    }

    /// What it has done so far.
    pub(super) fn progress(&self) -> ProgressSnapshot {
        self.watch().map(|watch| watch.progress()).unwrap_or_default()
    }

    /// A look at the engine's job, once there is one.
    pub(super) fn watch(&self) -> Option<JobWatch> {
        lock(&self.watch).clone()
    }

    /// Keeps the switch of the engine's job, and a look at it.
    pub(super) fn attach(&self, canceller: Canceller, watch: JobWatch) {
        *lock(&self.watch) = Some(watch);
        *lock(&self.canceller) = Some(canceller);
        if self.is_cancelled() {
            self.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wish_to_cancel_is_heard_whenever_it_comes() {
        let live = Live::new(false, None, false);
        live.cancel();
        live.cancelled().await;
        assert!(live.is_cancelled());
        Live::new(true, None, true).cancelled().await;
    }
}
