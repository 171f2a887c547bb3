//! SHOW GRANTS, USERS, ROLES and AUTHENTICATION.

use cairn_sql::statement::{Grantee, UserName};
use cairn_warehouse::catalog::Catalog;
use cairn_warehouse::catalog::model::{GrantRow, UserRow};

use super::{administrator, own, text, unknown_role, unknown_user};
use crate::account::grant::{statements, user_text};
use crate::account::role::{built_in, find, is_built_in};
use crate::mysql::{Answer, ResultSet, SqlError};
use crate::quote;
use crate::session::Session;

/// What StarRocks calls the one catalog in this list.
const CATALOG: &str = "default";

/// SHOW GRANTS. Everybody sees the own ones, and those of the roles that they come from.
pub(in super::super) fn grants(session: &Session, of: Option<Grantee>) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    let of = of.unwrap_or_else(|| Grantee::User(own(session)));
    let is_own = match &of {
        Grantee::User(user) => *user == own(session),
        Grantee::Role(name) => has_role(session, &catalog, name),
    };
    if !is_own {
        administrator(session, &catalog)?;
    }
    let shown = match &of {
        Grantee::User(user) => {
            let row = catalog.user(&user.name, &user.host);
            let row = row.ok_or_else(|| unknown_user(user))?;
            let grantee = format!("USER {}", text(user));
            list("UserIdentity", &text(user), &row.roles, &row.grants, &grantee)
        }
        Grantee::Role(name) => {
            let row = find(&catalog, name).ok_or_else(|| unknown_role(name))?;
            let grantee = format!("ROLE {}", quote::text(name));
            list("RoleName", name, &row.roles, &row.grants, &grantee)
        }
    };
    Ok(Answer::Rows(shown))
}

fn list(
    column: &str,
    whose: &str,
    roles: &[String],
    grants: &[GrantRow],
    grantee: &str,
) -> ResultSet {
    let mut shown = ResultSet::of_text([column, "Catalog", "Grants"]);
    let row = |(of_catalog, statement): (bool, String)| {
        let catalog = of_catalog.then(|| CATALOG.to_owned());
        vec![Some(whose.to_owned()), catalog, Some(statement)]
    };
    shown.rows = statements(roles, grants, grantee).into_iter().map(row).collect();
    shown
}

/// Whether the user has a role, by itself or by another one.
fn has_role(session: &Session, catalog: &Catalog, name: &str) -> bool {
    let UserName { name: user, host } = own(session);
    let mut waiting: Vec<&str> = match catalog.user(&user, &host) {
        Some(row) => row.roles.iter().map(String::as_str).collect(),
        None => Vec::new(),
    };
    // No role includes itself, but a catalog that was restored may say so.
    let mut seen: Vec<&str> = Vec::new();
    while let Some(role) = waiting.pop() {
        if role == name {
            return true;
        }
        if !seen.contains(&role) {
            seen.push(role);
            let inner = find(catalog, role).map(|row| row.roles.as_slice()).unwrap_or_default();
            waiting.extend(inner.iter().map(String::as_str));
        }
    }
    false
}

/// SHOW USERS.
pub(in super::super) fn users(session: &Session) -> Result<ResultSet, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    administrator(session, &catalog)?;
    let mut shown = ResultSet::of_text(["User"]);
    shown.rows =
        catalog.users().map(|user| vec![Some(user_text(&user.name, &user.host))]).collect();
    Ok(shown)
}

/// SHOW ROLES.
pub(in super::super) fn roles(session: &Session) -> Result<ResultSet, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    administrator(session, &catalog)?;
    let mut shown = ResultSet::of_text(["Name", "Builtin", "Comment"]);
    let own = catalog.roles().map(|role| role.name.as_str()).filter(|name| !is_built_in(name));
    let names = built_in().map(|role| role.name.as_str()).chain(own);
    let row = |name: &str| {
        vec![Some(name.to_owned()), Some(is_built_in(name).to_string()), Some(String::new())]
    };
    shown.rows = names.map(row).collect();
    Ok(shown)
}

/// SHOW AUTHENTICATION: how the user of the session logs in.
pub(in super::super) fn authentication(session: &Session) -> ResultSet {
    let catalog = session.frontend.warehouse.catalog();
    let columns = ["UserIdentity", "Password", "AuthPlugin", "UserForAuthPlugin"];
    let mut shown = ResultSet::of_text(columns);
    let UserName { name, host } = own(session);
    shown.rows =
        catalog.user(&name, &host).map(|user| authentication_row(user)).into_iter().collect();
    shown
}

fn authentication_row(user: &UserRow) -> Vec<Option<String>> {
    let has_password = !user.proofs.native.is_empty() || !user.proofs.sha2.is_empty();
    vec![
        Some(user_text(&user.name, &user.host)),
        Some(if has_password { "Yes" } else { "No" }.to_owned()),
        Some("MYSQL_NATIVE_PASSWORD".to_owned()),
        None,
    ]
}
