//! The summary of a run, made of its raw.json alone.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bytesize::ByteSize;

use super::record::{Engine, Header, LoadSample, QuerySample, Record, Recorded, ShowSample};
use crate::console::say;
use crate::report::{SUMMARY, numbers, ratio};
use crate::results::RAW;
use crate::stats::{Paired, Spread, median, paired_ratio};

/// Whether the results of a folder are of this kind.
pub fn is_run(folder: &Path) -> Result<bool> {
    let path = folder.join(RAW);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let first = text.lines().next().unwrap_or_default();
    Ok(matches!(serde_json::from_str(first), Ok(Record::Sql(_))))
}

/// Makes the summary of a folder again, and prints it.
pub fn print(folder: &Path) -> Result<()> {
    let text = markdown(&Recorded::load(folder)?);
    let path = folder.join(SUMMARY);
    fs::write(&path, &text).with_context(|| format!("write {}", path.display()))?;
    say(format_args!("\n{text}"))?;
    say(path.display())?;
    Ok(())
}

fn markdown(recorded: &Recorded) -> String {
    let mut text = heading(&recorded.header);
    if !recorded.queries.is_empty() {
        text += &queries(&recorded.queries);
    }
    if let Some(plan) = recorded.header.load {
        let (clients, rate, secs) = (plan.clients, plan.rate, plan.phase_secs);
        let _ = write!(
            text,
            "\n## Load under backup\n\n{clients} clients insert ten rows at a time, {clients} query, each {rate} times a \
             second; phases of {secs} s without and with backups of everything, one after the other, in turn. A wait counts \
             from the time at which a statement was due. Medians of the quantiles of the phases; ratios are paired by \
             round.\n\n{}",
            load(&recorded.load)
        );
    }
    if let Some(plan) = recorded.header.show {
        let (tables, snapshots) = (plan.tables, plan.snapshots);
        let _ = write!(
            text,
            "\n## SHOW\n\nAmong {tables} tables and {snapshots} snapshots; milliseconds.\n\n{}",
            shows(&recorded.shows)
        );
    }
    text
}

fn heading(header: &Header) -> String {
    let machine = &header.machine;
    let mut text = format!("# SQL, measured on {}, {}\n\n", machine.name, header.started);
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "{} ({} processors), {}, {}; data and repositories in {}{}. {}, line items at scale {}.",
        machine.processor,
        machine.cpus,
        ByteSize(machine.memory_bytes),
        machine.kernel,
        header.scratch.display(),
        if header.is_in_memory { " (memory)" } else { "" },
        header.version,
        header.scale,
    );
    for setting in &header.settings {
        let _ = writeln!(text, "\n- `{setting}`");
    }
    if header.is_debug_build {
        text += "\n- Warning: this is a debug build; use `cargo run --release`.\n";
    }
    text
}

fn queries(samples: &[QuerySample]) -> String {
    let mut table = numbers(&[
        "query",
        "rounds",
        "cairn ms",
        "min..max",
        "DataFusion ms",
        "min..max",
        "x wall",
        "cairn CPU ms",
        "DataFusion CPU ms",
        "x CPU",
    ]);
    for name in first_seen(samples.iter().map(|sample| &sample.query)) {
        let of = |engine, measure: fn(&QuerySample) -> f64| -> Vec<Paired> {
            let own = samples.iter().filter(|one| one.query == *name && one.engine == engine);
            own.map(|sample| (sample.round, measure(sample))).collect()
        };
        let walls =
            [Engine::Cairn, Engine::DataFusion].map(|engine| of(engine, |one| one.wall_secs * 1e3));
        let [ours, theirs] = &walls;
        // Ticks are coarse: sums say more than medians.
        let [our_cpu, their_cpu] = [Engine::Cairn, Engine::DataFusion].map(|engine| {
            let cpu = of(engine, |one| one.cpu_secs * 1e3);
            cpu.iter().map(|(_, ms)| ms).sum::<f64>() / cpu.len().max(1) as f64
        });
        table.add_row([
            name.clone(),
            ours.len().to_string(),
            spread(ours).0,
            spread(ours).1,
            spread(theirs).0,
            spread(theirs).1,
            ratio(paired_ratio(ours, theirs)),
            format!("{our_cpu:.0}"),
            format!("{their_cpu:.0}"),
            ratio((their_cpu > 0.0).then(|| our_cpu / their_cpu)),
        ]);
    }
    format!(
        "\n## Queries\n\nThe restored table, asked by a client of the server, beside DataFusion in the harness over the same \
         files. Medians; ratios are paired by round; CPU time is the mean.\n\n{table}\n"
    )
}

/// A median, and how far the samples lie apart.
fn spread(samples: &[Paired]) -> (String, String) {
    let values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
    Spread::of(&values).map_or_else(Default::default, |spread| {
        (format!("{:.1}", spread.median), format!("{:.1}..{:.1}", spread.min, spread.max))
    })
}

