//! Materialized views: changes of asynchronous ones, and the rows of synchronous ones (rollups).

use std::sync::Arc;

use crate::catalog::model::{Id, MaterializedView, PartitionRow, Rollup, TableRow};
use crate::catalog::{Relation, Table};
use crate::store::Transaction;
use crate::{Error, Result, Subject, Warehouse};

use super::definition::{MaterializedViewChange, RollupDefinition};
use super::partition::empty_index;
use super::{alter, column, dependent, name};

/// Why a view is inactive that a user made so.
pub(crate) const INACTIVE_BY_USER: &str = "user use alter materialized view set status to inactive";

/// The rows of a table with one more rollup, which is empty: whoever fills it puts all of them into one transaction.
pub fn with_rollup(
    table: &Table,
    definition: RollupDefinition,
    next_id: &mut dyn FnMut() -> Result<Id>,
) -> Result<(TableRow, Vec<PartitionRow>)> {
    let RollupDefinition { name, columns, query } = definition;
    name::check_table(&name)?;
    column::check_columns(&columns)?;
    let mut row = TableRow::clone(table.row());
    let index = next_id()?;
    row.rollups.push(Rollup { index, name, columns, query });
    let partitions = table.partitions().map(|partition| {
        let mut partition = PartitionRow::clone(partition);
        let buckets = partition.indexes.first().map_or(0, |base| base.tablets.len());
        let buckets = u32::try_from(buckets).unwrap_or(u32::MAX);
        partition.indexes.push(empty_index(index, buckets, next_id)?);
        Ok(partition)
    });
    let partitions = partitions.collect::<Result<_>>()?;
    Ok((row, partitions))
}

fn remove_rollup(transaction: &mut Transaction<'_>, table: &Table, name: &str) -> Result<()> {
    let mut row = TableRow::clone(table.row());
    let Some(position) = row.rollups.iter().position(|rollup| rollup.name == name) else {
        return Err(Error::unknown_table(name));
    };
    let rollup = row.rollups.remove(position);
    let id = row.id;
    transaction.put_table(row)?;
    for partition in table.partitions() {
        let mut partition = PartitionRow::clone(partition);
        partition.indexes.retain(|index| index.index != rollup.index);
        transaction.put_partition(id, partition)?;
    }
    Ok(())
}

/// Refuses a table where a materialized view is meant.
fn view_of(table: &Table) -> Result<&MaterializedView> {
    table.row().materialized_view.as_ref().ok_or_else(|| {
        let message = format!("'{}' is not a materialized view", table.row().name);
        Error::invalid(message).about(Subject::Table)
    })
}

impl Warehouse {
    /// Drops a materialized view, be it asynchronous or a rollup.
    pub async fn drop_materialized_view(&self, database: &str, name: &str) -> Result<()> {
        let catalog = self.catalog();
        let owner = match catalog.database(database)?.relation(name) {
            Some(Relation::Rollup(table, _)) => table.row().name.clone(),
            Some(Relation::Table(_)) => name.to_owned(),
            Some(Relation::View(_)) => {
                let message = format!("'{name}' is not a materialized view");
                return Err(Error::invalid(message).about(Subject::Table));
            }
            None => return Err(Error::unknown_table(name)),
        };
        let name = name.to_owned();
        self.change_table(database, &owner, move |transaction, table| {
            if table.row().name != name {
                return remove_rollup(transaction, table, &name);
            }
            view_of(table)?;
            dependent::base_dropped(transaction, table)?;
            transaction.remove_table(table.row().id);
            Ok(())
        })
        .await
    }

    /// Changes an asynchronous materialized view.
    pub async fn alter_materialized_view(
        &self,
        database: &str,
        name: &str,
        change: MaterializedViewChange,
    ) -> Result<()> {
        self.change_table(database, name, move |transaction, table| {
            let view = view_of(table)?.clone();
            let view = match change {
                MaterializedViewChange::Rename(new) => {
                    return alter::rename(transaction, table, new);
                }
                MaterializedViewChange::Inactivate => {
                    MaterializedView { inactive_reason: Some(INACTIVE_BY_USER.to_owned()), ..view }
                }
                MaterializedViewChange::Activate => activated(transaction, table, view)?,
            };
            let row = TableRow { materialized_view: Some(view), ..TableRow::clone(table.row()) };
            transaction.put_table(row)
        })
        .await
    }

    /// Says of an asynchronous materialized view why it cannot be kept up to date, and of those that read it.
    pub async fn inactivate_materialized_view(
        &self,
        database: &str,
        name: &str,
        reason: String,
    ) -> Result<()> {
        let of = database.to_owned();
        self.change_table(database, name, move |transaction, table| {
            let view = view_of(table)?.clone();
            let view = MaterializedView { inactive_reason: Some(reason), ..view };
            let row = TableRow { materialized_view: Some(view), ..TableRow::clone(table.row()) };
            transaction.put_table(row)?;
            dependent::view_inactivated(transaction, &of, &table.row().name)
        })
        .await
    }
}

/// The view as if it had never been refreshed: its bases may be others of the same names.
fn activated(
    transaction: &Transaction<'_>,
    table: &Table,
    mut view: MaterializedView,
) -> Result<MaterializedView> {
    for base in &mut view.base_tables {
        let database = transaction.catalog().database(&base.database).map(Arc::as_ref);
        let problem = match database.map(|database| database.relation(&base.name)) {
            Ok(Some(Relation::Table(base))) => match &base.row().materialized_view {
                Some(MaterializedView { inactive_reason: Some(_), .. }) => {
                    dependent::base_view_inactive(&base.row().name)
                }
                _ => String::new(),
            },
            Ok(Some(_)) => String::new(),
            Ok(None) | Err(_) => dependent::base_table_dropped(&base.name),
        };
        if !problem.is_empty() {
            let name = &table.row().name;
            let message = format!("Can not active materialized view [{name}] because {problem}");
            return Err(Error::invalid(message).about(Subject::Table));
        }
        base.seen.clear();
    }
    view.inactive_reason = None;
    Ok(view)
}

#[cfg(test)]
mod tests;
