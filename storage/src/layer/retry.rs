//! [`Retry`]: tries passing faults again.
//!
//! - *Does*: repeats a call whose error is [`Error::is_retryable`], with exponential backoff and full
//!   jitter, until the budget is spent; then the last error is returned as it is.
//! - *Waits* as long as the service asked for ([`Error::retry_after`]) and the jitter on top, so that calls
//!   that were told the same do not come back at the same instant.
//! - *Shares* one budget of attempts among all its calls ([`RetryConfig::per_second`]): failures of many
//!   calls do not multiply the load on a store that has too much of it.
//! - *Put-if-absent*: an earlier attempt may have stored the object although it reported a fault. When a
//!   later attempt meets [`ErrorKind::AlreadyExists`], the stored bytes are read and compared: equal bytes
//!   are a success, others are the error. Two writers that race with equal bytes may therefore both be
//!   told that they won; a payload whose winner matters carries something unique to its writer.
//! - *List*: a listing that breaks is started again and what was yielded before is left out of its pages; one
//!   that is empty then is passed over. To know that, it remembers the paths it has yielded. Each page with
//!   something new makes the budget whole again.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use metrics::{Counter, counter};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::layer::by_operation::ByOperation;
use crate::layer::duration_text;
use crate::layer::retry_budget::RetryBudget;
use crate::metrics::{LABEL_BACKEND, LABEL_OPERATION, RETRIES_TOTAL};
use crate::{
    ByteRange, Capabilities, Error, ErrorKind, ObjectMeta, ObjectPath, Operation, PageStream,
    Payload, PutMode, Result, Storage,
};

/// When and how long a passing fault is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryConfig {
    /// Longest wait before the second attempt; it doubles with each further attempt.
    #[serde(with = "duration_text")]
    pub first_backoff: Duration,
    /// Longest wait before any attempt, unless the service asks for more.
    #[serde(with = "duration_text")]
    pub max_backoff: Duration,
    /// How long after its first failure a call is still tried again. Zero turns retry off.
    #[serde(with = "duration_text")]
    pub budget: Duration,
    /// Attempts after the first that all calls together make in a second while nothing succeeds. Each call
    /// that succeeds allows a fifth of one more.
    pub per_second: NonZeroU32,
}

impl RetryConfig {
    /// A dropped connection is back at once.
    const FIRST_BACKOFF: Duration = Duration::from_millis(100);
    /// Soon enough after an outage, gentle enough during one.
    const MAX_BACKOFF: Duration = Duration::from_secs(10);
    /// Outlasts the restart of a server and the throttling of a cloud service.
    const BUDGET: Duration = Duration::from_secs(120);
    /// What a store that comes back under load can take from one client.
    const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            first_backoff: Self::FIRST_BACKOFF,
            max_backoff: Self::MAX_BACKOFF,
            budget: Self::BUDGET,
            per_second: Self::PER_SECOND,
        }
    }
}

/// The attempts of one call: a pure core, which is told the time and the dice.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
    first_failure: Option<Instant>,
}

impl Backoff {
    /// The pause before the next attempt; `None` when there is none.
    ///
    /// `draw` is a random number of `0.0..=1.0`.
    fn next(
        &mut self,
        config: &RetryConfig,
        error: &Error,
        now: Instant,
        draw: f64,
    ) -> Option<Pause> {
        if !error.is_retryable() || config.budget.is_zero() {
            return None;
        }
        let first_failure = *self.first_failure.get_or_insert(now);
        let doubled = 2_u32.saturating_pow(self.failures);
        let ceiling = config.first_backoff.saturating_mul(doubled).min(config.max_backoff);
        self.failures = self.failures.saturating_add(1);
        let jittered = Duration::try_from_secs_f64(ceiling.as_secs_f64() * draw).unwrap_or(ceiling);
        let wait = jittered.saturating_add(error.retry_after().unwrap_or_default());
        let left = config.budget.checked_sub(now.duration_since(first_failure))?;
        (wait <= left).then_some(Pause { wait, left })
    }

