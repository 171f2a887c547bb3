//! What a scraper sees: the number of series does not grow with what is backed up, and what a watch shows is so.
//!
//! A process has one recorder, so this file has one test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cairn_pipeline::directory::{DirectorySink, DirectorySource};
use cairn_pipeline::{
    BackupRequest, CheckRequest, Engine, Label, MAX_REPOSITORIES, Owner, PruneRequest, Repository,
    RepositorySettings, RestoreRequest, Scope, Target, Watch,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

const NUM_TABLES: usize = 1000;
const NUM_SNAPSHOTS: usize = 10_000;

struct Host {
    root: tempfile::TempDir,
    engine: Engine,
    repository: Repository,
    watch: Watch,
    metrics: PrometheusHandle,
}

impl Host {
    fn new(metrics: PrometheusHandle) -> Self {
        let root = tempfile::tempdir().unwrap();
        let engine = Engine::start().unwrap();
        let at = root.path().join("repository").display().to_string();
        let repository = engine.create_repository(at, RepositorySettings::default()).unwrap();
        let target = |name: &str, repository: Option<&str>, database: Option<&str>| Target {
            name: name.to_owned(),
            repository: repository.map(str::to_owned),
            scope: Scope { database: database.map(str::to_owned), series: None },
            max_age: Duration::from_secs(3600),
        };
        let targets = vec![
            target("shop", Some("r"), Some("shop")),
            target("anything", None, None),
            target("other", None, Some("other")),
            target("elsewhere", Some("nowhere"), None),
        ];
        let watch = Watch::new(None, targets);
        Self { root, engine, repository, watch, metrics }
    }

    fn table(&self, name: &str) {
        let path = self.root.path().join(format!("data/shop/{name}/p/t"));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("segment.dat"), format!("rows of {name}")).unwrap();
    }

    /// Everything that a host does with a repository.
    fn work(&self, label: &str) {
        let (engine, repository) = (&self.engine, &self.repository);
        let source = Arc::new(DirectorySource::open(self.root.path().join("data")).unwrap());
        engine.backup(repository, source, BackupRequest::new(label).unwrap()).wait().unwrap();
        let sink = DirectorySink::open(self.root.path().join("out").join(label)).unwrap();
        let restore = RestoreRequest::new(label).unwrap();
        engine.restore(repository, Arc::new(sink), restore).wait().unwrap();
        let report = engine.check(repository, CheckRequest::structure()).wait().unwrap();
        assert!(report.is_clean());
        engine.prune(repository, PruneRequest::new()).wait().unwrap();
        self.look();
        self.watch.measure("r", repository).unwrap();
        self.watch.checked("r", repository, &report);
    }

    fn look(&self) {
        assert_eq!(self.watch.begin_round(&["r".to_owned()]), ["nowhere"]);
        self.watch.look("r", &self.repository).unwrap();
    }

    /// Each series with its value.
    fn series(&self) -> BTreeMap<String, f64> {
        let text = self.metrics.render();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let series = lines.map(|line| line.rsplit_once(' ').unwrap());
        series.map(|(name, value)| (name.replace('"', ""), value.parse().unwrap())).collect()
    }

    fn gauge(&self, name: &str) -> f64 {
        let series = self.series();
        *series.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", series.keys()))
    }
}

/// Writes so many records beside the one of a label.
fn fill(repository: &Path, of: &Repository, label: &str) {
    let mut record = of.snapshot(label).unwrap();
    for number in 0..NUM_SNAPSHOTS {
        record.label = Label::parse(&format!("copy_{number}")).unwrap();
        let path = repository.join("snapshots").join(record.label.as_str());
        fs::write(path, record.encode()).unwrap();
    }
}

#[test]
fn series_are_as_many_as_repositories_and_targets_whatever_is_in_them() {
    let host = Host::new(PrometheusBuilder::new().install_recorder().unwrap());

    host.table("orders");
    host.work("first");
    let taken = host.repository.snapshot("first").unwrap().timestamp.as_unix_millis();
    let taken = taken as f64 / 1000.0;
    let target = |name: &str, repository: &str, database: &str| {
        let labels = format!("target={name},repository={repository},database={database}");
        let newest = format!("cairn_target_newest_snapshot_timestamp_seconds{{{labels}}}");
        let max_age = format!("cairn_target_max_age_seconds{{{labels}}}");
        assert_eq!(host.gauge(&max_age), 3600.0);
        host.gauge(&newest)
    };
    assert_eq!(target("shop", "r", "shop"), taken);
    assert_eq!(target("anything", "", ""), taken);
    assert_eq!(target("other", "", "other"), 0.0, "there is no backup of it");
    assert_eq!(target("elsewhere", "nowhere", ""), 0.0, "there is no such repository");
    assert_eq!(host.gauge("cairn_repository_reachable{repository=r}"), 1.0);
    assert_eq!(host.gauge("cairn_repository_snapshots{repository=r}"), 1.0);
    assert_eq!(host.gauge("cairn_repository_damages{repository=r}"), 0.0);
    assert_eq!(host.gauge("cairn_repository_snapshot_bytes{repository=r}"), 14.0);
    assert!(host.gauge("cairn_repository_stored_bytes{repository=r}") > 14.0);
    let before = host.series();

    for number in 0..NUM_TABLES {
        host.table(&format!("table_{number}"));
    }
    host.work("second");
    fill(&host.root.path().join("repository"), &host.repository, "second");
    host.look();
    let num_snapshots = host.gauge("cairn_repository_snapshots{repository=r}");
    assert_eq!(num_snapshots, (NUM_SNAPSHOTS + 2) as f64);
    let after = host.series();
    let new: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    assert!(new.is_empty(), "{new:?}");

    // Repositories are users' to name: only the first have series.
    for number in 1..=2 * MAX_REPOSITORIES {
        host.watch.not_reached(&format!("r{number}"));
    }
    let shown = host.series().into_keys();
    let shown = shown.filter(|name| name.starts_with("cairn_repository_reachable")).count();
    assert_eq!(shown, MAX_REPOSITORIES);

    // What another warehouse made does not count for targets of this one.
    let targets = vec![Target {
        name: "ours".to_owned(),
        repository: None,
        scope: Scope::default(),
        max_age: Duration::from_secs(1),
    }];
    let watch = Watch::new(Some(Owner::Origin("ours".to_owned())), targets);
    watch.look("r", &host.repository).unwrap();
    assert_eq!(target_of(&host, "ours"), 0.0);
    // Where there is a repository that was not looked at yet, nobody knows.
    watch.begin_round(&["r".to_owned(), "other".to_owned()]);
    assert!(target_of(&host, "ours").is_nan());
    watch.begin_round(&["r".to_owned()]);
    assert_eq!(target_of(&host, "ours"), 0.0);

    // A look that fails keeps what was known; of a repository that is gone nothing is shown.
    fs::remove_file(host.root.path().join("repository/cairn.json")).unwrap();
    let refused = host.watch.look("r", &host.repository).unwrap_err();
    assert_eq!(host.gauge("cairn_repository_reachable{repository=r}"), 0.0, "{refused}");
    assert_eq!(host.gauge("cairn_repository_snapshots{repository=r}"), num_snapshots);
    host.watch.begin_round(&[]);
    assert!(host.gauge("cairn_repository_reachable{repository=r}").is_nan());
    assert!(host.gauge("cairn_repository_snapshots{repository=r}").is_nan());
}

fn target_of(host: &Host, name: &str) -> f64 {
    let labels = format!("target={name},repository=,database=");
    host.gauge(&format!("cairn_target_newest_snapshot_timestamp_seconds{{{labels}}}"))
}
