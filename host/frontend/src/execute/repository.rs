//! CREATE, DROP and SHOW REPOSITORY.

use std::sync::Arc;

use cairn_sql::statement::CreateRepository;

use super::done;
use crate::account::privilege::{Action, REPOSITORY};
use crate::blocking::blocking;
use crate::clock::shown;
use crate::mysql::{Answer, ResultSet, SqlError};
use crate::refusal;
use crate::repository::{NewRepository, Repositories, RepositoryView};
use crate::session::Session;

pub(super) async fn create(
    session: &Session,
    statement: CreateRepository,
) -> Result<Answer, SqlError> {
    require(session)?;
    let CreateRepository { name, read_only, broker, location, properties } = statement;
    let broker = broker.unwrap_or_default();
    let new = NewRepository { name, location, read_only, broker, properties };
    let repositories = Arc::clone(&session.frontend.repositories);
    blocking(move || repositories.create(new)).await?;
    Ok(done())
}

pub(super) async fn drop(session: &Session, name: String) -> Result<Answer, SqlError> {
    require(session)?;
    if session.frontend.jobs.uses(&name) {
        return Err(refusal::general(
            "Backup or restore job is running on this repository. Can not drop it",
        ));
    }
    let repositories = Arc::clone(&session.frontend.repositories);
    blocking(move || Repositories::drop(&repositories, &name)).await?;
    Ok(done())
}

pub(super) fn show(session: &Session) -> Result<Answer, SqlError> {
    require(session)?;
    let columns =
        ["RepoId", "RepoName", "CreateTime", "IsReadOnly", "Location", "Broker", "ErrMsg"];
    let mut result = ResultSet::of_text(columns);
    result.rows = session.frontend.repositories.list().into_iter().map(row).collect();
    Ok(Answer::Rows(result))
}

fn row(repository: RepositoryView) -> Vec<Option<String>> {
    let RepositoryView { id, name, created_at, read_only, location, broker, error } = repository;
    vec![
        Some(id.to_string()),
        Some(name),
        Some(shown(created_at)),
        Some(read_only.to_string()),
        Some(location),
        Some(broker),
        error.map(|(at, message)| format!("{}: {message}", shown(at))),
    ]
}

fn require(session: &Session) -> Result<(), SqlError> {
    session.require(&session.frontend.warehouse.catalog(), Action::system(REPOSITORY))
}
