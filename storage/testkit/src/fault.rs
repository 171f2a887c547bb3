//! [`FaultStorage`]: fails as planned.
//!
//! A fault says what happens ([`Fault::fail`], [`Fault::stall`], ...), to which calls ([`Fault::on`],
//! [`Fault::at`]) and when ([`Fault::nth`], [`Fault::times`]). A fault that never happened fails the test:
//! a dead fault tests nothing.

use std::collections::HashMap;
use std::fmt;
use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cairn_storage::{
    ByteRange, Capabilities, Error, ErrorKind, ObjectMeta, ObjectPath, Operation, PageStream,
    Payload, PutMode, Result, Storage, StorageExt,
};
use futures::stream::{self, StreamExt, TryStreamExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;

/// What happens to a call.
#[derive(Debug, Clone, Copy)]
enum Effect {
    Fail(ErrorKind),
    ActAndFail(ErrorKind),
    BreakList { after: usize, kind: ErrorKind },
    ShortRead,
    FlipByte,
    Stall,
    ActAndStall,
    Slow(Duration),
}

impl Effect {
    fn applies_to(self, operation: Operation) -> bool {
        match self {
            Self::BreakList { .. } => operation == Operation::List,
            Self::ShortRead => operation == Operation::Get,
            Self::FlipByte => matches!(operation, Operation::Get | Operation::Put),
            _ => true,
        }
    }
}

type PathTest = Box<dyn Fn(&ObjectPath) -> bool + Send + Sync>;

/// A planned fault: once, at the first call that fits, unless told otherwise.
#[must_use]
pub struct Fault {
    effect: Effect,
    operation: Option<Operation>,
    path_test: Option<PathTest>,
    first: u32,
    times: u32,
    chance: Option<f64>,
    retry_after: Option<Duration>,
}

impl Fault {
    fn new(effect: Effect) -> Self {
        Self {
            effect,
            operation: None,
            path_test: None,
            first: 1,
            times: 1,
            chance: None,
            retry_after: None,
        }
    }

    /// The call fails and has no effect.
    pub fn fail(kind: ErrorKind) -> Self {
        Self::new(Effect::Fail(kind))
    }

    /// The call takes effect and fails nevertheless; a list yields all its objects before the error.
    pub fn fail_after_effect(kind: ErrorKind) -> Self {
        Self::new(Effect::ActAndFail(kind))
    }

    /// A put fails for want of space.
    pub fn no_space() -> Self {
        Self::fail(ErrorKind::NoSpace).on(Operation::Put)
    }

    /// A list yields `after` objects and then fails.
    pub fn break_list(after: usize, kind: ErrorKind) -> Self {
        Self::new(Effect::BreakList { after, kind })
    }

    /// A get answers with half of the bytes, as if they were all.
    pub fn short_read() -> Self {
        Self::new(Effect::ShortRead)
    }

    /// One byte of what a get answers, or of what a put stores, is another.
    pub fn flip_byte() -> Self {
        Self::new(Effect::FlipByte)
    }

    /// The call has no effect and never ends; its caller can only drop it.
    pub fn stall() -> Self {
        Self::new(Effect::Stall)
    }

    /// The call takes effect and never ends; its caller can only drop it.
    pub fn stall_after_effect() -> Self {
        Self::new(Effect::ActAndStall)
    }

    /// The call begins after `delay`, by tokio's clock.
    pub fn slow(delay: Duration) -> Self {
        Self::new(Effect::Slow(delay))
    }

    /// Only calls of `operation`.
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only calls whose path (the prefix of a list) passes the test.
    pub fn at(mut self, path_test: impl Fn(&ObjectPath) -> bool + Send + Sync + 'static) -> Self {
        self.path_test = Some(Box::new(path_test));
        self
    }

    /// From the `nth` fitting call on, counted from one.
    pub fn nth(mut self, nth: u32) -> Self {
        self.first = nth;
        self
    }

    /// To this many calls.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// To all calls.
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }

    /// Only to a part of the calls, drawn from the seed of the storage; implies [`Fault::always`].
    pub fn with_chance(mut self, chance: f64) -> Self {
        self.chance = Some(chance);
        self.always()
    }

    /// The error asks to wait before the next attempt.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    fn fits(&self, operation: Operation, path: &ObjectPath) -> bool {
        self.effect.applies_to(operation)
            && self.operation.is_none_or(|wanted| wanted == operation)
            && self.path_test.as_ref().is_none_or(|test| test(path))
    }

    fn error(&self, kind: ErrorKind, operation: Operation, path: &ObjectPath) -> Error {
        let error = Error::new(kind, operation, "fault", path).with_source("a planned fault");
        match self.retry_after {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("effect", &self.effect)
            .field("operation", &self.operation)
            .field("first", &self.first)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// What became of a planned fault.
#[derive(Debug, Clone)]
pub struct FaultHandle {
    hits: watch::Receiver<u32>,
}

impl FaultHandle {
    /// A counter of hits and its reader.
    pub(crate) fn new() -> (watch::Sender<u32>, Self) {
        let (sender, hits) = watch::channel(0);
        (sender, Self { hits })
    }

    /// How often it happened.
    pub fn hits(&self) -> u32 {
        *self.hits.borrow()
    }

    /// Waits until it has happened `count` times, or what it was planned on is gone.
    pub async fn wait_for_hits(&mut self, count: u32) {
        // An error says that it is gone: nothing will happen any more.
        drop(self.hits.wait_for(|hits| *hits >= count).await);
    }
}

#[derive(Debug)]
struct Planned {
    fault: Arc<Fault>,
    seen: u32,
    hits: watch::Sender<u32>,
}

#[derive(Debug)]
struct State {
    faults: Vec<Planned>,
    calls: HashMap<Operation, u64>,
    in_flight: usize,
    peak_in_flight: usize,
    random: StdRng,
}

/// A storage that fails as planned.
///
/// # Panics
/// When it is dropped and a planned fault never happened, unless the thread panics already.
#[derive(Debug)]
pub struct FaultStorage {
    inner: Arc<dyn Storage>,
    /// Guards the plan and the counts; held for one call's bookkeeping, never over an await.
    state: Mutex<State>,
}

/// A call under way.
struct Call<'a> {
    storage: &'a FaultStorage,
    operation: Operation,
    path: ObjectPath,
    fault: Option<Arc<Fault>>,
}

impl FaultStorage {
    /// A storage without faults; the seed decides what is random.
    pub fn with_seed(inner: Arc<dyn Storage>, seed: u64) -> Self {
        let state = State {
            faults: Vec::new(),
            calls: HashMap::new(),
            in_flight: 0,
            peak_in_flight: 0,
            random: StdRng::seed_from_u64(seed),
        };
        Self { inner, state: Mutex::new(state) }
    }

    /// A storage without faults.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self::with_seed(inner, 0)
    }

    /// Plans a fault. Where several fit a call, the one planned first happens.
    pub fn plan(&self, fault: Fault) -> FaultHandle {
        let (hits, handle) = FaultHandle::new();
        self.lock().faults.push(Planned { fault: Arc::new(fault), seen: 0, hits });
        handle
    }

    /// How many calls of `operation` began.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.lock().calls.get(&operation).copied().unwrap_or(0)
    }

    /// How many calls have begun and not ended.
    pub fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    /// The most calls there ever were at once.
    pub fn peak_in_flight(&self) -> usize {
        self.lock().peak_in_flight
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, operation: Operation, path: &ObjectPath) -> Call<'_> {
        let mut state = self.lock();
        *state.calls.entry(operation).or_default() += 1;
        state.in_flight += 1;
        state.peak_in_flight = state.peak_in_flight.max(state.in_flight);
        let fault = state.next_fault(operation, path);
        Call { storage: self, operation, path: path.clone(), fault }
    }
}

