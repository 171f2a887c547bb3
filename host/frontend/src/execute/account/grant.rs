//! GRANT and REVOKE, of privileges and of roles.

use std::collections::BTreeSet;

use cairn_sql::statement::{GrantObject, Grantee};
use cairn_warehouse::catalog::model::{GrantRow, GrantScope};
use cairn_warehouse::catalog::{Catalog, Relation};
use cairn_warehouse::store::Transaction;

use super::{
    Changer, administrator, change, is_root, put_role, put_user, role_row, unknown_role, user_row,
};
use crate::account::CATALOG;
use crate::account::grant::{add, is_admin, remove, row};
use crate::account::privilege::{PUBLIC, ROOT};
use crate::account::role::find;
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::session::Session;

pub(in super::super) async fn grant(
    session: &Session,
    privileges: Vec<String>,
    on: GrantObject,
    to: Grantee,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    let scope = scope(session, on)?;
    let rows = rows(session, &catalog, &privileges, &scope)?;
    check_object(&catalog, &scope)?;
    change_grants(session, to, move |grants| rows.into_iter().for_each(|row| add(grants, row)))
        .await
}

/// What it was granted on need not be there any more.
pub(in super::super) async fn revoke(
    session: &Session,
    privileges: Vec<String>,
    on: GrantObject,
    from: Grantee,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    let scope = scope(session, on)?;
    let rows = rows(session, &catalog, &privileges, &scope)?;
    change_grants(session, from, move |grants| rows.iter().for_each(|row| remove(grants, row)))
        .await
}

pub(in super::super) async fn grant_roles(
    session: &Session,
    roles: Vec<String>,
    to: Grantee,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    administrator(session, &catalog)?;
    change(session, move |transaction, changer| {
        check_roles(changer, transaction.catalog(), &roles, "grant")?;
        changer.check_grantee(transaction.catalog(), &to)?;
        if let Grantee::Role(to) = &to {
            refuse_circle(transaction.catalog(), &roles, to)?;
        }
        change_roles(transaction, &to, |held| {
            let new = roles.iter().filter(|role| !held.contains(role)).cloned();
            let new: Vec<_> = new.collect();
            held.extend(new);
        })
    })
    .await
}

pub(in super::super) async fn revoke_roles(
    session: &Session,
    roles: Vec<String>,
    from: Grantee,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    administrator(session, &catalog)?;
    let is_root = matches!(&from, Grantee::User(user) if is_root(user));
    if is_root && roles.iter().any(|role| role == ROOT) {
        return Err(refusal::analysis("Can not revoke root role from root user"));
    }
    change(session, move |transaction, changer| {
        check_roles(changer, transaction.catalog(), &roles, "revoke")?;
        changer.check_grantee(transaction.catalog(), &from)?;
        change_roles(transaction, &from, |held| held.retain(|role| !roles.contains(role)))
    })
    .await
}

/// What the privileges are for, with the session's database where none was typed.
fn scope(session: &Session, on: GrantObject) -> Result<GrantScope, SqlError> {
    let database = |database: Option<String>, name: &Option<String>| match name {
        Some(_) => session.database_or(database.as_deref()).map(Some),
        None => Ok(database),
    };
    Ok(match on {
        GrantObject::System => GrantScope::System,
        GrantObject::Catalog(name) => GrantScope::Catalog(name),
        GrantObject::Database(name) => GrantScope::Database(name),
        GrantObject::Table { database: of, table } => {
            GrantScope::Table(database(of, &table)?, table)
        }
        GrantObject::View { database: of, view } => GrantScope::View(database(of, &view)?, view),
        GrantObject::MaterializedView { database: of, view } => {
            GrantScope::MaterializedView(database(of, &view)?, view)
        }
    })
}

/// The rows of privileges that the user may grant and revoke.
fn rows(
    session: &Session,
    catalog: &Catalog,
    privileges: &[String],
    scope: &GrantScope,
) -> Result<Vec<GrantRow>, SqlError> {
    let held = administrator(session, catalog)?;
    let rows = privileges.iter().map(|privilege| row(privilege, scope));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if rows.iter().any(is_admin) && !held.is_admin() {
        return Err(refusal::analysis("Can not grant or revoke ADMIN except root user"));
    }
    Ok(rows)
}

