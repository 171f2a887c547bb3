//! Which materialized views are to be refreshed: of a catalog, what was tried, and a time. Pure.

use std::collections::{BTreeMap, BTreeSet};

use cairn_warehouse::catalog::model::{Id, MaterializedView, Refresh, TableRow};
use cairn_warehouse::catalog::{Catalog, Relation};
use cairn_warehouse::load::needs_refresh;

use super::Attempt;
use crate::clock::Millis;

/// Views that are kept up to date with their base tables and read this one, itself or through others.
pub(super) fn after_change(catalog: &Catalog, database: &str, name: &str) -> Vec<Id> {
    let is_wanted = |row: &TableRow, view: &MaterializedView| {
        view.refresh == Refresh::OnLoad
            && reads(catalog, &bases_of(view), database, name)
            && needs_refresh(catalog, row)
    };
    views(catalog).filter(|(row, view)| is_wanted(row, view)).map(|(row, _)| row.id).collect()
}

/// Active views, by database and name, that were restored or read what was, bases before those that read them.
pub(super) fn after_restore(
    catalog: &Catalog,
    restored: &[(String, String)],
) -> Vec<(String, String)> {
    let mut wanted = Vec::new();
    for database in catalog.databases() {
        for table in database.tables() {
            let Some(view) = &table.row().materialized_view else { continue };
            let name = (database.row().name.clone(), table.row().name.clone());
            let reads_one =
                || restored.iter().any(|(of, name)| reads(catalog, &bases_of(view), of, name));
            if view.inactive_reason.is_none() && (restored.contains(&name) || reads_one()) {
                wanted.push((name, bases_of(view)));
            }
        }
    }
    let is_under = |at: usize, other: &(String, String)| {
        wanted.get(at).is_some_and(|(_, bases)| reads(catalog, bases, &other.0, &other.1))
    };
    // How many of the others each one reads grows with every step up.
    let depth = |at: usize| wanted.iter().filter(|(name, _)| is_under(at, name)).count();
    let mut ordered: Vec<(usize, (String, String))> =
        wanted.iter().enumerate().map(|(at, (name, _))| (depth(at), name.clone())).collect();
    ordered.sort();
    ordered.into_iter().map(|(_, name)| name).collect()
}

/// Whether a view that is kept up to date does not show what is in its base tables.
pub(super) fn is_behind(catalog: &Catalog, row: &TableRow) -> bool {
    let view = row.materialized_view.as_ref();
    view.is_some_and(|view| view.refresh == Refresh::OnLoad) && needs_refresh(catalog, row)
}

/// Views whose time has come, and those that a change of a base table has not reached: the server had ended before. One
/// that failed waits for the next change of a base table, or for its next time.
pub(super) fn due(catalog: &Catalog, tried: &BTreeMap<Id, Attempt>, now: Millis) -> Vec<Id> {
    let is_wanted = |row: &TableRow, view: &MaterializedView| {
        let attempt = tried.get(&row.id);
        let is_time = match view.refresh {
            Refresh::Manual => false,
            Refresh::OnLoad => attempt.is_none_or(|attempt| attempt.error.is_none()),
            Refresh::Every { seconds, start } => {
                let last = view.refreshed_at.max(attempt.map(|attempt| attempt.finished_at));
                is_time(seconds, start, last, now)
            }
        };
        is_time && needs_refresh(catalog, row)
    };
    views(catalog).filter(|(row, view)| is_wanted(row, view)).map(|(row, _)| row.id).collect()
}

/// Whether something that is done every so many seconds, from `start` on, was not done since it last should have been.
fn is_time(seconds: u64, start: Option<Millis>, last: Option<Millis>, now: Millis) -> bool {
    let period = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000).max(1);
    // One that does not know its start goes by what was done last.
    let Some(start) = start else {
        return last.is_none_or(|last| now.saturating_sub(last) >= period);
    };
    if now < start {
        return false;
    }
    let since = now.saturating_sub(start);
    let point = start.saturating_add(since - since % period);
    last.is_none_or(|last| last < point)
}

/// Whether one of these relations is, or reads through views and materialized views, another one.
pub(crate) fn reads(
    catalog: &Catalog,
    relations: &[(String, String)],
    database: &str,
    name: &str,
) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<(String, String)> = relations.to_vec();
    while let Some((of, relation)) = waiting.pop() {
        if of == database && relation == name {
            return true;
        }
        let found = catalog.database(&of).ok();
        match found.and_then(|found| found.relation(&relation)) {
            Some(Relation::View(view)) => waiting.extend(view.base_tables.iter().cloned()),
            Some(Relation::Table(table)) => {
                waiting.extend(table.row().materialized_view.iter().flat_map(bases_of));
            }
            // A rollup is what its table is.
            Some(Relation::Rollup(table, _)) => {
                waiting.push((of.clone(), table.row().name.clone()));
            }
            None => {}
        }
        waiting.retain(|name| !seen.contains(name));
        seen.insert((of, relation));
    }
    false
}

fn bases_of(view: &MaterializedView) -> Vec<(String, String)> {
    view.base_tables.iter().map(|base| (base.database.clone(), base.name.clone())).collect()
}

fn views(catalog: &Catalog) -> impl Iterator<Item = (&TableRow, &MaterializedView)> {
    let tables = catalog.databases().flat_map(|database| database.tables());
    tables.filter_map(|table| Some((&**table.row(), table.row().materialized_view.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const HOUR_MILLIS: Millis = 3_600_000;

    #[test]
    fn time_comes_once_in_a_period() {
        let is_time = |last, now| is_time(HOUR, Some(1000), last, now);
        assert!(!is_time(None, 999), "before its start");
        assert!(is_time(None, 1000), "at its start");
        assert!(is_time(Some(500), 1000), "what was done before the start does not count");
        assert!(!is_time(Some(1000), 1000 + HOUR_MILLIS - 1));
        assert!(is_time(Some(1000), 1000 + HOUR_MILLIS));
        // A late one, or one by hand, moves nothing.
        assert!(is_time(Some(1000 + HOUR_MILLIS - 1), 1000 + HOUR_MILLIS));
        assert!(!is_time(Some(1000 + HOUR_MILLIS), 1000 + HOUR_MILLIS + 1));
        // What was missed is done once.
        assert!(is_time(Some(1000), 1000 + 50 * HOUR_MILLIS));
    }

    #[test]
    fn without_a_start_it_goes_by_the_last_time() {
        assert!(is_time(HOUR, None, None, 0));
        assert!(!is_time(HOUR, None, Some(5), HOUR_MILLIS + 4));
        assert!(is_time(HOUR, None, Some(5), HOUR_MILLIS + 5));
    }

    #[test]
    fn times_beyond_all_bounds_do_no_harm() {
        assert!(!is_time(u64::MAX, Some(0), Some(1), Millis::MAX - 1));
        assert!(is_time(0, Some(0), Some(1), 2));
    }
}
