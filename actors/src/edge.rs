//! Edges: the only channels between stages.
//!
//! *Does*: carries items of one type from any number of outlets to any number of inlets, bounded in items
//! and in bytes. A full edge blocks the sender: that is the backpressure of the whole pipeline.
//!
//! *Ends*: an outlet that has sent everything calls [`Outlet::end`]; a dropped outlet is a loss, not an
//! end. [`Inlet::recv`] answers `None` only when every outlet has ended (R8); any other disconnect is
//! [`RecvError::UpstreamLost`]. So a stage that panics can never look like a short, good stream. The end is a
//! mark on the edge, set before the sender is dropped, and no message: with several inlets a message would
//! reach only one of them.
//!
//! *Waits*: sending and receiving try first and start a clock only when they must wait; both waits go
//! to the metrics of the edge. Together they name the slow stage: the one behind full edges and
//! before empty ones.
//!
//! *On cancel*: every wait ends within microseconds of [`CancelToken::cancel`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{
    Receiver, Sender, TryRecvError, TrySendError, bounded, never, select_biased,
};

use crate::cancel::CancelToken;
use crate::flow::EdgeFlow;
use crate::metrics::{EdgeId, EdgeMetrics};

/// How many bytes an item keeps alive while it waits on an edge.
pub trait Weigh {
    /// Bytes; items of weight 0 are bounded by their number only.
    fn weight(&self) -> u64;
}

/// Bounds of an edge.
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
    /// Items that may wait.
    pub items: usize,
    /// Bytes that may wait. A single item above the limit passes alone.
    pub bytes: u64,
}

/// State that all ends of one edge share.
#[derive(Debug)]
struct Shared {
    limits: EdgeLimits,
    cancel: CancelToken,
    metrics: EdgeMetrics,
    /// What waits on the edge now, and who waits for it.
    flow: Arc<EdgeFlow>,
    /// Senders that wait for bytes.
    byte_waiters: AtomicUsize,
    /// Signal that bytes became free; capacity 1: one pending signal is as good as many.
    space: (Sender<()>, Receiver<()>),
    /// Outlets that were made, and those of them that ended.
    outlets: AtomicUsize,
    ended: AtomicUsize,
}

/// Makes an edge with one outlet and one inlet; clone either for more.
pub fn edge<T: Weigh>(
    id: EdgeId,
    limits: EdgeLimits,
    cancel: &CancelToken,
) -> (Outlet<T>, Inlet<T>) {
    observed_edge(id, limits, cancel, Arc::new(EdgeFlow::new(limits.items, limits.bytes)))
}

/// The same for an edge whose numbers are looked at.
pub(crate) fn observed_edge<T: Weigh>(
    id: EdgeId,
    limits: EdgeLimits,
    cancel: &CancelToken,
    flow: Arc<EdgeFlow>,
) -> (Outlet<T>, Inlet<T>) {
    let (sender, receiver) = bounded(limits.items);
    let shared = Arc::new(Shared {
        limits,
        cancel: cancel.clone(),
        metrics: EdgeMetrics::new(id),
        flow,
        byte_waiters: AtomicUsize::new(0),
        space: bounded(1),
        outlets: AtomicUsize::new(1),
        ended: AtomicUsize::new(0),
    });
    let inlet = Inlet { receiver, shared: Arc::clone(&shared) };
    (Outlet { sender, shared }, inlet)
}

/// Why an item could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// The job was cancelled.
    Cancelled,
    /// All inlets are gone: the stage behind the edge has failed and says why itself.
    DownstreamClosed,
}

/// Why no item could be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// The job was cancelled.
    Cancelled,
    /// An outlet disappeared without its end, or less arrived than was announced.
    UpstreamLost,
}

/// The sending end.
#[derive(Debug)]
pub struct Outlet<T> {
    sender: Sender<T>,
    shared: Arc<Shared>,
}

impl<T: Weigh> Outlet<T> {
    /// Sends an item, waiting while the edge is full.
    pub fn send(&self, item: T) -> Result<(), SendError> {
        self.shared.reserve(item.weight())?;
        let item = match self.sender.try_send(item) {
            Ok(()) => {
                self.shared.holds(self.sender.len());
                return Ok(());
            }
            Err(TrySendError::Disconnected(_)) => return Err(SendError::DownstreamClosed),
            Err(TrySendError::Full(item)) => item,
        };
        let waited = self.shared.flow.send_waits.begin();
        let sent = select_biased! {
            recv(self.shared.cancel.gate()) -> _ => Err(SendError::Cancelled),
            send(self.sender, item) -> sent => sent.map_err(|_| SendError::DownstreamClosed),
        };
        self.shared.metrics.send_wait.record(waited.elapsed());
        self.shared.holds(self.sender.len());
        sent
    }

    /// Says that everything was sent. A drop without it is a loss.
    pub fn end(self) {
        // Release pairs with the Acquire in `Inlet::at_end`; the disconnect that leads there comes from the
        // drop of `self`, after this line.
        self.shared.ended.fetch_add(1, Ordering::Release);
    }
}

