//! [`Rig`]: an engine, a repository in memory and a toy database, small enough that every test has its own.

use std::sync::Arc;

use cairn_pipeline::storage::{MemoryStorage, ObjectPath, Storage};
use cairn_pipeline::{
    BackupReport, BackupRequest, CheckRequest, Compression, Engine, EngineConfig, Error, JobHandle,
    Repository, RepositorySettings, RestoreReport, RestoreRequest,
};
use cairn_repository::chunking::ChunkingParams;
use cairn_testkit::FaultStorage;

use super::source::{Contents, ToySink, ToySource};
use super::{DEADLINE, ends_within, wait_until};

/// The smallest chunks and packs that the format allows: much happens with few bytes.
pub(crate) fn small_settings() -> RepositorySettings {
    RepositorySettings {
        chunking: ChunkingParams::new(64 << 10, 128 << 10, 256 << 10).unwrap(),
        compression: Compression::Auto,
        pack_bytes: 1 << 20,
    }
}

/// The same width on every machine.
pub(crate) fn small_config() -> EngineConfig {
    EngineConfig {
        compute_threads: 2,
        reader_count: 2,
        upload_worker_count: 2,
        download_worker_count: 2,
        install_worker_count: 2,
        window_bytes: 256 << 10,
        checkpoint_bytes: 1 << 20,
        ..EngineConfig::default()
    }
}

pub(crate) struct Rig {
    pub(crate) source: Arc<ToySource>,
    pub(crate) repository: Repository,
    pub(crate) engine: Engine,
    /// Under whatever the repository lies on.
    pub(crate) memory: MemoryStorage,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::on(MemoryStorage::new(), |memory| memory)
    }

    /// A rig on a storage that fails as planned.
    pub(crate) fn with_faults() -> (Self, Arc<FaultStorage>) {
        let memory = MemoryStorage::new();
        let faults = Arc::new(FaultStorage::new(Arc::new(memory.clone())));
        (Self::on(memory, |_| Arc::clone(&faults) as Arc<dyn Storage>), faults)
    }

    /// A rig on what `wrap` makes of a memory.
    pub(crate) fn on(
        memory: MemoryStorage,
        wrap: impl FnOnce(Arc<dyn Storage>) -> Arc<dyn Storage>,
    ) -> Self {
        Self::with_config(small_config(), memory, wrap)
    }

    pub(crate) fn with_config(
        config: EngineConfig,
        memory: MemoryStorage,
        wrap: impl FnOnce(Arc<dyn Storage>) -> Arc<dyn Storage>,
    ) -> Self {
        let engine = Engine::builder().config(config).start().unwrap();
        let storage = wrap(Arc::new(memory.clone()));
        let repository = engine.create_repository_on(storage, small_settings()).unwrap();
        Self { source: ToySource::filled(), repository, engine, memory }
    }

    pub(crate) fn start(&self, label: &str) -> JobHandle<BackupReport> {
        self.start_with(BackupRequest::new(label).unwrap())
    }

    pub(crate) fn start_with(&self, request: BackupRequest) -> JobHandle<BackupReport> {
        self.engine.backup(&self.repository, Arc::clone(&self.source) as _, request)
    }

    pub(crate) fn backup(&self, label: &str) -> Result<BackupReport, Error> {
        ends_within(DEADLINE, self.start(label))
    }

    pub(crate) fn start_restore(
        &self,
        label: &str,
        sink: &Arc<ToySink>,
    ) -> JobHandle<RestoreReport> {
        let request = RestoreRequest::new(label).unwrap();
        self.engine.restore(&self.repository, Arc::clone(sink) as _, request)
    }

    pub(crate) fn restore_into(
        &self,
        label: &str,
        sink: &Arc<ToySink>,
    ) -> Result<RestoreReport, Error> {
        ends_within(DEADLINE, self.start_restore(label, sink))
    }

    /// What a snapshot holds.
    pub(crate) fn restored(&self, label: &str) -> Contents {
        let sink = ToySink::new();
        self.restore_into(label, &sink).unwrap();
        sink.contents()
    }

    /// Labels of the records that lie in the storage, whatever the repository says.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.names_below("snapshots")
    }

    /// The last segments of the paths below a prefix.
    pub(crate) fn names_below(&self, prefix: &str) -> Vec<String> {
        self.paths_below(prefix).iter().map(|path| path.name().to_owned()).collect()
    }

    pub(crate) fn paths_below(&self, prefix: &str) -> Vec<ObjectPath> {
        let prefix = ObjectPath::parse(prefix).unwrap();
        self.memory.objects().into_keys().filter(|path| path.starts_with(&prefix)).collect()
    }

    /// What a check of every byte finds: damage and what it affects.
    pub(crate) fn check(&self) -> Vec<String> {
        let check = self.engine.check(&self.repository, CheckRequest::read_data());
        let report = ends_within(DEADLINE, check).unwrap();
        let findings = report.findings();
        let line = |finding: &cairn_pipeline::Finding| {
            let affected: Vec<_> = finding.affected.iter().map(ToString::to_string).collect();
            format!("{} [{}]", finding.damage, affected.join("; "))
        };
        findings.map(line).collect()
    }

    /// A backup, a restore and a check succeed: nothing that happened before has hurt the engine.
    pub(crate) fn works(&self) {
        let label = format!("works-{}", self.labels().len());
        self.backup(&label).unwrap();
        assert_eq!(self.restored(&label), self.source.contents());
        assert_eq!(self.check(), [""; 0]);
        wait_until("every view is released", || self.source.num_views() == 0);
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
