//! [`Tool`]: how a tool is found and what is typed to make it do a step. The tools themselves stand in `known`.
//!
//! A command is written as one line. For a repository in a store, `{repo}` is first replaced by what the tool calls it
//! there, options included. Then the line is split at blanks, and each word is filled in, so paths may hold blanks:
//! `{repo}`, `{source}`, `{target}`, `{work}`, `{label}`, `{keep}`, and of a store `{endpoint}`, `{conf}` and `{servers}`. No shell is
//! involved: what is measured is the tool.

mod known;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

pub use self::known::{ALL, REFERENCE};
use crate::console::say;
use crate::measure::Invocation;
use crate::scenario::Scenario;
use crate::store::{Address, StoreKind};

/// A tool in one of its settings.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Name in options and results.
    pub name: &'static str,
    /// What the setting means.
    pub about: &'static str,
    program: &'static str,
    version: &'static str,
    /// Makes the repository, outside the time.
    create: Option<&'static str>,
    backup: &'static str,
    restore: &'static str,
    check: Option<&'static str>,
    /// What forgets snapshots and frees what only they held.
    retention: Option<Retention>,
    environment: &'static [(&'static str, &'static str)],
    /// Whether it knows what it has stored before; others have no scenario after the first backup.
    is_incremental: bool,
    restored: Restored,
    /// Whether its repository can be a directory.
    is_local: bool,
    /// The stores in which its repository can be.
    remotes: &'static [Remote],
}

/// How a tool is made to forget.
#[derive(Debug, Clone, Copy)]
struct Retention {
    /// Forgets all but the newest `{keep}` snapshots.
    forget: &'static str,
    /// Frees what nothing needs any more, to the last byte; in the order in which they are run.
    prune: &'static [&'static str],
}

/// How a tool is told of a store.
#[derive(Debug, Clone, Copy)]
struct Remote {
    kind: StoreKind,
    /// What stands for `{repo}` in its lines.
    repo: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

/// Where a restored tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restored {
    /// In the target.
    Target,
    /// Below the target, under the whole path of the source.
    SourcePath,
}

/// Stands for this program itself.
const SELF: &str = "cairn-bench";

/// The places that a command line speaks of.
#[derive(Debug, Clone)]
pub struct Places {
    /// The tree that is backed up; the same path in every step.
    pub source: PathBuf,
    /// The repository.
    pub repo: PathBuf,
    /// An empty directory to restore into.
    pub target: PathBuf,
    /// For caches and temporary files.
    pub work: PathBuf,
    /// The store in which the repository is, unless that is the directory.
    pub store: Option<Address>,
}

impl Tool {
    /// The tool of this name.
    pub fn find(name: &str) -> Result<Self> {
        let known = || ALL.map(|tool| tool.name).join(", ");
        let found = ALL.into_iter().find(|tool| tool.name == name);
        found.with_context(|| format!("no tool {name}; there are {}", known()))
    }

    /// Whether it can do the scenario.
    pub fn has(&self, scenario: Scenario) -> bool {
        match scenario {
            Scenario::Full | Scenario::Restore => true,
            Scenario::Check => self.check.is_some(),
            Scenario::Unchanged | Scenario::Incremental => self.is_incremental,
        }
    }

    /// Whether its repository can be in this store; `None` is a directory.
    pub fn reaches(&self, store: Option<StoreKind>) -> bool {
        store.map_or(self.is_local, |kind| self.remote(kind).is_some())
    }

    fn remote(&self, kind: StoreKind) -> Option<&'static Remote> {
        self.remotes.iter().find(|remote| remote.kind == kind)
    }

    /// Where it leaves the tree that it restored.
    pub fn restored(&self, places: &Places) -> PathBuf {
        match self.restored {
            Restored::Target => places.target.clone(),
            Restored::SourcePath => {
                let relative = places.source.strip_prefix("/").unwrap_or(&places.source);
                places.target.join(relative)
            }
        }
    }
}

