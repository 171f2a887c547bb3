//! CREATE ROLE and DROP ROLE.

use cairn_warehouse::catalog::Catalog;
use cairn_warehouse::catalog::model::{RoleRow, UserRow};

use super::{administrator, change, put_role, put_user, unknown_role};
use crate::account::role::{find, is_built_in};
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::session::Session;

pub(in super::super) async fn create(
    session: &Session,
    name: String,
    if_not_exists: bool,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    administrator(session, &catalog)?;
    refusal::check_name("role", &name)?;
    change(session, move |transaction, _| {
        if find(transaction.catalog(), &name).is_some() {
            let message = format!("Operation CREATE ROLE failed for {name}: role already exists");
            return if if_not_exists { Ok(()) } else { Err(refusal::general(message)) };
        }
        let (roles, grants) = (Vec::new(), Vec::new());
        put_role(transaction, RoleRow { name, roles, grants })
    })
    .await
}

/// Drops a role, also from those who have it.
pub(in super::super) async fn drop(
    session: &Session,
    name: String,
    if_exists: bool,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    administrator(session, &catalog)?;
    if is_built_in(&name) {
        let message =
            format!("Operation DROP ROLE failed for {name}: role {name} is not removable");
        return Err(refusal::general(message));
    }
    change(session, move |transaction, changer| {
        if find(transaction.catalog(), &name).is_none() {
            return if if_exists { Ok(()) } else { Err(unknown_role(&name)) };
        }
        changer.check_role(transaction.catalog(), "drop", &name)?;
        let (users, roles) = without(transaction.catalog(), &name);
        users.into_iter().try_for_each(|row| put_user(transaction, row))?;
        roles.into_iter().try_for_each(|row| put_role(transaction, row))?;
        transaction.remove_role(&name);
        Ok(())
    })
    .await
}

/// Those who have a role, without it.
fn without(catalog: &Catalog, name: &str) -> (Vec<UserRow>, Vec<RoleRow>) {
    let has = |roles: &[String]| roles.iter().any(|role| role == name);
    let rest = |roles: &[String]| roles.iter().filter(|role| *role != name).cloned().collect();
    let users = catalog.users().filter(|user| has(&user.roles));
    let users = users.map(|user| UserRow { roles: rest(&user.roles), ..UserRow::clone(user) });
    let roles = catalog.roles().filter(|role| has(&role.roles));
    let roles = roles.map(|role| RoleRow { roles: rest(&role.roles), ..RoleRow::clone(role) });
    (users.collect(), roles.collect())
}