impl State {
    fn next_fault(&mut self, operation: Operation, path: &ObjectPath) -> Option<Arc<Fault>> {
        let mut chosen = None;
        for planned in &mut self.faults {
            if !planned.fault.fits(operation, path) {
                continue;
            }
            planned.seen = planned.seen.saturating_add(1);
            let is_due = planned.seen >= planned.fault.first
                && *planned.hits.borrow() < planned.fault.times
                && planned.fault.chance.is_none_or(|chance| self.random.random_bool(chance));
            if is_due && chosen.is_none() {
                planned.hits.send_modify(|hits| *hits += 1);
                chosen = Some(Arc::clone(&planned.fault));
            }
        }
        chosen
    }
}

impl Call<'_> {
    fn effect(&self) -> Option<Effect> {
        self.fault.as_ref().map(|fault| fault.effect)
    }

    fn error(&self, kind: ErrorKind) -> Result<()> {
        match &self.fault {
            Some(fault) => Err(fault.error(kind, self.operation, &self.path)),
            None => Ok(()),
        }
    }

    async fn before(&self) -> Result<()> {
        match self.effect() {
            Some(Effect::Fail(kind)) => self.error(kind),
            Some(Effect::Stall) => future::pending().await,
            Some(Effect::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn after(&self) -> Result<()> {
        match self.effect() {
            Some(Effect::ActAndFail(kind)) => self.error(kind),
            Some(Effect::ActAndStall) => future::pending().await,
            _ => Ok(()),
        }
    }

    fn damage(&self, bytes: Bytes) -> Bytes {
        match self.effect() {
            Some(Effect::ShortRead) => bytes.slice(..bytes.len() / 2),
            Some(Effect::FlipByte) => self.flip(bytes),
            _ => bytes,
        }
    }

    fn flip(&self, bytes: Bytes) -> Bytes {
        let mut bytes = BytesMut::from(bytes);
        if !bytes.is_empty() {
            let position = self.storage.lock().random.random_range(0..bytes.len());
            if let Some(byte) = bytes.get_mut(position) {
                *byte ^= 0xff;
            }
        }
        bytes.freeze()
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.storage.lock().in_flight -= 1;
    }
}

impl Drop for FaultStorage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let dead: Vec<&Fault> = state
            .faults
            .iter()
            .filter(|planned| *planned.hits.borrow() == 0)
            .map(|planned| &*planned.fault)
            .collect();
        assert!(dead.is_empty(), "planned faults never happened: {dead:?}");
    }
}

