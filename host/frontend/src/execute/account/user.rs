//! CREATE USER, ALTER USER, SET PASSWORD and DROP USER.

use cairn_sql::statement::{AccountSecret, UserName};
use cairn_warehouse::catalog::model::{PasswordProofs, UserRow};
use cairn_warehouse::store::Transaction;

use super::{
    administrator, change, is_root, own, put_user, text, transact, unknown_user, user_row,
};
use crate::mysql::{Answer, Proofs, SqlError};
use crate::refusal;
use crate::session::Session;

/// Characters of a host.
const MAX_HOST_BYTES: usize = 255;

pub(in super::super) async fn create(
    session: &Session,
    user: UserName,
    if_not_exists: bool,
    secret: Option<AccountSecret>,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    administrator(session, &catalog)?;
    check(&user)?;
    let proofs = secret.as_ref().map_or(Ok(PasswordProofs::default()), proofs)?;
    change(session, move |transaction, _| {
        if transaction.catalog().user(&user.name, &user.host).is_some() {
            let message =
                format!("Operation CREATE USER failed for {}: user already exists", text(&user));
            return if if_not_exists { Ok(()) } else { Err(refusal::general(message)) };
        }
        let UserName { name, host } = user;
        let (roles, grants) = (Vec::new(), Vec::new());
        put_user(transaction, UserRow { name, host, proofs, roles, grants })
    })
    .await
}

pub(in super::super) async fn set_password(
    session: &Session,
    user: Option<UserName>,
    secret: AccountSecret,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    let user = user.unwrap_or_else(|| own(session));
    if user == own(session) {
        let proofs = proofs(&secret)?;
        return transact(session, move |transaction| put_proofs(transaction, &user, proofs)).await;
    }
    administrator(session, &catalog)?;
    let proofs = proofs(&secret)?;
    change(session, move |transaction, changer| {
        changer.check_user(transaction.catalog(), &user)?;
        put_proofs(transaction, &user, proofs)
    })
    .await
}

fn put_proofs(
    transaction: &mut Transaction<'_>,
    user: &UserName,
    proofs: PasswordProofs,
) -> Result<(), SqlError> {
    let row = user_row(transaction.catalog(), user)?;
    put_user(transaction, UserRow { proofs, ..row })
}

pub(in super::super) async fn drop(
    session: &Session,
    user: UserName,
    if_exists: bool,
) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    administrator(session, &catalog)?;
    if is_root(&user) {
        return Err(refusal::general(format!(
            "Operation DROP USER failed for {}: cannot drop root user",
            text(&user)
        )));
    }
    change(session, move |transaction, changer| {
        if transaction.catalog().user(&user.name, &user.host).is_none() {
            return if if_exists { Ok(()) } else { Err(unknown_user(&user)) };
        }
        changer.check_user(transaction.catalog(), &user)?;
        transaction.remove_user(&user.name, &user.host);
        Ok(())
    })
    .await
}

fn check(user: &UserName) -> Result<(), SqlError> {
    refusal::check_name("user", &user.name)?;
    let host = &user.host;
    let is_host = !host.is_empty()
        && host.len() <= MAX_HOST_BYTES
        && host.chars().all(|it| it.is_ascii_graphic() && !matches!(it, '\'' | '"' | '`' | '@'));
    if is_host {
        return Ok(());
    }
    Err(refusal::analysis(format_args!(
        "Incorrect host '{host}': an address, one that ends with %, localhost or %"
    )))
}

/// What is kept of a secret.
fn proofs(secret: &AccountSecret) -> Result<PasswordProofs, SqlError> {
    let proofs = match secret {
        AccountSecret::Password(password) => Proofs::of_password(password),
        AccountSecret::NativeHash(hash) => native(hash).ok_or_else(|| {
            refusal::analysis(
                "Password hash should be a 41-digit hexadecimal number: * and 40 digits",
            )
        })?,
    };
    let (native, sha2) = proofs.to_hex();
    Ok(PasswordProofs { native, sha2 })
}

/// `*` and 40 hexadecimal digits; nothing is no password.
fn native(hash: &str) -> Option<Proofs> {
    if hash.is_empty() {
        return Some(Proofs::default());
    }
    let digits = hash.strip_prefix('*').filter(|digits| !digits.is_empty())?;
    Proofs::from_hex(digits, "").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_worth_the_password() {
        let of = |secret| proofs(&secret).unwrap();
        let password = of(AccountSecret::Password("secret".to_owned()));
        let hash = format!("*{}", password.native.to_uppercase());
        let kept = of(AccountSecret::NativeHash(hash));
        assert_eq!(kept.native, password.native);
        assert_eq!(kept.sha2, "");
        let none = PasswordProofs::default();
        assert_eq!(of(AccountSecret::NativeHash(String::new())), none);
        assert_eq!(of(AccountSecret::Password(String::new())), none);
        for hash in ["*", "x", "*12", &"0".repeat(40), &format!("*{}", "g".repeat(40))] {
            let error = proofs(&AccountSecret::NativeHash(hash.to_owned())).unwrap_err();
            assert!(error.message.contains("41-digit"), "{error}");
        }
    }

    #[test]
    fn users_have_plain_names_and_hosts() {
        let user = |name: &str, host: &str| UserName { name: name.into(), host: host.into() };
        for (name, host) in [("u", "%"), ("etl-1", "10.1.%"), ("u", "localhost"), ("u", "::1")] {
            assert!(check(&user(name, host)).is_ok(), "{name}@{host}");
        }
        for (name, host) in [("", "%"), ("a b", "%"), ("u", ""), ("u", "a b"), ("u", "it's")] {
            assert!(check(&user(name, host)).is_err(), "{name}@{host}");
        }
    }
}
