//! Databases, and what is in them beside tables: views and functions.

use std::sync::Arc;

use crate::catalog::Relation;
use crate::catalog::model::{DatabaseRow, FunctionRow, Id, Properties, ViewRow};
use crate::{Error, ErrorKind, Result, Subject, Warehouse};

use super::definition::{FunctionDefinition, ViewDefinition};
use super::{column, dependent, name};

impl Warehouse {
    /// Makes a database.
    pub async fn create_database(&self, name: &str, properties: Properties) -> Result<Id> {
        name::check_database(name)?;
        let name = name.to_owned();
        self.transact(move |transaction| {
            let id = transaction.next_id()?;
            transaction.put_database(DatabaseRow { id, name, properties })?;
            Ok(id)
        })
        .await
    }

    /// Drops a database with everything in it.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.transact(move |transaction| {
            let Ok(database) = transaction.catalog().database(&name).map(Arc::clone) else {
                let message = format!("Can't drop database '{name}'; database doesn't exist");
                return Err(Error::new(ErrorKind::NotFound, message).about(Subject::Database));
            };
            database.tables().try_for_each(|table| table.check_normal())?;
            // First, so that views of the database itself are not written only to be removed.
            transaction.remove_database(database.row().id);
            for table in database.tables() {
                dependent::relation_dropped(transaction, &name, &table.row().name)?;
            }
            database
                .views()
                .try_for_each(|view| dependent::relation_dropped(transaction, &name, &view.name))
        })
        .await
    }

    /// Makes a view, or gives one another query where `or_replace` says so.
    pub async fn create_view(
        &self,
        database: &str,
        definition: ViewDefinition,
        or_replace: bool,
    ) -> Result<Id> {
        name::check_table(&definition.name)?;
        column::check_view_columns(&definition.columns)?;
        let database = database.to_owned();
        self.transact(move |transaction| {
            let found = Arc::clone(transaction.catalog().database(&database)?);
            let old = match found.relation(&definition.name) {
                Some(Relation::View(view)) if or_replace => Some(view.id),
                Some(_) => return Err(Error::table_exists(&definition.name)),
                None => None,
            };
            let id = old.map_or_else(|| transaction.next_id(), Ok)?;
            let ViewDefinition { name, comment, columns, query, base_tables } = definition;
            if old.is_some() {
                dependent::view_changed(transaction, &database, &name)?;
            }
            let database = found.row().id;
            let row = ViewRow { id, database, name, comment, columns, query, base_tables };
            transaction.put_view(row)?;
            Ok(id)
        })
        .await
    }

    /// Drops a view.
    pub async fn drop_view(&self, database: &str, name: &str) -> Result<()> {
        let (database, name) = (database.to_owned(), name.to_owned());
        self.transact(move |transaction| {
            let id = transaction.catalog().database(&database)?.view(&name)?.id;
            transaction.remove_view(id);
            dependent::relation_dropped(transaction, &database, &name)
        })
        .await
    }

    /// Makes a function.
    pub async fn create_function(
        &self,
        database: &str,
        definition: FunctionDefinition,
    ) -> Result<Id> {
        name::check_common("function", &definition.name)?;
        let database = database.to_owned();
        self.transact(move |transaction| {
            let database = transaction.catalog().database(&database)?.row().id;
            let id = transaction.next_id()?;
            let FunctionDefinition { name, kind, arguments, returns, properties } = definition;
            let row = FunctionRow { id, database, name, kind, arguments, returns, properties };
            transaction.put_function(row)?;
            Ok(id)
        })
        .await
    }

    /// Drops a function.
    pub async fn drop_function(
        &self,
        database: &str,
        name: &str,
        arguments: &[String],
    ) -> Result<()> {
        let (database, name, arguments) =
            (database.to_owned(), name.to_owned(), arguments.to_vec());
        self.transact(move |transaction| {
            let found = transaction.catalog().database(&database)?.function(&name, &arguments);
            let Some(id) = found.map(|function| function.id) else {
                let message = format!("Unknown function {name}({})", arguments.join(","));
                return Err(Error::new(ErrorKind::NotFound, message).about(Subject::Function));
            };
            transaction.remove_function(id);
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests;
