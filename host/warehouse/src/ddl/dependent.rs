//! Materialized views and what they read: a view whose base changed is no longer kept up to date, and says why.
//!
//! Views that read the view follow it. What a view has seen of a partition is forgotten with the partition, so that a new
//! one of the same name is never taken for it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::Result;
use crate::catalog::model::{BaseTable, Id, MaterializedView, TableRow};
use crate::catalog::{Catalog, Table};
use crate::store::Transaction;

/// A table or materialized view goes.
pub(crate) fn base_dropped(transaction: &mut Transaction<'_>, table: &Table) -> Result<()> {
    match database_name(transaction.catalog(), table) {
        Some(database) => relation_dropped(transaction, &database, &table.row().name),
        None => Ok(()),
    }
}

/// Whatever has this name goes.
pub(crate) fn relation_dropped(
    transaction: &mut Transaction<'_>,
    database: &str,
    name: &str,
) -> Result<()> {
    inactivate(transaction, database, name, &base_table_dropped(name), |_| true)
}

/// The reason of a view whose base is gone.
pub(crate) fn base_table_dropped(name: &str) -> String {
    format!("base-table dropped: {name}")
}

/// The reason of a view that reads an inactive one.
pub(crate) fn base_view_inactive(name: &str) -> String {
    format!("base-mv inactive: {name}")
}

/// A materialized view is not kept up to date any more.
pub(crate) fn view_inactivated(
    transaction: &mut Transaction<'_>,
    database: &str,
    view: &str,
) -> Result<()> {
    inactivate(transaction, database, view, &base_view_inactive(view), |_| true)
}

/// A table or materialized view gets another name.
pub(crate) fn base_renamed(transaction: &mut Transaction<'_>, table: &Table) -> Result<()> {
    let name = &table.row().name;
    let Some(database) = database_name(transaction.catalog(), table) else { return Ok(()) };
    inactivate(transaction, &database, name, &format!("base-table renamed: {name}"), |_| true)
}

/// A view gets another query.
pub(crate) fn view_changed(
    transaction: &mut Transaction<'_>,
    database: &str,
    view: &str,
) -> Result<()> {
    inactivate(transaction, database, view, &format!("base-view changed: {view}"), |_| true)
}

/// A column goes. What a view reads of a table is in its query only: one that could mean the column counts.
pub(crate) fn column_dropped(
    transaction: &mut Transaction<'_>,
    table: &Table,
    column: &str,
) -> Result<()> {
    let reason = format!("base-table schema changed for columns: {column}");
    let Some(database) = database_name(transaction.catalog(), table) else { return Ok(()) };
    inactivate(transaction, &database, &table.row().name, &reason, |view| {
        mentions(&view.query, column)
    })
}

/// Removes a partition, and what materialized views know of it: a later one of its name is another.
pub(crate) fn remove_partition(
    transaction: &mut Transaction<'_>,
    table: &Table,
    partition: Id,
) -> Result<()> {
    if let Some(row) = table.partitions().find(|row| row.id == partition) {
        partition_dropped(transaction, table, &row.name)?;
    }
    transaction.remove_partition(table.row().id, partition);
    Ok(())
}

/// A partition goes.
fn partition_dropped(
    transaction: &mut Transaction<'_>,
    table: &Table,
    partition: &str,
) -> Result<()> {
    let Some(database) = database_name(transaction.catalog(), table) else { return Ok(()) };
    for row in readers(transaction.catalog(), &database, &table.row().name) {
        let mut row = TableRow::clone(&row);
        let bases = row.materialized_view.iter_mut().flat_map(|view| &mut view.base_tables);
        let forgotten = bases
            .filter(|base| base.database == database && base.name == table.row().name)
            .filter_map(|base| base.seen.remove(partition));
        if forgotten.count() > 0 {
            transaction.put_table(row)?;
        }
    }
    Ok(())
}

/// Whether a query could read a column of this name.
pub(crate) fn mentions(query: &str, column: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let (query, column) = (query.to_lowercase(), column.to_lowercase());
    let found = query.match_indices(&column).any(|(at, _)| {
        let before = query.get(..at).and_then(|text| text.chars().next_back());
        let after = query.get(at + column.len()..).and_then(|text| text.chars().next());
        ![before, after].into_iter().flatten().any(is_word)
    });
    found || query.contains('*')
}

fn database_name(catalog: &Catalog, table: &Table) -> Option<String> {
    catalog.database_by_id(table.row().database).map(|database| database.row().name.clone())
}

/// The rows of the materialized views that read a table.
fn readers(catalog: &Catalog, database: &str, name: &str) -> Vec<Arc<TableRow>> {
    let is_base = |base: &BaseTable| base.database == database && base.name == name;
    let rows = catalog.databases().flat_map(|database| database.tables()).map(|table| table.row());
    rows.filter(|row| row.materialized_view.iter().flat_map(|view| &view.base_tables).any(is_base))
        .map(Arc::clone)
        .collect()
}

/// Sets the active views that read a table and are `affected`, and those that read them, whatever they read of them.
fn inactivate(
    transaction: &mut Transaction<'_>,
    database: &str,
    name: &str,
    reason: &str,
    affected: impl Fn(&MaterializedView) -> bool,
) -> Result<()> {
    let mut bases = VecDeque::from([(database.to_owned(), name.to_owned(), reason.to_owned())]);
    let mut is_first = true;
    while let Some((database, name, reason)) = bases.pop_front() {
        for row in readers(transaction.catalog(), &database, &name) {
            let Some(view) = row.materialized_view.as_ref() else { continue };
            if view.inactive_reason.is_some() || (is_first && !affected(view)) {
                continue;
            }
            let view = MaterializedView { inactive_reason: Some(reason.clone()), ..view.clone() };
            let of = transaction.catalog().database_by_id(row.database);
            if let Some(of) = of.map(|of| of.row().name.clone()) {
                bases.push_back((of, row.name.clone(), base_view_inactive(&row.name)));
            }
            let row = TableRow { materialized_view: Some(view), ..TableRow::clone(&row) };
            transaction.put_table(row)?;
        }
        is_first = false;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_mentions_whole_words_in_any_case() {
        for query in ["SELECT `Amount` FROM d.t", "select t.amount, 1", "select * from t"] {
            assert!(mentions(query, "AMOUNT"), "{query}");
        }
        for query in ["SELECT total_amount FROM t", "select amounts, amount2 from t"] {
            assert!(!mentions(query, "amount"), "{query}");
        }
    }
}
