//! [`CancelToken`]: one switch that wakes threads and futures alike.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// A job's cancel switch: cheap to clone, set once, never unset.
///
/// A thread blocked on an edge selects on [`CancelToken::gate`] as well and wakes when it closes; a future
/// selects on [`CancelToken::cancelled`].
#[derive(Debug, Clone)]
pub struct CancelToken {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Never carries a message: dropping the sender is the signal.
    gate: Receiver<Infallible>,
    /// Guards the one sender; taken out and dropped by the first `cancel`.
    holder: Mutex<Option<Sender<Infallible>>>,
    futures: CancellationToken,
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        let (sender, gate) = bounded(0);
        Self {
            inner: Arc::new(Inner {
                gate,
                holder: Mutex::new(Some(sender)),
                futures: CancellationToken::new(),
            }),
        }
    }

    /// Wakes everybody who waits on this token, now and later. Idempotent.
    pub fn cancel(&self) {
        let sender = self.inner.holder.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(sender);
        self.inner.futures.cancel();
    }

    /// Whether [`CancelToken::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.inner.futures.is_cancelled()
    }

    /// A channel that disconnects when the token is cancelled.
    pub fn gate(&self) -> &Receiver<Infallible> {
        &self.inner.gate
    }

    /// Completes when the token is cancelled.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        self.inner.futures.cancelled()
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}