/// A tool that is installed.
#[derive(Debug, Clone)]
pub struct InstalledTool {
    /// The tool.
    pub tool: Tool,
    /// Its program.
    pub program: PathBuf,
    /// What it says about itself.
    pub version: String,
}

impl InstalledTool {
    /// What makes the repository, if that is a step of its own.
    pub fn create(&self, places: &Places) -> Option<Invocation> {
        self.tool.create.map(|line| self.invocation(line, "", places))
    }

    /// The command of a scenario; `label` is what its backup is called, or the backup that it reads.
    /// `None` when the tool does not have it.
    pub fn command(
        &self,
        scenario: Scenario,
        label: Scenario,
        places: &Places,
    ) -> Option<Invocation> {
        let line = match scenario {
            Scenario::Restore => self.tool.restore,
            Scenario::Check => self.tool.check?,
            Scenario::Full | Scenario::Unchanged | Scenario::Incremental => self.tool.backup,
        };
        self.tool.has(scenario).then(|| self.invocation(line, label.name(), places))
    }

    /// A backup of this label, of as many as are wanted.
    pub fn backup(&self, label: &str, places: &Places) -> Invocation {
        self.invocation(self.tool.backup, label, places)
    }

    /// What forgets all but the newest `keep` snapshots, if it can.
    pub fn forget(&self, keep: u32, places: &Places) -> Option<Invocation> {
        let line = self.tool.retention?.forget.replace("{keep}", &keep.to_string());
        Some(self.invocation(&line, "", places))
    }

    /// What then frees what nothing needs: commands to run one after the other.
    pub fn prune(&self, places: &Places) -> Vec<Invocation> {
        let lines = self.tool.retention.map_or(&[][..], |retention| retention.prune);
        lines.iter().map(|line| self.invocation(line, "", places)).collect()
    }

    fn invocation(&self, line: &str, label: &str, places: &Places) -> Invocation {
        let remote = places.store.as_ref().and_then(|store| self.tool.remote(store.kind));
        let line = remote.map_or_else(|| line.to_owned(), |it| line.replace("{repo}", it.repo));
        let environment = self.tool.environment.iter();
        let environment = environment.chain(remote.map_or(&[][..], |remote| remote.environment));
        let environment = environment.map(|(name, value)| (*name, filled(value, label, places)));
        let temporary = ("TMPDIR", places.work.clone().into_os_string());
        Invocation {
            program: self.program.clone(),
            arguments: line.split_whitespace().map(|word| filled(word, label, places)).collect(),
            environment: environment.chain([temporary]).collect(),
            directory: match self.tool.restored {
                Restored::Target => places.work.clone(),
                Restored::SourcePath => places.target.clone(),
            },
        }
    }
}

/// A word with its placeholders filled in.
fn filled(word: &str, label: &str, places: &Places) -> OsString {
    let mut filled = OsString::new();
    let mut rest = word;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
    {
        filled.push(before);
        match (name, &places.store) {
            ("repo", _) => filled.push(&places.repo),
            ("source", _) => filled.push(&places.source),
            ("target", _) => filled.push(&places.target),
            ("work", _) => filled.push(&places.work),
            ("label", _) => filled.push(label),
            ("endpoint", Some(store)) => filled.push(&store.endpoint),
            ("conf", Some(store)) => filled.push(&store.conf),
            ("servers", Some(store)) => filled.push(&store.servers),
            _ => filled.push(format!("{{{name}}}")),
        }
        rest = after;
    }
    filled.push(rest);
    filled
}

/// Where a program is, as told by `--bin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// Name of the program.
    pub program: String,
    /// Its file.
    pub file: PathBuf,
}

impl FromStr for Binary {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (program, file) = text.split_once('=').ok_or("expected PROGRAM=FILE")?;
        Ok(Self { program: program.to_owned(), file: file.into() })
    }
}

/// A tool that is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its name.
    pub tool: String,
    /// What was tried.
    pub program: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tool, program } = self;
        match program == "cairn" {
            true => write!(
                f,
                "{tool} is not measured: build it with `cargo build --release -p cairn`, or name it with --cairn."
            ),
            false => write!(
                f,
                "{tool} is not measured: {program} does not run. `--bin PROGRAM=FILE` says where it is."
            ),
        }
    }
}

