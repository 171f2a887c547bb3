//! A host that has its own metrics and its own log gets both of a backup, without a second server: the engine records
//! into the recorder and logs to the subscriber that it finds.
//!
//! ```sh
//! cargo run -p cairn-pipeline --example observed -- WAREHOUSE REPOSITORY
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cairn_pipeline::directory::DirectorySource;
use cairn_pipeline::{BackupRequest, Engine, RepositorySettings};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

/// Upper bounds in seconds: a wait on an edge takes microseconds, a put tens of milliseconds, a job hours.
const BUCKETS: [f64; 8] = [0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 600.0, 7200.0];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [warehouse, location] = arguments.as_slice() else {
        return Err("usage: observed WAREHOUSE REPOSITORY".into());
    };
    // What the host has anyway. Both before the engine starts: it asks for them then, and when a job begins.
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).init();
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
        .install_recorder()?;
    cairn_pipeline::metrics::describe();

    let engine = Engine::start()?;
    let repository = engine.create_repository(location, RepositorySettings::default())?;
    let source = Arc::new(DirectorySource::open(Path::new(warehouse))?);
    // The job's lines stand in this span too, so the host's own ids lead to them.
    let request = tracing::info_span!("nightly", night = 1);
    let job = request.in_scope(|| {
        BackupRequest::new("first").map(|request| engine.backup(&repository, source, request))
    })?;
    job.wait()?;

    // What the host's own `/metrics` answers with.
    for line in metrics.render().lines().filter(|line| line.starts_with("cairn_stage_bytes_total"))
    {
        println!("{line}");
    }
    Ok(())
}