/// Refuses what is not there. A materialized view is also a table.
fn check_object(catalog: &Catalog, scope: &GrantScope) -> Result<(), SqlError> {
    let relation =
        |database: &Option<String>, name: &Option<String>, fits: fn(Relation<'_>) -> bool| {
            let Some(database) = database else { return Ok(()) };
            let found = catalog.database(database).map_err(refusal::of_warehouse)?;
            let Some(name) = name else { return Ok(()) };
            match found.relation(name) {
                Some(relation) if fits(relation) => Ok(()),
                _ => Err(refusal::unknown_table(&format!("{database}.{name}"))),
            }
        };
    match scope {
        GrantScope::System | GrantScope::Database(None) => Ok(()),
        GrantScope::Catalog(name) if name.eq_ignore_ascii_case(CATALOG) => Ok(()),
        GrantScope::Catalog(name) => Err(refusal::general(format!("Unknown catalog '{name}'"))),
        GrantScope::Database(Some(name)) => {
            catalog.database(name).map(drop).map_err(refusal::of_warehouse)
        }
        GrantScope::Table(database, name) => {
            relation(database, name, |found| matches!(found, Relation::Table(_)))
        }
        GrantScope::View(database, name) => {
            relation(database, name, |found| matches!(found, Relation::View(_)))
        }
        GrantScope::MaterializedView(database, name) => {
            relation(database, name, |found| match found {
                Relation::Table(table) => table.row().materialized_view.is_some(),
                // An index goes with its table.
                Relation::Rollup(..) | Relation::View(_) => false,
            })
        }
    }
}

/// Refuses roles that are not there, and what is worth everything to whoever is not.
fn check_roles(
    changer: &Changer,
    catalog: &Catalog,
    roles: &[String],
    verb: &str,
) -> Result<(), SqlError> {
    for role in roles {
        changer.check_role(catalog, verb, role)?;
        if role == PUBLIC {
            let message = format!("Can not {verb} role public: everybody has it");
            return Err(refusal::analysis(message));
        }
        if find(catalog, role).is_none() {
            return Err(unknown_role(role));
        }
    }
    Ok(())
}

/// Refuses that a role comes to include itself.
fn refuse_circle(catalog: &Catalog, roles: &[String], to: &str) -> Result<(), SqlError> {
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<&str> = roles.iter().map(String::as_str).collect();
    while let Some(name) = waiting.pop() {
        if name == to {
            let message =
                format!("Can not grant {} to role {to}: it includes {to}", roles.join(", "));
            return Err(refusal::analysis(message));
        }
        if seen.insert(name) {
            let inner = find(catalog, name).map(|role| role.roles.as_slice()).unwrap_or_default();
            waiting.extend(inner.iter().map(String::as_str));
        }
    }
    Ok(())
}

async fn change_grants(
    session: &Session,
    of: Grantee,
    make: impl FnOnce(&mut Vec<GrantRow>) + Send + 'static,
) -> Result<Answer, SqlError> {
    change(session, move |transaction, changer| {
        changer.check_grantee(transaction.catalog(), &of)?;
        match &of {
            Grantee::User(user) => {
                let mut row = user_row(transaction.catalog(), user)?;
                make(&mut row.grants);
                put_user(transaction, row)
            }
            Grantee::Role(name) => {
                let mut row = role_row(transaction.catalog(), name)?;
                make(&mut row.grants);
                put_role(transaction, row)
            }
        }
    })
    .await
}

fn change_roles(
    transaction: &mut Transaction<'_>,
    of: &Grantee,
    make: impl FnOnce(&mut Vec<String>),
) -> Result<(), SqlError> {
    match of {
        Grantee::User(user) => {
            let mut row = user_row(transaction.catalog(), user)?;
            make(&mut row.roles);
            put_user(transaction, row)
        }
        Grantee::Role(name) => {
            let mut row = role_row(transaction.catalog(), name)?;
            make(&mut row.roles);
            put_role(transaction, row)
        }
    }
}
