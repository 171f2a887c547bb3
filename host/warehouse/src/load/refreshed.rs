//! What an asynchronous materialized view has seen of its base tables: the versions of their partitions. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::model::{BaseTable, Id, MaterializedView, PartitionRow, TableRow};
use crate::catalog::{Catalog, Relation};
use crate::{Error, Result, Subject};

/// Versions of the partitions of a base table, by name; of a view, by those of what it reads.
type Versions = BTreeMap<String, u64>;

/// The same with the ids of the partitions.
type Partitions = BTreeMap<String, (Id, u64)>;

/// Whether a materialized view does not show what is in its base tables. One that is inactive, or whose base tables are
/// gone, needs none: it could not be done.
pub fn needs_refresh(catalog: &Catalog, view: &TableRow) -> bool {
    let Some(view) = &view.materialized_view else { return false };
    if view.inactive_reason.is_some() {
        return false;
    }
    let current = view.base_tables.iter().map(|base| (base, versions(catalog, base)));
    let current: Vec<_> = current.collect();
    if current.iter().any(|(_, versions)| versions.is_none()) {
        return false;
    }
    view.refreshed_at.is_none()
        || current.iter().any(|(base, versions)| versions.as_ref() != Some(&base.seen))
}

/// What a refresh in this catalog sees of a base table; none where it is gone.
fn versions(catalog: &Catalog, base: &BaseTable) -> Option<Versions> {
    Some(
        partitions(catalog, base)?
            .into_iter()
            .map(|(name, (_, version))| (name, version))
            .collect(),
    )
}

/// The partitions of a base table; of a view, those of what it reads. None where it is gone.
fn partitions(catalog: &Catalog, base: &BaseTable) -> Option<Partitions> {
    let (mut partitions, mut visited) = (Partitions::new(), BTreeSet::new());
    let BaseTable { database, name, .. } = base;
    collect_partitions(catalog, database, name, "", &mut partitions, &mut visited)
        .then_some(partitions)
}

/// Adds the partitions of a relation; whether it and all that it reads are there.
fn collect_partitions(
    catalog: &Catalog,
    database: &str,
    name: &str,
    prefix: &str,
    partitions: &mut Partitions,
    visited: &mut BTreeSet<(String, String)>,
) -> bool {
    if !visited.insert((database.to_owned(), name.to_owned())) {
        return true;
    }
    let relation = catalog.database(database).ok().and_then(|database| database.relation(name));
    match relation {
        Some(Relation::Table(table) | Relation::Rollup(table, _)) => {
            let named =
                |row: &Arc<PartitionRow>| (format!("{prefix}{}", row.name), (row.id, row.version));
            partitions.extend(table.partitions().map(named));
            true
        }
        Some(Relation::View(view)) => view.base_tables.iter().all(|(database, name)| {
            let prefix = format!("{database}.{name}.");
            collect_partitions(catalog, database, name, &prefix, partitions, visited)
        }),
        None => false,
    }
}

/// What a refresh has read.
#[derive(Debug)]
pub(super) struct Refreshed {
    /// By base table.
    seen: Vec<(BaseTable, Partitions)>,
    at_millis: i64,
}

impl Refreshed {
    /// What a refresh reads that begins with this catalog.
    pub(super) fn see(catalog: &Catalog, view: &MaterializedView, at_millis: i64) -> Result<Self> {
        let seen = view.base_tables.iter().map(|base| {
            let seen = partitions(catalog, base)
                .ok_or_else(|| Error::unknown_table(&format!("{}.{}", base.database, base.name)))?;
            Ok((base.clone(), seen))
        });
        Ok(Self { seen: seen.collect::<Result<_>>()?, at_millis })
    }

    /// The view after the refresh. Its row changes without its lock when a base table does: what was decided there while
    /// the refresh ran stays.
    pub(super) fn apply(&self, catalog: &Catalog, row: &TableRow) -> Result<MaterializedView> {
        let mut view = active_view(row)?.clone();
        for base in &mut view.base_tables {
            let is_it = |(seen, _): &&(BaseTable, Partitions)| {
                (&seen.database, &seen.name) == (&base.database, &base.name)
            };
            let Some((_, seen)) = self.seen.iter().find(is_it) else { continue };
            // A partition that went is not that which has its name now.
            let now = partitions(catalog, base).unwrap_or_default();
            let is_there = |name: &str, id: Id| now.get(name).is_some_and(|(now, _)| *now == id);
            let there = seen.iter().filter(|(name, (id, _))| is_there(name, *id));
            base.seen = there.map(|(name, (_, version))| (name.clone(), *version)).collect();
        }
        view.refreshed_at = Some(self.at_millis);
        Ok(view)
    }
}

/// The view, which must be active.
pub(super) fn active_view(row: &TableRow) -> Result<&MaterializedView> {
    let view = row.materialized_view.as_ref().ok_or_else(|| {
        Error::invalid(format!("'{}' is not a materialized view", row.name)).about(Subject::Table)
    })?;
    match &view.inactive_reason {
        None => Ok(view),
        Some(reason) => {
            let message = format!(
                "Refresh materialized view {} failed because it is not active: {reason}",
                row.name
            );
            Err(Error::invalid(message).about(Subject::Table))
        }
    }
}
