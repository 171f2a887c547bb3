//! The warehouse as a [`TabletSink`]: where a restore goes.
//!
//! `begin` finds the place of every object or refuses, claims existing tables that were not claimed before, and finds the places
//! again: loads and changes of these tables are refused from then on, queries go on (W5). Segments are staged into tablets with new ids, which no row names. `install` is
//! one transaction that exchanges partitions and adds what is missing (W6): before it the old data serves, after it the
//! new. A crash before it leaves files that the next start sweeps; an abort removes them at once (W2).

use std::sync::Arc;

use cairn_pipeline::tablet::{RestoreObject, RestorePlan, StagedRestore, TabletError, TabletSink};

use crate::catalog::model::{Id, PartitionRow};
use crate::catalog::{Catalog, Relation, Table};
use crate::definition::{Definition, SnapshotPartition, SnapshotTable};
use crate::source::tablet_error;
use crate::{Error, ErrorKind, Result, Warehouse};

mod claim;
mod compat;
mod fit;
mod install;
mod names;
mod permit;
mod rebind;
mod staged;
mod tablets;

pub use claim::RestoreClaim;
pub use names::RestoredNames;
pub use permit::{Arrival, Permit};
use staged::Staged;

/// How a restore is done.
#[derive(Debug, Clone)]
pub struct RestoreSettings {
    /// Copies of new tables, and what existing partitions must have.
    pub replication_num: u16,
    /// The time, for rules that drop old partitions.
    pub now: jiff::Timestamp,
    /// Where restores before put what they took: a materialized view finds its base tables there.
    pub earlier: RestoredNames,
}

/// A warehouse that snapshots are restored into.
#[derive(Debug)]
pub struct WarehouseSink {
    warehouse: Warehouse,
    settings: RestoreSettings,
    claim: Option<Arc<RestoreClaim>>,
    permit: Option<Arc<dyn Permit>>,
}

impl WarehouseSink {
    /// A sink into this warehouse, for whoever may do everything.
    pub fn new(warehouse: Warehouse, settings: RestoreSettings) -> Self {
        Self { warehouse, settings, claim: None, permit: None }
    }

    /// A sink for one restore, whose tables were claimed before.
    pub fn claimed(
        warehouse: Warehouse,
        settings: RestoreSettings,
        claim: Arc<RestoreClaim>,
    ) -> Self {
        Self { warehouse, settings, claim: Some(claim), permit: None }
    }

    /// For somebody who may have what `permit` says.
    pub fn permitted_by(self, permit: Arc<dyn Permit>) -> Self {
        Self { permit: Some(permit), ..self }
    }

    /// Where the objects of a plan go in the catalog of now.
    fn place(&self, plan: &RestorePlan) -> Result<Vec<Planned>> {
        let catalog = self.warehouse.catalog();
        plan.objects.iter().map(|object| Planned::of(&catalog, object, &self.settings)).collect()
    }
}

/// The tables whose partitions are exchanged.
fn existing_of(planned: &[Planned]) -> Vec<Id> {
    planned.iter().filter_map(|object| object.existing).collect()
}

impl TabletSink for WarehouseSink {
    fn begin(&self, plan: RestorePlan) -> Result<Box<dyn StagedRestore>, TabletError> {
        let begin = || {
            // What cannot be is said before a load is waited for.
            let existing = existing_of(&self.place(&plan)?);
            let new = || Arc::new(RestoreClaim::new(self.warehouse.clone()));
            let claim = self.claim.clone().unwrap_or_else(new);
            claim.claim(existing.iter().copied())?;
            claim.wait_for_writers();
            let planned = self.place(&plan)?;
            if existing_of(&planned) != existing {
                let message =
                    "a table was created or dropped when its restore began; restore again";
                return Err(Error::new(ErrorKind::Busy, message));
            }
            let (settings, permit) = (self.settings.clone(), self.permit.clone());
            Ok(Staged::new(self.warehouse.clone(), settings, planned, claim, permit))
        };
        let staged: Result<Staged> = begin();
        Ok(Box::new(staged.map_err(|error| tablet_error(&plan.job, error))?))
    }
}

