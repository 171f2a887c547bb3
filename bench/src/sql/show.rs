//! SHOW statements among many tables and snapshots, without backups and while they run.

use anyhow::Result;

use super::backups;
use super::client::Client;
use super::place::Place;
use super::record::{ShowPlan, ShowSample};
use crate::console::say;
use crate::measure::Stopwatch;

/// The database with many tables, and the repository with many snapshots.
const MANY: &str = "many";
/// How often what takes long is told of.
const TELL_EVERY: u32 = 500;

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
    make_snapshots(&mut client, plan.snapshots)?;
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

fn make_snapshots(client: &mut Client, snapshots: u32) -> Result<()> {
    let clock = Stopwatch::start();
    for number in 0..snapshots {
        client.run(&format!("BACKUP SNAPSHOT {MANY}.s{number} TO {MANY} ON (t0)"))?;
        client.job_done("BACKUP", MANY)?;
        if (number + 1) % TELL_EVERY == 0 {
            let secs = clock.elapsed().as_secs_f64();
            say(format_args!("{} snapshots after {secs:.0} s", number + 1))?;
        }
    }
    Ok(())
}
