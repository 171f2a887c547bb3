//! Users, roles, and what they may do.
//!
//! Who holds GRANT on the server, by the role `user_admin`, makes and changes accounts; everybody may change the own password.
//! What is worth everything, the role `root` and its user, is given, changed and taken by those alone who hold it. A change
//! reads and writes its rows in one transaction.

mod grant;
mod role;
mod show;
mod user;

use cairn_sql::statement::UserName;
use cairn_warehouse::catalog::Catalog;
use cairn_warehouse::catalog::model::{RoleRow, UserRow};
use cairn_warehouse::store::Transaction;

use super::done;
use crate::account::grant::user_text;
use crate::account::privilege::{Action, GRANT, Grants, PUBLIC, grants_of};
use crate::account::{self, ANY_HOST, ROOT_USER};
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::session::Session;

pub(super) use grant::{grant, grant_roles, revoke, revoke_roles};
pub(super) use role::{create as create_role, drop as drop_role};
pub(super) use show::{authentication, grants, roles, users};
pub(super) use user::{create as create_user, drop as drop_user, set_password};

/// Refuses who may not change accounts; what else the user may do is the answer.
fn administrator<'a>(session: &Session, catalog: &'a Catalog) -> Result<Grants<'a>, SqlError> {
    session.require(catalog, Action::system(GRANT))?;
    Ok(session.grants(catalog))
}

/// Changes accounts in one transaction.
async fn change(
    session: &Session,
    change: impl FnOnce(&mut Transaction<'_>) -> Result<(), SqlError> + Send + 'static,
) -> Result<Answer, SqlError> {
    let warehouse = &session.frontend.warehouse;
    // A change that refuses has written nothing yet.
    let changed = warehouse.transact(move |transaction| Ok(change(transaction))).await;
    changed.map_err(refusal::of_warehouse)??;
    Ok(done())
}

/// The row of a user, to be changed.
fn user_row(catalog: &Catalog, user: &UserName) -> Result<UserRow, SqlError> {
    let row = catalog.user(&user.name, &user.host).map(|row| UserRow::clone(row));
    row.ok_or_else(|| unknown_user(user))
}

/// The row of a role, to be changed.
fn role_row(catalog: &Catalog, name: &str) -> Result<RoleRow, SqlError> {
    if account::role::is_built_in(name) && name != PUBLIC {
        return Err(refusal::general(format!("role {name} is not mutable: every server has it")));
    }
    account::role::find(catalog, name).cloned().ok_or_else(|| unknown_role(name))
}

/// Refuses who is not worth everything to change a user that is.
fn check_rank(catalog: &Catalog, held: &Grants<'_>, user: &UserName) -> Result<(), SqlError> {
    let row = catalog.user(&user.name, &user.host);
    let is_admin =
        |row: &UserRow| grants_of(row, |name| account::role::find(catalog, name)).is_admin();
    if !held.is_admin() && row.is_some_and(|row| is_admin(row)) {
        return Err(refusal::analysis("Can not modify root user, except root itself"));
    }
    Ok(())
}

/// The user that no server is without.
fn is_root(user: &UserName) -> bool {
    user.name == ROOT_USER && user.host == ANY_HOST
}

/// The account of a session.
fn own(session: &Session) -> UserName {
    let (name, host) = session.user.clone();
    UserName { name, host }
}

fn put_user(transaction: &mut Transaction<'_>, row: UserRow) -> Result<(), SqlError> {
    transaction.put_user(row).map_err(refusal::of_warehouse)
}

fn put_role(transaction: &mut Transaction<'_>, row: RoleRow) -> Result<(), SqlError> {
    transaction.put_role(row).map_err(refusal::of_warehouse)
}

fn text(user: &UserName) -> String {
    user_text(&user.name, &user.host)
}

fn unknown_user(user: &UserName) -> SqlError {
    refusal::analysis(format_args!("cannot find user {}", text(user)))
}

fn unknown_role(name: &str) -> SqlError {
    refusal::analysis(format_args!("cannot find role {name}"))
}