/// An object and where it goes.
#[derive(Debug)]
struct Planned {
    database: String,
    name: String,
    definition: Definition,
    /// The existing table whose partitions it exchanges.
    existing: Option<Id>,
    /// Its partitions, in the order of the engine's plan.
    partitions: Vec<PlannedPartition>,
    /// What the rollups of its table are called in the snapshot, in the table's order.
    rollups: Vec<String>,
    /// Whether the existing table takes over how its columns are stored.
    takes_columns: bool,
    /// Whether it comes with all its partitions, and none else.
    is_whole: bool,
}

/// A partition and where it goes.
#[derive(Debug)]
struct PlannedPartition {
    definition: SnapshotPartition,
    /// The partition whose place it takes.
    existing: Option<Arc<PartitionRow>>,
}

impl PlannedPartition {
    /// The version that it gets: above both, so that what has seen a version of either has not seen this one.
    fn version(&self) -> u64 {
        let remote = self.definition.version;
        self.existing.as_ref().map_or(remote, |existing| existing.version.max(remote) + 1)
    }
}

impl Planned {
    /// Where an object goes, or why it cannot: StarRocks' table of decisions.
    fn of(catalog: &Catalog, object: &RestoreObject, settings: &RestoreSettings) -> Result<Self> {
        let key = &object.spec.key;
        let (database, name) = (key.database.to_string(), key.name.to_string());
        let mut definition = Definition::decode(&key.to_string(), &object.spec.definition)?;
        fit::fit(&mut definition, key)?;
        let relation = catalog.database(&database).ok().and_then(|found| found.relation(&name));
        let local = match (&definition, relation) {
            (Definition::Table(remote), Some(Relation::Table(local))) => {
                compat::check_table(local, &remote.row)?;
                Some(Arc::clone(local))
            }
            (Definition::Table(_), Some(Relation::View(_))) => {
                return Err(existed(&name, "it is a View"));
            }
            (_, Some(Relation::Rollup(table, _))) => {
                let of = format!("it is a synchronous materialized view of {}", table.row().name);
                return Err(existed(&name, &of));
            }
            (Definition::View { .. }, Some(Relation::Table(_))) => {
                return Err(existed(&name, "it is not a View"));
            }
            _ => None,
        };
        let mut planned = Self {
            database,
            name,
            existing: local.as_ref().map(|local| local.row().id),
            partitions: Vec::new(),
            rollups: Vec::new(),
            takes_columns: false,
            is_whole: object.whole && local.is_none(),
            definition,
        };
        let Definition::Table(remote) = &planned.definition else { return Ok(planned) };
        let plan = |name: &String| plan_partition(local.as_deref(), remote, name, settings);
        planned.partitions = object.spec.partitions.iter().map(plan).collect::<Result<_>>()?;
        match local {
            Some(local) => {
                planned.rollups = compat::rollups(&planned.database, local.row(), remote)?;
                planned.takes_columns =
                    compat::takes_columns(&local, &remote.row, &planned.partitions)?;
            }
            None => {
                let names = remote.row.rollups.iter().map(|rollup| rollup.name.clone());
                planned.rollups = names.collect();
            }
        }
        Ok(planned)
    }
}

fn plan_partition(
    local: Option<&Table>,
    remote: &SnapshotTable,
    name: &str,
    settings: &RestoreSettings,
) -> Result<PlannedPartition> {
    let table = &remote.row.name;
    let definition = remote.partition(name).cloned().ok_or_else(|| {
        Error::invalid(format!("Partition {name} of table {table} does not exist in the snapshot"))
    })?;
    let existing = match local {
        Some(local) => compat::place(local, remote, &definition, settings.replication_num)?,
        None => None,
    };
    Ok(PlannedPartition { definition, existing })
}

fn existed(name: &str, problem: &str) -> Error {
    Error::invalid(format!("Table: {name} has existed and {problem}"))
}
