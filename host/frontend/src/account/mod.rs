//! Accounts: users, roles, and what they prove themselves with.

pub(crate) mod grant;
pub(crate) mod privilege;
pub(crate) mod reader;
pub(crate) mod restorer;
pub(crate) mod role;

use std::net::IpAddr;
use std::sync::Arc;

use cairn_warehouse::Warehouse;
use cairn_warehouse::catalog::Catalog;
use cairn_warehouse::catalog::model::{PasswordProofs, UserRow};

use crate::mysql::{Account, Proofs, SqlError};
use crate::refusal;

/// The user that a new server has, without a password.
pub(crate) const ROOT_USER: &str = "root";
/// The catalog in which all databases are.
pub(crate) const CATALOG: &str = "default_catalog";
/// A host that every peer is.
pub(crate) const ANY_HOST: &str = "%";

/// Makes the root user of a new server.
pub(crate) fn ensure_root(warehouse: &Warehouse) -> Result<(), SqlError> {
    if warehouse.catalog().users().next().is_some() {
        return Ok(());
    }
    let root = UserRow {
        name: ROOT_USER.to_owned(),
        host: ANY_HOST.to_owned(),
        proofs: PasswordProofs::default(),
        roles: vec![privilege::ROOT.to_owned()],
        grants: Vec::new(),
    };
    warehouse.store().transact(|tx| tx.put_user(root)).map_err(refusal::of_warehouse)
}

/// The account of a name for a peer: one of the peer's own host before one of a pattern.
pub(crate) fn find<'a>(catalog: &'a Catalog, name: &str, peer: IpAddr) -> Option<&'a Arc<UserRow>> {
    let fits = |user: &&Arc<UserRow>| user.name == name && is_host(&user.host, peer);
    // The longest pattern that fits says the most.
    catalog.users().filter(fits).max_by_key(|user| user.host.trim_matches('%').len())
}

/// The same with what it proves itself with.
pub(crate) fn account(catalog: &Catalog, name: &str, peer: IpAddr) -> Option<Account> {
    let row = find(catalog, name, peer)?;
    Some(Account { name: row.name.clone(), host: row.host.clone(), proofs: proofs(row)? })
}

/// Whether a host of an account is that of a peer: `%`, `10.0.%`, an address, or `localhost`.
fn is_host(host: &str, peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    if host == "localhost" {
        return peer.is_loopback();
    }
    match host.strip_suffix('%') {
        Some(prefix) => peer.to_string().starts_with(prefix),
        None => host.parse::<IpAddr>().is_ok_and(|address| address == peer),
    }
}

/// What an account proves itself with; none where the catalog holds no hash that can be read: nobody gets in.
pub(crate) fn proofs(user: &UserRow) -> Option<Proofs> {
    let proofs = Proofs::from_hex(&user.proofs.native, &user.proofs.sha2);
    proofs
        .inspect_err(|error| tracing::error!(user = user.name, %error, "an account is damaged"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_patterns_and_localhost() {
        let peer = |text: &str| text.parse::<IpAddr>().unwrap();
        for (host, address) in [
            ("%", "10.1.2.3"),
            ("10.1.%", "10.1.2.3"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3", "::ffff:10.1.2.3"),
            ("localhost", "127.0.0.1"),
            ("localhost", "::1"),
        ] {
            assert!(is_host(host, peer(address)), "{address} is {host}");
        }
        for (host, address) in [
            ("10.2.%", "10.1.2.3"),
            ("localhost", "10.1.2.3"),
            ("", "10.1.2.3"),
            ("db1", "10.1.2.3"),
        ] {
            assert!(!is_host(host, peer(address)), "{address} is not {host}");
        }
    }
}
