//! SELECT, EXPLAIN, INSERT and DELETE: through the queries and the loader of the warehouse.

use std::sync::Arc;

use cairn_sql::statement::{Insert, QualifiedName};
use cairn_warehouse::catalog::Catalog;
use cairn_warehouse::load::{DeleteRequest, LoadRequest};
use cairn_warehouse::query::{QuerySession, QueryStream};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast::{Expr, Query};
use futures::TryStreamExt;

use super::values::fill_defaults;
use super::variables::session_variables;
use crate::account::privilege::Action;
use crate::account::reader::{SELECT, UserReader};
use crate::clock::{now_micros, shown};
use crate::mysql::{Answer, Done, ResultSet, SqlError};
use crate::refusal;
use crate::session::Session;

/// What a query of this session sees of the world.
pub(super) fn query_session(session: &Session, catalog: &Arc<Catalog>) -> QuerySession {
    let (name, host) = &session.user;
    let variables = session_variables(session);
    let time_zone = variables.get("time_zone").map(String::as_str);
    let zone_micros = offset_micros(time_zone.unwrap_or_default());
    QuerySession {
        catalog: Arc::clone(catalog),
        database: session.database.clone(),
        user: format!("'{name}'@'{host}'"),
        connection_id: session.connection_id,
        now_micros: now_micros() + zone_micros,
        zone_micros,
        variables: Arc::new(variables),
        reader: Some(Arc::new(UserReader::new(&session.frontend.settings, name, host))),
    }
}

/// How far the clock of a time zone is ahead of UTC: of `+08:00`. Zones by name are not known and taken for UTC.
fn offset_micros(time_zone: &str) -> i64 {
    let parsed = || {
        let (sign, digits) = match time_zone.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, time_zone.strip_prefix('+')?),
        };
        let (hours, minutes) = digits.split_once(':')?;
        let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
        let is_offset = hours <= 14 && minutes < 60;
        is_offset.then(|| sign * (i64::from(hours) * 60 + i64::from(minutes)) * 60_000_000)
    };
    parsed().unwrap_or(0)
}

pub(super) async fn query(session: &Session, query: Query) -> Result<Answer, SqlError> {
    let frontend = &session.frontend;
    let asked = query_session(session, &frontend.warehouse.catalog());
    let rows = frontend.queries.query(&asked, query).await.map_err(refusal::of_warehouse)?;
    Ok(batches(rows))
}

fn batches(rows: QueryStream) -> Answer {
    let schema = Arc::clone(rows.schema());
    // The protocol finds the error again and answers with its number.
    let rows =
        rows.map_err(|error| DataFusionError::External(Box::new(refusal::of_warehouse(error))));
    let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), rows);
    Answer::Batches { schema, stream: Box::pin(stream) }
}

pub(super) async fn explain(session: &Session, query: Query) -> Result<Answer, SqlError> {
    let frontend = &session.frontend;
    let asked = query_session(session, &frontend.warehouse.catalog());
    let lines = frontend.queries.explain(&asked, query).await.map_err(refusal::of_warehouse)?;
    let mut result = ResultSet::of_text(["Explain String"]);
    result.rows = lines.into_iter().map(|line| vec![Some(line)]).collect();
    Ok(Answer::Rows(result))
}

pub(super) async fn insert(session: &Session, statement: Insert) -> Result<Answer, SqlError> {
    let Insert { table, partitions, overwrite, label, columns, mut query } = statement;
    let (database, table) = session.qualified(&table)?;
    let frontend = &session.frontend;
    let catalog = frontend.warehouse.catalog();
    session.require(&catalog, Action::table("INSERT", &database, &table))?;
    let target = catalog.table(&database, &table).map_err(refusal::of_warehouse)?;
    let asked = query_session(session, &catalog);
    let now = shown(asked.now_micros.div_euclid(1000));
    fill_defaults(&mut query, target.row(), &columns, &now)?;
    let rows = frontend.queries.query(&asked, *query).await.map_err(refusal::of_warehouse)?;
    let (database, now_micros) = (database.clone(), asked.now_micros);
    let info = label.as_ref().map(|label| format!("{{'label':'{label}', 'status':'VISIBLE'}}"));
    let request =
        LoadRequest { database, table, columns, partitions, overwrite, label, now_micros };
    let report = Box::pin(frontend.loader.load_query(&request, rows)).await;
    let report = report.map_err(refusal::of_warehouse)?;
    frontend.refreshes.after_change(&request.database, &request.table);
    let last_insert_id = report.first_number.unwrap_or_default();
    let info = info.unwrap_or_default();
    Ok(Answer::Done(Done { affected: report.rows, last_insert_id, info, ..Done::default() }))
}

pub(super) async fn delete(
    session: &Session,
    table: QualifiedName,
    partitions: Vec<String>,
    condition: Option<Expr>,
) -> Result<Answer, SqlError> {
    let (database, table) = session.qualified(&table)?;
    let frontend = &session.frontend;
    let catalog = frontend.warehouse.catalog();
    session.require(&catalog, Action::table("DELETE", &database, &table))?;
    if condition.is_some() {
        // How many rows a condition meets tells what is in them.
        session.require(&catalog, Action::table(SELECT, &database, &table))?;
    }
    let asked = query_session(session, &catalog);
    let request = DeleteRequest { database, table, partitions, condition };
    let deleted = frontend.loader.delete(&asked, &request).await;
    let affected = deleted.map_err(refusal::of_warehouse)?;
    frontend.refreshes.after_change(&request.database, &request.table);
    Ok(Answer::Done(Done { affected, ..Done::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_zone_is_an_offset_or_utc() {
        const MINUTE: i64 = 60_000_000;
        for (time_zone, minutes) in
            [("+08:00", 480), ("-05:30", -330), ("+00:00", 0), ("-0:1", -1), ("+14:00", 840)]
        {
            assert_eq!(offset_micros(time_zone), minutes * MINUTE, "{time_zone}");
        }
        for time_zone in ["", "UTC", "SYSTEM", "Asia/Shanghai", "+8", "+99:00", "+1:60", "+-1:00"] {
            assert_eq!(offset_micros(time_zone), 0, "{time_zone}");
        }
    }
}
