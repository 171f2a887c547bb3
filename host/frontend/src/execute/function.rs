//! CREATE and DROP FUNCTION: objects of the catalog that are kept, shown, backed up and restored, and not run.

use cairn_sql::statement::{CreateFunction, QualifiedName};
use cairn_warehouse::ddl::FunctionDefinition;

use super::{definition, done};
use crate::account::privilege::Action;
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::session::Session;

/// The kind of a function that says none.
const SCALAR: &str = "SCALAR";

pub(super) async fn create(
    session: &Session,
    statement: CreateFunction,
) -> Result<Answer, SqlError> {
    let CreateFunction { name, kind, arguments, returns, properties } = statement;
    let (database, name) = session.qualified(&name)?;
    let warehouse = &session.frontend.warehouse;
    session.require(&warehouse.catalog(), Action::database("CREATE FUNCTION", &database))?;
    let kind = if kind.is_empty() { SCALAR.to_owned() } else { kind };
    let properties = definition::properties(properties);
    let definition = FunctionDefinition { name, kind, arguments, returns, properties };
    let made = warehouse.create_function(&database, definition).await;
    made.map_err(refusal::of_warehouse)?;
    Ok(done())
}

/// Privileges know no single functions here: who may drop the database may drop what it has.
pub(super) async fn drop(
    session: &Session,
    name: QualifiedName,
    arguments: Vec<String>,
) -> Result<Answer, SqlError> {
    let (database, name) = session.qualified(&name)?;
    let warehouse = &session.frontend.warehouse;
    session.require(&warehouse.catalog(), Action::database("DROP", &database))?;
    let dropped = warehouse.drop_function(&database, &name, &arguments).await;
    dropped.map_err(refusal::of_warehouse)?;
    Ok(done())
}
