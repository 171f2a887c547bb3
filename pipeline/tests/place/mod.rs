//! What the tests of the pipeline share: a warehouse of real files ([`Place`]), a toy database that fails as
//! scripted ([`source`]) on a repository in memory ([`rig`]), and waiting for conditions.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod content;
pub(crate) mod hooked;
pub(crate) mod rig;
pub(crate) mod script;
pub(crate) mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, SystemTime};

use cairn_pipeline::directory::{DirectorySink, DirectorySource};
use cairn_pipeline::{
    BackupReport, BackupRequest, CheckRequest, Engine, Error, JobHandle, Repository,
    RepositorySettings, RestoreReport, RestoreRequest, StageObservation,
};
use tempfile::TempDir;

pub(crate) use self::content::noise;

/// No step of any test takes so long unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The outcome of a job, which must end in time.
pub(crate) fn ends_within<R: Send + 'static>(
    deadline: Duration,
    job: JobHandle<R>,
) -> Result<R, Error> {
    let (tell, told) = sync_channel(1);
    // Nobody hears it when the deadline has passed.
    let waiter = thread::spawn(move || drop(tell.send(job.wait())));
    let outcome = told.recv_timeout(deadline);
    let outcome = outcome.unwrap_or_else(|_| panic!("the job has not ended within {deadline:?}"));
    waiter.join().unwrap();
    outcome
}

/// Asks the stages what they do: what was sent to them before has arrived when they answer.
pub(crate) fn observe<R>(job: &JobHandle<R>) -> Vec<StageObservation> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(job.observe())
}

/// Waits for a condition that other threads bring about.
#[track_caller]
pub(crate) fn wait_until(what: &str, is_met: impl FnMut() -> bool) {
    cairn_testkit::wait_until(what, DEADLINE, is_met);
}

pub(crate) struct Place {
    root: TempDir,
    pub(crate) engine: Engine,
    pub(crate) repository: Repository,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let engine = Engine::start().unwrap();
        let location = root.path().join("repository");
        let settings = RepositorySettings::default();
        let repository = engine.create_repository(location.to_str().unwrap(), settings).unwrap();
        fs::create_dir(root.path().join("warehouse")).unwrap();
        Self { root, engine, repository }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn warehouse(&self) -> PathBuf {
        self.path("warehouse")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.warehouse().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.warehouse().join(name)).unwrap();
    }

    /// Six segments in two databases: small, empty-ish, compressible, large enough for several chunks.
    pub(crate) fn fill(&self) {
        self.write("shop/orders/p1/t1/a.dat", b"a few rows");
        self.write("shop/orders/p1/t2/b.dat", &noise(1, 5 << 20));
        self.write("shop/orders/p2/t1/c.dat", "text ".repeat(300_000).as_bytes());
        self.write("shop/items/t1.dat", &noise(2, 300 << 10));
        self.write("web/events/p1/t1/d.dat", &noise(3, 100));
        self.write("web/events/p1/t1/e.dat", &noise(1, 5 << 20));
    }

    /// Dates every file back, so that no identity is too fresh to be trusted.
    #[expect(clippy::disallowed_methods, reason = "files are dated by the wall clock")]
    pub(crate) fn age(&self) {
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        for name in tree(&self.warehouse()).keys() {
            let file = fs::File::open(self.warehouse().join(name)).unwrap();
            file.set_modified(long_ago).unwrap();
        }
    }

    pub(crate) fn source(&self) -> Arc<DirectorySource> {
        Arc::new(DirectorySource::open(self.warehouse()).unwrap())
    }

    pub(crate) fn try_backup(&self, request: BackupRequest) -> Result<BackupReport, Error> {
        self.engine.backup(&self.repository, self.source(), request).wait()
    }

    pub(crate) fn backup_with(&self, request: BackupRequest) -> BackupReport {
        self.try_backup(request).unwrap()
    }

    pub(crate) fn backup(&self, label: &str) -> BackupReport {
        self.backup_with(BackupRequest::new(label).unwrap())
    }

    pub(crate) fn try_restore(
        &self,
        request: RestoreRequest,
        to: &str,
    ) -> Result<RestoreReport, Error> {
        let sink = Arc::new(DirectorySink::open(self.path(to)).unwrap());
        self.engine.restore(&self.repository, sink, request).wait()
    }

    pub(crate) fn restore(&self, request: RestoreRequest, to: &str) -> RestoreReport {
        self.try_restore(request, to).unwrap()
    }

    /// Findings of a check of every byte, as texts.
    pub(crate) fn check(&self) -> Vec<String> {
        let job = self.engine.check(&self.repository, CheckRequest::read_data());
        let report = job.wait().unwrap();
        report.findings().map(|finding| finding.damage.to_string()).collect()
    }
}

/// Every file below a directory with its bytes.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}
