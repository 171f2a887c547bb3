//! Two engines in one process: each has its own threads, settings and jobs; they share nothing.
//!
//! ```sh
//! cargo run -p cairn-pipeline --example two_engines -- WAREHOUSE REPOSITORY OTHER_REPOSITORY
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cairn_pipeline::directory::DirectorySource;
use cairn_pipeline::{BackupRequest, Engine, EngineConfig, RepositorySettings};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [warehouse, location, other_location] = arguments.as_slice() else {
        return Err("usage: two_engines WAREHOUSE REPOSITORY OTHER_REPOSITORY".into());
    };
    // One that takes what it can get, one that stays in the background.
    let fast = Engine::start()?;
    let config = EngineConfig { compute_threads: 1, upload_worker_count: 1, ..Default::default() };
    let gentle = Engine::builder().config(config).start()?;

    let settings = RepositorySettings::default();
    let repository = fast.create_repository(location, settings)?;
    let other_repository = gentle.create_repository(other_location, settings)?;
    let source = Arc::new(DirectorySource::open(Path::new(warehouse))?);

    // Both jobs run at once: starting one does not wait.
    let job = fast.backup(&repository, Arc::clone(&source) as _, BackupRequest::new("example")?);
    let other_job = gentle.backup(&other_repository, source, BackupRequest::new("example")?);
    println!("fast:   {:?}", job.wait()?.duration);
    println!("gentle: {:?}", other_job.wait()?.duration);
    Ok(())
}
