//! The bridge from a future to a thread that may block.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

use super::BACKEND;
use super::error::LocalError;
use crate::{Error, ErrorKind, ObjectPath, Operation, Result};

/// Set when nobody waits for the work any more.
#[derive(Debug, Default)]
pub(super) struct Cancelled(AtomicBool);

impl Cancelled {
    /// Fails when nobody waits for the work any more.
    pub(super) fn check(&self) -> Result<(), LocalError> {
        // Relaxed: the flag carries no data, and a look too early is followed by another.
        if self.0.load(Ordering::Relaxed) { Err(LocalError::Cancelled) } else { Ok(()) }
    }
}

/// Sets the flag when the future that owns it is dropped.
struct CancelOnDrop(Arc<Cancelled>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        // Relaxed: see `Cancelled::check`.
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` on a thread of the runtime's that may block. When the returned future is dropped, `work`
/// is told at its next look at the flag.
pub(super) async fn run<T: Send + 'static>(
    operation: Operation,
    path: &ObjectPath,
    work: impl FnOnce(&Cancelled) -> Result<T, LocalError> + Send + 'static,
) -> Result<T> {
    let lost = |cause| Error::new(ErrorKind::Other, operation, BACKEND, path).with_source(cause);
    let runtime = Handle::try_current().map_err(|cause| lost(cause.to_string()))?;
    let cancelled = Arc::new(Cancelled::default());
    let guard = CancelOnDrop(Arc::clone(&cancelled));
    let joined = runtime
        .spawn_blocking(move || {
            cancelled.check()?;
            work(&cancelled)
        })
        .await;
    drop(guard);
    joined
        .map_err(|cause| lost(cause.to_string()))?
        .map_err(|error| error.classify(operation, path))
}
