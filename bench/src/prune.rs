//! What freeing space costs: many snapshots of many small files, most of them forgotten, then a prune, beside peers.
//!
//! *Does*: every tool backs up the same trees, one after the other; no file of a tree was in the one before, so a file is a
//! chunk of every tool. Only then does each of them forget all but the newest snapshots and free what only the others
//! held: what is measured comes last and together, when nothing else need run. A tool that deletes in two steps has its second when
//! the others have had their first.
//!
//! *On failure*: the end of what the tools printed is told, and the run ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytesize::ByteSize;
use cairn_testkit::Requests;

use crate::cli::PruneOptions;
use crate::console::say;
use crate::content::Content;
use crate::measure::{Invocation, Measurer, Stopwatch, Usage};
use crate::report::numbers;
use crate::scratch::{Scratch, remove};
use crate::store::Store;
use crate::tool::{InstalledTool, Places};
use crate::tree;

/// The tools that can prune, as they come.
const DEFAULT_TOOLS: [&str; 3] = ["cairn", "restic", "rustic"];
/// Bytes of a file: less than any tool cuts.
const FILE_BYTES: usize = 1 << 10;
/// Tables of a tree.
const TABLES: u32 = 10;
/// Time between a prune and the next of the same tool, which is longer than the grace that the first was given.
const BETWEEN_PRUNES: Duration = Duration::from_secs(2);

/// Takes the snapshots, forgets and prunes, and prints what that cost.
pub fn run(options: &PruneOptions) -> Result<()> {
    ensure!(options.keep < options.snapshots, "nothing is forgotten if all snapshots are kept");
    let scratch = Scratch::take(&options.tools.scratch)?;
    let own = std::env::current_exe().context("find this program")?;
    let measurer =
        Measurer { helper: own, answer: scratch.answer(), log: scratch.root().join("tools.log") };
    let repositories = repositories(options, &scratch, &measurer)?;
    let source = scratch.places().source;
    for number in 0..options.snapshots {
        remove(&source)?;
        write_tree(&source, number, options.files)?;
        for repository in &repositories {
            let backup = repository.tool.backup(&format!("s{number}"), &repository.places);
            measured(&measurer, &backup)?;
        }
        if (number + 1).is_multiple_of(100) {
            say(format_args!("{} snapshots", number + 1))?;
        }
    }
    let mut steps = Vec::new();
    for repository in &repositories {
        steps.push(repository.step("forget", &measurer, &repository.forget)?);
    }
    let rounds = repositories.iter().map(|it| it.prunes.len()).max().unwrap_or_default();
    for round in 0..rounds {
        for repository in &repositories {
            let name = if round == 0 { "prune" } else { "prune again" };
            if let Some(prune) = repository.prunes.get(round) {
                steps.push(repository.step(name, &measurer, prune)?);
            }
        }
        let since = Stopwatch::start();
        while round + 1 < rounds && since.elapsed() < BETWEEN_PRUNES {
            thread::park_timeout(BETWEEN_PRUNES);
        }
    }
    for repository in &repositories {
        say(format_args!("{}: {}", repository.tool.tool.name, repository.tool.version))?;
    }
    Ok(say(table(&steps))?)
}

/// A tool and its repository.
struct Repository {
    tool: InstalledTool,
    places: Places,
    forget: Invocation,
    prunes: Vec<Invocation>,
    store: Option<Store>,
}

/// What a command cost.
struct Step {
    tool: &'static str,
    name: &'static str,
    usage: Usage,
    stored_bytes: u64,
    requests: Option<Requests>,
}

/// An empty repository for every tool that is here.
fn repositories(
    options: &PruneOptions,
    scratch: &Scratch,
    measurer: &Measurer,
) -> Result<Vec<Repository>> {
    let tools = options.tools.chosen(&DEFAULT_TOOLS)?;
    for tool in &tools {
        let reaches = tool.reaches(options.store.map(|spec| spec.kind));
        ensure!(reaches, "{} does not reach the store", tool.name);
    }
    let (tools, _) = options.tools.installed(&tools, &measurer.helper)?;
    tools.into_iter().map(|tool| repository(options, scratch, measurer, tool)).collect()
}

