//! [`Trace`]: where the threads and tasks of a job log to.
//!
//! A job works on threads and in futures that know nothing of each other. Each enters the span that was current, and logs to
//! the subscriber that was in force, where the job was put together: so every event of a job carries what the span says of it,
//! and two engines that were started under different subscribers do not mix.

use tracing::Span;
use tracing::dispatcher::{Dispatch, get_default, with_default};
use tracing::instrument::{Instrument, WithSubscriber};

/// A span and the subscriber that knows it. Clones are the same.
#[derive(Debug, Clone)]
pub struct Trace {
    span: Span,
    subscriber: Dispatch,
}

impl Trace {
    /// The span that this thread is in.
    pub fn current() -> Self {
        Self::of(Span::current())
    }

    /// A span of the subscriber that is in force on this thread.
    pub fn of(span: Span) -> Self {
        Self { span, subscriber: get_default(Dispatch::clone) }
    }

    /// Runs `work` in the span.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        with_default(&self.subscriber, || self.span.in_scope(work))
    }

    /// The same future, in the span whenever it is polled.
    pub fn follow<F: Future>(&self, task: F) -> impl Future<Output = F::Output> + use<F> {
        task.instrument(self.span.clone()).with_subscriber(self.subscriber.clone())
    }
}
