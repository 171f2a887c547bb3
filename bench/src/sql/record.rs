//! What is measured, as lines of `raw.json`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Record {
    /// The first.
    Sql(Header),
    /// A query was run.
    Query(QuerySample),
    /// A phase of the load has ended, one line for each kind of statement.
    Load(LoadSample),
    /// A statement of SHOW was run.
    Show(ShowSample),
}

/// What was run, on what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    /// When it began, UTC.
    pub(super) started: String,
    pub(super) machine: Machine,
    /// What the server says of its version.
    pub(super) version: String,
    /// Where data and repositories were.
    pub(super) scratch: PathBuf,
    pub(super) is_in_memory: bool,
    pub(super) is_debug_build: bool,
    /// The scale factor of TPC-H.
    pub(super) scale: f64,
    /// Lines of the server's configuration that are not the default.
    pub(super) settings: Vec<String>,
    pub(super) load: Option<LoadPlan>,
    pub(super) show: Option<ShowPlan>,
}

/// The load that clients make.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct LoadPlan {
    /// Clients that insert, and as many that query.
    pub(super) clients: u32,
    /// Statements of each client in a second.
    pub(super) rate: f64,
    /// Length of a phase.
    pub(super) phase_secs: u64,
}

/// What SHOW statements are asked among.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct ShowPlan {
    pub(super) tables: u32,
    pub(super) snapshots: u32,
}

/// Who answered a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Engine {
    /// The server, asked by a client.
    Cairn,
    /// DataFusion in this process.
    DataFusion,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct QuerySample {
    pub(super) query: String,
    pub(super) engine: Engine,
    pub(super) round: u32,
    pub(super) wall_secs: f64,
    /// Of the process that computes, in clock ticks of the kernel.
    pub(super) cpu_secs: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LoadSample {
    /// Phases without and with backups of the same round are neighbours.
    pub(super) round: u32,
    /// How many backups ended in the phase; none where no backups run.
    pub(super) backups: Option<u32>,
    /// The kind of statement.
    pub(super) statement: String,
    pub(super) count: usize,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
    /// CPU time of the server in the phase.
    pub(super) server_cpu_secs: f64,
    pub(super) wall_secs: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ShowSample {
    pub(super) statement: String,
    pub(super) is_backing_up: bool,
    pub(super) rows: usize,
    pub(super) wall_ms: f64,
}

/// Everything that raw.json holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Recorded {
    pub(super) header: Header,
    pub(super) queries: Vec<QuerySample>,
    pub(super) load: Vec<LoadSample>,
    pub(super) shows: Vec<ShowSample>,
}

impl Recorded {
    /// Reads the raw.json of a folder.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(crate::results::RAW);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let mut recorded = Self::default();
        for (at, line) in text.lines().enumerate() {
            let record = serde_json::from_str(line);
            match record.with_context(|| format!("{}, line {}", path.display(), at + 1))? {
                Record::Sql(header) => recorded.header = header,
                Record::Query(sample) => recorded.queries.push(sample),
                Record::Load(sample) => recorded.load.push(sample),
                Record::Show(sample) => recorded.shows.push(sample),
            }
        }
        Ok(recorded)
    }
}