fn repository(
    options: &PruneOptions,
    scratch: &Scratch,
    measurer: &Measurer,
    tool: InstalledTool,
) -> Result<Repository> {
    let home = scratch.root().join(tool.tool.name);
    let start = |spec| Store::start(spec, scratch.root(), &options.servers);
    let store = options.store.map(start).transpose()?;
    let places = Places {
        source: scratch.places().source,
        repo: home.join("repo"),
        target: home.join("target"),
        work: home.join("work"),
        store: store.as_ref().map(Store::address).transpose()?,
    };
    let forget = tool.forget(options.keep, &places);
    let forget = forget.with_context(|| format!("{} has nothing to prune", tool.tool.name))?;
    fs::create_dir_all(&places.target)?;
    fs::create_dir_all(&places.work)?;
    if let Some(create) = tool.create(&places) {
        measured(measurer, &create)?;
    }
    let prunes = tool.prune(&places);
    Ok(Repository { tool, places, forget, prunes, store })
}

impl Repository {
    fn step(&self, name: &'static str, measurer: &Measurer, command: &Invocation) -> Result<Step> {
        let requests = || self.store.as_ref().and_then(Store::requests);
        let before = requests();
        let usage = measured(measurer, command)?;
        let requests = requests().zip(before).map(|(after, before)| after.since(before));
        let stored_bytes = match &self.store {
            Some(store) => store.stored_bytes()?,
            None => tree::extent(&self.places.repo)?.bytes,
        };
        let tool = self.tool.tool.name;
        say(format_args!("{tool} {name}: {:.2} s", usage.wall_secs))?;
        Ok(Step { tool, name, usage, stored_bytes, requests })
    }
}

/// Runs the command, which must succeed.
fn measured(measurer: &Measurer, command: &Invocation) -> Result<Usage> {
    let usage = measurer.measure(command)?;
    if usage.status == 0 {
        return Ok(usage);
    }
    let log = fs::read_to_string(&measurer.log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let end = lines[lines.len().saturating_sub(10)..].join("\n");
    let program = command.program.display();
    anyhow::bail!("{program} {:?} failed with {}:\n{end}", command.arguments, usage.status)
}

/// The tree of a snapshot: a warehouse of one database, in which nothing was in the tree before.
fn write_tree(source: &Path, number: u32, files: u32) -> Result<()> {
    let tablet = |table: u32| -> PathBuf { source.join(format!("db/t{table}/p/tablet")) };
    for table in 0..TABLES {
        fs::create_dir_all(tablet(table))?;
    }
    for file in 0..files {
        let seed = u64::from(number) << 32 | u64::from(file);
        let path = tablet(file % TABLES).join(format!("{number}_{file}.dat"));
        fs::write(path, Content::Noise.bytes(seed, FILE_BYTES))?;
    }
    Ok(())
}

fn table(steps: &[Step]) -> String {
    let mut table = numbers(&[
        "tool",
        "step",
        "wall s",
        "CPU s",
        "peak",
        "stored after",
        "lists",
        "reads",
        "writes",
        "deletes",
    ]);
    for Step { tool, name, usage, stored_bytes, requests } in steps {
        let count = |of: fn(&Requests) -> u64| {
            requests.as_ref().map_or_else(|| "-".to_owned(), |requests| of(requests).to_string())
        };
        table.add_row([
            (*tool).to_owned(),
            (*name).to_owned(),
            format!("{:.2}", usage.wall_secs),
            format!("{:.2}", usage.cpu_secs()),
            ByteSize(usage.peak_bytes).to_string(),
            ByteSize(*stored_bytes).to_string(),
            count(|it| it.lists),
            count(|it| it.reads),
            count(|it| it.writes),
            count(|it| it.deletes),
        ]);
    }
    table.to_string()
}
