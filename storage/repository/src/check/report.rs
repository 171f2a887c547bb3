//! What a check found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::error::DamagedObject;
use crate::{ChunkId, Damage, IndexId, Label};

/// Entries of [`Finding::affected`] that a report keeps in all: some 20 MB. More are counted.
const MAX_AFFECTED: usize = 100_000;

/// The state of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Snapshots walked.
    pub num_snapshots: u64,
    /// Index runs verified.
    pub num_runs: u64,
    /// Runs that packs contradict, also those that go: they list nothing.
    pub contradicted_runs: BTreeSet<IndexId>,
    /// Packs listed.
    pub num_packs: u64,
    /// Packs of which no run lists anything: left by a backup that died, or put by one that runs now.
    pub num_orphan_packs: u64,
    /// Their bytes.
    pub orphan_bytes: u64,
    /// Distinct intact documents read. Documents that snapshots share count once.
    pub num_documents: u64,
    /// Segments looked at in them.
    pub num_segments: u64,
    /// What is damaged, in the order of [`DamagedObject`].
    pub findings: Vec<Finding>,
    /// Affected places that are left out of the findings because there are too many.
    pub num_omitted: u64,
}

impl CheckReport {
    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// A damage and what it touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is damaged, and how.
    pub damage: Damage,
    /// What needs it. Empty when no snapshot does.
    pub affected: Vec<Affected>,
}

/// A part of a snapshot that cannot be restored as it was. Levels below the one at which the damage strikes are `None`:
/// all of them are affected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Affected {
    /// The snapshot.
    pub label: Label,
    /// The database.
    pub database: Option<String>,
    /// The object in it.
    pub object: Option<ObjectName>,
    /// The partition of it.
    pub partition: Option<String>,
    /// The tablet of it.
    pub tablet: Option<TabletName>,
    /// Segments affected, as far as known.
    pub segments: u64,
}

/// Names an object of a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Names a tablet of a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TabletName {
    /// The index it belongs to.
    pub index: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Affected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot {}", self.label)?;
        if let Some(database) = &self.database {
            write!(f, ", database {database:?}")?;
        }
        if let Some(ObjectName { kind, name }) = &self.object {
            write!(f, ", {kind} {name:?}")?;
        }
        if let Some(partition) = &self.partition {
            write!(f, ", partition {partition:?}")?;
        }
        if let Some(TabletName { index, name }) = &self.tablet {
            write!(f, ", tablet {name:?}")?;
            if !index.is_empty() {
                write!(f, " of index {index:?}")?;
            }
        }
        match self.segments {
            0 => Ok(()),
            1 => f.write_str(": 1 segment"),
            segments => write!(f, ": {segments} segments"),
        }
    }
}

/// Findings as they come, one per damage.
#[derive(Debug, Default)]
pub(super) struct Findings {
    by_damage: BTreeMap<(DamagedObject, Option<ChunkId>), Finding>,
    num_affected: usize,
    num_omitted: u64,
}

impl Findings {
    pub(super) fn add(&mut self, damage: Damage) -> &mut Finding {
        let key = (damage.object.clone(), damage.chunk);
        self.by_damage.entry(key).or_insert_with(|| Finding { damage, affected: Vec::new() })
    }

    pub(super) fn add_affected(&mut self, damage: Damage, affected: Affected) {
        let has_room = self.num_affected < MAX_AFFECTED;
        let finding = self.add(damage);
        if has_room {
            finding.affected.push(affected);
            self.num_affected += 1;
        } else {
            self.num_omitted += 1;
        }
    }

    pub(super) fn into_affected(self) -> Vec<Affected> {
        self.by_damage.into_values().flat_map(|finding| finding.affected).collect()
    }

    pub(super) fn into_report(self, report: &mut CheckReport) {
        report.num_omitted = self.num_omitted;
        report.findings = self.by_damage.into_values().collect();
    }
}
