//! Ties materialized views and views to the tables they read after a restore: under new names where there are, active where
//! every table is there, inactive with a reason where one is missing. Pure but for the draft that it changes.
//!
//! A view may arrive before its tables or after them, in one job or in several: after each restore every materialized view
//! that is inactive for want of a table is looked at again. What a user switched off stays so.
//!
//! What a view has seen of a base table counts only where both come from the same restore: its rows are then those of the
//! table's. Of any other table it has seen nothing, though names and versions be the same.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Name, RestoredNames};
use crate::Result;
use crate::catalog::model::{BaseTable, MaterializedView, TableRow, ViewRow};
use crate::catalog::{Catalog, Relation};
use crate::ddl;
use crate::store::Transaction;

/// What a restore brings, for the views that read it.
#[derive(Debug, Default)]
pub(super) struct Brought<'a> {
    /// Names in the snapshot, and what they become.
    pub(super) names: RestoredNames,
    /// The partitions of each table, by its new name.
    pub(super) partitions: BTreeMap<Name, Vec<BroughtPartition>>,
    /// Where restores before put what they took.
    pub(super) earlier: Option<&'a RestoredNames>,
}

/// A partition in the snapshot and after the restore.
#[derive(Debug)]
pub(super) struct BroughtPartition {
    pub(super) source: (String, u64),
    pub(super) target: (String, u64),
}

impl Brought<'_> {
    /// What a table of a view is called now: what was restored under its name, now or earlier, else itself.
    fn now(&self, catalog: &Catalog, name: &Name) -> Name {
        let earlier = || {
            let earlier = self.earlier.and_then(|earlier| earlier.get(name));
            earlier.filter(|(database, name)| exists(catalog, database, name))
        };
        self.names.get(name).or_else(earlier).unwrap_or(name).clone()
    }

    /// What a view that is restored too has seen of a base table of now: all of it or nothing, for it cannot take back what it
    /// holds of a partition that did not come along.
    fn seen(&self, base: &BaseTable, now: &Name) -> BTreeMap<String, u64> {
        let Some(brought) = self.partitions.get(now) else { return BTreeMap::new() };
        let is_seen = |it: &BroughtPartition| base.seen.get(&it.source.0) == Some(&it.source.1);
        if brought.len() != base.seen.len() || !brought.iter().all(is_seen) {
            return BTreeMap::new();
        }
        brought.iter().map(|it| it.target.clone()).collect()
    }
}

/// How every reason begins that a restore gives.
fn prefix(view: &str) -> String {
    format!("Set the materialized view {view} inactive in restore because its base ")
}

/// Why a materialized view cannot be active; none where it can.
fn problem(catalog: &Catalog, view: &str, base: &BaseTable) -> Option<String> {
    let name = format!("{}.{}", base.database, base.name);
    let database = catalog.database(&base.database).ok();
    let why = match database.and_then(|database| database.relation(&base.name)) {
        None => format!("table {name} is missing; it becomes active when that is restored"),
        Some(Relation::Table(table)) if is_inactive(table.row()) => {
            format!("materialized view {name} is inactive; it becomes active when that does")
        }
        Some(_) => return None,
    };
    Some(format!("{}{why}, or by ALTER MATERIALIZED VIEW {view} ACTIVE", prefix(view)))
}

fn is_inactive(row: &TableRow) -> bool {
    row.materialized_view.as_ref().is_some_and(|view| view.inactive_reason.is_some())
}

fn exists(catalog: &Catalog, database: &str, name: &str) -> bool {
    catalog.database(database).is_ok_and(|database| database.relation(name).is_some())
}

/// A restored materialized view over the tables that there are now. One that is not `whole` has seen nothing.
pub(super) fn bind(
    row: &mut TableRow,
    whole: bool,
    brought: &Brought<'_>,
    catalog: &Catalog,
) -> Result<()> {
    let Some(view) = &mut row.materialized_view else { return Ok(()) };
    let mut renamed = RestoredNames::default();
    for base in &mut view.base_tables {
        let before = (base.database.clone(), base.name.clone());
        let now = brought.now(catalog, &before);
        base.seen = if whole { brought.seen(base, &now) } else { BTreeMap::new() };
        (base.database, base.name) = now.clone();
        if now != before {
            renamed.add(before, now);
        }
    }
    rename(view, &renamed)?;
    if view.inactive_reason.as_deref() != Some(ddl::INACTIVE_BY_USER) {
        let mut bases = view.base_tables.iter();
        view.inactive_reason = bases.find_map(|base| problem(catalog, &row.name, base));
    }
    Ok(())
}

fn rename(view: &mut MaterializedView, renamed: &RestoredNames) -> Result<()> {
    if *renamed != RestoredNames::default() {
        view.query = renamed.apply(&view.query)?;
        // What was typed names what is elsewhere.
        view.text.clone_from(&view.query);
    }
    Ok(())
}

/// A restored view over the tables under their new names.
pub(super) fn bind_view(row: &mut ViewRow, brought: &Brought<'_>, catalog: &Catalog) -> Result<()> {
    let mut renamed = RestoredNames::default();
    for base in &mut row.base_tables {
        let before = base.clone();
        *base = brought.now(catalog, &before);
        renamed.add(before, base.clone());
    }
    row.query = renamed.apply(&row.query)?;
    Ok(())
}

