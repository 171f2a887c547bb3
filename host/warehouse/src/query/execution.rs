//! Plans and runs queries: one plan for a statement.
//!
//! A result is computed while it is read, and dropping it ends the query.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use datafusion::sql::parser::Statement as PlannedStatement;
use datafusion::sql::sqlparser::ast::{Query, Statement};

use super::apart;
use super::engine::QueryEngine;
use super::failure::query_error;
use super::headers::Headers;
use super::planner::is_read_only;
use super::relations::{Relations, StandIn};
use super::result::QueryStream;
use super::rewrite::{CATALOG, rewrite};
use super::scan::ScanLog;
use super::session::QuerySession;
use super::{declared, values};
use crate::arrow_types::column_of;
use crate::catalog::model::Column;
use crate::{Error, ErrorKind, Result};

/// A query that is ready to run.
struct Planned {
    state: SessionState,
    plan: LogicalPlan,
    headers: Headers,
    log: ScanLog,
}

impl QueryEngine {
    /// Runs a query.
    pub async fn query(&self, session: &QuerySession, query: Query) -> Result<QueryStream> {
        let query = match literals(query).await? {
            Ok(rows) => return Ok(rows),
            Err(query) => query,
        };
        self.run(session, query, None).await
    }

    /// Runs a query with a relation that the catalog does not have.
    pub(crate) async fn query_over(
        &self,
        session: &QuerySession,
        query: Query,
        stand_in: StandIn,
    ) -> Result<QueryStream> {
        self.run(session, query, Some(stand_in)).await
    }

    /// All rows of a relation in its own order, with these columns or all.
    pub(crate) async fn read(
        &self,
        relation: &dyn TableProvider,
        columns: Option<&Vec<usize>>,
    ) -> Result<QueryStream> {
        let state = self.single();
        let plan = relation.scan(state, columns, &[], None).await.map_err(query_error)?;
        let stream = execute_stream(Arc::clone(&plan), state.task_ctx()).map_err(query_error)?;
        Ok(QueryStream::new(plan.schema(), stream, plan, Vec::new()))
    }

    /// The columns that a query would have, as columns of a table.
    pub async fn describe(&self, session: &QuerySession, query: Query) -> Result<Vec<Column>> {
        let (engine, session) = (self.clone(), session.clone());
        self.apart(Box::pin(async move {
            let planned = engine.plan(&session, query, None).await?;
            let schema = planned.headers.show(planned.plan.schema().as_arrow());
            schema.fields().iter().map(|field| column_of(field)).collect()
        }))
        .await
    }

    /// What a query means, before it is optimised, with a relation that the catalog does not have.
    pub(crate) async fn meaning(
        &self,
        session: &QuerySession,
        query: Query,
        stand_in: StandIn,
    ) -> Result<LogicalPlan> {
        Ok(Box::pin(self.plan(session, query, Some(stand_in))).await?.plan)
    }

    /// The plan of a query, line by line, and what each of its scans reads.
    pub async fn explain(&self, session: &QuerySession, query: Query) -> Result<Vec<String>> {
        let (engine, session) = (self.clone(), session.clone());
        self.apart(Box::pin(async move { engine.explain_here(&session, query).await })).await
    }

    async fn explain_here(&self, session: &QuerySession, query: Query) -> Result<Vec<String>> {
        let planned = self.plan(session, query, None).await?;
        let physical = planned.physical().await?;
        let tree = displayable(physical.as_ref()).indent(false).to_string();
        let mut lines: Vec<String> = tree.lines().map(str::to_owned).collect();
        lines.extend(planned.log.summaries().into_iter().map(|scan| {
            format!(
                "{}: partitions={}/{}, segments={}",
                scan.table, scan.selected_partitions, scan.partitions, scan.segments
            )
        }));
        Ok(lines)
    }

