//! Queries: a parsed statement and one catalog in, a stream of record batches out. DataFusion plans and runs them.
//!
//! ```text
//! Query ─> headers ─> rewrite ─> plan (relations, views, functions) ─> scan (pruned partitions) ─> QueryStream
//! ```
//! [`QueryEngine`] does it all. A name means what the catalog of the session says (W3), and a result holds the segments that
//! it reads (W2).

use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::dialect::MySqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

mod apart;
mod columns;
mod engine;
mod execution;
pub(crate) mod failure;
mod files;
mod functions;
mod headers;
mod information_schema;
mod planner;
mod prune;
pub(crate) mod relations;
mod result;
pub(crate) mod rewrite;
pub(crate) mod rollup;
pub(crate) mod scan;
mod session;
mod stored;
mod values;
mod view;

pub use engine::{QueryConfig, QueryEngine};
pub use information_schema::{
    columns as information_schema_columns, names as information_schema_names,
};
pub use result::QueryStream;
pub use rollup::check as check_rollup;
pub use scan::ScanSummary;
pub use session::{QuerySession, Reader, ServerSetting};
pub(crate) use stored::renamed_query;
pub use stored::stored_query;

use crate::catalog::Relation;
use crate::catalog::model::Column;
use crate::{Error, ErrorKind, Result};

/// Parses the text of a stored query.
pub fn text_query(text: &str) -> Result<Query> {
    let parsed = Parser::new(&MySqlDialect {}).try_with_sql(text).and_then(|mut parser| {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::EOF)?;
        Ok(query)
    });
    parsed.map(|query| *query).map_err(|error| {
        let message = format!("the stored query \"{text}\" cannot be parsed: {error}");
        Error::new(ErrorKind::Query, message)
    })
}

/// The columns of a relation as they were declared, by the parts of its name; none where it is not known.
fn declared(session: &QuerySession, parts: &[&str]) -> Vec<String> {
    let (database, name) = match parts {
        [name] => (session.database.as_deref().unwrap_or_default(), *name),
        [.., database, name] => (*database, *name),
        [] => return Vec::new(),
    };
    if database.eq_ignore_ascii_case(rewrite::INFORMATION_SCHEMA) {
        return information_schema::column_names(name);
    }
    let database = session.catalog.database(database).ok();
    let columns: &[Column] = match database.and_then(|database| database.relation(name)) {
        Some(Relation::Table(table)) => &table.row().columns,
        Some(Relation::Rollup(_, rollup)) => &rollup.columns,
        Some(Relation::View(view)) => &view.columns,
        None => &[],
    };
    columns.iter().map(|column| column.name.clone()).collect()
}
