//! The switch of a restore: one transaction from the old state to the new one (W6).

use std::collections::HashMap;

use super::rebind::{self, Renames};
use super::staged::{StagedTablets, TabletKey};
use super::{Permit, Planned, PlannedPartition, RestoreClaim, RestoreSettings, permit};
use crate::catalog::model::{
    DatabaseRow, FunctionRow, Id, IndexTablets, PartitionRow, Partitioning, ResourceGroupRow,
    TableRow, Tablet, ViewRow,
};
use crate::definition::{Definition, SnapshotTable};
use crate::source::BASE_INDEX;
use crate::store::Transaction;
use crate::{Error, Result, Warehouse, ddl};

/// Makes everything that was staged live, if that is permitted, and ends the claim.
pub(super) fn install(
    warehouse: &Warehouse,
    settings: RestoreSettings,
    objects: &[Planned],
    mut staged: HashMap<(u32, u32), StagedTablets>,
    claim: &RestoreClaim,
    permit: Option<&dyn Permit>,
) -> Result<()> {
    let renames = renames(objects);
    warehouse.store().transact(|tx| {
        let before = warehouse.catalog();
        for (number, object) in (0..).zip(objects) {
            let database = database(tx, object)?;
            match &object.definition {
                Definition::Table(definition) => {
                    let table = table(tx, settings, object, definition, database, &renames)?;
                    for (position, partition) in (0..).zip(&object.partitions) {
                        let tablets = staged.remove(&(number, position)).unwrap_or_default();
                        let row =
                            partition_row(tx, settings, definition, partition, &table, tablets)?;
                        tx.put_partition(table.id, row)?;
                    }
                    spare_old_partitions(tx, table.id, settings)?;
                }
                other => plain(tx, object, other, database, &renames)?,
            }
        }
        if let Some(permit) = permit {
            permit::check(permit, &before, tx.catalog(), objects)?;
        }
        claim.fulfil(tx)?;
        rebind::bind_waiting(tx, &renames)
    })?;
    claim.forget();
    Ok(())
}

fn renames(objects: &[Planned]) -> Renames {
    let mut renames = Renames::default();
    for object in objects {
        let source = match &object.definition {
            Definition::Table(table) => (&table.database, &table.row.name),
            Definition::View { database, row } => (database, &row.name),
            _ => continue,
        };
        let target = (object.database.clone(), object.name.clone());
        renames.add((source.0.clone(), source.1.clone()), target);
    }
    renames
}

/// The database of an object, made where it is missing; of what is in none, 0.
fn database(tx: &mut Transaction<'_>, object: &Planned) -> Result<Id> {
    if object.database.is_empty() {
        return Ok(0);
    }
    if let Ok(found) = tx.catalog().database(&object.database) {
        return Ok(found.row().id);
    }
    let id = tx.next_id()?;
    let (name, properties) = (object.database.clone(), Default::default());
    tx.put_database(DatabaseRow { id, name, properties })?;
    Ok(id)
}

/// The table of an object as it will be: the existing one, or a new one with ids of its own.
fn table(
    tx: &mut Transaction<'_>,
    settings: RestoreSettings,
    object: &Planned,
    definition: &SnapshotTable,
    database: Id,
    renames: &Renames,
) -> Result<TableRow> {
    let remote = &definition.row;
    let mut row = match object.existing {
        Some(id) => {
            let found = tx.catalog().table_by_id(id);
            let found = found.ok_or_else(|| dropped(&object.name))?;
            let mut row = TableRow::clone(found.row());
            // Where these differ, no row stays that was stored otherwise.
            for (column, stored) in row.columns.iter_mut().zip(&remote.columns) {
                column.stored_as.clone_from(&stored.stored_as);
                column.initial.clone_from(&stored.initial);
            }
            row
        }
        None => new_table(tx, settings, object, remote, database, renames)?,
    };
    row.next_auto_increment = row.next_auto_increment.max(remote.next_auto_increment);
    if let Some(view) = &remote.materialized_view {
        row.materialized_view = Some(view.clone());
        rebind::bind(&mut row, renames, tx.catalog())?;
    }
    tx.put_table(row.clone())?;
    Ok(row)
}

fn new_table(
    tx: &mut Transaction<'_>,
    settings: RestoreSettings,
    object: &Planned,
    remote: &TableRow,
    database: Id,
    renames: &Renames,
) -> Result<TableRow> {
    let mut row = TableRow { restoring: false, ..remote.clone() };
    row.id = tx.next_id()?;
    row.database = database;
    row.name.clone_from(&object.name);
    row.index = tx.next_id()?;
    let place = tx.catalog().database(&object.database)?;
    for rollup in &mut row.rollups {
        rollup.index = tx.next_id()?;
        rollup.query = rebind::rename_query(&rollup.query, renames)?;
        if place.relation(&rollup.name).is_some() {
            // The table from which the snapshot was made is there too.
            rollup.name = format!("{}_{}", rollup.name, object.name);
        }
    }
    let replication = settings.replication_num.to_string();
    row.properties.insert("replication_num".to_owned(), replication);
    if ddl::check_colocation(&row, place).is_err() {
        // As StarRocks does with a group that the table does not fit into.
        row.properties.remove(ddl::COLOCATE_WITH);
    }
    Ok(row)
}

