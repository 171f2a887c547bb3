//! [`HookedStorage`]: a storage with a hook before each call, for what [`cairn_testkit::FaultStorage`] does not do:
//! to panic, and to wait until it is told to go on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cairn_pipeline::storage::{
    ByteRange, Capabilities, ObjectMeta, ObjectPath, Operation, PageStream, Payload, PutMode,
    Result, Storage,
};
use futures::{FutureExt, StreamExt, stream};
use tokio::sync::watch;

type Hook = Box<dyn Fn(Operation, &ObjectPath) -> Option<Halt> + Send + Sync>;

/// What a call does before it begins.
pub(crate) enum Halt {
    Panic,
    /// Waits until the other end says `true`.
    Wait(watch::Receiver<bool>),
}

/// A storage whose calls can be halted.
pub(crate) struct HookedStorage {
    inner: Arc<dyn Storage>,
    /// Guards the hook; held while it is asked.
    hook: Mutex<Option<Hook>>,
}

impl HookedStorage {
    pub(crate) fn new(inner: Arc<dyn Storage>) -> Arc<Self> {
        Arc::new(Self { inner, hook: Mutex::default() })
    }

    /// Asks `hook` before each call from now on.
    pub(crate) fn set(
        &self,
        hook: impl Fn(Operation, &ObjectPath) -> Option<Halt> + Send + Sync + 'static,
    ) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    /// Asks nobody any more.
    pub(crate) fn unset(&self) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn ask(&self, operation: Operation, path: &ObjectPath) -> Option<Halt> {
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner);
        hook.as_ref().and_then(|hook| hook(operation, path))
    }

    async fn halt(&self, operation: Operation, path: &ObjectPath) {
        match self.ask(operation, path) {
            None => {}
            Some(Halt::Panic) => panic!("scripted: {operation} {path}"),
            Some(Halt::Wait(mut told)) => {
                told.wait_for(|may_go_on| *may_go_on).await.unwrap();
            }
        }
    }
}

impl fmt::Debug for HookedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for HookedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hooked({})", self.inner)
    }
}

/// What an `async fn` of the trait is, spelled out.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl Storage for HookedStorage {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put<'a, 'b, 'c>(
        &'a self,
        path: &'b ObjectPath,
        payload: Payload,
        mode: PutMode,
    ) -> Answer<'c, ()>
    where
        'a: 'c,
        'b: 'c,
    {
        let halt = self.halt(Operation::Put, path);
        halt.then(move |()| self.inner.put(path, payload, mode)).boxed()
    }

    fn get<'a, 'b, 'c>(&'a self, path: &'b ObjectPath, range: ByteRange) -> Answer<'c, Bytes>
    where
        'a: 'c,
        'b: 'c,
    {
        let halt = self.halt(Operation::Get, path);
        halt.then(move |()| self.inner.get(path, range)).boxed()
    }

    fn head<'a, 'b, 'c>(&'a self, path: &'b ObjectPath) -> Answer<'c, ObjectMeta>
    where
        'a: 'c,
        'b: 'c,
    {
        self.halt(Operation::Head, path).then(move |()| self.inner.head(path)).boxed()
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let prefix = prefix.clone();
        stream::once(async move {
            self.halt(Operation::List, &prefix).await;
            self.inner.list_pages(&prefix)
        })
        .flatten()
        .boxed()
    }

    fn delete<'a, 'b, 'c>(&'a self, path: &'b ObjectPath) -> Answer<'c, ()>
    where
        'a: 'c,
        'b: 'c,
    {
        self.halt(Operation::Delete, path).then(move |()| self.inner.delete(path)).boxed()
    }
}
