//! Embedding in a plain `main`: back a directory up, restore it elsewhere, check every byte.
//!
//! ```sh
//! cargo run -p cairn-pipeline --example embed_minimal -- WAREHOUSE REPOSITORY TARGET
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cairn_pipeline::directory::{DirectorySink, DirectorySource};
use cairn_pipeline::{BackupRequest, CheckRequest, Engine, RepositorySettings, RestoreRequest};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [warehouse, location, target] = arguments.as_slice() else {
        return Err("usage: embed_minimal WAREHOUSE REPOSITORY TARGET".into());
    };
    let engine = Engine::start()?;
    let repository = engine.create_repository(location, RepositorySettings::default())?;

    let source = Arc::new(DirectorySource::open(Path::new(warehouse))?);
    let report = engine.backup(&repository, source, BackupRequest::new("example")?).wait()?;
    println!(
        "{} segments, {} bytes stored",
        report.record.stats.segments, report.progress.stored_bytes
    );

    let sink = Arc::new(DirectorySink::open(Path::new(target))?);
    let report = engine.restore(&repository, sink, RestoreRequest::new("example")?).wait()?;
    println!("{} objects restored in {:?}", report.objects.len(), report.duration);

    let report = engine.check(&repository, CheckRequest::read_data()).wait()?;
    println!("{} damages in {:?}", report.findings().count(), report.duration);
    Ok(())
}
