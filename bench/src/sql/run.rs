//! The run: a server, the parts one after the other, the report.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::place::Place;
use super::record::{Header, LoadPlan, Record, ShowPlan};
use super::{load, query, show, summary};
use crate::cli::{SqlOptions, SqlPart};
use crate::disk;
use crate::machine::Machine;
use crate::results::Results;
use crate::scratch::Scratch;

/// Runs what was asked for and writes the report.
pub fn run(options: &SqlOptions) -> Result<()> {
    let program = program(options.cairn.as_deref())?;
    let scratch = Scratch::take(&options.scratch)?;
    let header = header(options, &program, &scratch)?;
    let machine = &header.machine.name;
    let mut results =
        Results::create(&options.results, &header.started, machine, &Record::Sql(header.clone()))?;
    let folder = results.folder().to_owned();
    let place = Place::start(scratch, &program, &folder.join("server.log"), &options.settings)?;
    let ran = parts(options, &place, &header, &mut results);
    drop(place);
    summary::print(&folder)?;
    ran
}

fn parts(
    options: &SqlOptions,
    place: &Place,
    header: &Header,
    results: &mut Results,
) -> Result<()> {
    place.restore_line_items(options.scale)?;
    let files = place.server.segments()?;
    if options.parts.contains(&SqlPart::Query) {
        let record = |sample| results.append(&Record::Query(sample));
        query::run(place, &files, options.runs, record)?;
    }
    if let Some(plan) = header.load {
        let record = |sample| results.append(&Record::Load(sample));
        load::run(place, plan, options.scale, options.phases, record)?;
    }
    if let Some(plan) = header.show {
        let record = |sample| results.append(&Record::Show(sample));
        show::run(place, plan, options.runs, record)?;
    }
    Ok(())
}

/// The program that was named, or the one built beside this.
fn program(named: Option<&Path>) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let program = named.map_or_else(|| own.with_file_name("cairn"), Path::to_owned);
    let there = program.try_exists()?;
    ensure!(there, "{} is not there: build it, or name it with --cairn", program.display());
    Ok(program)
}

fn header(options: &SqlOptions, program: &Path, scratch: &Scratch) -> Result<Header> {
    let version = Command::new(program).arg("--version").output()?;
    let has = |part| options.parts.contains(&part);
    Ok(Header {
        started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        machine: Machine::here(options.machine.as_deref()),
        version: String::from_utf8_lossy(&version.stdout).trim().to_owned(),
        scratch: scratch.root().to_owned(),
        is_in_memory: disk::is_in_memory(scratch.root())?,
        is_debug_build: cfg!(debug_assertions),
        scale: options.scale,
        settings: options.settings.clone(),
        load: has(SqlPart::Load).then_some(LoadPlan {
            clients: options.clients.div_ceil(2),
            rate: options.rate,
            phase_secs: options.phase_secs,
        }),
        show: has(SqlPart::Show)
            .then_some(ShowPlan { tables: options.tables, snapshots: options.snapshots }),
    })
}
