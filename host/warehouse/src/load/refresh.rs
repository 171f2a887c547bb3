//! Refresh of asynchronous materialized views: the query over one catalog replaces the view's rows, and with them in one
//! transaction the versions of the partitions that it has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::loader::{LoadReport, LoadRequest, Loader};
use crate::catalog::model::{BaseTable, MaterializedView, TableRow};
use crate::catalog::{Catalog, Relation};
use crate::query::{QuerySession, text_query};
use crate::{Error, Result, Subject};

/// Versions of the partitions of a base table, by name; of a view, by those of what it reads.
type Versions = BTreeMap<String, u64>;

/// Whether a materialized view does not show what is in its base tables. One that is inactive, or whose base tables are
/// gone, needs none: it could not be done.
pub fn needs_refresh(catalog: &Catalog, view: &TableRow) -> bool {
    let Some(view) = &view.materialized_view else { return false };
    if view.inactive_reason.is_some() {
        return false;
    }
    let current = view.base_tables.iter().map(|base| (base, versions(catalog, base)));
    let current: Vec<_> = current.collect();
    if current.iter().any(|(_, versions)| versions.is_none()) {
        return false;
    }
    view.refreshed_at.is_none()
        || current.iter().any(|(base, versions)| versions.as_ref() != Some(&base.seen))
}

/// What a refresh in this catalog sees of a base table; none where it is gone.
fn versions(catalog: &Catalog, base: &BaseTable) -> Option<Versions> {
    let mut versions = Versions::new();
    let mut visited = BTreeSet::new();
    let is_there =
        collect_versions(catalog, &base.database, &base.name, "", &mut versions, &mut visited);
    is_there.then_some(versions)
}

/// Adds the versions of a relation; whether it and all that it reads are there.
fn collect_versions(
    catalog: &Catalog,
    database: &str,
    name: &str,
    prefix: &str,
    versions: &mut Versions,
    visited: &mut BTreeSet<(String, String)>,
) -> bool {
    if !visited.insert((database.to_owned(), name.to_owned())) {
        return true;
    }
    let relation = catalog.database(database).ok().and_then(|database| database.relation(name));
    match relation {
        Some(Relation::Table(table) | Relation::Rollup(table, _)) => {
            versions.extend(
                table.partitions().map(|row| (format!("{prefix}{}", row.name), row.version)),
            );
            true
        }
        Some(Relation::View(view)) => view.base_tables.iter().all(|(database, name)| {
            let prefix = format!("{database}.{name}.");
            collect_versions(catalog, database, name, &prefix, versions, visited)
        }),
        None => false,
    }
}

impl Loader {
    /// Refreshes a materialized view. `now_micros` is the time of `now()` in its query, `now_millis` that of the refresh,
    /// since 1970-01-01.
    pub async fn refresh(
        &self,
        database: &str,
        name: &str,
        now_micros: i64,
        now_millis: i64,
    ) -> Result<LoadReport> {
        let change = self.begin(database, name, &[]).await?;
        let catalog = self.warehouse.catalog();
        let view = active_view(change.row())?;
        let seen = view.base_tables.iter().map(|base| {
            let seen = versions(&catalog, base)
                .ok_or_else(|| Error::unknown_table(&format!("{}.{}", base.database, base.name)))?;
            Ok(BaseTable { seen, ..base.clone() })
        });
        let refreshed = MaterializedView {
            base_tables: seen.collect::<Result<_>>()?,
            refreshed_at: Some(now_millis),
            ..view.clone()
        };
        let session = QuerySession::internal(Arc::clone(&catalog), database, now_micros);
        let rows = self.engine.query(&session, text_query(&view.query)?).await?;
        let request = LoadRequest {
            database: database.to_owned(),
            table: name.to_owned(),
            overwrite: true,
            now_micros,
            ..LoadRequest::default()
        };
        let schema = Arc::clone(rows.schema());
        Box::pin(change.load(&request, &schema, rows, Some(refreshed))).await
    }
}

fn active_view(row: &TableRow) -> Result<&MaterializedView> {
    let view = row.materialized_view.as_ref().ok_or_else(|| {
        Error::invalid(format!("'{}' is not a materialized view", row.name)).about(Subject::Table)
    })?;
    match &view.inactive_reason {
        None => Ok(view),
        Some(reason) => {
            let message = format!(
                "Refresh materialized view {} failed because it is not active: {reason}",
                row.name
            );
            Err(Error::invalid(message).about(Subject::Table))
        }
    }
}
