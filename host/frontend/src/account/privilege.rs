//! What grants allow: pure functions over the rows of users and roles.
//!
//! Privileges and what they are for are those of StarRocks since 3.0; the names with `_PRIV` of before are read as what they
//! became. A right on a container holds for everything in it.

use std::collections::BTreeSet;

use cairn_warehouse::catalog::model::{GrantRow, GrantScope, RoleRow, UserRow};

/// The role that may do everything; it is not stored.
pub(crate) const ROOT: &str = "root";
/// The role that everybody has; it holds nothing unless something is granted to it.
pub(crate) const PUBLIC: &str = "public";
/// A privilege that stands for all that can be granted on its scope.
pub(crate) const ALL: &str = "ALL";
/// What a user with the right to administer the server, as it was before 3.0, may do: everything.
pub(crate) const ADMIN: &str = "ADMIN";
/// The right to make users and roles, and to say what they may do. Only a role that every server has holds it.
pub(crate) const GRANT: &str = "GRANT";
/// The right to change what the cluster is made of. Only a role that every server has holds it.
pub(crate) const NODE: &str = "NODE";
/// What everything about repositories, their snapshots and jobs needs.
pub(crate) const REPOSITORY: &str = "REPOSITORY";

/// What a statement wants to do, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Action<'a> {
    /// The name of the privilege, in upper case.
    pub privilege: &'static str,
    /// What it is for.
    pub on: Target<'a>,
}

/// What an action is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// The server.
    System,
    /// The catalog that holds all databases.
    Catalog,
    /// A database.
    Database(&'a str),
    /// A table of a database.
    Table(&'a str, &'a str),
    /// A view of a database.
    View(&'a str, &'a str),
    /// A materialized view of a database.
    MaterializedView(&'a str, &'a str),
}

impl Target<'_> {
    /// As messages name it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::System => "SYSTEM".to_owned(),
            Self::Catalog => "CATALOG default_catalog".to_owned(),
            Self::Database(name) => format!("DATABASE {name}"),
            Self::Table(_, name) => format!("TABLE {name}"),
            Self::View(_, name) => format!("VIEW {name}"),
            Self::MaterializedView(_, name) => format!("MATERIALIZED VIEW {name}"),
        }
    }
}

impl<'a> Action<'a> {
    /// On the server.
    pub(crate) fn system(privilege: &'static str) -> Self {
        Self { privilege, on: Target::System }
    }

    /// On the catalog.
    pub(crate) fn catalog(privilege: &'static str) -> Self {
        Self { privilege, on: Target::Catalog }
    }

    /// On a database.
    pub(crate) fn database(privilege: &'static str, database: &'a str) -> Self {
        Self { privilege, on: Target::Database(database) }
    }

    /// On a table.
    pub(crate) fn table(privilege: &'static str, database: &'a str, table: &'a str) -> Self {
        Self { privilege, on: Target::Table(database, table) }
    }
}

/// The names of a privilege that a grant was typed with, as they are kept: upper case, without `_PRIV`, one space
/// between words.
pub(crate) fn canonical(privilege: &str) -> String {
    let upper = privilege.to_ascii_uppercase();
    let words: Vec<&str> = upper.split_whitespace().collect();
    match words.join(" ").as_str() {
        "ALL PRIVILEGES" => ALL.to_owned(),
        "SELECT_PRIV" => "SELECT".to_owned(),
        "LOAD_PRIV" => "INSERT".to_owned(),
        "ALTER_PRIV" => "ALTER".to_owned(),
        "CREATE_PRIV" => "CREATE TABLE".to_owned(),
        "DROP_PRIV" => "DROP".to_owned(),
        "ADMIN_PRIV" => ADMIN.to_owned(),
        "GRANT_PRIV" => "GRANT".to_owned(),
        "NODE_PRIV" => "NODE".to_owned(),
        other => other.to_owned(),
    }
}

