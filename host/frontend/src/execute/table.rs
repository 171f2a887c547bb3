//! CREATE, DROP, TRUNCATE and ALTER TABLE.
//!
//! A table of a query is made, filled, and dropped again when the filling fails or is given up.

use cairn_sql::statement::{AlterTable, CreateTable, QualifiedName};
use cairn_warehouse::catalog::model::{ColumnDefault, Id};
use cairn_warehouse::ddl::{TableChange, TableDefinition};
use cairn_warehouse::load::{LoadReport, LoadRequest};
use cairn_warehouse::query::QuerySession;
use cairn_warehouse::{Error, Subject, Warehouse};
use datafusion::sql::sqlparser::ast::Query;
use tokio::runtime::Handle;

use super::data::query_session;
use super::existence::{dropped, made};
use super::{definition, done};
use crate::account::privilege::Action;
use crate::clock::{shown, timestamp};
use crate::frontend::Frontend;
use crate::mysql::{Answer, Done, SqlError};
use crate::refusal;
use crate::session::Session;

const CREATE_TABLE: &str = "CREATE TABLE";

pub(super) async fn create(
    session: &Session,
    mut statement: CreateTable,
) -> Result<Answer, SqlError> {
    let (database, _) = session.qualified(&statement.name)?;
    let warehouse = &session.frontend.warehouse;
    session.require(&warehouse.catalog(), Action::database(CREATE_TABLE, &database))?;
    if let Some(query) = statement.query.take() {
        return Box::pin(create_from(session, database, statement, *query)).await;
    }
    let if_not_exists = statement.if_not_exists;
    let definition = definition::table(statement, Vec::new())?;
    made(warehouse.create_table(&database, definition, timestamp()).await, if_not_exists)?;
    Ok(done())
}

/// CREATE TABLE AS SELECT.
async fn create_from(
    session: &Session,
    database: String,
    statement: CreateTable,
    query: Query,
) -> Result<Answer, SqlError> {
    let frontend = &session.frontend;
    let asked = query_session(session, &frontend.warehouse.catalog());
    let described = frontend.queries.describe(&asked, query.clone()).await;
    let described = described.map_err(refusal::of_warehouse)?;
    let if_not_exists = statement.if_not_exists;
    let definition = definition::table(statement, described)?;
    let new = NewTable::create(frontend, database, definition).await?;
    let Some(new) = made(new, if_not_exists)? else { return Ok(done()) };
    let filled = new.fill(session, &asked, query).await?;
    Ok(Answer::Done(Done { affected: filled.rows, ..Done::default() }))
}

/// A table that must not stay unless it gets its rows.
struct NewTable {
    warehouse: Warehouse,
    runtime: Handle,
    id: Id,
    database: String,
    name: String,
    /// Whether it has its rows, or is gone.
    is_settled: bool,
}

impl NewTable {
    /// In a task of its own: whoever gives it up must not miss that the table is there.
    async fn create(
        frontend: &Frontend,
        database: String,
        definition: TableDefinition,
    ) -> Result<Result<Self, Error>, SqlError> {
        let (warehouse, runtime) = (frontend.warehouse.clone(), frontend.runtime.clone());
        let made = frontend.runtime.spawn(async move {
            let name = definition.name.clone();
            let id = warehouse.create_table(&database, definition, timestamp()).await?;
            Ok(Self { warehouse, runtime, id, database, name, is_settled: false })
        });
        made.await.map_err(refusal::given_up)
    }

    async fn fill(
        mut self,
        session: &Session,
        asked: &QuerySession,
        query: Query,
    ) -> Result<LoadReport, SqlError> {
        let request = LoadRequest {
            database: self.database.clone(),
            table: self.name.clone(),
            now_micros: asked.now_micros,
            ..LoadRequest::default()
        };
        let frontend = &session.frontend;
        let rows = frontend.queries.query(asked, query).await;
        let loaded = match rows {
            Ok(rows) => Box::pin(frontend.loader.load_query(&request, rows)).await,
            Err(error) => Err(error),
        };
        if loaded.is_err() {
            remove(&self.warehouse, self.id, &self.database, &self.name).await;
        }
        self.is_settled = true;
        loaded.map_err(refusal::of_warehouse)
    }
}

impl Drop for NewTable {
    /// The statement was given up while it waited.
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let (warehouse, id) = (self.warehouse.clone(), self.id);
        let (database, name) = (self.database.clone(), self.name.clone());
        self.runtime.spawn(async move { remove(&warehouse, id, &database, &name).await });
    }
}

/// Drops a table, unless its name is that of another one by now.
async fn remove(warehouse: &Warehouse, id: Id, database: &str, name: &str) {
    let is_same = warehouse.catalog().table(database, name).is_ok_and(|table| table.row().id == id);
    if !is_same {
        return;
    }
    if let Err(error) = warehouse.drop_table(database, name).await {
        tracing::warn!(database, table = name, %error, "a table without its rows is left over");
    }
}

pub(super) async fn create_like(
    session: &Session,
    name: QualifiedName,
    like: QualifiedName,
    if_not_exists: bool,
) -> Result<Answer, SqlError> {
    let (database, name) = session.qualified(&name)?;
    let (of, model) = session.qualified(&like)?;
    let warehouse = &session.frontend.warehouse;
    let catalog = warehouse.catalog();
    session.require(&catalog, Action::database(CREATE_TABLE, &database))?;
    session.require(&catalog, Action::table("SELECT", &of, &model))?;
    let like = (of.as_str(), model.as_str());
    let table = warehouse.create_table_like(&database, &name, like, timestamp()).await;
    made(table, if_not_exists)?;
    Ok(done())
}

pub(super) async fn drop(
    session: &Session,
    name: QualifiedName,
    if_exists: bool,
) -> Result<Answer, SqlError> {
    let (database, name) = session.qualified(&name)?;
    let warehouse = &session.frontend.warehouse;
    session.require(&warehouse.catalog(), Action::table("DROP", &database, &name))?;
    dropped(warehouse.drop_table(&database, &name).await, if_exists, Subject::Table)?;
    Ok(done())
}

pub(super) async fn truncate(
    session: &Session,
    name: QualifiedName,
    partitions: Vec<String>,
) -> Result<Answer, SqlError> {
    let (database, name) = session.qualified(&name)?;
    let frontend = &session.frontend;
    session.require(&frontend.warehouse.catalog(), Action::table("DELETE", &database, &name))?;
    let truncated = frontend.warehouse.truncate_table(&database, &name, &partitions).await;
    truncated.map_err(refusal::of_warehouse)?;
    frontend.refreshes.after_change(&database, &name);
    Ok(done())
}

pub(super) async fn alter(
    session: &Session,
    name: QualifiedName,
    changes: Vec<AlterTable>,
) -> Result<Answer, SqlError> {
    let (database, name) = session.qualified(&name)?;
    let frontend = &session.frontend;
    let catalog = frontend.warehouse.catalog();
    session.require(&catalog, Action::table("ALTER", &database, &name))?;
    let mut changes = changes.into_iter().map(definition::change).collect::<Result<Vec<_>, _>>()?;
    let now = shown(query_session(session, &catalog).now_micros.div_euclid(1000));
    for change in &mut changes {
        if let TableChange::AddColumn(column) = change
            && column.default == Some(ColumnDefault::CurrentTimestamp)
        {
            column.initial = Some(now.clone());
        }
    }
    let altered = frontend.warehouse.alter_table(&database, &name, changes, timestamp()).await;
    altered.map_err(refusal::of_warehouse)?;
    frontend.refreshes.after_change(&database, &name);
    Ok(done())
}
