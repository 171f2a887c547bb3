//! Roles that every server has: what they hold. Pure; no catalog keeps them.

use std::sync::LazyLock;

use cairn_warehouse::catalog::Catalog;
use cairn_warehouse::catalog::model::{GrantRow, GrantScope, RoleRow, UserRow};

use super::grant::SYSTEM_PRIVILEGES;
use super::privilege::{ALL, GRANT, Grants, NODE, PUBLIC, ROOT, grants_of, grants_of_role};

/// Everything but users and nodes.
const DB_ADMIN: &str = "db_admin";
/// Users, roles, and what they may do.
const USER_ADMIN: &str = "user_admin";
/// Nodes.
const CLUSTER_ADMIN: &str = "cluster_admin";

static BUILT_IN: LazyLock<[RoleRow; 5]> = LazyLock::new(|| {
    [
        role(ROOT, Vec::new()),
        role(DB_ADMIN, db_admin()),
        role(CLUSTER_ADMIN, vec![grant(NODE, GrantScope::System)]),
        role(USER_ADMIN, vec![grant(GRANT, GrantScope::System)]),
        role(PUBLIC, Vec::new()),
    ]
});

fn role(name: &str, grants: Vec<GrantRow>) -> RoleRow {
    RoleRow { name: name.to_owned(), roles: Vec::new(), grants }
}

fn grant(privilege: &str, scope: GrantScope) -> GrantRow {
    GrantRow { privilege: privilege.to_owned(), scope }
}

fn db_admin() -> Vec<GrantRow> {
    let of_system = SYSTEM_PRIVILEGES.iter().map(|name| grant(name, GrantScope::System));
    let scopes = [
        GrantScope::Catalog(super::CATALOG.to_owned()),
        GrantScope::Database(None),
        GrantScope::Table(None, None),
        GrantScope::View(None, None),
        GrantScope::MaterializedView(None, None),
    ];
    of_system.chain(scopes.map(|scope| grant(ALL, scope))).collect()
}

/// The roles that every server has.
pub(crate) fn built_in() -> impl Iterator<Item = &'static RoleRow> {
    BUILT_IN.iter()
}

/// Whether every server has a role of this name.
pub(crate) fn is_built_in(name: &str) -> bool {
    built_in().any(|role| role.name == name)
}

/// A role by its name. What a catalog says of one that every server has counts for `public` alone, to which anything may
/// be granted.
pub(crate) fn find<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a RoleRow> {
    let kept = || catalog.role(name).map(|role| &**role);
    let built_in = || built_in().find(|role| role.name == name);
    if name == PUBLIC { kept().or_else(built_in) } else { built_in().or_else(kept) }
}

/// What an account may do; nothing where there is none.
pub(crate) fn grants_of_account<'a>(catalog: &'a Catalog, name: &str, host: &str) -> Grants<'a> {
    let user = catalog.user(name, host);
    user.map(|user| grants_of_user(catalog, user)).unwrap_or_default()
}

/// What this user could do in this catalog.
pub(crate) fn grants_of_user<'a>(catalog: &'a Catalog, user: &'a UserRow) -> Grants<'a> {
    grants_of(user, |role| find(catalog, role))
}

/// Whether a role is worth everything, by itself or by the roles that it has.
pub(crate) fn is_admin(catalog: &Catalog, name: &str) -> bool {
    grants_of_role(name, |role| find(catalog, role)).is_admin()
}

#[cfg(test)]
mod tests {
    use super::super::privilege::{Action, REPOSITORY};
    use super::*;

    fn with_role<T>(name: &str, judge: impl FnOnce(Grants<'_>) -> T) -> T {
        let user = UserRow {
            name: "u".to_owned(),
            host: "%".to_owned(),
            proofs: Default::default(),
            roles: vec![name.to_owned()],
            grants: Vec::new(),
        };
        let catalog = Catalog::default();
        judge(grants_of(&user, |name| find(&catalog, name)))
    }

    #[test]
    fn each_role_may_do_its_part_and_no_more() {
        let actions = [
            Action::system(REPOSITORY),
            Action::system("OPERATE"),
            Action::catalog("CREATE DATABASE"),
            Action::database("DROP", "d"),
            Action::table("EXPORT", "d", "t"),
            Action::system(GRANT),
            Action::system(NODE),
        ];
        for (role, expected) in [
            (ROOT, [true; 7]),
            (DB_ADMIN, [true, true, true, true, true, false, false]),
            (USER_ADMIN, [false, false, false, false, false, true, false]),
            (CLUSTER_ADMIN, [false, false, false, false, false, false, true]),
            (PUBLIC, [false; 7]),
        ] {
            let allowed = with_role(role, |grants| actions.map(|action| grants.allow(action)));
            assert_eq!(allowed, expected, "{role}");
        }
    }
}
