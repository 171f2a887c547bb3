//! Starts jobs. Each runs on its own from then on; its handle tells what becomes of it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use cairn_actors::tablet::{TabletSink, TabletSource};
use cairn_storage::Storage;
use futures::FutureExt;
use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::error::Error;
use crate::job::{
    BackupReport, CheckReport, CopyReport, JobCore, JobHandle, JobKind, PruneReport, RestoreReport,
    Surroundings, log, run_backup, run_check, run_copy, run_prune, run_restore,
};
use crate::repository::Repository;
use crate::request::{BackupRequest, CheckRequest, PruneRequest, RestoreRequest};

impl Engine {
    /// Starts a backup. Everything that can go wrong later is the handle's to tell.
    pub fn backup(
        &self,
        repository: &Repository,
        source: Arc<dyn TabletSource>,
        request: BackupRequest,
    ) -> JobHandle<BackupReport> {
        let label = request.label.to_string();
        let repository = repository.inner().clone();
        self.run(JobKind::Backup, label, move |core, around| async move {
            run_backup(&core, &around, repository, source, request).await
        })
    }

    /// Starts a restore.
    pub fn restore(
        &self,
        repository: &Repository,
        sink: Arc<dyn TabletSink>,
        request: RestoreRequest,
    ) -> JobHandle<RestoreReport> {
        let label = request.label.to_string();
        let repository = repository.inner().clone();
        self.run(JobKind::Restore, label, move |core, around| async move {
            run_restore(&core, &around, repository, sink, request).await
        })
    }

    /// Starts a check.
    pub fn check(&self, repository: &Repository, request: CheckRequest) -> JobHandle<CheckReport> {
        let repository = repository.inner().clone();
        self.run(JobKind::Check, String::new(), move |core, around| async move {
            run_check(&core, &around, repository, request).await
        })
    }

    /// Starts a copy of a repository to a storage that holds nothing, or an unfinished or older copy of it. What is
    /// there is not copied again.
    pub fn copy(&self, from: &Repository, to: Arc<dyn Storage>) -> JobHandle<CopyReport> {
        let from = from.inner().clone();
        self.run(JobKind::Copy, String::new(), move |core, around| async move {
            run_copy(&core, &around, from, to).await
        })
    }

    /// Starts a prune: what no snapshot needs goes, in two steps a grace apart, while anybody uses the repository.
    pub fn prune(&self, repository: &Repository, request: PruneRequest) -> JobHandle<PruneReport> {
        let repository = repository.inner().clone();
        self.run(JobKind::Prune, String::new(), move |core, around| async move {
            run_prune(&core, &around, repository, request).await
        })
    }

    fn run<R, F>(
        &self,
        kind: JobKind,
        label: String,
        job: impl FnOnce(Arc<JobCore>, Surroundings) -> F,
    ) -> JobHandle<R>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Error>> + Send + 'static,
    {
        let around = self.surroundings();
        let number = self.next_job_number();
        let id = format!("{}-{}-{number}", around.clock.now(), std::process::id());
        let trace = log::trace(&id, kind, &label);
        let core = JobCore::new(id, kind, label, &around);
        self.remember(&core);
        let work = AssertUnwindSafe(job(Arc::clone(&core), around)).catch_unwind();
        let (report, reported) = oneshot::channel();
        let running = Arc::clone(&core);
        let life = async move {
            log::began();
            // Stages report their panics themselves; this is one of a storage or a source before there are any.
            let outcome =
                work.await.unwrap_or_else(|panic| Err(Error::panicked(kind, panic.as_ref())));
            log::ended(&running, &outcome);
            running.end(&outcome);
            // No receiver means that nobody waits for the job any more.
            let _ = report.send(outcome);
        };
        self.runtime().spawn(trace.follow(life));
        JobHandle::new(core, reported, self.clone())
    }
}