    fn has_failed(&self) -> bool {
        self.failures > 0
    }
}

/// What lies between two attempts of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause {
    /// It is at least so long,
    wait: Duration,
    /// and at most so long: then the time of the call is over.
    left: Duration,
}

/// A storage that tries passing faults again.
pub struct Retry {
    inner: Arc<dyn Storage>,
    config: RetryConfig,
    /// Guards the turns; held for one step of arithmetic.
    budget: Mutex<RetryBudget>,
    retries: ByOperation<Counter>,
}

impl Retry {
    /// Retries the calls of `inner`.
    pub fn new(inner: Arc<dyn Storage>, config: RetryConfig) -> Self {
        let backend = inner.backend();
        let retries = ByOperation::new(
            |operation| counter!(RETRIES_TOTAL, LABEL_BACKEND => backend, LABEL_OPERATION => operation.as_str()),
        );
        let budget = Mutex::new(RetryBudget::new(config.per_second));
        Self { inner, config, budget, retries }
    }

    fn budget(&self) -> MutexGuard<'_, RetryBudget> {
        // A panic cannot leave the turns half counted.
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn persist<T, F>(&self, retries: &Counter, call: impl Fn() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let mut backoff = Backoff::default();
        loop {
            match call().await {
                Ok(value) => {
                    self.budget().earn();
                    return Ok(value);
                }
                Err(error) => self.wait(&mut backoff, retries, error).await?,
            }
        }
    }

