//! [`Restorer`]: what a user may restore, as the warehouse asks it when the restore begins.
//!
//! A view shows what it reads to whoever may read the view: who restores one must be allowed to read that, as who makes one. Users
//! and roles are restored by those alone who may make them; what is worth everything, by those who are.

use cairn_warehouse::catalog::Catalog;
use cairn_warehouse::{Arrival, Definition, Error, ErrorKind, Permit};

use super::privilege::{Action, GRANT, Grants};
use super::reader::{SELECT, target_of_name};
use super::{grant, role};
use crate::refusal;

/// A user, by name and host.
#[derive(Debug)]
pub(crate) struct Restorer {
    pub(crate) name: String,
    pub(crate) host: String,
}

impl Permit for Restorer {
    fn check(&self, catalog: &Catalog, arrival: Arrival<'_>) -> Result<(), Error> {
        let grants = role::grants_of_account(catalog, &self.name, &self.host);
        for (database, name) in arrival.reads {
            let on = target_of_name(catalog, database, name);
            require(&grants, Action { privilege: SELECT, on })?;
        }
        let is_worth_everything = match arrival.definition {
            Definition::User(row) => {
                let there = role::grants_of_account(catalog, &row.name, &row.host);
                there.is_admin() || role::grants_of_user(catalog, row).is_admin()
            }
            Definition::Role(row) => {
                role::is_admin(catalog, &row.name)
                    || row.roles.iter().any(|name| role::is_admin(catalog, name))
                    || row.grants.iter().any(grant::is_admin)
            }
            Definition::ResourceGroup(_) => {
                return require(&grants, Action::system("CREATE RESOURCE GROUP"));
            }
            Definition::Table(_) | Definition::View { .. } | Definition::Function(_) => {
                return Ok(());
            }
        };
        require(&grants, Action::system(GRANT))?;
        if is_worth_everything && !grants.is_admin() {
            let message = format!("Can not restore {}, except root itself", arrival.name);
            return Err(Error::new(ErrorKind::Denied, refusal::analysis(message).message));
        }
        Ok(())
    }
}

fn require(grants: &Grants<'_>, action: Action<'_>) -> Result<(), Error> {
    if grants.allow(action) {
        return Ok(());
    }
    let denied = refusal::denied(action.privilege, &action.on.describe());
    Err(Error::new(ErrorKind::Denied, denied.message))
}

#[cfg(test)]
mod tests {
    use cairn_warehouse::Warehouse;
    use cairn_warehouse::catalog::model::{RoleRow, UserRow};

    use super::*;

    fn user(name: &str, roles: &[&str]) -> UserRow {
        UserRow {
            name: name.to_owned(),
            host: "%".to_owned(),
            proofs: Default::default(),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            grants: Vec::new(),
        }
    }

    fn role(name: &str, roles: &[&str]) -> RoleRow {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        RoleRow { name: name.to_owned(), roles, grants: Vec::new() }
    }

    #[test]
    fn accounts_are_restored_by_those_who_may_make_them() {
        let place = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::open(place.path()).unwrap();
        let rows =
            [user("root", &["root"]), user("ua", &["user_admin"]), user("da", &["db_admin"])];
        let put = |tx: &mut cairn_warehouse::store::Transaction<'_>| {
            tx.put_role(role("dba", &["root"]))?;
            rows.into_iter().try_for_each(|row| tx.put_user(row))
        };
        warehouse.store().transact(put).unwrap();
        let catalog = warehouse.catalog();
        let may = |who: &str, definition: &Definition| {
            let restorer = Restorer { name: who.to_owned(), host: "%".to_owned() };
            let arrival = Arrival { database: "", name: "x", definition, reads: &[] };
            restorer.check(&catalog, arrival).is_ok()
        };
        for (definition, by_admin) in [
            (Definition::User(user("jack", &[])), true),
            (Definition::User(user("jack", &["dba"])), false),
            (Definition::User(user("root", &[])), false),
            (Definition::Role(role("helper", &[])), true),
            (Definition::Role(role("helper", &["dba"])), false),
            (Definition::Role(role("dba", &[])), false),
        ] {
            assert!(may("root", &definition), "{definition:?}");
            assert_eq!(may("ua", &definition), by_admin, "{definition:?}");
            assert!(!may("da", &definition), "{definition:?}");
            assert!(!may("nobody", &definition), "{definition:?}");
        }
    }
}
