//! [`Session`]: a client of HDFS on a runtime of its own.
//!
//! - *Does*: runs work beside the caller, bounds each call of a name node, and replaces a client whose name node
//!   has fallen silent.
//! - *Why a runtime*: the client starts tasks that outlive it (one renews leases, one keeps each broken pipeline
//!   alive, one reads each connection) and panics when the runtime they live on is gone. Here they live as long as
//!   the storage and no longer, whatever runtime the caller has, and none is demanded of him.
//! - *On cancel*: work that is safe to drop is dropped; other work is told and has a grace to end in order.
//! - *On failure*: a panic in the client is an error.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdfs_native::Client;
use hdfs_native::client::ListStatusIterator;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use super::config::HdfsConfig;
use super::error::{HdfsError, Presumes, Step};

/// One thread computes checksums while another moves bytes; a third gains nothing on one connection.
const THREADS: usize = 2;

/// A name node answers in milliseconds and pauses for seconds. Beyond this the connection may be dead without
/// anybody having said so, which the client would never find out.
const PATIENCE: Duration = Duration::from_secs(8);

/// Reads and single calls hold nothing that must be given back.
pub(super) const NO_GRACE: Duration = Duration::ZERO;

/// A client, and the runtime it works on.
pub(super) struct Session {
    config: HdfsConfig,
    /// Guards the client of now; a call holds its own handle and not the lock.
    client: Mutex<Arc<Client>>,
    /// Whether an active name node was ever reached.
    has_answered: AtomicBool,
    /// Whether a put has ever succeeded.
    has_stored: AtomicBool,
    /// Taken when the session is dropped, which may happen on one of its own threads.
    runtime: Option<Runtime>,
}

impl Session {
    /// Starts the runtime and reads the configuration. Does no network.
    pub(super) fn new(config: HdfsConfig) -> Result<Arc<Self>, HdfsError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("cairn-hdfs")
            .enable_all()
            .build()
            .map_err(|error| HdfsError::in_step(Step::Connect)(error.into()))?;
        let client =
            config.client(runtime.handle().clone()).map_err(HdfsError::in_step(Step::Connect))?;
        Ok(Arc::new(Self {
            config,
            client: Mutex::new(Arc::new(client)),
            has_answered: AtomicBool::new(false),
            has_stored: AtomicBool::new(false),
            runtime: Some(runtime),
        }))
    }

    /// Runs `work` on the runtime. When the caller drops the returned future, the token is cancelled, and work
    /// that has not ended after `grace` is dropped.
    pub(super) async fn run<T, F>(
        self: &Arc<Self>,
        grace: Duration,
        work: impl FnOnce(Arc<Self>, CancellationToken) -> F,
    ) -> Result<T, HdfsError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, HdfsError>> + Send + 'static,
    {
        let Some(runtime) = &self.runtime else { return Err(HdfsError::Cancelled) };
        let token = CancellationToken::new();
        let (work, given_up) = (work(Arc::clone(self), token.clone()), token.clone());
        let task = runtime.spawn(async move {
            tokio::select! {
                biased;
                done = work => done,
                () = async { given_up.cancelled().await; tokio::time::sleep(grace).await } => {
                    Err(HdfsError::Cancelled)
                }
            }
        });
        let _cancel_on_drop = token.drop_guard();
        let done = task.await.unwrap_or_else(|broken| Err(HdfsError::Broken(panic_text(broken))));
        done.map_err(|error| self.judge(error))
    }

    /// One call of a name node, for a caller on any runtime.
    pub(super) async fn call<T, F>(
        self: &Arc<Self>,
        step: Step,
        call: impl FnOnce(Arc<Client>) -> F + Send + 'static,
    ) -> Result<T, HdfsError>
    where
        T: Send + 'static,
        F: Future<Output = hdfs_native::Result<T>> + Send + 'static,
    {
        self.run(NO_GRACE, |session, _| async move { session.ask(step, call).await }).await
    }

    /// Lets `work` end beside whatever the caller does next.
    pub(super) fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    /// One call of a name node, within work on the runtime.
    pub(super) async fn ask<T, F>(
        &self,
        step: Step,
        call: impl FnOnce(Arc<Client>) -> F,
    ) -> Result<T, HdfsError>
    where
        F: Future<Output = hdfs_native::Result<T>>,
    {
        let client = self.client();
        let asked = tokio::time::timeout(PATIENCE, call(Arc::clone(&client))).await;
        let answer = match asked {
            Ok(answer) => answer.map_err(HdfsError::in_step(step)),
            Err(_elapsed) => {
                self.replace(&client);
                Err(HdfsError::Silent { step })
            }
        };
        // Relaxed: it only decides what is worth a retry.
        if answer.as_ref().map_or_else(HdfsError::is_from_an_active_name_node, |_| true) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// A put has succeeded: this cluster can store.
    pub(super) fn has_proved_itself(&self) {
        self.has_stored.store(true, Ordering::Relaxed);
    }

    /// What has been wrong from the first call on is a mistake for a person to mend, not a fault that passes.
    fn judge(&self, error: HdfsError) -> HdfsError {
        let was_right = match error.presumes() {
            Presumes::Nothing => true,
            Presumes::AnAnswer => self.has_answered.load(Ordering::Relaxed),
            Presumes::APut => self.has_stored.load(Ordering::Relaxed),
        };
        if was_right { error } else { HdfsError::FromTheStart(Box::new(error)) }
    }

    /// The entries of a directory, to be asked for page by page.
    pub(super) fn entries(&self, directory: &str) -> ListStatusIterator {
        self.client().list_status_iter(directory, false)
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives the calls to come a client with new connections, unless somebody did already. It may try the name
    /// nodes in another order.
    fn replace(&self, silent: &Arc<Client>) {
        let Some(runtime) = &self.runtime else { return };
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&client, silent) {
            return;
        }
        match self.config.client(runtime.handle().clone()) {
            Ok(new) => *client = Arc::new(new),
            Err(error) => tracing::warn!(%error, "the silent HDFS client could not be replaced"),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is not allowed on a thread of a runtime, where the last handle may be dropped.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("config", &self.config).finish_non_exhaustive()
    }
}

fn panic_text(broken: JoinError) -> String {
    let Ok(payload) = broken.try_into_panic() else { return "its runtime is gone".to_owned() };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => {
            payload.downcast_ref::<&str>().map_or("without a word", |text| text).to_owned()
        }
    }
}
