//! Names of a query and what they mean in its catalog: tables, materialized views, rollups, views, `information_schema`, and
//! the relations that the query brings along.
//!
//! A view is planned in its own database, whatever the session's is, and takes its place in the plan.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Query;

use super::engine::QueryEngine;
use super::failure::external;
use super::rewrite::{CATALOG, INFORMATION_SCHEMA, SPECIAL_SCHEMA, SpecialRelation};
use super::scan::{ScanLog, SegmentScan};
use super::session::{QuerySession, ServerSetting};
use super::{files, information_schema, rollup, text_query, view};
use crate::catalog::{Catalog, Database, Relation};
use crate::{Error, ErrorKind};

/// Views in views in views: a longer chain is refused.
const MAX_VIEW_DEPTH: usize = 16;

/// The name in [`SPECIAL_SCHEMA`] of a relation that was handed in.
pub(crate) const HANDED_IN: &str = "rows";

/// A relation that a query reads and the catalog does not have.
#[derive(Debug, Clone)]
pub(crate) struct StandIn {
    /// What it is.
    pub(crate) relation: Arc<dyn TableProvider>,
    /// Whether every name of the query means it, or only [`HANDED_IN`].
    pub(crate) is_every_name: bool,
}

/// What names mean to one query.
#[derive(Debug, Clone)]
pub(super) struct Relations {
    pub(super) engine: QueryEngine,
    pub(super) session: QuerySession,
    /// What the query brings along, by place.
    pub(super) special: Vec<SpecialRelation>,
    /// A relation that the catalog does not have.
    pub(super) stand_in: Option<StandIn>,
    /// How many views are around this query.
    pub(super) depth: usize,
    pub(super) log: ScanLog,
}

impl Relations {
    async fn resolve(&self, database: &str, name: &str) -> crate::Result<Arc<dyn TableProvider>> {
        if let Some(stand_in) = &self.stand_in {
            let is_handed_in = database == SPECIAL_SCHEMA && name == HANDED_IN;
            if stand_in.is_every_name || is_handed_in {
                return Ok(Arc::clone(&stand_in.relation));
            }
        }
        match database {
            SPECIAL_SCHEMA => self.special(name).await,
            INFORMATION_SCHEMA => {
                information_schema::relation(&self.visible(), &|| self.settings(), name)
            }
            "" => Err(Error::new(ErrorKind::Invalid, "No database selected")),
            _ => {
                self.check(database, name)?;
                self.named(self.session.catalog.database(database)?, name).await
            }
        }
    }

    /// Refuses what the session may not read. What is inside a view was asked with the view.
    fn check(&self, database: &str, name: &str) -> crate::Result<()> {
        match &self.session.reader {
            Some(reader) if self.depth == 0 => reader.check(&self.session.catalog, database, name),
            _ => Ok(()),
        }
    }

    /// What `information_schema` shows of the server.
    fn settings(&self) -> Vec<ServerSetting> {
        let reader = self.session.reader.iter();
        reader.flat_map(|reader| reader.settings(&self.session.catalog)).collect()
    }

    /// What `information_schema` shows, in a view as well.
    fn visible(&self) -> Arc<Catalog> {
        let catalog = &self.session.catalog;
        match &self.session.reader {
            Some(reader) => reader.visible(catalog),
            None => Arc::clone(catalog),
        }
    }

    async fn named(
        &self,
        database: &Arc<Database>,
        name: &str,
    ) -> crate::Result<Arc<dyn TableProvider>> {
        let log = self.log.clone();
        match database.relation(name) {
            Some(Relation::Table(table)) => {
                Ok(Arc::new(SegmentScan::of_table(table, &|_| true, log)))
            }
            Some(Relation::Rollup(table, rollup)) => {
                let columns = &rollup.columns;
                let scan =
                    SegmentScan::of_index(table, name, rollup.index, columns, &|_| true, log);
                rollup::merged(rollup, Arc::new(scan))
            }
            Some(Relation::View(view)) => {
                if self.depth >= MAX_VIEW_DEPTH {
                    let message = format!("View '{name}' is nested too deeply, or in itself");
                    return Err(Error::new(ErrorKind::Query, message));
                }
                let inner = Self {
                    session: self.session.within(&database.row().name),
                    special: Vec::new(),
                    depth: self.depth + 1,
                    ..self.clone()
                };
                let plan = plan_apart(text_query(&view.query)?, inner).await?;
                view::relation(plan, &view.columns)
            }
            None => Err(Error::unknown_table(&format!("{}.{name}", database.row().name))),
        }
    }

    async fn special(&self, place: &str) -> crate::Result<Arc<dyn TableProvider>> {
        let special = place.parse::<usize>().ok().and_then(|place| self.special.get(place));
        match special.ok_or_else(|| Error::unknown_table(place))? {
            SpecialRelation::Files(options) => files::relation(&self.engine, options).await,
            SpecialRelation::Partitions { database, table, partitions } => {
                let database = database.as_deref().or(self.session.database.as_deref());
                let database = database.unwrap_or_default();
                self.check(database, table)?;
                let table = self.session.catalog.table(database, table)?;
                for name in partitions {
                    table.partition(name)?;
                }
                let is_wanted =
                    |row: &crate::catalog::model::PartitionRow| partitions.contains(&row.name);
                Ok(Arc::new(SegmentScan::of_table(table, &is_wanted, self.log.clone())))
            }
        }
    }
}

/// Plans a view on a stack of its own: each view in a view would take another piece of this one.
async fn plan_apart(query: Query, relations: Relations) -> crate::Result<LogicalPlan> {
    let engine = relations.engine.clone();
    let planned = tokio::spawn(async move { engine.plan_within(query, relations).await });
    planned.await.map_err(|error| {
        Error::new(ErrorKind::Query, "the planning of a view was given up").with_source(error)
    })?
}

impl CatalogProviderList for Relations {
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(self.clone()) as _)
    }
}

impl CatalogProvider for Relations {
    fn schema_names(&self) -> Vec<String> {
        self.session.catalog.databases().map(|database| database.row().name.clone()).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        // One that does not exist says so when it is asked for a table.
        Some(Arc::new(DatabaseRelations { relations: self.clone(), database: name.to_owned() }))
    }
}

/// The names of one database.
#[derive(Debug)]
struct DatabaseRelations {
    relations: Relations,
    database: String,
}

#[async_trait]
impl SchemaProvider for DatabaseRelations {
    fn table_names(&self) -> Vec<String> {
        let database = self.relations.session.catalog.database(&self.database);
        let tables = database.iter().flat_map(|database| database.tables());
        tables.map(|table| table.row().name.clone()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.relations.resolve(&self.database, name).await.map(Some).map_err(external)
    }

    fn table_exist(&self, name: &str) -> bool {
        let database = self.relations.session.catalog.database(&self.database);
        database.is_ok_and(|database| database.relation(name).is_some())
    }
}