/// Everything that a user was granted, by itself or by its roles and theirs.
pub(crate) fn grants_of<'a>(
    user: &'a UserRow,
    role: impl Fn(&str) -> Option<&'a RoleRow>,
) -> Grants<'a> {
    let roles = user.roles.iter().map(String::as_str).chain([PUBLIC]);
    Grants { is_root: false, rows: user.grants.iter().collect() }.with_roles(roles, role)
}

/// Everything that a role brings, by itself or by the roles that it has.
pub(crate) fn grants_of_role<'a>(
    name: &'a str,
    role: impl Fn(&str) -> Option<&'a RoleRow>,
) -> Grants<'a> {
    Grants::default().with_roles([name], role)
}

/// What somebody may do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grants<'a> {
    is_root: bool,
    rows: Vec<&'a GrantRow>,
}

impl<'a> Grants<'a> {
    fn with_roles(
        mut self,
        roles: impl IntoIterator<Item = &'a str>,
        role: impl Fn(&str) -> Option<&'a RoleRow>,
    ) -> Self {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&str> = roles.into_iter().collect();
        while let Some(name) = waiting.pop() {
            if !seen.insert(name) {
                continue;
            }
            self.is_root |= name == ROOT;
            if let Some(role) = role(name) {
                self.rows.extend(&role.grants);
                waiting.extend(role.roles.iter().map(String::as_str));
            }
        }
        self
    }
}

impl Grants<'_> {
    /// Whether the action is allowed.
    pub(crate) fn allow(&self, action: Action<'_>) -> bool {
        self.is_admin()
            || self.rows.iter().any(|grant| {
                let is_all = grant.privilege == ALL && !matches!(action.privilege, GRANT | NODE);
                covers(&grant.scope, action.on) && (grant.privilege == action.privilege || is_all)
            })
    }

    /// Whether anything at all is allowed with this or with something in it: then it is shown in lists.
    pub(crate) fn see(&self, target: Target<'_>) -> bool {
        self.is_admin()
            || self.rows.iter().any(|grant| match (target, &grant.scope) {
                (
                    Target::Database(name),
                    GrantScope::Database(at)
                    | GrantScope::Table(at, _)
                    | GrantScope::View(at, _)
                    | GrantScope::MaterializedView(at, _),
                ) => is(at, name),
                (target, scope) => covers(scope, target),
            })
    }

    /// Whether everything is allowed.
    pub(crate) fn is_admin(&self) -> bool {
        self.is_root || self.rows.iter().any(|grant| grant.privilege == ADMIN)
    }
}

fn covers(scope: &GrantScope, target: Target<'_>) -> bool {
    match (scope, target) {
        (GrantScope::System, Target::System) | (GrantScope::Catalog(_), Target::Catalog) => true,
        (GrantScope::Database(database), Target::Database(name)) => is(database, name),
        (GrantScope::Table(database, table), Target::Table(in_database, name))
        | (GrantScope::View(database, table), Target::View(in_database, name))
        | (
            GrantScope::MaterializedView(database, table),
            Target::MaterializedView(in_database, name),
        ) => is(database, in_database) && is(table, name),
        _ => false,
    }
}