/// A partition over its staged tablets.
fn partition_row(
    tx: &Transaction<'_>,
    settings: RestoreSettings,
    definition: &SnapshotTable,
    partition: &PlannedPartition,
    table: &TableRow,
    mut tablets: StagedTablets,
) -> Result<PartitionRow> {
    let is_single = table.partitioning == Partitioning::Single;
    // Above both: what has seen a version of either has not seen this one.
    let (id, version) = match &partition.existing {
        Some(existing) => (existing.id, existing.version.max(partition.definition.version) + 1),
        None => (tx.next_id()?, partition.definition.version),
    };
    let remote = &definition.row;
    // In the same order, though their names may differ.
    let rollups = remote.rollups.iter().zip(&table.rollups);
    let rollups = rollups.map(|(theirs, ours)| (theirs.name.as_str(), ours.index));
    let names = [(BASE_INDEX, table.index)].into_iter().chain(rollups);
    let indexes =
        names.map(|(name, index)| IndexTablets { index, tablets: take(&mut tablets, name) });
    let row = PartitionRow {
        id,
        name: if is_single { table.name.clone() } else { partition.definition.name.clone() },
        bounds: partition.definition.bounds.clone(),
        replication_num: settings.replication_num,
        version,
        indexes: indexes.collect(),
    };
    let buckets: Vec<usize> = row.indexes.iter().map(|index| index.tablets.len()).collect();
    if !tablets.is_empty() || buckets.iter().any(|&number| number == 0 || number != buckets[0]) {
        let (name, table) = (&row.name, &remote.name);
        return Err(Error::invalid(format!(
            "the tablets of partition {name} of table {table} in the snapshot are not those of its indexes"
        )));
    }
    Ok(row)
}

/// A rule that would drop at once what was just restored is switched off: the user decides.
fn spare_old_partitions(
    tx: &mut Transaction<'_>,
    table: Id,
    settings: RestoreSettings,
) -> Result<()> {
    let Some(table) = tx.catalog().table_by_id(table) else { return Ok(()) };
    if !ddl::would_remove(table, settings.now)? {
        return Ok(());
    }
    let mut row = TableRow::clone(table.row());
    tracing::warn!(
        table = row.name,
        "dynamic partitions are off: their rule would drop what was restored"
    );
    row.properties.insert(format!("{}enable", ddl::DYNAMIC_PARTITION), "false".to_owned());
    tx.put_table(row)
}

/// The tablets of an index, by bucket.
fn take(tablets: &mut StagedTablets, index: &str) -> Vec<Tablet> {
    let keys: Vec<TabletKey> = tablets.keys().filter(|(name, _)| name == index).cloned().collect();
    let taken = keys.iter().filter_map(|key| tablets.remove(key));
    taken
        .map(|staged| Tablet { id: staged.id, segments: staged.segments.into_values().collect() })
        .collect()
}

/// What has no partitions.
fn plain(
    tx: &mut Transaction<'_>,
    object: &Planned,
    definition: &Definition,
    database: Id,
    renames: &Renames,
) -> Result<()> {
    match definition {
        Definition::Table(_) => Ok(()),
        Definition::View { row, .. } => {
            let found = tx.catalog().database(&object.database)?.view(&object.name);
            let existing = found.map(|view| view.id).ok();
            let id = existing.map_or_else(|| tx.next_id(), Ok)?;
            let name = object.name.clone();
            let mut row = ViewRow { id, database, name, ..row.clone() };
            rebind::bind_view(&mut row, renames)?;
            tx.put_view(row)
        }
        Definition::Function(row) => {
            let found =
                tx.catalog().database(&object.database)?.function(&row.name, &row.arguments);
            let existing = found.map(|function| function.id);
            let id = existing.map_or_else(|| tx.next_id(), Ok)?;
            tx.put_function(FunctionRow { id, database, ..row.clone() })
        }
        Definition::ResourceGroup(row) => {
            let existing = tx.catalog().resource_group(&row.name).map(|group| group.id);
            let id = existing.map_or_else(|| tx.next_id(), Ok)?;
            tx.put_resource_group(ResourceGroupRow { id, ..row.clone() })
        }
        Definition::Role(row) => tx.put_role(row.clone()),
        Definition::User(row) => tx.put_user(row.clone()),
    }
}

fn dropped(table: &str) -> Error {
    Error::invalid(format!("table {table} has been dropped while it was being restored"))
}
