//! CREATE and DROP VIEW.

use cairn_sql::statement::{CreateView, QualifiedName};
use cairn_warehouse::Subject;
use cairn_warehouse::ddl::ViewDefinition;

use super::data::query_session;
use super::done;
use super::existence::{dropped, made};
use super::kept_query::keep;
use crate::account::privilege::{Action, Target};
use crate::mysql::{Answer, SqlError};
use crate::refresh::reads;
use crate::refusal;
use crate::session::Session;

pub(super) async fn create(session: &Session, statement: CreateView) -> Result<Answer, SqlError> {
    let CreateView { name, if_not_exists, or_replace, columns: names, comment, query, .. } =
        statement;
    let (database, name) = session.qualified(&name)?;
    let warehouse = &session.frontend.warehouse;
    let catalog = warehouse.catalog();
    session.require(&catalog, Action::database("CREATE VIEW", &database))?;
    let is_there = catalog.database(&database).is_ok_and(|found| found.view(&name).is_ok());
    if or_replace && is_there {
        let on = Target::View(&database, &name);
        session.require(&catalog, Action { privilege: "ALTER", on })?;
    }
    let kept = keep(session, &query_session(session, &catalog), *query).await?;
    if reads(&catalog, &kept.base_tables, &database, &name) {
        return Err(refusal::analysis(format_args!("View '{name}' would read itself")));
    }
    let mut columns = kept.columns;
    if !names.is_empty() {
        if names.len() != columns.len() {
            return Err(wrong_list());
        }
        columns.iter_mut().zip(names).for_each(|(column, name)| column.name = name);
    }
    let (query, base_tables) = (kept.text, kept.base_tables);
    let definition = ViewDefinition { name, comment, columns, query, base_tables };
    made(warehouse.create_view(&database, definition, or_replace).await, if_not_exists)?;
    Ok(done())
}

fn wrong_list() -> SqlError {
    let message = "View's SELECT and view's field list have different column counts";
    SqlError::new(1353, "HY000", message)
}

pub(super) async fn drop(
    session: &Session,
    name: QualifiedName,
    if_exists: bool,
) -> Result<Answer, SqlError> {
    let (database, name) = session.qualified(&name)?;
    let warehouse = &session.frontend.warehouse;
    let on = Target::View(&database, &name);
    session.require(&warehouse.catalog(), Action { privilege: "DROP", on })?;
    dropped(warehouse.drop_view(&database, &name).await, if_exists, Subject::Table)?;
    Ok(done())
}
