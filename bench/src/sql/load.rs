//! Inserts and queries of many clients, in phases without and with backups.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::backups;
use super::client::Client;
use super::paced::{self, Pace, quantile};
use super::place::{DATABASE, Place};
use super::record::{LoadPlan, LoadSample};
use super::tpch;
use crate::console::say;
use crate::content::Random;
use crate::measure::Stopwatch;
use crate::scenario::round_order;

/// What is inserted into.
const CREATE_EVENTS: &str = "\
CREATE TABLE events (id BIGINT NOT NULL, at DATETIME NOT NULL, kind VARCHAR(16) NOT NULL, amount DECIMAL(12,2) NOT NULL)
DUPLICATE KEY (id) DISTRIBUTED BY HASH (id) BUCKETS 2";
/// Rows of an insert.
const ROWS: u64 = 10;
/// Before the first phase: caches fill and threads start.
const WARM_UP: Duration = Duration::from_secs(2);

/// Waits with the kinds of their statements.
type Waits = Vec<(&'static str, Duration)>;

/// Runs the phases and tells `record` of each.
pub(super) fn run(
    place: &Place,
    plan: LoadPlan,
    scale: f64,
    rounds: u32,
    mut record: impl FnMut(LoadSample) -> Result<()>,
) -> Result<()> {
    in_database(place)?.run(CREATE_EVENTS)?;
    phase(place, plan, scale, WARM_UP)?;
    for round in 0..rounds {
        for is_backing_up in round_order(&[false, true], round) {
            // Every phase begins with the same data.
            in_database(place)?.run("TRUNCATE TABLE events")?;
            let before = place.server.cpu_secs()?;
            let work = || {
                let clock = Stopwatch::start();
                let waits = phase(place, plan, scale, Duration::from_secs(plan.phase_secs))?;
                Ok((waits, clock.elapsed().as_secs_f64(), place.server.cpu_secs()?))
            };
            let ((waits, wall_secs, after), backups) = backups::beside(place, is_backing_up, work)?;
            for mut sample in samples(waits) {
                sample = LoadSample {
                    round,
                    backups,
                    server_cpu_secs: after - before,
                    wall_secs,
                    ..sample
                };
                say(line(&sample))?;
                record(sample)?;
            }
        }
    }
    Ok(())
}

fn in_database(place: &Place) -> Result<Client> {
    let mut client = place.server.connect()?;
    client.run(&format!("USE {DATABASE}"))?;
    Ok(client)
}

/// All clients for some time.
fn phase(place: &Place, plan: LoadPlan, scale: f64, length: Duration) -> Result<Waits> {
    let interval = Duration::from_secs_f64(1.0 / plan.rate);
    let mut clients = Vec::new();
    for number in 0..2 * plan.clients {
        clients.push((number, in_database(place)?));
    }
    // Clients do not come all at once.
    let step = interval / (2 * plan.clients);
    let clock = Stopwatch::start();
    thread::scope(|scope| {
        let started = clients.into_iter().map(|(number, mut client)| {
            let pace = Pace { offset: step * number, interval, end: length };
            let mut random = Random::new(number.into());
            scope.spawn(move || match number % 2 {
                0 => paced::follow(&mut client, clock, pace, || ("insert", insert(&mut random))),
                _ => {
                    let mut is_lookup = false;
                    paced::follow(&mut client, clock, pace, || {
                        is_lookup = !is_lookup;
                        if is_lookup { lookup(&mut random, scale) } else { aggregate() }
                    })
                }
            })
        });
        let threads: Vec<_> = started.collect();
        let mut waits = Vec::new();
        for thread in threads {
            waits.extend(thread.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        Ok(waits)
    })
}

fn insert(random: &mut Random) -> String {
    let rows = (0..ROWS).map(|_| {
        let (id, kind) = (random.below(1 << 40), random.below(4));
        let (second, cents) = (random.below(60), random.below(1_000_000));
        format!(
            "({id}, '2026-01-31 10:00:{second:02}', 'kind {kind}', {}.{:02})",
            cents / 100,
            cents % 100
        )
    });
    format!("INSERT INTO events VALUES {}", rows.collect::<Vec<_>>().join(", "))
}

/// Some orders that lie beside each other.
fn lookup(random: &mut Random, scale: f64) -> (&'static str, String) {
    let first = random.below(tpch::last_order(scale).max(1));
    let sql = format!(
        "SELECT l_orderkey, l_linenumber, l_quantity, l_extendedprice FROM lineitem \
         WHERE l_orderkey BETWEEN {first} AND {}",
        first + 20
    );
    ("lookup", sql)
}

fn aggregate() -> (&'static str, String) {
    ("aggregate", "SELECT kind, count(*), sum(amount) FROM events GROUP BY kind".to_owned())
}

/// One for each kind, and one for all of them.
fn samples(waits: Waits) -> Vec<LoadSample> {
    ["insert", "lookup", "aggregate", "all"]
        .into_iter()
        .filter_map(|kind| {
            let mut of_kind: Vec<Duration> = waits
                .iter()
                .filter(|(of, _)| kind == "all" || *of == kind)
                .map(|(_, wait)| *wait)
                .collect();
            of_kind.sort_unstable();
            let at = |share| Some(quantile(&of_kind, share)?.as_secs_f64() * 1e3);
            Some(LoadSample {
                round: 0,
                backups: None,
                statement: kind.to_owned(),
                count: of_kind.len(),
                p50_ms: at(0.5)?,
                p95_ms: at(0.95)?,
                p99_ms: at(0.99)?,
                max_ms: at(1.0)?,
                server_cpu_secs: 0.0,
                wall_secs: 0.0,
            })
        })
        .collect()
}

/// A sample as it is shown while the run goes on.
fn line(sample: &LoadSample) -> String {
    let LoadSample { round, backups, statement, count, p50_ms, p95_ms, p99_ms, max_ms, .. } =
        sample;
    let backups = backups.map_or("no backup".to_owned(), |number| format!("{number} backups"));
    let cpus = sample.server_cpu_secs / sample.wall_secs;
    format!(
        "load round {}  {backups:<10} {statement:<10} {count:5} x  p50 {p50_ms:7.2}  p95 {p95_ms:7.2}  p99 {p99_ms:7.2}  \
         max {max_ms:7.2} ms  server {cpus:.2} processors",
        round + 1
    )
}