    async fn run(
        &self,
        session: &QuerySession,
        query: Query,
        stand_in: Option<StandIn>,
    ) -> Result<QueryStream> {
        let (engine, session) = (self.clone(), session.clone());
        // Plans are large: what waits for one is not.
        let planned = Box::pin(async move {
            let planned = engine.plan(&session, query, stand_in).await?;
            let physical = planned.physical().await?;
            let schema = planned.headers.show(&physical.schema());
            planned.start(physical, schema)
        });
        match self.threads() {
            Some(threads) => apart::query(threads, planned).await,
            None => planned.await,
        }
    }

    async fn plan(
        &self,
        session: &QuerySession,
        mut query: Query,
        stand_in: Option<StandIn>,
    ) -> Result<Planned> {
        let names = |parts: &[&str]| declared(session, parts);
        let mut headers = Headers::of(&query, &names);
        headers.make_unique(&mut query);
        let log = ScanLog::default();
        let relations = Relations {
            engine: self.clone(),
            session: session.clone(),
            special: Vec::new(),
            stand_in,
            depth: 0,
            log: log.clone(),
        };
        let (state, plan) = self.plan_parts(query, relations).await?;
        Ok(Planned { state, plan, headers, log })
    }

    /// The plan of a query whose names have this meaning.
    pub(super) async fn plan_within(
        &self,
        query: Query,
        relations: Relations,
    ) -> Result<LogicalPlan> {
        Ok(self.plan_parts(query, relations).await?.1)
    }

    async fn plan_parts(
        &self,
        mut query: Query,
        mut relations: Relations,
    ) -> Result<(SessionState, LogicalPlan)> {
        relations.special = rewrite(&mut query, &relations.session)?;
        let state = self.state_for(relations);
        let statement = Statement::Query(Box::new(query));
        let statement = PlannedStatement::Statement(Box::new(statement));
        let plan = state.statement_to_plan(statement).await.map_err(query_error)?;
        if !is_read_only(&plan) {
            return Err(Error::unsupported("a query must only read"));
        }
        Ok((state, plan))
    }

    fn state_for(&self, relations: Relations) -> SessionState {
        let database = relations.session.database.clone().unwrap_or_default();
        let config = self.state().config().clone();
        SessionStateBuilder::new_from_existing(self.state().clone())
            .with_config(config.with_default_catalog_and_schema(CATALOG, database))
            .with_catalog_list(Arc::new(relations))
            .build()
    }
}

/// The rows of a query that is nothing but literals, made on a thread that may take its time; else the query.
async fn literals(query: Query) -> Result<Result<QueryStream, Query>> {
    if values::of(&query).is_none() {
        return Ok(Err(query));
    }
    let made = move || {
        let batch = values::of(&query).and_then(values::batch);
        (query, batch)
    };
    let made = tokio::task::spawn_blocking(made).await.map_err(|error| {
        Error::new(ErrorKind::Query, "the rows of VALUES were given up").with_source(error)
    })?;
    let (_, Some(batch)) = made else { return Ok(Err(made.0)) };
    let schema = batch.schema();
    let rows =
        MemoryStream::try_new(vec![batch], Arc::clone(&schema), None).map_err(query_error)?;
    let plan = Arc::new(EmptyExec::new(Arc::clone(&schema)));
    Ok(Ok(QueryStream::new(schema, Box::pin(rows), plan, Vec::new())))
}

impl Planned {
    async fn physical(&self) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.state.create_physical_plan(&self.plan).await;
        plan.and_then(with_pauses).map_err(query_error)
    }

    fn start(self, plan: Arc<dyn ExecutionPlan>, schema: SchemaRef) -> Result<QueryStream> {
        let context = self.state.task_ctx();
        let stream = execute_stream(Arc::clone(&plan), context).map_err(query_error)?;
        Ok(QueryStream::new(schema, stream, plan, self.log.summaries()))
    }
}

/// The plan with a pause now and then behind everything that may give more than it takes: DataFusion pauses where rows are
/// read, and few rows may make many. Without pauses a query cannot be ended.
fn with_pauses(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let pausing = |node: Arc<dyn ExecutionPlan>| {
        Ok(if node.children().len() > 1 {
            Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>)
        } else {
            Transformed::no(node)
        })
    };
    Ok(plan.transform_up(pausing)?.data)
}