/// Whether a name is the one that was granted; none is any.
fn is(granted: &Option<String>, name: &str) -> bool {
    granted.as_deref().is_none_or(|granted| granted == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(privilege: &str, scope: GrantScope) -> GrantRow {
        GrantRow { privilege: canonical(privilege), scope }
    }

    fn user(roles: &[&str], grants: Vec<GrantRow>) -> UserRow {
        UserRow {
            name: "u".to_owned(),
            host: "%".to_owned(),
            proofs: Default::default(),
            roles: roles.iter().map(|&name| name.to_owned()).collect(),
            grants,
        }
    }

    fn role(name: &str, roles: &[&str], grants: Vec<GrantRow>) -> RoleRow {
        let roles = roles.iter().map(|&name| name.to_owned()).collect();
        RoleRow { name: name.to_owned(), roles, grants }
    }

    fn on_table(database: Option<&str>, table: Option<&str>) -> GrantScope {
        GrantScope::Table(database.map(str::to_owned), table.map(str::to_owned))
    }

    #[test]
    fn nothing_granted_is_nothing_allowed() {
        let user = user(&[], Vec::new());
        let grants = grants_of(&user, |_| None);
        assert!(!grants.allow(Action::table("SELECT", "d", "t")));
        assert!(!grants.allow(Action::system(REPOSITORY)));
        assert!(!grants.see(Target::Database("d")));
    }

    #[test]
    fn a_grant_holds_for_what_it_names_and_what_is_in_it() {
        for (scope, on_t, on_other, elsewhere) in [
            (on_table(Some("d"), Some("t")), true, false, false),
            (on_table(Some("d"), None), true, true, false),
            (on_table(None, None), true, true, true),
        ] {
            let user = user(&[], vec![grant("select", scope)]);
            let grants = grants_of(&user, |_| None);
            assert_eq!(grants.allow(Action::table("SELECT", "d", "t")), on_t);
            assert_eq!(grants.allow(Action::table("SELECT", "d", "other")), on_other);
            assert_eq!(grants.allow(Action::table("SELECT", "e", "t")), elsewhere);
            assert!(!grants.allow(Action::table("INSERT", "d", "t")));
            assert!(!grants.allow(Action::system(REPOSITORY)));
            assert!(grants.see(Target::Database("d")));
        }
    }

    #[test]
    fn all_is_every_privilege_of_its_scope_and_of_no_other() {
        let user = user(&[], vec![grant("all privileges", on_table(Some("d"), None))]);
        let grants = grants_of(&user, |_| None);
        assert!(grants.allow(Action::table("EXPORT", "d", "t")));
        assert!(!grants.allow(Action::database("DROP", "d")));
    }

    #[test]
    fn all_on_the_server_makes_nobody_an_administrator_of_users() {
        let user = user(&[], vec![grant("ALL", GrantScope::System)]);
        let grants = grants_of(&user, |_| None);
        assert!(grants.allow(Action::system(REPOSITORY)));
        assert!(!grants.allow(Action::system(GRANT)));
        assert!(!grants.allow(Action::system(NODE)));
    }

    #[test]
    fn roles_bring_their_roles_and_a_circle_ends() {
        let repository = role("keeper", &["helper"], vec![grant(REPOSITORY, GrantScope::System)]);
        let export = role("helper", &["keeper"], vec![grant("EXPORT", on_table(None, None))]);
        let user = user(&["keeper"], Vec::new());
        let find = |name: &str| [&repository, &export].into_iter().find(|role| role.name == name);
        let grants = grants_of(&user, find);
        assert!(grants.allow(Action::system(REPOSITORY)));
        assert!(grants.allow(Action::table("EXPORT", "any", "t")));
        assert!(!grants.is_admin());
    }

    #[test]
    fn everybody_has_what_public_has() {
        let public = role(PUBLIC, &[], vec![grant("SELECT", on_table(Some("d"), Some("t")))]);
        let user = user(&[], Vec::new());
        let grants = grants_of(&user, |name| (name == PUBLIC).then_some(&public));
        assert!(grants.allow(Action::table("SELECT", "d", "t")));
    }

    #[test]
    fn root_and_the_admin_of_old_may_do_everything() {
        let root = user(&[ROOT], Vec::new());
        let admin = user(&[], vec![grant("ADMIN_PRIV", on_table(None, None))]);
        for user in [&root, &admin] {
            let grants = grants_of(user, |_| None);
            assert!(grants.allow(Action::system(REPOSITORY)));
            assert!(grants.allow(Action::database("DROP", "d")));
            assert!(grants.see(Target::View("d", "v")));
        }
    }
}
