//! The folder of a run: `raw.json` with every sample, one JSON document a line, and what is made from it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::measure::Usage;
use crate::scenario::Scenario;
use crate::tool::Missing;

/// A line of raw.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// The first line: what was run, on what.
    Run(RunHeader),
    /// A step.
    Sample(Sample),
}

/// What was run, on what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// When it began, UTC.
    pub started: String,
    /// The machine.
    pub machine: Machine,
    /// Where data, repositories and restores were.
    pub scratch: PathBuf,
    /// Whether that is memory.
    pub is_in_memory: bool,
    /// Whether this program, hence the floor, was built without optimisation.
    pub is_debug_build: bool,
    /// Whether repositories were in stores that servers on this machine kept.
    #[serde(default)]
    pub has_stores: bool,
    /// Tools that took part.
    pub tools: Vec<ToolVersion>,
    /// Tools that were to take part.
    pub missing: Vec<Missing>,
}

/// A tool that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolVersion {
    /// Its name in the results.
    pub name: String,
    /// What its setting means.
    pub about: String,
    /// What it says about itself.
    pub version: String,
}

/// A step that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The data set.
    pub set: String,
    /// The scenario.
    pub scenario: Scenario,
    /// The tool.
    pub tool: String,
    /// The round, from 0.
    pub round: u32,
    /// Bytes of the set.
    pub data_bytes: u64,
    /// Files of the set.
    pub data_files: u64,
    /// Bytes of the repository after the step.
    pub stored_bytes: u64,
    /// Whether what was restored is the same as the source, where that was looked at.
    pub is_same: Option<bool>,
    /// What was used.
    #[serde(flatten)]
    pub usage: Usage,
}

/// Everything that raw.json holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// The first line.
    pub header: RunHeader,
    /// The samples, in the order in which they were taken.
    pub samples: Vec<Sample>,
}

/// The folder while it is written.
#[derive(Debug)]
pub struct Results {
    folder: PathBuf,
    raw: File,
}

pub(crate) const RAW: &str = "raw.json";

impl Results {
    /// A new folder for a run that began at this time: `<date>-<machine>`, with a number behind it when there is one
    /// already. `header` is its first line.
    pub fn create(
        parent: &Path,
        started: &str,
        machine: &str,
        header: &impl Serialize,
    ) -> Result<Self> {
        let date = started.get(..10).unwrap_or(started);
        let name = format!("{date}-{machine}");
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        let parent = std::path::absolute(parent)?;
        let mut number = 1;
        loop {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let folder = parent.join(format!("{name}{suffix}"));
            match fs::create_dir(&folder) {
                Ok(()) => {
                    let raw =
                        File::options().create_new(true).append(true).open(folder.join(RAW))?;
                    let mut results = Self { folder, raw };
                    results.append(header)?;
                    return Ok(results);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error).context(folder.display().to_string()),
            }
        }
    }

    /// A new folder for a run of tools.
    pub fn of_run(parent: &Path, header: &RunHeader) -> Result<Self> {
        Self::create(parent, &header.started, &header.machine.name, &Record::Run(header.clone()))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a line. It is in the file when this returns.
    pub fn append(&mut self, record: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.raw.write_all(&line).context("append to raw.json")
    }
}

impl Recorded {
    /// Reads the raw.json of a folder.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(RAW);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let mut recorded = Self::default();
        for (at, line) in text.lines().enumerate() {
            let record = serde_json::from_str(line);
            match record.with_context(|| format!("{}, line {}", path.display(), at + 1))? {
                Record::Run(header) => recorded.header = header,
                Record::Sample(sample) => recorded.samples.push(sample),
            }
        }
        Ok(recorded)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A clean sample of 1 GiB.
    pub(crate) fn sample(tool: &str, scenario: Scenario, round: u32, wall_secs: f64) -> Sample {
        Sample {
            set: "T1".into(),
            scenario,
            tool: tool.into(),
            round,
            data_bytes: 1 << 30,
            data_files: 10,
            stored_bytes: 1 << 29,
            is_same: None,
            usage: Usage {
                status: 0,
                wall_secs,
                user_secs: wall_secs,
                system_secs: wall_secs / 2.0,
                peak_bytes: 100 << 20,
                foreign_cpus: 0.0,
                stolen_cpus: 0.0,
            },
        }
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_mixed() {
        let place = tempfile::tempdir().unwrap();
        let header = RunHeader {
            started: "2026-01-31T10:00:00Z".into(),
            machine: Machine { name: "box".into(), ..Machine::default() },
            ..RunHeader::default()
        };
        let create = || Results::of_run(place.path(), &header).unwrap();
        let (mut first, second) = (create(), create());
        assert!(first.folder().ends_with("2026-01-31-box"));
        assert!(second.folder().ends_with("2026-01-31-box-2"));
        let sample = sample("cairn", Scenario::Full, 0, 1.5);
        first.append(&Record::Sample(sample.clone())).unwrap();
        let recorded = Recorded::load(first.folder()).unwrap();
        assert_eq!(recorded, Recorded { header, samples: vec![sample] });
        assert!(Recorded::load(second.folder()).unwrap().samples.is_empty());
    }
}
