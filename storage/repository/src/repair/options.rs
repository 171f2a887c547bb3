//! What a repair is told: what may be damaged, and what it may do.

use std::collections::BTreeSet;

use crate::error::DamagedObject;
use crate::{Damage, IndexId, Label, PackId};

/// What a check found, as far as a repair has to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suspects {
    pub(super) packs: BTreeSet<PackId>,
    pub(super) runs: BTreeSet<IndexId>,
    pub(super) records: BTreeSet<Label>,
}

impl Suspects {
    /// What these damages are about. A repair looks at each of them itself.
    pub fn of<'a>(damages: impl IntoIterator<Item = &'a Damage>) -> Self {
        let mut suspects = Self::default();
        for damage in damages {
            match &damage.object {
                DamagedObject::Pack(pack) => {
                    suspects.packs.insert(*pack);
                }
                DamagedObject::IndexRun(run) => {
                    suspects.runs.insert(*run);
                }
                DamagedObject::Record(label) => {
                    suspects.records.insert(label.clone());
                }
                _ => {}
            }
        }
        suspects
    }
}

/// What a repair may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairOptions {
    /// Memory for the index in bytes.
    pub index_budget_bytes: u64,
    /// Whether snapshots are put back of which there is a copy of the record but no record: also those that were
    /// forgotten and whose packs no prune has swept yet.
    pub missing_records: bool,
}
