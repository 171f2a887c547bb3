//! [`Permit`]: whether who restores may have what a snapshot brings. A snapshot comes from a store that others write to: what it
//! brings is judged as it would be live, inside the transaction of the switch, which a refusal undoes.

use std::collections::BTreeSet;
use std::fmt;

use super::Planned;
use crate::Result;
use crate::catalog::{Catalog, Relation};
use crate::definition::Definition;
use crate::query::{stored_query, text_query};

/// An object that a restore brings.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Its database; empty for what is in none.
    pub database: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What the snapshot says of it.
    pub definition: &'a Definition,
    /// What its query will read, as (database, name), but for what is new by the same restore.
    pub reads: &'a [(String, String)],
}

/// Says what may be restored.
pub trait Permit: fmt::Debug + Send + Sync {
    /// Refuses an object; the catalog is that of before the restore.
    fn check(&self, catalog: &Catalog, arrival: Arrival<'_>) -> Result<()>;
}

/// Asks for every object of a plan; `after` is the catalog that would be.
pub(super) fn check(
    permit: &dyn Permit,
    before: &Catalog,
    after: &Catalog,
    planned: &[Planned],
) -> Result<()> {
    let names = planned.iter().map(|object| (object.database.as_str(), object.name.as_str()));
    let is_new = |(database, name): &(&str, &str)| {
        before.database(database).map_or(true, |found| found.relation(name).is_none())
    };
    let new: BTreeSet<(&str, &str)> = names.filter(is_new).collect();
    for object in planned {
        let (database, name, definition) = (&*object.database, &*object.name, &object.definition);
        let mut reads = reads(after, database, name)?;
        reads.retain(|(database, name)| !new.contains(&(database.as_str(), name.as_str())));
        permit.check(before, Arrival { database, name, definition, reads: &reads })?;
    }
    Ok(())
}

/// What the query of a relation reads: what its text says, whatever else its row says.
fn reads(catalog: &Catalog, database: &str, name: &str) -> Result<Vec<(String, String)>> {
    let found = catalog.database(database).ok().and_then(|found| found.relation(name));
    let query = match found {
        Some(Relation::View(view)) => &view.query,
        Some(Relation::Table(table)) => match &table.row().materialized_view {
            Some(view) => &view.query,
            None => return Ok(Vec::new()),
        },
        _ => return Ok(Vec::new()),
    };
    Ok(stored_query(text_query(query)?, database)?.1)
}
