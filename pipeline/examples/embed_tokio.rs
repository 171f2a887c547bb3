//! Embedding in an asynchronous program: a job handle is a future, for any executor, and can be watched meanwhile.
//!
//! ```sh
//! cargo run -p cairn-pipeline --example embed_tokio -- WAREHOUSE REPOSITORY
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cairn_pipeline::directory::DirectorySource;
use cairn_pipeline::{BackupRequest, Engine, RepositorySettings};
use tokio::task::spawn_blocking;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [warehouse, location] = arguments.as_slice() else {
        return Err("usage: embed_tokio WAREHOUSE REPOSITORY".into());
    };
    let source = Arc::new(DirectorySource::open(Path::new(warehouse))?);

    // Starting an engine and opening a repository block for a moment; jobs do not.
    let location = location.clone();
    let opened = spawn_blocking(move || {
        let engine = Engine::start()?;
        let repository = engine.create_repository(&location, RepositorySettings::default())?;
        Ok::<_, cairn_pipeline::Error>((engine, repository))
    });
    let (engine, repository) = opened.await??;

    let mut job = pin!(engine.backup(&repository, source, BackupRequest::new("example")?));
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let report = loop {
        tokio::select! {
            report = &mut job => break report?,
            _ = ticks.tick() => {
                let done = job.progress();
                println!("{:?}: {} of {} bytes", job.state(), done.bytes_done, done.bytes_total);
            }
        }
    };
    println!("snapshot {} of {} segments", report.label, report.record.stats.segments);

    // Dropping the last handle of an engine joins its threads: not on a thread of the runtime.
    spawn_blocking(move || drop((engine, repository))).await?;
    Ok(())
}
