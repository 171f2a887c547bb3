//! The tools and their command lines; the only place that knows them.
//!
//! A command is written as one line. It is split at blanks first, then `{repo}`, `{source}`, `{target}`,
//! `{work}` and `{label}` are filled in, so paths may hold blanks. No shell is involved: what is measured is
//! the tool.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::measure::Invocation;
use crate::scenario::Scenario;

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
    environment: &'static [(&'static str, &'static str)],
    /// Whether it knows what it has stored before; others have no scenario after the first backup.
    is_incremental: bool,
    restored: Restored,
}

/// Where a restored tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restored {
    /// In the target.
    Target,
    /// Below the target, under the whole path of the source.
    SourcePath,
}

/// The name of the tool that the others are compared with.
pub const REFERENCE: &str = "cairn";

const CAIRN: Tool = Tool {
    name: REFERENCE,
    about: "as it comes: compression where it gains",
    program: "cairn",
    version: "--version",
    create: None,
    backup: "backup --repo {repo} --label {label} {source}",
    restore: "restore --repo {repo} --label {label} {target}",
    check: Some("check --repo {repo} --read-data"),
    environment: &[],
    is_incremental: true,
    restored: Restored::Target,
};

const RESTIC: Tool = Tool {
    name: "restic",
    about: "as it comes: zstd, AES",
    program: "restic",
    version: "version",
    create: Some("-q -r {repo} init --repository-version 2"),
    backup: "-q -r {repo} --cache-dir {work}/cache --compression auto backup {source}",
    restore: "-q -r {repo} --cache-dir {work}/cache restore latest --target {target}",
    check: Some("-q -r {repo} --cache-dir {work}/cache check --read-data"),
    environment: &[("RESTIC_PASSWORD", "benchmark")],
    is_incremental: true,
    restored: Restored::SourcePath,
};

const RUSTIC: Tool = Tool {
    name: "rustic",
    about: "as it comes: zstd, AES, Rabin chunks",
    program: "rustic",
    version: "--version",
    create: Some("-r {repo} --cache-dir {work}/cache init"),
    backup: "-r {repo} --cache-dir {work}/cache backup {source}",
    restore: "-r {repo} --cache-dir {work}/cache restore latest:{source} {target}",
    check: Some("-r {repo} --cache-dir {work}/cache check --read-data"),
    environment: &[
        ("RUSTIC_PASSWORD", "benchmark"),
        ("RUSTIC_LOG_LEVEL", "warn"),
        ("RUSTIC_NO_PROGRESS", "true"),
    ],
    is_incremental: true,
    restored: Restored::Target,
};

const BORG: Tool = Tool {
    name: "borg",
    about: "zstd at level 3, no encryption",
    program: "borg",
    version: "--version",
    create: Some("init -e none {repo}"),
    backup: "create -C zstd,3 {repo}::{label} {source}",
    // Into the directory that it runs in: the target, as for all that restore whole paths.
    restore: "extract {repo}::{label}",
    check: Some("check --verify-data {repo}"),
    environment: &[
        ("BORG_BASE_DIR", "{work}/borg"),
        ("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"),
        ("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes"),
    ],
    is_incremental: true,
    restored: Restored::SourcePath,
};

const FLOOR: Tool = Tool {
    name: "floor",
    about: "copy, cut and hash every byte once, one thread; no compression",
    program: SELF,
    version: "--version",
    create: None,
    backup: "floor {source} {repo}",
    restore: "floor --restore {repo} {target}",
    check: Some("floor --check {repo}"),
    environment: &[],
    is_incremental: false,
    restored: Restored::Target,
};

/// All tools.
pub const ALL: [Tool; 11] = [
    CAIRN,
    Tool {
        name: "cairn-off",
        about: "no compression",
        backup: "backup --repo {repo} --compression off --label {label} {source}",
        ..CAIRN
    },
    RESTIC,
    Tool {
        name: "restic-off",
        about: "no compression, AES",
        backup: "-q -r {repo} --cache-dir {work}/cache --compression off backup {source}",
        ..RESTIC
    },
    RUSTIC,
    Tool {
        name: "rustic-fixed",
        about: "fixed chunks of 1 MiB, zstd at level 1, packs of 64 MiB, not verified twice",
        create: Some(
            "-r {repo} --cache-dir {work}/cache init --set-compression 1 --set-extra-verify false \
             --set-chunker fixed_size --set-chunk-size 1MiB --set-datapack-size 64MiB",
        ),
        ..RUSTIC
    },
    BORG,
    Tool {
        name: "borg-none",
        about: "no compression, no encryption",
        backup: "create -C none {repo}::{label} {source}",
        ..BORG
    },
    Tool {
        name: "cp",
        about: "the plain copy",
        program: "cp",
        version: "--version",
        create: None,
        backup: "-aT {source} {repo}",
        restore: "-aT {repo} {target}",
        check: None,
        environment: &[],
        is_incremental: false,
        restored: Restored::Target,
    },
    FLOOR,
    Tool {
        name: "floor-auto",
        about: "the floor and cairn's compression",
        backup: "floor --compress {source} {repo}",
        ..FLOOR
    },
];

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

    fn invocation(&self, line: &str, label: &str, places: &Places) -> Invocation {
        let environment = self.tool.environment.iter();
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
        match name {
            "repo" => filled.push(&places.repo),
            "source" => filled.push(&places.source),
            "target" => filled.push(&places.target),
            "work" => filled.push(&places.work),
            "label" => filled.push(label),
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
        Places { source: at("source"), repo: at("repo"), target: at("target"), work: at("work") }
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
            let commands = Scenario::ALL
                .iter()
                .filter_map(|scenario| tool.command(*scenario, Scenario::Full, &places()));
            for command in commands.chain(tool.create(&places())) {
                for word in &command.arguments {
                    assert!(!word.to_string_lossy().contains(['{', '}']), "{command:?}");
                }
            }
        }
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
