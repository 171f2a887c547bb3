//! Ties materialized views and views to the tables they read after a restore: under new names where there are, active where
//! every table is there, inactive with a reason where one is missing. Pure but for the draft that it changes.
//!
//! A view may arrive before its tables or after them, in one job or in several: after each restore every materialized view
//! that is inactive for want of a table is looked at again.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::catalog::Catalog;
use crate::catalog::model::{BaseTable, MaterializedView, TableRow, ViewRow};
use crate::query::renamed_query;
use crate::store::Transaction;
use crate::{Error, Result};

/// Database and name.
type Name = (String, String);

/// What was restored: names in the snapshot, and what they became.
#[derive(Debug, Default)]
pub(super) struct Renames(BTreeMap<Name, Name>);

impl Renames {
    pub(super) fn add(&mut self, source: Name, target: Name) {
        self.0.insert(source, target);
    }

    /// What a table of a view is called now: what was restored under its name, else itself.
    fn now(&self, database: &str, name: &str) -> Name {
        let name = (database.to_owned(), name.to_owned());
        self.0.get(&name).cloned().unwrap_or(name)
    }
}

/// The reason of a materialized view that a table is missing for.
fn missing_reason(view: &str, base: &BaseTable) -> String {
    format!(
        "Set the materialized view {view} inactive in restore because its base table {}.{} is missing; it becomes active \
         when that table is restored, or by ALTER MATERIALIZED VIEW {view} ACTIVE",
        base.database, base.name
    )
}

/// A restored materialized view over the tables that there are now.
pub(super) fn bind(row: &mut TableRow, renames: &Renames, catalog: &Catalog) -> Result<()> {
    let Some(view) = &mut row.materialized_view else { return Ok(()) };
    rename_bases(view, renames)?;
    // What the base tables hold now is not what this view was made of, whatever their versions say.
    view.base_tables.iter_mut().for_each(|base| base.seen.clear());
    let missing = view.base_tables.iter().find(|base| !exists(catalog, base));
    view.inactive_reason = missing.map(|base| missing_reason(&row.name, base));
    Ok(())
}

/// A restored view over the tables under their new names.
pub(super) fn bind_view(row: &mut ViewRow, renames: &Renames) -> Result<()> {
    row.query = rename_query(&row.query, renames)?;
    for (database, name) in &mut row.base_tables {
        (*database, *name) = renames.now(database, name);
    }
    Ok(())
}

/// Activates materialized views that waited for what was restored.
pub(super) fn bind_waiting(tx: &mut Transaction<'_>, renames: &Renames) -> Result<()> {
    let waiting: Vec<TableRow> = {
        let tables = tx.catalog().databases().flat_map(|database| database.tables());
        let is_waiting = |row: &&std::sync::Arc<TableRow>| {
            let view = row.materialized_view.as_ref();
            view.is_some_and(|view| waits_for(view, &row.name))
        };
        tables.map(|table| table.row()).filter(is_waiting).map(|row| TableRow::clone(row)).collect()
    };
    for mut row in waiting {
        let before = row.clone();
        bind(&mut row, renames, tx.catalog())?;
        if row != before {
            tx.put_table(row)?;
        }
    }
    Ok(())
}

/// Whether a view is inactive because a restore did not find one of its tables; one that a user switched off stays so.
fn waits_for(view: &MaterializedView, name: &str) -> bool {
    let Some(reason) = &view.inactive_reason else { return false };
    view.base_tables.iter().any(|base| *reason == missing_reason(name, base))
}

fn exists(catalog: &Catalog, base: &BaseTable) -> bool {
    let database = catalog.database(&base.database);
    database.is_ok_and(|database| database.relation(&base.name).is_some())
}

fn rename_bases(view: &mut MaterializedView, renames: &Renames) -> Result<()> {
    view.query = rename_query(&view.query, renames)?;
    for base in &mut view.base_tables {
        (base.database, base.name) = renames.now(&base.database, &base.name);
    }
    Ok(())
}

/// A stored query, in which every table is qualified by its database, with the names of now.
pub(super) fn rename_query(query: &str, renames: &Renames) -> Result<String> {
    renamed_query(query, |relation| rename_relation(relation, renames)).map_err(|error| {
        let message = format!("the query of a view in the snapshot cannot be read: {error}");
        Error::invalid(message).with_source(error)
    })
}

fn rename_relation(relation: &mut ObjectName, renames: &Renames) {
    let [.., ObjectNamePart::Identifier(database), ObjectNamePart::Identifier(name)] =
        relation.0.as_mut_slice()
    else {
        return;
    };
    let (new_database, new_name) = renames.now(&database.value, &name.value);
    *database = Ident::with_quote('`', new_database);
    *name = Ident::with_quote('`', new_name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renames() -> Renames {
        let mut renames = Renames::default();
        let name = |database: &str, name: &str| (database.to_owned(), name.to_owned());
        renames.add(name("a", "t"), name("b", "t2"));
        renames
    }

    #[test]
    fn tables_of_a_query_get_their_new_names_and_nothing_else_does() {
        let query = "SELECT `t`.`x`, 'a.t' FROM `a`.`t` AS `t` JOIN `a`.`u` ON `t`.`x` = `u`.`x`";
        let renamed = rename_query(query, &renames()).unwrap();
        assert_eq!(
            renamed,
            "SELECT `t`.`x`, 'a.t' FROM `b`.`t2` AS `t` JOIN `a`.`u` ON `t`.`x` = `u`.`x`"
        );
    }

    #[test]
    fn texts_of_a_query_stay_what_they_are() {
        let query = r"SELECT 'x\\y', 'it\'s', 'C:\\' FROM `a`.`t` AS `t`";
        let renamed = rename_query(query, &renames()).unwrap();
        assert_eq!(renamed, r"SELECT 'x\\y', 'it\'s', 'C:\\' FROM `b`.`t2` AS `t`");
    }

    #[test]
    fn a_query_that_cannot_be_read_is_an_error() {
        assert!(rename_query("SELECT FROM WHERE", &renames()).is_err());
        assert!(rename_query("SELECT 1; SELECT 2", &renames()).is_err());
    }

    #[test]
    fn only_what_a_restore_switched_off_waits() {
        let base = BaseTable { database: "a".into(), name: "t".into(), seen: BTreeMap::new() };
        let view = |reason: Option<String>| MaterializedView {
            query: String::new(),
            text: String::new(),
            refresh: crate::catalog::model::Refresh::Manual,
            base_tables: vec![base.clone()],
            inactive_reason: reason,
            refreshed_at: None,
        };
        assert!(waits_for(&view(Some(missing_reason("v", &base))), "v"));
        assert!(!waits_for(
            &view(Some("user use alter materialized view set status to inactive".into())),
            "v"
        ));
        assert!(!waits_for(&view(None), "v"));
    }
}