/// Which tools are compared, and where they work.
#[derive(Debug, Clone, Args)]
pub struct ToolOptions {
    /// Tools to compare, in this order; by default all that are installed.
    #[arg(long, value_delimiter = ',', value_name = "TOOL,..")]
    pub tools: Vec<String>,
    /// The cairn binary; by default the one built beside this program.
    #[arg(long, value_name = "FILE")]
    pub cairn: Option<PathBuf>,
    /// Where another program is, such as rustic=/opt/rustic; can be repeated.
    #[arg(long = "bin", value_name = "PROGRAM=FILE")]
    pub binaries: Vec<Binary>,
    /// Directory for data, repositories and restores; in memory, if disks are not what is measured.
    #[arg(long, default_value = "/dev/shm", value_name = "DIR")]
    pub scratch: PathBuf,
}

impl ToolOptions {
    /// The tools that were named, or these.
    pub fn chosen(&self, default: &[&str]) -> Result<Vec<Tool>> {
        match self.tools.is_empty() {
            true => default.iter().map(|name| Tool::find(name)).collect(),
            false => self.tools.iter().map(|name| Tool::find(name)).collect(),
        }
    }

    /// Those of the tools that are here, at least one, and what is missing, which is told. `own` is this program.
    pub(crate) fn installed(
        &self,
        tools: &[Tool],
        own: &Path,
    ) -> Result<(Vec<InstalledTool>, Vec<Missing>)> {
        let cairn = self.cairn.clone().map(|file| Binary { program: "cairn".to_owned(), file });
        let binaries: Vec<Binary> = self.binaries.iter().cloned().chain(cairn).collect();
        let finder = Finder { binaries: &binaries, own };
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for tool in tools {
            match finder.find(*tool) {
                Ok(tool) => found.push(tool),
                Err(tool) => {
                    say(format_args!("Warning: {tool}"))?;
                    missing.push(tool);
                }
            }
        }
        ensure!(!found.is_empty(), "no tool is left to measure");
        Ok((found, missing))
    }
}

/// Finds the programs of tools.
#[derive(Debug)]
pub struct Finder<'a> {
    /// Told by the user.
    pub binaries: &'a [Binary],
    /// This program; cairn is looked for beside it first.
    pub own: &'a Path,
}

impl Finder<'_> {
    /// The tool as it is installed, or what is missing.
    pub fn find(&self, tool: Tool) -> Result<InstalledTool, Missing> {
        let candidates = self.candidates(tool);
        for program in &candidates {
            if let Ok(version) = version(program, tool.version) {
                // Tools run in other directories than this.
                let is_name = program.components().count() == 1;
                let absolute = std::path::absolute(program).ok().filter(|_| !is_name);
                let program = absolute.unwrap_or_else(|| program.clone());
                return Ok(InstalledTool { tool, program, version });
            }
        }
        let tried = candidates.last().map(|program| program.display().to_string());
        Err(Missing { tool: tool.name.to_owned(), program: tried.unwrap_or_default() })
    }

    fn candidates(&self, tool: Tool) -> Vec<PathBuf> {
        if let Some(binary) = self.binaries.iter().find(|binary| binary.program == tool.program) {
            return vec![binary.file.clone()];
        }
        match tool.program {
            SELF => vec![self.own.to_owned()],
            "cairn" => vec![self.own.with_file_name("cairn"), "cairn".into()],
            other => vec![other.into()],
        }
    }
}

