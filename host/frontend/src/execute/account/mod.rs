//! Users, roles, and what they may do.
//!
//! Who holds GRANT on the server, by the role `user_admin`, makes and changes accounts; everybody may change the own password.
//! What is worth everything, the role `root` and whatever includes it, is given, changed and taken by those alone who hold it.
//! A change is judged, and reads and writes its rows, in one transaction.

mod grant;
mod role;
mod show;
mod user;

use cairn_sql::statement::{Grantee, UserName};
use cairn_warehouse::catalog::Catalog;
use cairn_warehouse::catalog::model::{RoleRow, UserRow};
use cairn_warehouse::store::Transaction;

use super::done;
use crate::account::grant::user_text;
use crate::account::privilege::{Action, GRANT, Grants, PUBLIC, ROOT};
use crate::account::{self, ANY_HOST, ROOT_USER};
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::session::Session;

pub(super) use grant::{grant, grant_roles, revoke, revoke_roles};
pub(super) use role::{create as create_role, drop as drop_role};
pub(super) use show::{authentication, grants, roles, users};
pub(super) use user::{create as create_user, drop as drop_user, set_password};

/// Refuses who may not see and change accounts; what else the user may do is the answer.
pub(super) fn administrator<'a>(
    session: &Session,
    catalog: &'a Catalog,
) -> Result<Grants<'a>, SqlError> {
    session.require(catalog, Action::system(GRANT))?;
    Ok(session.grants(catalog))
}

/// Who changes accounts: judged again by the catalog that the change is made in, so that a right that is gone counts no more
/// and a user or role that has just come to be worth everything is left alone.
struct Changer(UserName);

impl Changer {
    fn is_admin(&self, catalog: &Catalog) -> bool {
        account::role::grants_of_account(catalog, &self.0.name, &self.0.host).is_admin()
    }

    /// Refuses who may not change accounts.
    fn check(&self, catalog: &Catalog) -> Result<(), SqlError> {
        let grants = account::role::grants_of_account(catalog, &self.0.name, &self.0.host);
        let action = Action::system(GRANT);
        if grants.allow(action) {
            return Ok(());
        }
        Err(refusal::denied(action.privilege, &action.on.describe()))
    }

    /// Refuses who is not worth everything to change a user that is.
    fn check_user(&self, catalog: &Catalog, user: &UserName) -> Result<(), SqlError> {
        let theirs = account::role::grants_of_account(catalog, &user.name, &user.host);
        if theirs.is_admin() && !self.is_admin(catalog) {
            return Err(refusal::analysis("Can not modify root user, except root itself"));
        }
        Ok(())
    }

    /// The same for a role: to change it, to give it and to take it.
    fn check_role(&self, catalog: &Catalog, verb: &str, role: &str) -> Result<(), SqlError> {
        if account::role::is_admin(catalog, role) && !self.is_admin(catalog) {
            let kind = if role == ROOT { "root role" } else { "a role with the rights of root" };
            let message = format!("Can not {verb} {kind} except root user");
            return Err(refusal::analysis(message));
        }
        Ok(())
    }

    fn check_grantee(&self, catalog: &Catalog, grantee: &Grantee) -> Result<(), SqlError> {
        match grantee {
            Grantee::User(user) => self.check_user(catalog, user),
            Grantee::Role(role) => self.check_role(catalog, "modify", role),
        }
    }
}

/// Changes accounts in one transaction.
async fn change(
    session: &Session,
    change: impl FnOnce(&mut Transaction<'_>, &Changer) -> Result<(), SqlError> + Send + 'static,
) -> Result<Answer, SqlError> {
    let changer = Changer(own(session));
    // A change that refuses has written nothing yet.
    let change = move |transaction: &mut Transaction<'_>| {
        changer.check(transaction.catalog())?;
        change(transaction, &changer)
    };
    transact(session, change).await
}

/// Changes what is the user's own in one transaction.
async fn transact(
    session: &Session,
    change: impl FnOnce(&mut Transaction<'_>) -> Result<(), SqlError> + Send + 'static,
) -> Result<Answer, SqlError> {
    let warehouse = &session.frontend.warehouse;
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
