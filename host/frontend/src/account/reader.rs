//! [`UserReader`]: what a user may read, as the query layer asks it. A view is read with its own privilege, whatever it reads.

use std::sync::Arc;

use cairn_warehouse::catalog::{Catalog, Relation};
use cairn_warehouse::query::{Reader, ServerSetting};
use cairn_warehouse::{Error, ErrorKind};

use super::privilege::{Action, Grants, Target, grants_of};
use super::role;
use crate::refusal;
use crate::settings::{SettingView, Settings};

/// The privilege to read.
pub(crate) const SELECT: &str = "SELECT";
/// What is needed to see how the server runs.
const OPERATE: &str = "OPERATE";

/// A user of a server, by name and host.
#[derive(Debug)]
pub(crate) struct UserReader {
    settings: Arc<Settings>,
    name: String,
    host: String,
}

impl UserReader {
    pub(crate) fn new(settings: &Arc<Settings>, name: &str, host: &str) -> Self {
        Self { settings: Arc::clone(settings), name: name.to_owned(), host: host.to_owned() }
    }

    /// Of a user who was dropped meanwhile there are none.
    fn grants<'a>(&self, catalog: &'a Catalog) -> Option<Grants<'a>> {
        let user = catalog.user(&self.name, &self.host)?;
        Some(grants_of(user, |name| role::find(catalog, name)))
    }
}

impl Reader for UserReader {
    fn check(&self, catalog: &Catalog, database: &str, name: &str) -> Result<(), Error> {
        let on = target_of_name(catalog, database, name);
        let grants = self.grants(catalog);
        if grants.is_some_and(|grants| grants.allow(Action { privilege: SELECT, on })) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Denied, refusal::denied(SELECT, &on.describe()).message))
    }

    fn visible(&self, catalog: &Arc<Catalog>) -> Arc<Catalog> {
        let Some(grants) = self.grants(catalog) else { return Arc::default() };
        if grants.is_admin() {
            return Arc::clone(catalog);
        }
        Arc::new(catalog.only(&|database, relation| grants.see(target(database, relation))))
    }

    fn settings(&self, catalog: &Catalog) -> Vec<ServerSetting> {
        let grants = self.grants(catalog);
        if !grants.is_some_and(|grants| grants.allow(Action::system(OPERATE))) {
            return Vec::new();
        }
        let setting = |view: SettingView| ServerSetting {
            name: view.name.to_owned(),
            kind: view.kind.to_owned(),
            default: view.default,
            value: view.value,
            is_mutable: true,
        };
        self.settings.list().into_iter().map(setting).collect()
    }
}

/// What privileges are asked for a name. One that is not there is taken for a table: who may read every table of the
/// database learns that it is missing.
pub(crate) fn target_of_name<'a>(
    catalog: &'a Catalog,
    database: &'a str,
    name: &'a str,
) -> Target<'a> {
    let found = catalog.database(database).ok();
    match found.and_then(|found| found.relation(name)) {
        Some(relation) => target(database, Some(relation)),
        None => Target::Table(database, name),
    }
}

/// What privileges are asked for a relation of a database, or for the database. Rollups go with their table.
pub(crate) fn target<'a>(database: &'a str, relation: Option<Relation<'a>>) -> Target<'a> {
    match relation {
        None => Target::Database(database),
        Some(Relation::View(view)) => Target::View(database, &view.name),
        Some(Relation::Table(table)) if table.row().materialized_view.is_some() => {
            Target::MaterializedView(database, &table.row().name)
        }
        Some(Relation::Table(table) | Relation::Rollup(table, _)) => {
            Target::Table(database, &table.row().name)
        }
    }
}