/// Activates materialized views that waited for what was restored, and those that waited for them.
pub(super) fn bind_waiting(tx: &mut Transaction<'_>, brought: &Brought<'_>) -> Result<()> {
    let mut activated = BTreeSet::new();
    loop {
        let mut changed = Vec::new();
        for database in tx.catalog().databases() {
            for table in database.tables() {
                let row = table.row();
                let Some(wait) = Wait::of(row, brought, &activated) else { continue };
                let mut row = TableRow::clone(row);
                wake(&mut row, &wait, brought, tx.catalog())?;
                if row != **table.row() {
                    changed.push((database.row().name.clone(), row));
                }
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        for (database, row) in changed {
            if !is_inactive(&row) {
                activated.insert((database, row.name.clone()));
            }
            tx.put_table(row)?;
        }
    }
}

/// For what an inactive view waits.
#[derive(Debug, PartialEq, Eq)]
enum Wait {
    /// For a table that a restore did not find; it may come under another name.
    Restore,
    /// For one that was dropped.
    Dropped,
}

impl Wait {
    fn of(row: &TableRow, brought: &Brought<'_>, activated: &BTreeSet<Name>) -> Option<Self> {
        let view = row.materialized_view.as_ref()?;
        let reason = view.inactive_reason.as_ref()?;
        if reason.starts_with(&prefix(&row.name)) {
            return Some(Self::Restore);
        }
        let is_back = |base: &BaseTable| {
            let name = (base.database.clone(), base.name.clone());
            let is_brought = brought.names.has_target(&name);
            (*reason == ddl::base_table_dropped(&base.name) && is_brought)
                || (*reason == ddl::base_view_inactive(&base.name) && activated.contains(&name))
        };
        view.base_tables.iter().any(is_back).then_some(Self::Dropped)
    }
}

fn wake(row: &mut TableRow, wait: &Wait, brought: &Brought<'_>, catalog: &Catalog) -> Result<()> {
    let Some(view) = &mut row.materialized_view else { return Ok(()) };
    let mut renamed = RestoredNames::default();
    for base in &mut view.base_tables {
        let before = (base.database.clone(), base.name.clone());
        if *wait == Wait::Restore && !exists(catalog, &base.database, &base.name) {
            let now = brought.names.get(&before).unwrap_or(&before).clone();
            (base.database, base.name) = now.clone();
            if now != before {
                renamed.add(before, now);
            }
        }
    }
    rename(view, &renamed)?;
    let mut bases = view.base_tables.iter();
    match bases.find_map(|base| problem(catalog, &row.name, base)) {
        Some(reason) if *wait == Wait::Restore => view.inactive_reason = Some(reason),
        Some(_) => {}
        None => {
            view.inactive_reason = None;
            // It has not seen what there is now.
            view.base_tables.iter_mut().for_each(|base| base.seen.clear());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(reason: Option<&str>) -> TableRow {
        let base = BaseTable { database: "a".into(), name: "t".into(), seen: BTreeMap::new() };
        let view = serde_json::json!({
            "query": "", "text": "", "refresh": "manual", "base_tables": [base], "inactive_reason": reason,
        });
        let row = serde_json::json!({
            "id": 1, "database": 1, "name": "v", "columns": [], "keys": "duplicate", "key_columns": [],
            "partitioning": "single", "distribution": { "random": { "buckets": 1 } }, "index": 2,
            "materialized_view": view,
        });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn only_what_wants_a_table_waits() {
        let name = || ("a".to_owned(), "t".to_owned());
        let mut brought = Brought::default();
        let waits = |reason: Option<&str>, brought: &Brought<'_>| {
            Wait::of(&row(reason), brought, &BTreeSet::new())
        };
        let base = BaseTable { database: "a".into(), name: "t".into(), seen: BTreeMap::new() };
        let missing = problem(&Catalog::default(), "v", &base).unwrap();
        assert_eq!(waits(Some(&missing), &brought), Some(Wait::Restore));
        assert_eq!(waits(Some("base-table dropped: t"), &brought), None);
        brought.names.add(name(), name());
        assert_eq!(waits(Some("base-table dropped: t"), &brought), Some(Wait::Dropped));
        assert_eq!(waits(Some(ddl::INACTIVE_BY_USER), &brought), None);
        assert_eq!(waits(None, &brought), None);
        let above = Some("base-mv inactive: t");
        assert_eq!(waits(above, &brought), None);
        assert!(Wait::of(&row(above), &brought, &BTreeSet::from([name()])).is_some());
    }

    #[test]
    fn what_was_seen_counts_where_both_are_restored() {
        let seen = [("p1", 3), ("p2", 4), ("t", 9)].map(|(name, version)| (name.into(), version));
        let base = BaseTable { database: "a".into(), name: "t".into(), seen: seen.into() };
        let now = ("b".to_owned(), "t".to_owned());
        let partition = |source: (&str, u64), target: (&str, u64)| BroughtPartition {
            source: (source.0.into(), source.1),
            target: (target.0.into(), target.1),
        };
        let mut brought = Brought::default();
        assert!(brought.seen(&base, &now).is_empty());
        let mut bring = |partitions: &[(&str, u64, &str, u64)]| {
            let partitions = partitions.iter().map(|&(a, b, c, d)| partition((a, b), (c, d)));
            brought.partitions.insert(now.clone(), partitions.collect());
            brought.seen(&base, &now)
        };
        let whole = [("p1", 3, "p1", 8), ("p2", 4, "p2", 4), ("t", 9, "u", 9)];
        let expected = [("p1", 8), ("p2", 4), ("u", 9)].map(|(name, at)| (name.to_owned(), at));
        assert_eq!(bring(&whole), BTreeMap::from(expected));
        assert!(bring(&whole[..2]).is_empty(), "what it holds of the third would stay");
        assert!(bring(&[whole[0], whole[1], ("t", 8, "t", 8)]).is_empty());
    }
}