impl<T> Clone for Outlet<T> {
    /// Another outlet of the same edge, with an end of its own.
    fn clone(&self) -> Self {
        // Relaxed: outlets are cloned while the pipeline is wired, before any thread runs.
        self.shared.outlets.fetch_add(1, Ordering::Relaxed);
        Self { sender: self.sender.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl Shared {
    /// The gauge is of all edges of this kind, of lanes and of jobs that run beside each other.
    fn holds(&self, items: usize) {
        let before = self.flow.holds(items);
        if items != before {
            self.metrics.depth.increment(items as f64 - before as f64);
        }
    }

    /// Waits until `weight` more bytes may wait on the edge, and counts them.
    fn reserve(&self, weight: u64) -> Result<(), SendError> {
        if self.cancel.is_cancelled() {
            return Err(SendError::Cancelled);
        }
        if weight == 0 || self.try_reserve(weight) {
            return Ok(());
        }
        let waited = self.flow.send_waits.begin();
        // SeqCst here, in `try_reserve` and in `release`: in the one order of all four, a receiver that frees bytes
        // after this line sees the waiter and signals; one that freed them before is seen by `try_reserve`.
        self.byte_waiters.fetch_add(1, Ordering::SeqCst);
        let outcome = loop {
            if self.try_reserve(weight) {
                break Ok(());
            }
            select_biased! {
                recv(self.cancel.gate()) -> _ => break Err(SendError::Cancelled),
                recv(self.space.1) -> _ => {}
            }
        };
        self.byte_waiters.fetch_sub(1, Ordering::SeqCst);
        // One signal may stand for several releases: hand it on while somebody waits.
        self.signal_space();
        self.metrics.send_wait.record(waited.elapsed());
        outcome
    }

    fn try_reserve(&self, weight: u64) -> bool {
        self.flow
            .queued_bytes
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |queued| {
                (queued == 0 || queued + weight <= self.limits.bytes).then_some(queued + weight)
            })
            .is_ok()
    }

    fn release(&self, weight: u64) {
        if weight > 0 {
            self.flow.queued_bytes.fetch_sub(weight, Ordering::SeqCst);
            self.signal_space();
        }
    }

    fn signal_space(&self) {
        if self.byte_waiters.load(Ordering::SeqCst) > 0 {
            // A pending signal is as good as another one.
            let _ = self.space.0.try_send(());
        }
    }
}

impl Drop for Shared {
    /// What a cancelled job left on the edge is gone.
    fn drop(&mut self) {
        self.holds(0);
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct Inlet<T> {
    receiver: Receiver<T>,
    shared: Arc<Shared>,
}

impl<T> Clone for Inlet<T> {
    /// Another inlet of the same edge: each item goes to one of them, the end to all.
    fn clone(&self) -> Self {
        Self { receiver: self.receiver.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<T: Weigh> Inlet<T> {
    /// The next item, waiting for it; `None` when every outlet has ended.
    pub fn recv(&self) -> Result<Option<T>, RecvError> {
        match self.recv_or(&never::<std::convert::Infallible>())? {
            Received::Item(item) => Ok(Some(item)),
            Received::End => Ok(None),
            // A channel that never delivers cannot be the one that was ready.
            Received::Other(never) => match never {},
        }
    }

    /// The bare channel, to wait for next to another edge; for items of weight 0 only, since their bytes
    /// are not given back.
    pub(crate) fn channel(&self) -> &Receiver<T> {
        &self.receiver
    }

    /// The next item or, if that comes first, the next message of another channel.
    ///
    /// The other channel has priority: a stage that owns work in flight drains it before it takes more.
    /// Its disconnect counts as silence.
    pub fn recv_or<M>(&self, other: &Receiver<M>) -> Result<Received<T, M>, RecvError> {
        if let Ok(message) = other.try_recv() {
            return Ok(Received::Other(message));
        }
        let item = match self.receiver.try_recv() {
            Ok(item) => item,
            Err(TryRecvError::Disconnected) => return self.at_end(),
            Err(TryRecvError::Empty) => match self.wait(other)? {
                Waited::Item(item) => item,
                Waited::Other(message) => return Ok(Received::Other(message)),
                Waited::Disconnected => return self.at_end(),
            },
        };
        self.shared.holds(self.receiver.len());
        self.shared.release(item.weight());
        Ok(Received::Item(item))
    }

    fn wait<M>(&self, other: &Receiver<M>) -> Result<Waited<T, M>, RecvError> {
        let waited = self.shared.flow.recv_waits.begin();
        let outcome = select_biased! {
            recv(self.shared.cancel.gate()) -> _ => Err(RecvError::Cancelled),
            recv(other) -> message => match message {
                Ok(message) => Ok(Waited::Other(message)),
                Err(_) => {
                    drop(waited);
                    return self.wait(&never());
                }
            },
            recv(self.receiver) -> item => Ok(item.map_or(Waited::Disconnected, Waited::Item)),
        };
        self.shared.metrics.recv_wait.record(waited.elapsed());
        outcome
    }

    /// All outlets are gone: was it an end?
    fn at_end<M>(&self) -> Result<Received<T, M>, RecvError> {
        if self.shared.cancel.is_cancelled() {
            return Err(RecvError::Cancelled);
        }
        let ended = self.shared.ended.load(Ordering::Acquire);
        if ended == self.shared.outlets.load(Ordering::Relaxed) {
            Ok(Received::End)
        } else {
            Err(RecvError::UpstreamLost)
        }
    }
}

/// What came first.
#[derive(Debug)]
pub enum Received<T, M> {
    /// An item of the edge.
    Item(T),
    /// Every outlet of the edge has ended.
    End,
    /// A message of the other channel.
    Other(M),
}

enum Waited<T, M> {
    Item(T),
    Other(M),
    Disconnected,
}

#[cfg(test)]
mod tests;
