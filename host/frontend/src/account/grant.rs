//! Grants as rows: which privileges there are for what, what GRANT and REVOKE make of the rows, and the statements that
//! would grant them again. Pure.

use std::collections::BTreeMap;

use cairn_warehouse::catalog::model::{GrantRow, GrantScope};

use super::privilege::{ADMIN, ALL, GRANT, NODE, REPOSITORY, canonical};
use crate::mysql::SqlError;
use crate::{quote, refusal};

/// What can be granted on SYSTEM.
pub(crate) const SYSTEM_PRIVILEGES: &[&str] = &[
    "BLACKLIST",
    "CREATE EXTERNAL CATALOG",
    "CREATE GLOBAL FUNCTION",
    "CREATE RESOURCE",
    "CREATE RESOURCE GROUP",
    "CREATE STORAGE VOLUME",
    "FILE",
    "OPERATE",
    "PLUGIN",
    REPOSITORY,
];
const CATALOG_PRIVILEGES: &[&str] = &["CREATE DATABASE", "USAGE"];
const DATABASE_PRIVILEGES: &[&str] =
    &["ALTER", "CREATE FUNCTION", CREATE_MATERIALIZED_VIEW, CREATE_TABLE, "CREATE VIEW", "DROP"];
const TABLE_PRIVILEGES: &[&str] =
    &["ALTER", "DELETE", "DROP", "EXPORT", "INSERT", "SELECT", "UPDATE"];
const VIEW_PRIVILEGES: &[&str] = &["ALTER", "DROP", "SELECT"];
const MATERIALIZED_VIEW_PRIVILEGES: &[&str] = &["ALTER", "DROP", "REFRESH", "SELECT"];

const CREATE_TABLE: &str = "CREATE TABLE";
const CREATE_MATERIALIZED_VIEW: &str = "CREATE MATERIALIZED VIEW";

