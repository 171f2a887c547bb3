//! CREATE and DROP DATABASE.

use cairn_sql::statement::Properties;
use cairn_warehouse::{ErrorKind, Subject};

use super::existence::{dropped, made};
use super::{definition, done};
use crate::account::privilege::Action;
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::session::{INFORMATION_SCHEMA, Session};

pub(super) async fn create(
    session: &Session,
    name: String,
    if_not_exists: bool,
    properties: Properties,
) -> Result<Answer, SqlError> {
    let warehouse = &session.frontend.warehouse;
    session.require(&warehouse.catalog(), Action::catalog("CREATE DATABASE"))?;
    if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        return if if_not_exists { Ok(done()) } else { Err(exists(&name)) };
    }
    let result = warehouse.create_database(&name, definition::properties(properties)).await;
    let result = made(result, if_not_exists);
    result.map_err(|error| if error.code == EXISTS { exists(&name) } else { error })?;
    Ok(done())
}

pub(super) async fn drop(
    session: &Session,
    name: String,
    if_exists: bool,
) -> Result<Answer, SqlError> {
    let warehouse = &session.frontend.warehouse;
    session.require(&warehouse.catalog(), Action::database("DROP", &name))?;
    if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        return Err(refusal::denied("DROP", &format!("DATABASE {name}")));
    }
    match warehouse.drop_database(&name).await {
        Err(error) if error.kind() == ErrorKind::NotFound && !if_exists => {
            Err(SqlError::new(1008, "HY000", error.to_string()))
        }
        result => dropped(result, if_exists, Subject::Database).map(|()| done()),
    }
}

/// The number of an error that says that a database is there.
const EXISTS: u16 = 1007;

fn exists(name: &str) -> SqlError {
    let message = format!("Can't create database '{name}'; database exists");
    SqlError::new(EXISTS, "HY000", message)
}