impl fmt::Display for FaultStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault({})", self.inner)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Storage for FaultStorage {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        let call = self.begin(Operation::Put, path);
        call.before().await?;
        let payload = match call.effect() {
            Some(Effect::FlipByte) => call.flip(payload.to_bytes()).into(),
            _ => payload,
        };
        self.inner.put(path, payload, mode).await?;
        call.after().await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let call = self.begin(Operation::Get, path);
        call.before().await?;
        let bytes = self.inner.get(path, range).await?;
        call.after().await?;
        Ok(call.damage(bytes))
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        let call = self.begin(Operation::Head, path);
        call.before().await?;
        let meta = self.inner.head(path).await?;
        call.after().await?;
        Ok(meta)
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let prefix = prefix.clone();
        stream::once(async move {
            let call = self.begin(Operation::List, &prefix);
            if let Err(error) = call.before().await {
                return stream::once(future::ready(Err(error))).boxed();
            }
            let (listing, broken) = match call.effect() {
                Some(Effect::BreakList { after, kind }) => {
                    let objects = self.inner.list(&prefix).take(after);
                    (objects.map_ok(|object| vec![object]).boxed(), call.error(kind))
                }
                _ => (self.inner.list_pages(&prefix), Ok(())),
            };
            let end = stream::once(async move {
                broken?;
                call.after().await
            });
            listing.chain(end.filter_map(|end| future::ready(end.err().map(Err)))).boxed()
        })
        .flatten()
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        let call = self.begin(Operation::Delete, path);
        call.before().await?;
        self.inner.delete(path).await?;
        call.after().await
    }
}
