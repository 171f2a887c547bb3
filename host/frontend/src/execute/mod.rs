//! Statements: one file per family, each from what was typed to what is answered.
//!
//! A statement looks at one catalog (W3), checks the user's privileges on it before anything else is told, and then acts. What
//! blocks runs away from the threads of connections.

mod account;
mod admin;
mod backup;
mod data;
mod database;
mod definition;
mod drop_snapshot;
mod existence;
mod filter;
mod function;
mod hold;
mod kept_query;
mod kill;
mod like;
mod materialization;
mod materialized_view;
mod property;
mod repository;
mod resource_group;
mod restore;
mod server_object;
mod show;
mod snapshot;
mod table;
mod values;
mod variables;
mod view;

use cairn_sql::statement::{ObjectKind as Named, ShowFilter, Statement};
use cairn_warehouse::ObjectKind;
use futures::future::{BoxFuture, ready};

use crate::account::privilege::{Action, REPOSITORY};
use crate::blocking::blocking;
use crate::job::{backup_rows, restore_rows};
use crate::mysql::{Answer, Done, SqlError};
use crate::session::Session;

/// Executes a statement for a session. What that takes lies on the heap: the stack is for those who plan queries.
pub(crate) fn run(session: &mut Session, statement: Statement) -> Answering<'_> {
    match statement {
        Statement::CreateRepository(statement) => Box::pin(repository::create(session, statement)),
        Statement::DropRepository { name } => Box::pin(repository::drop(session, name)),
        Statement::ShowRepositories => at_once(repository::show(session)),
        Statement::Backup(statement) => Box::pin(backup::run(session, statement)),
        Statement::Restore(statement) => Box::pin(restore::run(session, statement)),
        Statement::ShowBackup { database, filter } => {
            at_once(show_jobs(session, database, true, &filter))
        }
        Statement::ShowRestore { database, filter } => {
            at_once(show_jobs(session, database, false, &filter))
        }
        Statement::CancelBackup { database } => Box::pin(cancel(session, database, true)),
        Statement::CancelRestore { database } => Box::pin(cancel(session, database, false)),
        Statement::ShowSnapshot { repository, filter } => {
            Box::pin(snapshot::show(session, repository, filter))
        }
        Statement::DropSnapshot { repository, filter, force } => {
            Box::pin(drop_snapshot::run(session, repository, filter, force))
        }
        Statement::AlterSnapshot { label, repository, change } => {
            Box::pin(hold::alter(session, label, repository, change))
        }
        Statement::ShowHolds { repository } => Box::pin(hold::show(session, repository)),
        Statement::CreateDatabase { name, if_not_exists, properties } => {
            Box::pin(database::create(session, name, if_not_exists, properties))
        }
        Statement::DropDatabase { name, if_exists } => {
            Box::pin(database::drop(session, name, if_exists))
        }
        Statement::CreateTable(statement) => Box::pin(table::create(session, statement)),
        Statement::CreateTableLike { name, like, if_not_exists } => {
            Box::pin(table::create_like(session, name, like, if_not_exists))
        }
        Statement::DropTable { name, if_exists } => Box::pin(table::drop(session, name, if_exists)),
        Statement::TruncateTable { name, partitions } => {
            Box::pin(table::truncate(session, name, partitions))
        }
        Statement::AlterTable { name, changes } => Box::pin(table::alter(session, name, changes)),
        Statement::CreateView(statement) => Box::pin(view::create(session, statement)),
        Statement::DropView { name, if_exists } => Box::pin(view::drop(session, name, if_exists)),
        Statement::CreateMaterializedView(statement) => {
            Box::pin(materialized_view::create(session, statement))
        }
        Statement::DropMaterializedView { name, if_exists } => {
            Box::pin(materialized_view::drop(session, name, if_exists))
        }
        Statement::AlterMaterializedView { name, change } => {
            Box::pin(materialized_view::alter(session, name, change))
        }
        Statement::RefreshMaterializedView { name } => {
            Box::pin(materialized_view::refresh_now(session, name))
        }
        Statement::CreateFunction(statement) => Box::pin(function::create(session, statement)),
        Statement::DropFunction { name, arguments } => {
            Box::pin(function::drop(session, name, arguments))
        }
        Statement::CreateResourceGroup(statement) => {
            Box::pin(resource_group::create(session, statement))
        }
        Statement::DropResourceGroup { name } => Box::pin(resource_group::drop(session, name)),
        Statement::Insert(statement) => Box::pin(data::insert(session, statement)),
        Statement::Delete { table, partitions, condition } => {
            Box::pin(data::delete(session, table, partitions, condition))
        }
        Statement::Query(query) => Box::pin(data::query(session, *query)),
        Statement::Explain(query) => Box::pin(data::explain(session, *query)),
        Statement::Use { database } => at_once(session.choose_database(&database).map(|()| done())),
        Statement::SetVariables(assignments) => at_once(variables::set(session, assignments)),
        Statement::Nothing => at_once(Ok(done())),
        Statement::Kill { connection, query_only } => {
            at_once(kill::run(session, connection, query_only))
        }
        Statement::Show(shown) => at_once(show::run(session, shown)),
        Statement::AdminSetConfig { settings, persistent } => {
            Box::pin(admin::set(session, settings, persistent))
        }
        Statement::AdminShowConfig { like } => at_once(admin::show(session, like)),
        Statement::CreateUser { user, if_not_exists, secret } => {
            Box::pin(account::create_user(session, user, if_not_exists, secret))
        }
        Statement::SetPassword { user, secret } => {
            Box::pin(account::set_password(session, user, secret))
        }
        Statement::DropUser { user, if_exists } => {
            Box::pin(account::drop_user(session, user, if_exists))
        }
        Statement::CreateRole { name, if_not_exists } => {
            Box::pin(account::create_role(session, name, if_not_exists))
        }
        Statement::DropRole { name, if_exists } => {
            Box::pin(account::drop_role(session, name, if_exists))
        }
        Statement::Grant { privileges, on, to } => {
            Box::pin(account::grant(session, privileges, on, to))
        }
        Statement::Revoke { privileges, on, from } => {
            Box::pin(account::revoke(session, privileges, on, from))
        }
        Statement::GrantRoles { roles, to } => Box::pin(account::grant_roles(session, roles, to)),
        Statement::RevokeRoles { roles, from } => {
            Box::pin(account::revoke_roles(session, roles, from))
        }
        Statement::ShowGrants { of } => at_once(account::grants(session, of)),
    }
}

