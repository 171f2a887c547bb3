//! [`KeptQuery`]: the query of a view as the catalog keeps it, planned once for its columns.

use cairn_warehouse::catalog::model::Column;
use cairn_warehouse::query::{QuerySession, stored_query, text_query};
use datafusion::sql::sqlparser::ast::Query;

use crate::mysql::SqlError;
use crate::refusal;
use crate::session::{INFORMATION_SCHEMA, Session};

/// A query that means the same whoever reads it.
#[derive(Debug)]
pub(super) struct KeptQuery {
    /// Its text, with every table qualified by its database.
    pub(super) text: String,
    /// The same, parsed.
    pub(super) query: Query,
    /// Its columns.
    pub(super) columns: Vec<Column>,
    /// What it reads, as (database, name).
    pub(super) base_tables: Vec<(String, String)>,
}

/// Makes a query ready to be kept. The user must be allowed to read what it reads.
pub(super) async fn keep(
    session: &Session,
    asked: &QuerySession,
    query: Query,
) -> Result<KeptQuery, SqlError> {
    let database = session.database.as_deref();
    let (text, base_tables) =
        stored_query(query, database.unwrap_or_default()).map_err(refusal::of_warehouse)?;
    if database.is_none() && base_tables.iter().any(|(database, _)| database.is_empty()) {
        return Err(refusal::no_database());
    }
    // What is planned is what will be read later on.
    let query = text_query(&text).map_err(refusal::of_warehouse)?;
    let columns = session.frontend.queries.describe(asked, query.clone()).await;
    let columns = columns.map_err(refusal::of_warehouse)?;
    Ok(KeptQuery { text, query, columns, base_tables })
}

impl KeptQuery {
    /// Refuses a query over what has no rows of its own.
    pub(super) fn refuse_information_schema(&self, what: &str) -> Result<(), SqlError> {
        let is_fixed =
            |(database, _): &&(String, String)| database.eq_ignore_ascii_case(INFORMATION_SCHEMA);
        match self.base_tables.iter().find(is_fixed) {
            None => Ok(()),
            Some((database, name)) => {
                Err(refusal::unsupported(format!("{what} over {database}.{name}")))
            }
        }
    }
}