    /// Waits until the next attempt, or returns `error` when there is none.
    async fn wait(&self, backoff: &mut Backoff, retries: &Counter, error: Error) -> Result<()> {
        let (now, draw) = (Instant::now(), rand::random_range(0.0..=1.0));
        let Some(Pause { wait, left }) = backoff.next(&self.config, &error, now, draw) else {
            return Err(error);
        };
        let Some(turn) = self.budget().take(now, left) else { return Err(error) };
        let wait = wait.max(turn);
        retries.increment(1);
        log_retry(&error, wait, backoff.failures);
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Decides a put-if-absent whose path is taken after an attempt that may have taken it.
    async fn settle(&self, path: &ObjectPath, payload: &Payload, taken: Error) -> Result<()> {
        let unknown = |cause| {
            Error::new(ErrorKind::UnknownOutcome, Operation::Put, self.backend(), path)
                .with_source(cause)
        };
        if self.head(path).await.map_err(unknown)?.size != payload.len() {
            return Err(taken);
        }
        let stored = self.get(path, ByteRange::Full).await.map_err(unknown)?;
        if is_equal(&stored, payload) { Ok(()) } else { Err(taken) }
    }
}

fn log_retry(error: &(dyn std::error::Error + 'static), wait: Duration, failures: u32) {
    tracing::debug!(error, ?wait, failures, "trying again");
}

fn is_equal(stored: &[u8], payload: &Payload) -> bool {
    let rest =
        payload.pieces().iter().try_fold(stored, |rest, piece| rest.strip_prefix(piece.as_ref()));
    rest.is_some_and(<[u8]>::is_empty)
}

/// A listing that outlives the streams it reads from.
struct Listing<'a> {
    retry: &'a Retry,
    prefix: ObjectPath,
    stream: Option<PageStream<'a>>,
    /// What this stream has listed. No set: of most listings nobody ever asks.
    yielded: Vec<ObjectPath>,
    /// What was listed before the stream at hand began: empty as long as nothing fails.
    known: HashSet<ObjectPath>,
    backoff: Backoff,
}

impl Listing<'_> {
    async fn next(&mut self) -> Result<Option<Vec<ObjectMeta>>> {
        loop {
            let stream =
                self.stream.get_or_insert_with(|| self.retry.inner.list_pages(&self.prefix));
            match stream.next().await {
                None => return Ok(None),
                Some(Ok(mut page)) => {
                    page.retain(|meta| !self.known.contains(&meta.path));
                    if !page.is_empty() {
                        self.yielded.extend(page.iter().map(|meta| meta.path.clone()));
                        self.backoff = Backoff::default();
                        return Ok(Some(page));
                    }
                }
                Some(Err(error)) => {
                    self.stream = None;
                    self.known.extend(self.yielded.drain(..));
                    let retries = &self.retry.retries.list;
                    self.retry.wait(&mut self.backoff, retries, error).await?;
                }
            }
        }
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => write!(f, "retry({:#})", self.inner),
            false => fmt::Display::fmt(&self.inner, f),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for Retry {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        let mut backoff = Backoff::default();
        loop {
            let Err(error) = self.inner.put(path, payload.clone(), mode).await else {
                self.budget().earn();
                return Ok(());
            };
            if error.kind() == ErrorKind::AlreadyExists && backoff.has_failed() {
                return self.settle(path, &payload, error).await;
            }
            self.wait(&mut backoff, &self.retries.put, error).await?;
        }
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        self.persist(&self.retries.get, || self.inner.get(path, range)).await
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.persist(&self.retries.head, || self.inner.head(path)).await
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let listing = Listing {
            retry: self,
            prefix: prefix.clone(),
            stream: None,
            yielded: Vec::new(),
            known: HashSet::new(),
            backoff: Backoff::default(),
        };
        stream::try_unfold(listing, |mut listing| async move {
            Ok(listing.next().await?.map(|page| (page, listing)))
        })
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.persist(&self.retries.delete, || self.inner.delete(path)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transient() -> Error {
        Error::new(ErrorKind::Transient, Operation::Get, "test", "a")
    }

    fn config(budget: Duration) -> RetryConfig {
        RetryConfig { budget, ..RetryConfig::default() }
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let config = config(Duration::from_secs(3600));
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let waits: Vec<u128> = (0..9)
            .map(|_| backoff.next(&config, &transient(), now, 1.0).unwrap().wait.as_millis())
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn jitter_is_full() {
        let config = config(Duration::from_secs(60));
        let next = |draw| Backoff::default().next(&config, &transient(), Instant::now(), draw);
        let wait = |draw| next(draw).map(|pause| pause.wait);
        assert_eq!(wait(0.0), Some(Duration::ZERO));
        assert_eq!(wait(0.5), Some(Duration::from_millis(50)));
    }

    #[test]
    fn the_service_may_ask_for_more_but_not_beyond_the_budget() {
        let config = config(Duration::from_secs(60));
        let ask = |secs| transient().with_retry_after(Duration::from_secs(secs));
        let next = |error, draw| Backoff::default().next(&config, &error, Instant::now(), draw);
        let wait = |error, draw| next(error, draw).map(|pause| pause.wait.as_millis());
        assert_eq!(wait(ask(30), 0.0), Some(30_000));
        assert_eq!(wait(ask(30), 1.0), Some(30_100), "the jitter keeps calls apart");
        assert_eq!(wait(ask(60), 0.0), Some(60_000));
        assert_eq!(wait(ask(61), 0.0), None);
        assert_eq!(wait(ask(u64::MAX), 1.0), None);
    }

    #[test]
    fn other_errors_are_final() {
        let config = config(Duration::from_secs(60));
        let error = Error::new(ErrorKind::PermissionDenied, Operation::Get, "test", "a");
        assert_eq!(Backoff::default().next(&config, &error, Instant::now(), 0.0), None);
    }

    #[test]
    fn a_payload_in_pieces_is_compared_whole() {
        let payload = Payload::from_pieces(vec![
            Bytes::from_static(b"ab"),
            Bytes::new(),
            Bytes::from_static(b"c"),
        ]);
        assert!(is_equal(b"abc", &payload));
        assert!(!is_equal(b"abcd", &payload));
        assert!(!is_equal(b"ab", &payload));
        assert!(is_equal(b"", &Payload::default()));
    }
}
