//! Queries over the restored line items, beside plain DataFusion over the same files.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::client::Texts;
use super::place::{DATABASE, Place};
use super::plain::Plain;
use super::record::{Engine, QuerySample};
use super::server::cpu_secs;
use super::tpch::QUERIES;
use crate::console::say;
use crate::measure::Stopwatch;
use crate::scenario::round_order;

/// Runs rounds and tells `record` of each query. The files are those of the line items alone.
pub(super) fn run(
    place: &Place,
    files: &[PathBuf],
    rounds: u32,
    mut record: impl FnMut(QuerySample) -> Result<()>,
) -> Result<()> {
    let plain = Plain::over("lineitem", files)?;
    let mut client = place.server.connect()?;
    client.run(&format!("USE {DATABASE}"))?;
    for (name, sql) in QUERIES {
        // The first run of each reads footers and is not counted.
        let (ours, theirs) = (client.rows(sql)?, plain.rows(sql)?);
        ensure!(ours == theirs, "{name}: cairn answers {ours:?}, DataFusion {theirs:?}");
    }
    for round in 0..rounds {
        for (name, sql) in QUERIES {
            for engine in round_order(&[Engine::Cairn, Engine::DataFusion], round) {
                let (wall_secs, cpu_secs) = match engine {
                    Engine::Cairn => timed(|| client.rows(sql), || place.server.cpu_secs())?,
                    Engine::DataFusion => {
                        timed(|| plain.rows(sql), || cpu_secs(std::process::id()))?
                    }
                };
                let query = name.to_owned();
                say(format_args!(
                    "{name:<6} {engine:<12?} round {}  wall {:7.1} ms",
                    round + 1,
                    wall_secs * 1e3
                ))?;
                record(QuerySample { query, engine, round, wall_secs, cpu_secs })?;
            }
        }
    }
    Ok(())
}

/// Wall and CPU time of some work.
fn timed(
    work: impl FnOnce() -> Result<Vec<Texts>>,
    cpu_secs: impl Fn() -> Result<f64>,
) -> Result<(f64, f64)> {
    let before = cpu_secs()?;
    let clock = Stopwatch::start();
    work()?;
    Ok((clock.elapsed().as_secs_f64(), cpu_secs()? - before))
}
