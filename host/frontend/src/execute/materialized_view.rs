//! CREATE, DROP, ALTER and REFRESH MATERIALIZED VIEW.
//!
//! A synchronous one is a rollup of its one base table and kept by each load; an asynchronous one is a table with a query,
//! refreshed from time to time.

use cairn_sql::statement::{AlterMaterializedView, CreateMaterializedView, QualifiedName};
use cairn_warehouse::Subject;
use cairn_warehouse::catalog::model::{BaseTable, MaterializedView, Refresh};
use cairn_warehouse::catalog::{Catalog, Relation};
use cairn_warehouse::ddl::{MaterializedViewChange, RollupDefinition, TableDefinition};

use super::data::query_session;
use super::existence::{dropped, made};
use super::kept_query::{KeptQuery, keep};
use super::materialization::{partition_by, refresh, rollup_columns};
use super::{definition, done};
use crate::account::privilege::{Action, Target};
use crate::clock::{now_millis, timestamp};
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::session::Session;

pub(super) async fn create(
    session: &Session,
    mut statement: CreateMaterializedView,
) -> Result<Answer, SqlError> {
    let (database, _) = session.qualified(&statement.name)?;
    let catalog = session.frontend.warehouse.catalog();
    session.require(&catalog, Action::database("CREATE MATERIALIZED VIEW", &database))?;
    let query = statement.query.clone();
    let kept = keep(session, &query_session(session, &catalog), *query).await?;
    kept.refuse_information_schema("A materialized view")?;
    match statement.refresh.take() {
        None => create_rollup(session, &catalog, database, statement, kept).await,
        Some(asked) => {
            let refresh = refresh(asked, now_millis())?;
            create_asynchronous(session, database, statement, kept, refresh).await
        }
    }
}

async fn create_rollup(
    session: &Session,
    catalog: &Catalog,
    database: String,
    statement: CreateMaterializedView,
    kept: KeptQuery,
) -> Result<Answer, SqlError> {
    cairn_warehouse::query::check_rollup(&kept.query).map_err(refusal::of_warehouse)?;
    if let Some((key, value)) = statement.properties.first() {
        let message =
            format!("Unknown properties of a synchronous materialized view: {key}={value}");
        return Err(refusal::analysis(message));
    }
    let [(of, base)] = kept.base_tables.as_slice() else {
        return Err(refusal::unsupported("A synchronous materialized view of more than one table"));
    };
    let found = catalog.database(of).ok().and_then(|found| found.relation(base));
    let is_table = matches!(found, Some(Relation::Table(table))
        if table.row().materialized_view.is_none() && *of == database);
    if !is_table {
        let message = format!(
            "A synchronous materialized view reads a table of its own database, not {of}.{base}"
        );
        return Err(refusal::analysis(message));
    }
    let columns = rollup_columns(&kept.query, kept.columns);
    let definition = RollupDefinition { name: statement.name.name, columns, query: kept.text };
    let loader = &session.frontend.loader;
    let rollup = Box::pin(loader.create_rollup(of, base, definition)).await;
    made(rollup, statement.if_not_exists)?;
    Ok(done())
}

async fn create_asynchronous(
    session: &Session,
    database: String,
    statement: CreateMaterializedView,
    kept: KeptQuery,
    refresh: Refresh,
) -> Result<Answer, SqlError> {
    let base_table = |(database, name)| BaseTable { database, name, seen: Default::default() };
    let CreateMaterializedView { name, comment, distribution, properties, text, .. } = statement;
    let partition_by = match statement.partition_by {
        Some(typed) => partition_by(&typed, &kept.columns)?,
        None => Default::default(),
    };
    let definition = TableDefinition {
        name: name.name,
        comment,
        columns: kept.columns,
        partition_by,
        distribution: distribution.map(definition::distribution),
        properties: definition::properties(properties),
        materialized_view: Some(MaterializedView {
            query: kept.text,
            text,
            refresh,
            base_tables: kept.base_tables.into_iter().map(base_table).collect(),
            inactive_reason: None,
            refreshed_at: None,
        }),
        ..TableDefinition::default()
    };
    let frontend = &session.frontend;
    let view = frontend.warehouse.create_table(&database, definition, timestamp()).await;
    if let Some(view) = made(view, statement.if_not_exists)?
        && !statement.deferred
    {
        frontend.refreshes.request(view);
    }
    Ok(done())
}

/// To drop a rollup is to alter its table.
pub(super) async fn drop(
    session: &Session,
    name: QualifiedName,
    if_exists: bool,
) -> Result<Answer, SqlError> {
    let (database, name) = session.qualified(&name)?;
    let warehouse = &session.frontend.warehouse;
    let catalog = warehouse.catalog();
    let found = catalog.database(&database).ok().and_then(|found| found.relation(&name));
    let action = match found {
        Some(Relation::Rollup(table, _)) => Action::table("ALTER", &database, &table.row().name),
        _ => on_view("DROP", &database, &name),
    };
    session.require(&catalog, action)?;
    let result = warehouse.drop_materialized_view(&database, &name).await;
    dropped(result, if_exists, Subject::Table)?;
    Ok(done())
}

pub(super) async fn alter(
    session: &Session,
    name: QualifiedName,
    change: AlterMaterializedView,
) -> Result<Answer, SqlError> {
    let (database, name) = session.qualified(&name)?;
    let frontend = &session.frontend;
    let catalog = frontend.warehouse.catalog();
    session.require(&catalog, on_view("ALTER", &database, &name))?;
    let change = match change {
        AlterMaterializedView::Active => {
            let found = catalog.table(&database, &name).map_err(refusal::of_warehouse)?;
            if let Some(why) = frontend.refreshes.misfit(&catalog, found).await {
                let message = format!("Can not active materialized view [{name}] because {why}");
                return Err(refusal::general(message));
            }
            MaterializedViewChange::Activate
        }
        AlterMaterializedView::Inactive => MaterializedViewChange::Inactivate,
        AlterMaterializedView::Rename(new) => MaterializedViewChange::Rename(new),
    };
    let is_active = change == MaterializedViewChange::Activate;
    let altered = frontend.warehouse.alter_materialized_view(&database, &name, change).await;
    altered.map_err(refusal::of_warehouse)?;
    if is_active {
        follow_again(session, &database, &name);
    }
    Ok(done())
}

/// A view that is active again has not seen what happened meanwhile.
fn follow_again(session: &Session, database: &str, name: &str) {
    let catalog = session.frontend.warehouse.catalog();
    let Ok(table) = catalog.table(database, name) else { return };
    let view = table.row().materialized_view.as_ref();
    if view.is_some_and(|view| view.refresh != Refresh::Manual) {
        session.frontend.refreshes.request(table.row().id);
    }
}

pub(super) async fn refresh_now(
    session: &Session,
    name: QualifiedName,
) -> Result<Answer, SqlError> {
    let (database, name) = session.qualified(&name)?;
    let frontend = &session.frontend;
    session.require(&frontend.warehouse.catalog(), on_view("REFRESH", &database, &name))?;
    let refreshed = frontend.refreshes.refresh(&database, &name).await;
    refreshed.map_err(refusal::of_warehouse)?;
    Ok(done())
}

fn on_view<'a>(privilege: &'static str, database: &'a str, name: &'a str) -> Action<'a> {
    Action { privilege, on: Target::MaterializedView(database, name) }
}
