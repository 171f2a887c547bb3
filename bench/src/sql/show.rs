//! SHOW statements among many tables and snapshots, without backups and while they run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use cairn_repository::record::Record;
use cairn_repository::{Repository, Timestamp};
use cairn_storage::LocalStorage;

use super::backups;
use super::client::Client;
use super::place::Place;
use super::record::{ShowPlan, ShowSample};
use crate::console::say;
use crate::measure::Stopwatch;

/// The database with many tables, and the repository with many snapshots.
const MANY: &str = "many";
/// Snapshots that are backed up; of the others only records are put, with the same content.
const BACKED_UP: u32 = 100;

const STATEMENTS: [&str; 8] = [
    "SHOW SNAPSHOT ON many",
    "SHOW SNAPSHOT ON many WHERE SNAPSHOT = 's1'",
    "SHOW BACKUP FROM many",
    "SHOW BACKUP FROM tpch",
    "SHOW DATABASES",
    "SHOW TABLES FROM many",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM information_schema.tables WHERE table_schema = 'many' AND table_name = 't1'",
];

/// Makes tables and snapshots, and tells `record` of each statement, `rounds` times.
pub(super) fn run(
    place: &Place,
    plan: ShowPlan,
    rounds: u32,
    mut record: impl FnMut(ShowSample) -> Result<()>,
) -> Result<()> {
    let mut client = place.server.connect()?;
    make_tables(&mut client, plan.tables)?;
    place.create_repository(&mut client, MANY)?;
    make_snapshots(&mut client, place, plan.snapshots)?;
    for is_backing_up in [false, true] {
        let work = || -> Result<()> {
            for _ in 0..rounds {
                for statement in STATEMENTS {
                    let clock = Stopwatch::start();
                    let rows = client.run(statement)?;
                    let wall_ms = clock.elapsed().as_secs_f64() * 1e3;
                    let statement = statement.to_owned();
                    record(ShowSample { statement, is_backing_up, rows, wall_ms })?;
                }
            }
            Ok(())
        };
        backups::beside(place, is_backing_up, work)?;
    }
    Ok(())
}

fn make_tables(client: &mut Client, tables: u32) -> Result<()> {
    client.run(&format!("CREATE DATABASE {MANY}"))?;
    client.run(&format!("USE {MANY}"))?;
    for number in 0..tables {
        client.run(&format!(
            "CREATE TABLE t{number} (k INT NOT NULL, v VARCHAR(20)) DUPLICATE KEY (k) DISTRIBUTED BY HASH (k) BUCKETS 1"
        ))?;
    }
    client.run("INSERT INTO t0 VALUES (1, 'one')")?;
    Ok(())
}

fn make_snapshots(client: &mut Client, place: &Place, snapshots: u32) -> Result<()> {
    let backed_up = snapshots.min(BACKED_UP);
    for number in 0..backed_up {
        client.run(&format!("BACKUP SNAPSHOT {MANY}.s{number} TO {MANY} ON (t0)"))?;
        client.job_done("BACKUP", MANY)?;
    }
    say(format_args!(
        "{backed_up} snapshots by BACKUP, {} by their records",
        snapshots - backed_up
    ))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    runtime.block_on(put_records(&place.repository(MANY), backed_up..snapshots))
}

/// Puts records like the first one, a second apart.
async fn put_records(location: &Path, numbers: std::ops::Range<u32>) -> Result<()> {
    let root = with_config(location)?.context("no repository was made")?;
    let repository = Repository::open(Arc::new(LocalStorage::open(root)?)).await?;
    let first = repository.record(&"s0".parse()?).await?;
    for number in numbers {
        let taken = first.timestamp.as_unix_millis() + 1000 * u64::from(number);
        let (label, timestamp) =
            (format!("s{number}").parse()?, Timestamp::from_unix_millis(taken));
        repository.commit(&Record { label, timestamp, ..first.clone() }).await?;
    }
    Ok(())
}

/// The directory at or below a location in which a repository is.
fn with_config(directory: &Path) -> Result<Option<PathBuf>> {
    if directory.join("cairn.json").try_exists()? {
        return Ok(Some(directory.to_owned()));
    }
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir()
            && let Some(found) = with_config(&path)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
