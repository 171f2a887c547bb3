//! [`Session`]: one connection, or one run of `cairn sql`: its user, its database, its variables.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_sql::statement::QualifiedName;
use cairn_warehouse::catalog::Catalog;

use crate::account::privilege::{Action, Grants, Target};
use crate::account::role;
use crate::connections::Connection;
use crate::frontend::Frontend;
use crate::mysql::SqlError;
use crate::{account, refusal};

/// The database of everything that can be known of the others.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    pub(crate) frontend: Arc<Frontend>,
    /// Name and host of the account.
    pub(crate) user: (String, String),
    pub(crate) database: Option<String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) connection_id: u32,
    /// Its place in the list of connections; none of a session without one.
    pub(crate) connection: Option<Connection>,
}

impl Session {
    /// A session of the server's own operator, who needs no password: `cairn sql`.
    pub fn of_operator(frontend: Arc<Frontend>) -> Self {
        let user = (account::ROOT_USER.to_owned(), account::ANY_HOST.to_owned());
        let (database, variables) = (None, BTreeMap::new());
        Self { frontend, user, database, variables, connection_id: 0, connection: None }
    }

    /// The current database.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The database that a statement means: the one that it names, else the session's.
    pub(crate) fn database_or(&self, named: Option<&str>) -> Result<String, SqlError> {
        let database = named.map(str::to_owned).or_else(|| self.database.clone());
        database.ok_or_else(refusal::no_database)
    }

    /// The database and the name that a statement means.
    pub(crate) fn qualified(&self, name: &QualifiedName) -> Result<(String, String), SqlError> {
        Ok((self.database_or(name.database.as_deref())?, name.name.clone()))
    }

    /// Refuses when the user may not do this.
    pub(crate) fn require(&self, catalog: &Catalog, action: Action<'_>) -> Result<(), SqlError> {
        self.require_any(catalog, &[action])
    }

    /// Refuses when the user may do none of these.
    pub(crate) fn require_any(
        &self,
        catalog: &Catalog,
        actions: &[Action<'_>],
    ) -> Result<(), SqlError> {
        let grants = self.grants(catalog);
        if actions.iter().any(|action| grants.allow(*action)) {
            return Ok(());
        }
        let names: Vec<&str> = actions.iter().map(|action| action.privilege).collect();
        let on = actions.first().map(|action| action.on.describe()).unwrap_or_default();
        Err(refusal::denied(&names.join(" or "), &on))
    }

    /// Whether the user sees something in lists.
    pub(crate) fn sees(&self, catalog: &Catalog, target: Target<'_>) -> bool {
        self.grants(catalog).see(target)
    }

    /// What the user may do; nothing where it was dropped meanwhile.
    pub(crate) fn grants<'a>(&self, catalog: &'a Catalog) -> Grants<'a> {
        let (name, host) = &self.user;
        role::grants_of_account(catalog, name, host)
    }

    /// Makes a database the session's.
    pub(crate) fn choose_database(&mut self, database: &str) -> Result<(), SqlError> {
        let catalog = self.frontend.warehouse.catalog();
        let is_there = database == INFORMATION_SCHEMA || catalog.database(database).is_ok();
        // Who may not see it does not learn whether it is there.
        if !is_there {
            return Err(refusal::unknown_database(database));
        }
        if database != INFORMATION_SCHEMA && !self.sees(&catalog, Target::Database(database)) {
            return Err(refusal::denied("any", &format!("DATABASE {database}")));
        }
        self.database = Some(database.to_owned());
        if let Some(connection) = &self.connection {
            connection.show_database(database);
        }
        Ok(())
    }
}
