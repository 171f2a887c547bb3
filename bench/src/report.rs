//! The report: `summary.md` and the plots beside it, made from raw.json alone.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bytesize::ByteSize;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::console::say;
use crate::plot;
use crate::results::{Recorded, RunHeader};
use crate::scenario::Scenario;
use crate::summary::{self, Case, Row};
use crate::warning::warnings;

/// Makes the report of a folder again, and prints it.
pub fn print(folder: &Path) -> Result<()> {
    say(format_args!("\n{}", make(folder)?))?;
    say(folder.join(SUMMARY).display())?;
    Ok(())
}

/// The file with the text.
pub(crate) const SUMMARY: &str = "summary.md";

/// Writes summary and plots; gives the text of the summary.
fn make(folder: &Path) -> Result<String> {
    let recorded = Recorded::load(folder)?;
    let cases = summary::cases(&recorded.samples);
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    };
    let plots = plot::plots(&cases);
    for plot in &plots {
        write(&plot.file, &plot.svg)?;
    }
    let text = markdown(&recorded, &cases, &plots);
    write(SUMMARY, &text)?;
    Ok(text)
}

const READING: &str = "\
Medians over the rounds; `min..max` beside them. `x wall` and `x CPU` are the time of the tool divided by the time of
cairn in the same round, so 2.00 is half as fast as cairn. `runs` counts rounds; `2/3` says that one of three
was disturbed or failed and is left out. Peak is the largest resident memory of the process, stored the size of the
repository after the step, MiB/s the bytes of the set in a second of wall time.";

fn markdown(recorded: &Recorded, cases: &[Case], plots: &[plot::Plot]) -> String {
    let mut text = heading(&recorded.header);
    for warning in warnings(recorded) {
        text += &format!("- {warning}\n");
    }
    text += &format!("\n{READING}\n");
    text += &scale(cases);
    let mut set = None;
    for case in cases {
        if set != Some(&case.set) {
            set = Some(&case.set);
            text += &set_heading(case);
            for plot in plots.iter().filter(|plot| plot.set == case.set) {
                text += &format!("![{}]({})\n", plot.title, plot.file);
            }
        }
        let (name, question) = (case.scenario.name(), case.scenario.question());
        text += &format!("\n**{name}**: {question}\n\n{}\n", table(case));
    }
    text
}

const STORES: &str = "\
Repositories are on servers that run on the same processors: an S3 server in the harness, in memory, or an HDFS of two
data nodes in the scratch directory. Behind `@` is what proxies add to every round trip. Wall times hold the work of servers
and proxies, CPU seconds do not. The servers are not told from other programs, so what those do is not noticed.\n\n";

fn heading(header: &RunHeader) -> String {
    let machine = &header.machine;
    let mut text = format!("# Measured on {}, {}\n\n", machine.name, header.started);
    let memory = ByteSize(machine.memory_bytes);
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "{} ({} processors), {memory}, {}; data and repositories in {}{}, page cache warm.\n",
        machine.processor,
        machine.cpus,
        machine.kernel,
        header.scratch.display(),
        if header.is_in_memory { " (memory)" } else { "" },
    );
    if header.has_stores {
        text += STORES;
    }
    for tool in &header.tools {
        text += &format!("- `{}`: {}; {}\n", tool.name, tool.version, tool.about);
    }
    text + "\n"
}

fn set_heading(case: &Case) -> String {
    let extent = case.rows.first().map(|row| (row.data_files, row.data_bytes));
    let (files, bytes) = extent.unwrap_or_default();
    format!("\n## {}: {files} files, {:.0} MiB\n\n", case.set, mib(bytes))
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

pub(crate) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// A table that is Markdown; names on the left, numbers on the right.
pub(crate) fn numbers(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(columns.to_vec());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn table(case: &Case) -> Table {
    let mut table = numbers(&[
        "tool",
        "runs",
        "wall s",
        "min..max",
        "CPU s",
        "user",
        "system",
        "peak MiB",
        "stored MiB",
        "MiB/s",
        "x wall",
        "x CPU",
    ]);
    for row in &case.rows {
        table.add_row(cells(row));
    }
    table
}

fn cells(row: &Row) -> [String; 12] {
    let runs = match row.used == row.taken {
        true => row.used.to_string(),
        false => format!("{}/{}", row.used, row.taken),
    };
    [
        row.tool.clone(),
        runs,
        format!("{:.2}", row.wall.median),
        format!("{:.2}..{:.2}", row.wall.min, row.wall.max),
        format!("{:.2}", row.cpu.median),
        format!("{:.2}", row.user_secs),
        format!("{:.2}", row.system_secs),
        format!("{:.0}", mib(row.peak.max)),
        format!("{:.0}", mib(row.stored.median)),
        format!("{:.0}", mib(row.throughput())),
        ratio(row.wall_ratio),
        ratio(row.cpu_ratio),
    ]
}

/// What a set is a size of, if it is: `segments` and `10x` of `segments@10x`.
fn family(set: &str) -> Option<(&str, &str)> {
    set.split_once('@')
}

/// Sets that differ in one measure, each against the first of its family: what should hold is near 1.
fn scale(cases: &[Case]) -> String {
    let mut table = numbers(&[
        "set",
        "scenario",
        "tool",
        "files",
        "GiB",
        "MiB/s",
        "x throughput",
        "CPU s/GiB",
        "peak MiB",
        "x peak",
    ]);
    for case in cases {
        let Some((name, _)) = family(&case.set) else { continue };
        for row in &case.rows {
            if let Some(base) = base_of(cases, name, case.scenario, &row.tool) {
                table.add_row(scale_cells(case, row, base));
            }
        }
    }
    if table.row_count() == 0 {
        return String::new();
    }
    format!(
        "\n## What holds when there is more of it\n\nRatios to the first set of the same name.\n\n{table}\n"
    )
}

fn base_of<'a>(cases: &'a [Case], name: &str, scenario: Scenario, tool: &str) -> Option<&'a Row> {
    let is_base = |case: &&Case| {
        case.scenario == scenario && family(&case.set).is_some_and(|(family, _)| family == name)
    };
    cases.iter().find(is_base)?.rows.iter().find(|row| row.tool == tool)
}

