//! KILL: ends a connection or the statement that it runs.

use super::admin::OPERATE;
use super::done;
use crate::account::privilege::Action;
use crate::mysql::{Answer, SqlError};
use crate::session::Session;

/// Everybody may end the own connections; those of others need OPERATE.
pub(super) fn run(session: &Session, id: u64, query_only: bool) -> Result<Answer, SqlError> {
    let unknown = || SqlError::new(1094, "HY000", format!("Unknown thread id: {id}"));
    let (view, interrupt) = session.frontend.connections.find(id).ok_or_else(unknown)?;
    if view.user != session.user {
        let catalog = session.frontend.warehouse.catalog();
        session.require(&catalog, Action::system(OPERATE))?;
    }
    if query_only {
        interrupt.end_statement();
    } else {
        interrupt.end_connection();
    }
    Ok(done())
}