/// A statement on its way to its answer.
type Answering<'a> = BoxFuture<'a, Result<Answer, SqlError>>;

fn at_once<'a>(answer: Result<Answer, SqlError>) -> Answering<'a> {
    Box::pin(ready(answer))
}

/// The column of SHOW BACKUP and SHOW RESTORE that LIKE is about: the label.
const JOB_LABEL: usize = 1;

fn show_jobs(
    session: &Session,
    database: Option<String>,
    backup: bool,
    condition: &ShowFilter,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    session.require(&catalog, Action::system(REPOSITORY))?;
    let database = job_database(session, database)?;
    let jobs = session.frontend.jobs.of_database(Some(&database), backup);
    let shown = if backup { backup_rows(&jobs) } else { restore_rows(&jobs) };
    filter::apply(shown, condition, JOB_LABEL).map(Answer::Rows)
}

async fn cancel(
    session: &Session,
    database: Option<String>,
    backup: bool,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    session.require(&catalog, Action::system(REPOSITORY))?;
    let database = job_database(session, database)?;
    let jobs = session.frontend.jobs.clone();
    blocking(move || jobs.cancel(&database, backup)).await?;
    Ok(done())
}

/// The database whose jobs a statement means; where none is named or chosen, that of the jobs that are about none.
fn job_database(session: &Session, named: Option<String>) -> Result<String, SqlError> {
    let has_others = || session.frontend.jobs.has_of_no_database();
    match session.database_or(named.as_deref()) {
        Err(_) if has_others() => Ok(String::new()),
        found => found,
    }
}

/// What a statement calls so.
fn object_kind(named: Named) -> ObjectKind {
    match named {
        Named::Table => ObjectKind::Table,
        Named::MaterializedView => ObjectKind::MaterializedView,
        Named::View => ObjectKind::View,
        Named::Function => ObjectKind::Function,
        Named::User => ObjectKind::User,
        Named::Role => ObjectKind::Role,
        Named::ResourceGroup => ObjectKind::ResourceGroup,
    }
}

/// The answer of a statement that has nothing to tell.
fn done() -> Answer {
    Answer::Done(Done::default())
}