fn scale_cells(case: &Case, row: &Row, base: &Row) -> [String; 10] {
    let gib = row.data_bytes / f64::from(1 << 30);
    [
        case.set.clone(),
        case.scenario.to_string(),
        row.tool.clone(),
        row.data_files.to_string(),
        format!("{gib:.2}"),
        format!("{:.0}", mib(row.throughput())),
        format!("{:.2}", row.throughput() / base.throughput()),
        format!("{:.2}", row.cpu.median / gib),
        format!("{:.0}", mib(row.peak.max)),
        format!("{:.2}", row.peak.max / base.peak.max),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;
    use crate::results::{Record, Results, ToolVersion};

    fn header() -> RunHeader {
        let version = |name: &str| ToolVersion {
            name: name.into(),
            about: "as it comes".into(),
            version: format!("{name} 1.2"),
        };
        RunHeader {
            started: "2026-01-31T10:00:00Z".into(),
            is_in_memory: true,
            tools: vec![version("cairn"), version("restic")],
            ..RunHeader::default()
        }
    }

    fn text(recorded: &Recorded) -> String {
        let cases = summary::cases(&recorded.samples);
        markdown(recorded, &cases, &plot::plots(&cases))
    }

    #[test]
    fn the_table_has_medians_spread_and_ratios() {
        let samples = vec![
            sample("cairn", Scenario::Full, 0, 1.0),
            sample("restic", Scenario::Full, 0, 4.0),
            sample("cairn", Scenario::Full, 1, 2.0),
            sample("restic", Scenario::Full, 1, 6.0),
        ];
        let text = text(&Recorded { header: header(), samples });
        let line = text.lines().find(|line| line.starts_with("| restic")).unwrap();
        let cells: Vec<&str> =
            line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let expected = [
            "restic",
            "2",
            "5.00",
            "4.00..6.00",
            "7.50",
            "5.00",
            "2.50",
            "100",
            "512",
            "205",
            "3.50",
            "3.50",
        ];
        assert_eq!(cells, expected);
        assert!(text.contains("- `cairn`: cairn 1.2; as it comes\n"));
        assert!(text.contains("## T1: 10 files, 1024 MiB"));
        assert!(!text.contains("Warning") && !text.contains("What holds"), "{text}");
    }

    #[test]
    fn families_of_sets_are_compared() {
        let samples =
            [("bytes@1x", 1.0, 1_u64), ("bytes@10x", 10.0, 10)].map(|(set, wall, times)| {
                let mut sample = sample("cairn", Scenario::Full, 0, wall);
                sample.set = set.into();
                sample.data_bytes *= times;
                sample.usage.peak_bytes += times << 20;
                sample
            });
        let text = text(&Recorded { header: header(), samples: samples.to_vec() });
        let line = text.lines().find(|line| line.starts_with("| bytes@10x")).unwrap();
        let cells: Vec<&str> =
            line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let expected =
            ["bytes@10x", "full", "cairn", "10", "10.00", "1024", "1.00", "1.50", "110", "1.09"];
        assert_eq!(cells, expected);
    }

    #[test]
    fn a_report_is_made_from_the_folder_alone() {
        let place = tempfile::tempdir().unwrap();
        let mut results = Results::of_run(place.path(), &header()).unwrap();
        results.append(&Record::Sample(sample("cairn", Scenario::Full, 0, 1.0))).unwrap();
        let summary = make(results.folder()).unwrap();
        assert!(summary.contains("![T1: wall time](T1-wall.svg)"), "{summary}");
        assert!(fs::read_to_string(results.folder().join("T1-wall.svg")).unwrap().contains("<svg"));
    }
}