/// A quantile with its name.
type Quantile = (&'static str, fn(&LoadSample) -> f64);

fn load(samples: &[LoadSample]) -> String {
    let mut table =
        numbers(&["statement", "waits", "quantile", "without ms", "with backups ms", "ratio"]);
    let (without, with): (Vec<_>, Vec<_>) =
        samples.iter().partition::<Vec<&LoadSample>, _>(|sample| sample.backups.is_none());
    let quantiles: [Quantile; 4] = [
        ("p50", |sample| sample.p50_ms),
        ("p95", |sample| sample.p95_ms),
        ("p99", |sample| sample.p99_ms),
        ("max", |sample| sample.max_ms),
    ];
    for statement in first_seen(samples.iter().map(|sample| &sample.statement)) {
        for (name, quantile) in quantiles {
            let of = |samples: &[&LoadSample]| -> Vec<Paired> {
                let own = samples.iter().filter(|sample| sample.statement == *statement);
                own.map(|sample| (sample.round, quantile(sample))).collect()
            };
            let (before, beside) = (of(&without), of(&with));
            let waits = samples.iter().filter(|sample| sample.statement == *statement);
            table.add_row([
                statement.clone(),
                waits.map(|sample| sample.count).sum::<usize>().to_string(),
                name.to_owned(),
                spread(&before).0,
                spread(&beside).0,
                ratio(paired_ratio(&beside, &before)),
            ]);
        }
    }
    format!("{table}\n\n{} {}\n", busy("Without backups", &without), busy("With them", &with))
}

/// What the server used in some phases, and how many backups it ended.
fn busy(when: &str, samples: &[&LoadSample]) -> String {
    let phases: Vec<_> = samples.iter().filter(|sample| sample.statement == "all").collect();
    let cpus: Vec<f64> = phases.iter().map(|one| one.server_cpu_secs / one.wall_secs).collect();
    let backups: u32 = phases.iter().filter_map(|sample| sample.backups).sum();
    let cpus = median(&cpus).unwrap_or_default();
    format!(
        "{when} the server used {cpus:.2} processors and ended {backups} backups in {} phases.",
        phases.len()
    )
}

fn shows(samples: &[ShowSample]) -> String {
    let mut table = numbers(&["statement", "rows", "idle", "max", "while backups run", "max"]);
    for statement in first_seen(samples.iter().map(|sample| &sample.statement)) {
        let own = samples.iter().filter(|sample| sample.statement == *statement);
        let rows = own.clone().map(|sample| sample.rows).max().unwrap_or_default();
        let [idle, beside] = [false, true].map(|is_backing_up| {
            let own = own.clone().filter(|sample| sample.is_backing_up == is_backing_up);
            let times: Vec<f64> = own.map(|sample| sample.wall_ms).collect();
            Spread::of(&times).map_or([String::new(), String::new()], |spread| {
                [spread.median, spread.max].map(|ms| format!("{ms:.1}"))
            })
        });
        let ([idle, idle_max], [beside, beside_max]) = (idle, beside);
        table.add_row([
            format!("`{statement}`"),
            rows.to_string(),
            idle,
            idle_max,
            beside,
            beside_max,
        ]);
    }
    format!("{table}\n")
}

/// Each once, in the order in which they came.
fn first_seen<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut seen = Vec::new();
    names.for_each(|name| {
        if !seen.contains(&name) {
            seen.push(name);
        }
    });
    seen
}

#[cfg(test)]
mod tests {
    use super::super::record::{LoadPlan, ShowPlan};
    use super::*;

    #[track_caller]
    fn assert_row(text: &str, expected: &[&str]) {
        let cells = |line: &str| -> Vec<String> {
            let cells = line.split('|').map(|cell| cell.trim().to_owned());
            cells.filter(|cell| !cell.is_empty()).collect()
        };
        assert!(text.lines().any(|line| cells(line) == expected), "{expected:?} in {text}");
    }

    #[test]
    fn queries_are_compared_round_by_round() {
        let sample = |engine, round, wall_secs| QuerySample {
            query: "sums".into(),
            engine,
            round,
            wall_secs,
            cpu_secs: 2.0 * wall_secs,
        };
        let queries = vec![
            sample(Engine::Cairn, 0, 0.03),
            sample(Engine::DataFusion, 0, 0.02),
            sample(Engine::DataFusion, 1, 0.04),
            sample(Engine::Cairn, 1, 0.06),
        ];
        let text = markdown(&Recorded { queries, ..Recorded::default() });
        let expected =
            ["sums", "2", "45.0", "30.0..60.0", "30.0", "20.0..40.0", "1.50", "90", "60", "1.50"];
        assert_row(&text, &expected);
        assert!(!text.contains("Load") && !text.contains("SHOW"), "{text}");
    }

    #[test]
    fn phases_with_and_without_backups_are_compared() {
        let sample = |round, backups, p99_ms| LoadSample {
            round,
            backups,
            statement: "all".into(),
            count: 100,
            p50_ms: 1.0,
            p95_ms: 2.0,
            p99_ms,
            max_ms: 9.0,
            server_cpu_secs: 3.0,
            wall_secs: 2.0,
        };
        let load = vec![
            sample(0, None, 4.0),
            sample(0, Some(2), 5.0),
            sample(1, Some(1), 10.0),
            sample(1, None, 8.0),
        ];
        let plan = LoadPlan { clients: 4, rate: 10.0, phase_secs: 2 };
        let header = Header { load: Some(plan), ..Header::default() };
        let text = markdown(&Recorded { header, load, ..Recorded::default() });
        assert_row(&text, &["all", "400", "p99", "6.0", "7.5", "1.25"]);
        assert!(text.contains(
            "With them the server used 1.50 processors and ended 3 backups in 2 phases."
        ));
    }

    #[test]
    fn statements_of_show_have_their_longest_time() {
        let sample = |is_backing_up, wall_ms| ShowSample {
            statement: "SHOW TABLES".into(),
            is_backing_up,
            rows: 7,
            wall_ms,
        };
        let shows = vec![sample(false, 1.0), sample(true, 3.0), sample(true, 5.0)];
        let show = Some(ShowPlan { tables: 7, snapshots: 9 });
        let text = markdown(&Recorded {
            header: Header { show, ..Header::default() },
            shows,
            ..Recorded::default()
        });
        assert_row(&text, &["`SHOW TABLES`", "7", "1.0", "1.0", "4.0", "5.0"]);
    }
}
