//! A warehouse, a repository and an engine in a directory of a test's own.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cairn_pipeline::directory::{DirectorySink, DirectorySource};
use cairn_pipeline::{
    BackupReport, BackupRequest, CheckRequest, Engine, Error, Repository, RepositorySettings,
    RestoreReport, RestoreRequest,
};
use tempfile::TempDir;

pub struct Place {
    root: TempDir,
    pub engine: Engine,
    pub repository: Repository,
}

impl Place {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let engine = Engine::start().unwrap();
        let location = root.path().join("repository");
        let settings = RepositorySettings::default();
        let repository = engine.create_repository(location.to_str().unwrap(), settings).unwrap();
        fs::create_dir(root.path().join("warehouse")).unwrap();
        Self { root, engine, repository }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn warehouse(&self) -> PathBuf {
        self.path("warehouse")
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.warehouse().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.warehouse().join(name)).unwrap();
    }

    /// Six segments in two databases: small, empty-ish, compressible, large enough for several chunks.
    pub fn fill(&self) {
        self.write("shop/orders/p1/t1/a.dat", b"a few rows");
        self.write("shop/orders/p1/t2/b.dat", &noise(1, 5 << 20));
        self.write("shop/orders/p2/t1/c.dat", "text ".repeat(300_000).as_bytes());
        self.write("shop/items/t1.dat", &noise(2, 300 << 10));
        self.write("web/events/p1/t1/d.dat", &noise(3, 100));
        self.write("web/events/p1/t1/e.dat", &noise(1, 5 << 20));
    }

    /// Dates every file back, so that no identity is too fresh to be trusted.
    pub fn age(&self) {
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        for name in tree(&self.warehouse()).keys() {
            let file = fs::File::open(self.warehouse().join(name)).unwrap();
            file.set_modified(long_ago).unwrap();
        }
    }

    pub fn source(&self) -> Arc<DirectorySource> {
        Arc::new(DirectorySource::open(&self.warehouse()).unwrap())
    }

    pub fn try_backup(&self, request: BackupRequest) -> Result<BackupReport, Error> {
        self.engine.backup(&self.repository, self.source(), request).wait()
    }

    pub fn backup_with(&self, request: BackupRequest) -> BackupReport {
        self.try_backup(request).unwrap()
    }

    pub fn backup(&self, label: &str) -> BackupReport {
        self.backup_with(BackupRequest::new(label).unwrap())
    }

    pub fn try_restore(&self, request: RestoreRequest, to: &str) -> Result<RestoreReport, Error> {
        let sink = Arc::new(DirectorySink::open(&self.path(to)).unwrap());
        self.engine.restore(&self.repository, sink, request).wait()
    }

    pub fn restore(&self, request: RestoreRequest, to: &str) -> RestoreReport {
        self.try_restore(request, to).unwrap()
    }

    /// Findings of a check of every byte, as texts.
    pub fn check(&self) -> Vec<String> {
        let job = self.engine.check(&self.repository, CheckRequest::read_data());
        let report = job.wait().unwrap();
        report.findings().map(|finding| finding.damage.to_string()).collect()
    }
}

/// Every file below a directory with its bytes.
pub fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
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

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}
