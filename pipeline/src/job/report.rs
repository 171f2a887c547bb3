//! What a job answers when it is done.

use std::time::Duration;

use cairn_actors::{Missing, ObjectReport, ProgressSnapshot};
use cairn_repository::Damage;
use cairn_repository::check::{CheckReport as StructureReport, Finding};
use cairn_repository::copy::CopyProgress;
use cairn_repository::prune::PruneReport as Pruned;
use cairn_repository::record::Record;
use cairn_repository::repair::RepairReport as Repaired;

/// What a backup did.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// Label of the snapshot.
    pub label: String,
    /// Its timestamp, `yyyy-MM-dd-HH-mm-ss-SSS`.
    pub timestamp: String,
    /// Every object and what happened to it.
    pub objects: Vec<ObjectReport>,
    /// What could not be backed up, and why.
    pub skipped: Vec<SkippedItem>,
    /// The job's counters.
    pub progress: ProgressSnapshot,
    /// How long it took.
    pub duration: Duration,
    /// The record as committed.
    #[serde(skip)]
    pub record: Record,
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SkippedItem {
    /// What.
    pub what: String,
    /// Why.
    pub reason: String,
}

impl From<cairn_actors::tablet::Skipped> for SkippedItem {
    fn from(skipped: cairn_actors::tablet::Skipped) -> Self {
        Self { what: skipped.what, reason: skipped.reason }
    }
}

/// What a restore did.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct RestoreReport {
    /// Label of the snapshot.
    pub label: String,
    /// Its timestamp.
    pub timestamp: String,
    /// Every object that was restored, under its new name.
    pub objects: Vec<ObjectReport>,
    /// What a partial restore left out because it is lost.
    pub missing: Vec<Missing>,
    /// The job's counters.
    pub progress: ProgressSnapshot,
    /// How long it took.
    pub duration: Duration,
}

/// What a check found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckReport {
    /// Findings of the structure.
    pub structure: StructureReport,
    /// Chunks that were read and are good; `None` when data was not read.
    pub good_chunks: Option<u64>,
    /// Plaintext bytes of those.
    pub good_bytes: u64,
    /// What only reading the data showed.
    pub data_findings: Vec<Finding>,
    /// What was repaired of it, when that was asked for and there was something.
    pub repair: Option<Repair>,
    /// The job's counters.
    pub progress: ProgressSnapshot,
    /// How long it took.
    pub duration: Duration,
}

impl CheckReport {
    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.structure.is_clean() && self.data_findings.is_empty()
    }

    /// Everything that was found damaged.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.structure.findings.iter().chain(&self.data_findings)
    }
}

/// What a repair did and what it could not do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Repair {
    /// What it did.
    pub done: Repaired,
    /// What is damaged or lost still: the next backup stores it again where it can.
    pub left: Vec<Finding>,
}

/// What a copy of a repository did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CopyReport {
    /// Objects that were put, and those that were there before.
    pub copied: CopyProgress,
    /// Snapshots that are there now.
    pub num_snapshots: u64,
    /// Objects that are damaged and were left out.
    pub damages: Vec<Damage>,
    /// The job's counters.
    pub progress: ProgressSnapshot,
    /// How long it took.
    pub duration: Duration,
}

impl CopyReport {
    /// Whether nothing had to be left out.
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }
}

/// What a prune of a repository did, or on a dry run would do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PruneReport {
    /// What went, what will go, and what was copied for it.
    pub pruned: Pruned,
    /// The job's counters.
    pub progress: ProgressSnapshot,
    /// How long it took.
    pub duration: Duration,
}
