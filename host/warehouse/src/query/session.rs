//! What a statement knows of the world: one catalog (W3), and the session that sent it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::Result;
use crate::catalog::Catalog;

/// The setting of a statement. All its parts see the same catalog and the same time.
#[derive(Debug, Clone)]
pub struct QuerySession {
    /// All tables at one instant.
    pub catalog: Arc<Catalog>,
    /// The current database, for names without one.
    pub database: Option<String>,
    /// Who asks, as `'name'@'host'`.
    pub user: String,
    /// What `connection_id()` says.
    pub connection_id: u32,
    /// Values of `@@variables`, by name in lower case, and of the user's own, with their `@`; `version` is what `version()`
    /// says.
    pub variables: Arc<BTreeMap<String, String>>,
    /// The time of `now()`: microseconds since 1970-01-01, read off the session's wall clock.
    pub now_micros: i64,
    /// How far that clock is ahead of UTC.
    pub zone_micros: i64,
    /// What the session may read; none is everything.
    pub reader: Option<Arc<dyn Reader>>,
}

/// A setting of the server, as `information_schema.be_configs` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSetting {
    /// Its name.
    pub name: String,
    /// What values it takes.
    pub kind: String,
    /// The value that the server began with.
    pub default: String,
    /// The value in force.
    pub value: String,
    /// Whether it changes while the server runs.
    pub is_mutable: bool,
}

/// Says what a session may read.
pub trait Reader: fmt::Debug + Send + Sync {
    /// Refuses a relation before it is looked for: it may not be there. What a view reads is not asked.
    fn check(&self, catalog: &Catalog, database: &str, name: &str) -> Result<()>;

    /// What `information_schema` shows of a catalog.
    fn visible(&self, catalog: &Arc<Catalog>) -> Arc<Catalog>;

    /// What it shows of the server's settings.
    fn settings(&self, catalog: &Catalog) -> Vec<ServerSetting>;
}

impl QuerySession {
    /// A session of nobody, for what the warehouse does by itself.
    pub(crate) fn internal(catalog: Arc<Catalog>, database: &str, now_micros: i64) -> Self {
        Self {
            catalog,
            database: Some(database.to_owned()),
            user: String::new(),
            connection_id: 0,
            variables: Arc::default(),
            now_micros,
            zone_micros: 0,
            reader: None,
        }
    }

    /// The same with another current database.
    pub(crate) fn within(&self, database: &str) -> Self {
        Self { database: Some(database.to_owned()), ..self.clone() }
    }
}
