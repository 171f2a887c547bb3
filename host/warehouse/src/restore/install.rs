//! The switch of a restore: one transaction from the old state to the new one (W6).

use std::collections::HashMap;
use std::sync::Arc;

use super::names::RestoredNames;
use super::rebind::{self, Brought, BroughtPartition};
use super::tablets::{StagedTablets, TabletKey};
use super::{Permit, Planned, PlannedPartition, RestoreClaim, RestoreSettings, permit};
use crate::catalog::Database;
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
    settings: &RestoreSettings,
    objects: &[Planned],
    mut staged: HashMap<(u32, u32), StagedTablets>,
    claim: &RestoreClaim,
    permit: Option<&dyn Permit>,
) -> Result<()> {
    let brought = brought(objects, settings);
    warehouse.store().transact(|tx| {
        let before = warehouse.catalog();
        for (number, object) in (0..).zip(objects) {
            let database = database(tx, object)?;
            match &object.definition {
                Definition::Table(definition) => {
                    let table = table(tx, settings, object, definition, database, &brought)?;
                    for (position, partition) in (0..).zip(&object.partitions) {
                        let tablets = staged.remove(&(number, position)).unwrap_or_default();
                        let row = partition_row(tx, settings, object, partition, &table, tablets)?;
                        tx.put_partition(table.id, row)?;
                    }
                    spare_old_partitions(tx, table.id, settings)?;
                }
                other => plain(tx, object, other, database, &brought)?,
            }
        }
        if let Some(permit) = permit {
            permit::check(permit, &before, tx.catalog(), objects)?;
        }
        claim.fulfil(tx)?;
        rebind::bind_waiting(tx, &brought)
    })?;
    claim.forget();
    Ok(())
}

fn brought<'a>(objects: &[Planned], settings: &'a RestoreSettings) -> Brought<'a> {
    let mut brought = Brought { earlier: Some(&settings.earlier), ..Brought::default() };
    for object in objects {
        let target = (object.database.clone(), object.name.clone());
        let source = match &object.definition {
            Definition::Table(table) => {
                let partitions = object.partitions.iter().map(|partition| BroughtPartition {
                    source: (partition.definition.name.clone(), partition.definition.version),
                    target: (local_name(object, &table.row, partition), partition.version()),
                });
                brought.partitions.insert(target.clone(), partitions.collect());
                (table.database.clone(), table.row.name.clone())
            }
            Definition::View { database, row } => (database.clone(), row.name.clone()),
            _ => continue,
        };
        brought.names.add(source, target);
    }
    brought
}

/// The only partition of an unpartitioned table is called as the table.
fn local_name(object: &Planned, remote: &TableRow, partition: &PlannedPartition) -> String {
    match remote.partitioning {
        Partitioning::Single => object.name.clone(),
        _ => partition.definition.name.clone(),
    }
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
    settings: &RestoreSettings,
    object: &Planned,
    definition: &SnapshotTable,
    database: Id,
    brought: &Brought<'_>,
) -> Result<TableRow> {
    let remote = &definition.row;
    let mut row = match object.existing {
        Some(id) => {
            let found = tx.catalog().table_by_id(id);
            let found = found.ok_or_else(|| dropped(&object.name))?;
            TableRow::clone(found.row())
        }
        None => new_table(tx, settings, object, definition, database)?,
    };
    if object.takes_columns {
        for (column, stored) in row.columns.iter_mut().zip(&remote.columns) {
            column.stored_as.clone_from(&stored.stored_as);
            column.initial.clone_from(&stored.initial);
        }
    }
    row.next_auto_increment = row.next_auto_increment.max(remote.next_auto_increment);
    if let Some(view) = &remote.materialized_view {
        row.materialized_view = Some(view.clone());
        rebind::bind(&mut row, object.is_whole, brought, tx.catalog())?;
    }
    tx.put_table(row.clone())?;
    Ok(row)
}