/// What something is, and what can be granted on it.
fn known(scope: &GrantScope) -> (&'static str, &'static [&'static str]) {
    match scope {
        GrantScope::System => ("SYSTEM", SYSTEM_PRIVILEGES),
        GrantScope::Catalog(_) => ("CATALOG", CATALOG_PRIVILEGES),
        GrantScope::Database(_) => ("DATABASE", DATABASE_PRIVILEGES),
        GrantScope::Table(..) => ("TABLE", TABLE_PRIVILEGES),
        GrantScope::View(..) => ("VIEW", VIEW_PRIVILEGES),
        GrantScope::MaterializedView(..) => ("MATERIALIZED VIEW", MATERIALIZED_VIEW_PRIVILEGES),
    }
}

/// The row of a privilege as typed on something, or why there is no such privilege.
pub(crate) fn row(privilege: &str, scope: &GrantScope) -> Result<GrantRow, SqlError> {
    let privilege = canonical(privilege);
    let (kind, names) = known(scope);
    let everything = GrantScope::Table(None, None);
    if matches!(privilege.as_str(), GRANT | NODE) {
        return Err(refusal::general(format!(
            "Operation not permitted, '{privilege}' cannot be granted to user or role directly, use built-in role instead"
        )));
    }
    match scope {
        // Before 3.0 the rights of databases were rights on all their tables.
        GrantScope::Table(database, None) if privilege == CREATE_TABLE => {
            return Ok(GrantRow { privilege, scope: GrantScope::Database(database.clone()) });
        }
        scope if privilege == ADMIN && *scope == everything => {}
        _ if privilege == ALL || names.contains(&privilege.as_str()) => {}
        _ => {
            return Err(refusal::analysis(format_args!(
                "Invalid privilege '{privilege}' on {kind}: there are {} and {ALL}",
                names.join(", ")
            )));
        }
    }
    Ok(GrantRow { privilege, scope: scope.clone() })
}

/// Whether a grant is worth everything.
pub(crate) fn is_admin(row: &GrantRow) -> bool {
    row.privilege == ADMIN
}

/// Adds a grant. ALL stands for the others on the same thing.
pub(crate) fn add(rows: &mut Vec<GrantRow>, new: GrantRow) {
    let held = |row: &GrantRow| {
        row.scope == new.scope && (row.privilege == new.privilege || row.privilege == ALL)
    };
    if rows.iter().any(held) {
        return;
    }
    if new.privilege == ALL {
        rows.retain(|row| row.scope != new.scope || row.privilege == ADMIN);
    }
    rows.push(new);
}

/// Takes a grant away. One of ALL leaves the others; what was not granted is no fault.
pub(crate) fn remove(rows: &mut Vec<GrantRow>, old: &GrantRow) {
    if old.privilege == ALL {
        rows.retain(|row| row.scope != old.scope || row.privilege == ADMIN);
        return;
    }
    let all = rows.iter().position(|row| row.scope == old.scope && row.privilege == ALL);
    if let Some(all) = all.filter(|_| old.privilege != ADMIN) {
        rows.remove(all);
        let others = known(&old.scope).1.iter().filter(|name| **name != old.privilege);
        let grant = |name: &&str| GrantRow { privilege: (*name).into(), scope: old.scope.clone() };
        rows.extend(others.map(grant));
    }
    rows.retain(|row| row != old);
}

/// The statements that would give these roles and grants to a grantee, as it is typed: each with whether it is about
/// objects of the catalog.
pub(crate) fn statements(
    roles: &[String],
    grants: &[GrantRow],
    grantee: &str,
) -> Vec<(bool, String)> {
    let mut statements = Vec::new();
    if !roles.is_empty() {
        let roles: Vec<_> = roles.iter().map(|role| quote::text(role)).collect();
        // The word USER is left out where StarRocks leaves it out.
        let grantee = grantee.strip_prefix("USER ").unwrap_or(grantee);
        statements.push((false, format!("GRANT {} TO {grantee}", roles.join(", "))));
    }
    let mut by_scope: BTreeMap<&GrantScope, Vec<&str>> = BTreeMap::new();
    for grant in grants {
        by_scope.entry(&grant.scope).or_default().push(&grant.privilege);
    }
    for (scope, mut privileges) in by_scope {
        privileges.sort_unstable();
        let statement =
            format!("GRANT {} ON {} TO {grantee}", privileges.join(", "), object(scope));
        statements.push((*scope != GrantScope::System, statement));
    }
    statements
}

/// Something as GRANT names it.
fn object(scope: &GrantScope) -> String {
    let within = |kind: &str, plural: &str, database: &Option<String>, name: &Option<String>| match (
        database, name,
    ) {
        (Some(database), Some(name)) => {
            format!("{kind} {}.{}", quote::name(database), quote::name(name))
        }
        (Some(database), None) => {
            format!("ALL {plural} IN DATABASE {}", quote::name(database))
        }
        (None, _) => format!("ALL {plural} IN ALL DATABASES"),
    };
    match scope {
        GrantScope::System => "SYSTEM".to_owned(),
        GrantScope::Catalog(name) => format!("CATALOG {name}"),
        GrantScope::Database(Some(name)) => format!("DATABASE {}", quote::name(name)),
        GrantScope::Database(None) => "ALL DATABASES".to_owned(),
        GrantScope::Table(database, name) => within("TABLE", "TABLES", database, name),
        GrantScope::View(database, name) => within("VIEW", "VIEWS", database, name),
        GrantScope::MaterializedView(database, name) => {
            within("MATERIALIZED VIEW", "MATERIALIZED VIEWS", database, name)
        }
    }
}

/// A user as it is typed.
pub(crate) fn user_text(name: &str, host: &str) -> String {
    format!("{}@{}", quote::text(name), quote::text(host))
}

#[cfg(test)]
mod tests {
    use cairn_sql::statement::{GrantObject, Statement};

    use super::*;

    fn on_table(database: Option<&str>, table: Option<&str>) -> GrantScope {
        GrantScope::Table(database.map(str::to_owned), table.map(str::to_owned))
    }

    fn rows(privileges: &[&str], scope: &GrantScope) -> Vec<GrantRow> {
        privileges.iter().map(|name| row(name, scope).unwrap()).collect()
    }

    fn names(rows: &[GrantRow]) -> Vec<&str> {
        rows.iter().map(|row| row.privilege.as_str()).collect()
    }

    #[test]
    fn privileges_are_those_of_what_they_are_for() {
        let table = on_table(Some("d"), Some("t"));
        assert_eq!(row("export", &table).unwrap().privilege, "EXPORT");
        assert_eq!(row("LOAD_PRIV", &table).unwrap().privilege, "INSERT");
        let error = row(REPOSITORY, &table).unwrap_err();
        assert_eq!(error.code, 1064);
        assert!(
            error.message.contains(
                "Invalid privilege 'REPOSITORY' on TABLE: there are ALTER, DELETE, DROP, EXPORT, INSERT, SELECT, UPDATE and ALL"
            ),
            "{error}"
        );
        for name in ["GRANT", "NODE", "GRANT_PRIV"] {
            let error = row(name, &GrantScope::System).unwrap_err();
            assert!(error.message.contains("use built-in role instead"), "{error}");
        }
        assert!(row("ADMIN", &table).is_err());
        assert!(is_admin(&row("ADMIN_PRIV", &on_table(None, None)).unwrap()));
    }

    #[test]
    fn what_was_a_right_on_all_tables_became_one_of_the_database() {
        let made = row("CREATE_PRIV", &on_table(Some("d"), None)).unwrap();
        let scope = GrantScope::Database(Some("d".to_owned()));
        assert_eq!(made, GrantRow { privilege: "CREATE TABLE".to_owned(), scope });
    }

    #[test]
    fn a_grant_is_there_once_and_all_is_all() {
        let table = on_table(Some("d"), None);
        let mut granted = rows(&["SELECT"], &table);
        add(&mut granted, row("SELECT", &table).unwrap());
        assert_eq!(names(&granted), ["SELECT"]);
        add(&mut granted, row("ALL PRIVILEGES", &table).unwrap());
        assert_eq!(names(&granted), ["ALL"]);
        add(&mut granted, row("DROP", &table).unwrap());
        assert_eq!(names(&granted), ["ALL"]);
        add(&mut granted, row("DROP", &on_table(Some("e"), None)).unwrap());
        assert_eq!(names(&granted), ["ALL", "DROP"]);
    }

    #[test]
    fn what_is_taken_from_all_leaves_the_others() {
        let view = GrantScope::View(None, None);
        let mut granted = rows(&["ALL"], &view);
        remove(&mut granted, &row("DROP", &view).unwrap());
        assert_eq!(names(&granted), ["ALTER", "SELECT"]);
        remove(&mut granted, &row("DROP", &view).unwrap());
        remove(&mut granted, &row("SELECT", &view).unwrap());
        assert_eq!(names(&granted), ["ALTER"]);
        remove(&mut granted, &row("ALL", &view).unwrap());
        assert!(granted.is_empty());
        let mut granted = rows(&["ADMIN"], &on_table(None, None));
        remove(&mut granted, &row("ALL", &on_table(None, None)).unwrap());
        assert_eq!(names(&granted), ["ADMIN"], "ALL on tables is not the right of old");
    }

    #[test]
    fn statements_can_be_typed_again() {
        let scopes = [
            GrantScope::System,
            GrantScope::Catalog("default_catalog".to_owned()),
            GrantScope::Database(None),
            GrantScope::Database(Some("my db".to_owned())),
            on_table(None, None),
            on_table(Some("order"), None),
            on_table(Some("order"), Some("to")),
            GrantScope::View(Some("d".to_owned()), Some("v`w".to_owned())),
            GrantScope::MaterializedView(Some("d".to_owned()), None),
        ];
        let granted: Vec<_> = scopes
            .iter()
            .flat_map(|scope| {
                let (first, second) = (known(scope).1[0], known(scope).1[1]);
                rows(&[first, second], scope)
            })
            .collect();
        for grantee in [format!("USER {}", user_text("o'neil", "%")), "ROLE 'r'".to_owned()] {
            let mut again = Vec::new();
            for (_, text) in statements(&["a b".to_owned()], &granted, &grantee) {
                match cairn_sql::parse_one(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
                {
                    Statement::Grant { privileges, on, .. } => {
                        let scope = typed_scope(on);
                        again.extend(privileges.iter().map(|name| row(name, &scope).unwrap()));
                    }
                    Statement::GrantRoles { roles, .. } => assert_eq!(roles, ["a b"]),
                    other => panic!("{other:?}"),
                }
            }
            let sorted = |rows: &[GrantRow]| {
                let mut texts: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
                texts.sort();
                texts
            };
            assert_eq!(sorted(&again), sorted(&granted));
        }
    }

    fn typed_scope(on: GrantObject) -> GrantScope {
        match on {
            GrantObject::System => GrantScope::System,
            GrantObject::Catalog(name) => GrantScope::Catalog(name),
            GrantObject::Database(name) => GrantScope::Database(name),
            GrantObject::Table { database, table } => GrantScope::Table(database, table),
            GrantObject::View { database, view } => GrantScope::View(database, view),
            GrantObject::MaterializedView { database, view } => {
                GrantScope::MaterializedView(database, view)
            }
        }
    }
}