/// The first line that the program prints about itself.
fn version(program: &Path, argument: &str) -> Result<String> {
    let output =
        Command::new(program).arg(argument).output().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow::anyhow!("not found"),
            _ => error.into(),
        })?;
    ensure!(output.status.success(), "{argument} failed");
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let at = |path: &str| Path::new("/my scratch").join(path);
        let store = None;
        Places {
            source: at("source"),
            repo: at("repo"),
            target: at("target"),
            work: at("work"),
            store,
        }
    }

    fn address(kind: StoreKind) -> Address {
        let endpoint = "http://127.0.0.1:9".to_owned();
        Address { kind, endpoint, conf: "/conf".into(), servers: "/servers".into() }
    }

    fn installed(name: &str) -> InstalledTool {
        let tool = Tool::find(name).unwrap();
        InstalledTool { tool, program: "/bin/tool".into(), version: String::new() }
    }

    #[test]
    fn places_are_filled_in_after_the_line_is_split() {
        let command =
            installed("cairn").command(Scenario::Restore, Scenario::Full, &places()).unwrap();
        let words =
            ["restore", "--repo", "/my scratch/repo", "--label", "full", "/my scratch/target"];
        assert_eq!(command.arguments, words);
        let borg = installed("borg").command(Scenario::Full, Scenario::Full, &places()).unwrap();
        assert_eq!(borg.arguments[3], "/my scratch/repo::full");
        assert!(borg.environment.contains(&("BORG_BASE_DIR", "/my scratch/work/borg".into())));
    }

    #[test]
    fn every_placeholder_is_known() {
        for tool in ALL.map(|tool| installed(tool.name)) {
            for store in [None, Some(StoreKind::S3), Some(StoreKind::Hdfs)] {
                if !tool.tool.reaches(store) {
                    continue;
                }
                let places = Places { store: store.map(address), ..places() };
                let commands = Scenario::ALL
                    .iter()
                    .filter_map(|scenario| tool.command(*scenario, Scenario::Full, &places));
                let retention = tool.forget(3, &places).into_iter().chain(tool.prune(&places));
                for command in commands.chain(tool.create(&places)).chain(retention) {
                    let values = command.environment.iter().map(|(_, value)| value);
                    for word in command.arguments.iter().chain(values) {
                        assert!(!word.to_string_lossy().contains(['{', '}']), "{command:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_store_is_told_with_its_options() {
        let places = Places { store: Some(address(StoreKind::S3)), ..places() };
        let check = installed("cairn").command(Scenario::Check, Scenario::Full, &places).unwrap();
        let words = ["check", "--repo", "s3a://bench/repo", "--property"];
        assert_eq!(check.arguments[..4], words);
        assert_eq!(check.arguments[4], "aws.s3.endpoint=http://127.0.0.1:9");
        assert!(check.environment.contains(&("AWS_SECRET_ACCESS_KEY", "benchmark".into())));
        assert!(!installed("cp").tool.reaches(Some(StoreKind::S3)));
        assert!(!installed("hdfs-dfs").tool.reaches(None));
    }

    #[test]
    fn what_is_kept_when_a_tool_forgets_is_a_number() {
        let forget = installed("restic").forget(333, &places()).unwrap();
        assert_eq!(forget.arguments.last().unwrap(), "333");
        let prune = installed("cairn").prune(&places());
        assert!(prune.len() == 2 && prune.iter().all(|command| command.arguments[0] == "prune"));
        assert!(installed("cp").forget(1, &places()).is_none());
    }

    #[test]
    fn tools_do_what_they_can() {
        assert!(installed("cp").command(Scenario::Check, Scenario::Full, &places()).is_none());
        assert!(!Tool::find("floor").unwrap().has(Scenario::Unchanged));
        assert!(Tool::find("tar").unwrap_err().to_string().contains("cairn-off"));
        let restored = installed("restic").tool.restored(&places());
        assert_eq!(restored, Path::new("/my scratch/target/my scratch/source"));
    }

    #[test]
    fn what_is_not_installed_is_told() {
        let finder = Finder {
            binaries: &["restic=/none/restic".parse().unwrap(), "cp=/bin/true".parse().unwrap()],
            own: Path::new("/none/cairn-bench"),
        };
        let missing = finder.find(Tool::find("restic").unwrap()).unwrap_err();
        assert_eq!(missing.program, "/none/restic");
        assert_eq!(finder.find(Tool::find("cp").unwrap()).unwrap().program, Path::new("/bin/true"));
        assert!("restic".parse::<Binary>().is_err());
    }
}