fn new_table(
    tx: &mut Transaction<'_>,
    settings: &RestoreSettings,
    object: &Planned,
    definition: &SnapshotTable,
    database: Id,
) -> Result<TableRow> {
    let remote = &definition.row;
    let mut row = TableRow { restoring: false, ..remote.clone() };
    row.id = tx.next_id()?;
    row.database = database;
    row.name.clone_from(&object.name);
    row.index = tx.next_id()?;
    let source = (definition.database.clone(), remote.name.clone());
    let target = (object.database.clone(), object.name.clone());
    let names = RestoredNames::from_iter([(source, target)]);
    for at in 0..row.rollups.len() {
        let name = rollup_name(tx.catalog().database(&object.database)?, &row, at);
        if let Some(rollup) = row.rollups.get_mut(at) {
            rollup.index = tx.next_id()?;
            rollup.name = name;
            rollup.query = names.apply(&rollup.query)?;
        }
    }
    let replication = settings.replication_num.to_string();
    row.properties.insert("replication_num".to_owned(), replication);
    let database = tx.catalog().database(&object.database)?;
    if ddl::check_colocation(&row, database).is_err() {
        // As StarRocks does with a group that the table does not fit into.
        row.properties.remove(ddl::COLOCATE_WITH);
    }
    Ok(row)
}

/// The name of a rollup of a new table: its own, or where something has that, as beside the table that it was of, one with
/// the table's behind it.
fn rollup_name(database: &Database, table: &TableRow, at: usize) -> String {
    let own = table.rollups.get(at).map(|rollup| rollup.name.clone()).unwrap_or_default();
    let others = table.rollups.iter().enumerate().filter(|(other, _)| *other != at);
    let others: Vec<&String> = others.map(|(_, other)| &other.name).chain([&table.name]).collect();
    let is_free = |name: &String| database.relation(name).is_none() && !others.contains(&name);
    let numbered = (2_u32..).map(|number| format!("{own}_{}_{number}", table.name));
    let mut names = [own.clone(), format!("{own}_{}", table.name)].into_iter().chain(numbered);
    names.find(is_free).unwrap_or(own)
}

/// A partition over its staged tablets.
fn partition_row(
    tx: &Transaction<'_>,
    settings: &RestoreSettings,
    object: &Planned,
    partition: &PlannedPartition,
    table: &TableRow,
    mut tablets: StagedTablets,
) -> Result<PartitionRow> {
    let id = match &partition.existing {
        Some(existing) => existing.id,
        None => tx.next_id()?,
    };
    let rollups = object.rollups.iter().map(String::as_str);
    let rollups = rollups.zip(table.rollups.iter().map(|rollup| rollup.index));
    let names = [(BASE_INDEX, table.index)].into_iter().chain(rollups);
    let indexes =
        names.map(|(name, index)| IndexTablets { index, tablets: take(&mut tablets, name) });
    let row = PartitionRow {
        id,
        name: local_name(object, table, partition),
        bounds: partition.definition.bounds.clone(),
        replication_num: settings.replication_num,
        version: partition.version(),
        indexes: indexes.collect(),
    };
    let buckets: Vec<usize> = row.indexes.iter().map(|index| index.tablets.len()).collect();
    if !tablets.is_empty() || buckets.iter().any(|&number| number == 0 || number != buckets[0]) {
        let (name, table) = (&row.name, &table.name);
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
    settings: &RestoreSettings,
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
    brought: &Brought<'_>,
) -> Result<()> {
    match definition {
        Definition::Table(_) => Ok(()),
        Definition::View { row, .. } => {
            let found = tx.catalog().database(&object.database)?.view(&object.name);
            let existing = found.ok().map(Arc::clone);
            let id = existing.as_ref().map_or_else(|| tx.next_id(), |view| Ok(view.id))?;
            let name = object.name.clone();
            let mut row = ViewRow { id, database, name, ..row.clone() };
            rebind::bind_view(&mut row, brought, tx.catalog())?;
            if existing.is_some_and(|existing| existing.query != row.query) {
                ddl::view_changed(tx, &object.database, &object.name)?;
            }
            tx.put_view(row)
        }
        Definition::Function(row) => {
            // With the types of its arguments, which stay.
            let name = object.name.split('(').next().unwrap_or(&object.name).to_owned();
            let found = tx.catalog().database(&object.database)?.function(&name, &row.arguments);
            let existing = found.map(|function| function.id);
            let id = existing.map_or_else(|| tx.next_id(), Ok)?;
            tx.put_function(FunctionRow { id, database, name, ..row.clone() })
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
