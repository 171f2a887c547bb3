//! Users, roles and passwords.

use sqlparser::tokenizer::Token;

use crate::cursor::{Cursor, Result};
use crate::statement::{AccountSecret, Statement, UserName};

/// Where a user may come from when nothing is said.
const ANYWHERE: &str = "%";

/// `[IF NOT EXISTS] user [IDENTIFIED ...]`
pub(super) fn create_user(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_not_exists = c.if_not_exists();
    let user = user(c)?;
    let secret = if c.at_word("IDENTIFIED") { Some(identified(c)?) } else { None };
    refuse_default_role(c)?;
    Ok(Statement::CreateUser { user, if_not_exists, secret })
}

/// `user IDENTIFIED ...`
pub(super) fn alter_user(c: &mut Cursor<'_>) -> Result<Statement> {
    let user = user(c)?;
    refuse_default_role(c)?;
    Ok(Statement::SetPassword { user: Some(user), secret: identified(c)? })
}

/// `[FOR user] = PASSWORD('...') | 'hash'`
pub(super) fn set_password(c: &mut Cursor<'_>) -> Result<Statement> {
    let user = if c.accept_word("FOR") { user_or_current(c)? } else { None };
    c.expect(&Token::Eq)?;
    let secret = if c.accept_word("PASSWORD") {
        c.expect(&Token::LParen)?;
        let password = c.string("password in quotes")?;
        c.expect(&Token::RParen)?;
        AccountSecret::Password(password)
    } else {
        AccountSecret::NativeHash(c.string("PASSWORD('...') or a hash in quotes")?)
    };
    Ok(Statement::SetPassword { user, secret })
}

/// `[IF EXISTS] user`
pub(super) fn drop_user(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = c.if_exists();
    Ok(Statement::DropUser { user: user(c)?, if_exists })
}

/// `[IF NOT EXISTS] name`
pub(super) fn create_role(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_not_exists = c.if_not_exists();
    Ok(Statement::CreateRole { name: role(c)?, if_not_exists })
}

/// `[IF EXISTS] name`
pub(super) fn drop_role(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = c.if_exists();
    Ok(Statement::DropRole { name: role(c)?, if_exists })
}

pub(super) fn role(c: &mut Cursor<'_>) -> Result<String> {
    c.ident_or_string("a role name")
}

/// `name`, `'name'@'host'`, `name@host`
pub(super) fn user(c: &mut Cursor<'_>) -> Result<UserName> {
    let name = c.ident_or_string("a user name")?;
    let host = match c.peek() {
        // The tokenizer takes a bare host for a variable.
        Token::Word(word) if word.quote_style.is_none() => {
            word.value.strip_prefix('@').filter(|host| !host.is_empty()).map(str::to_owned)
        }
        Token::AtSign => {
            c.advance();
            return Ok(UserName { name, host: c.ident_or_string("a host in quotes")? });
        }
        _ => None,
    };
    if host.is_some() {
        c.advance();
    }
    Ok(UserName { name, host: host.unwrap_or_else(|| ANYWHERE.to_owned()) })
}

/// `CURRENT_USER`, `CURRENT_USER()` or a user; none is the session's.
pub(super) fn user_or_current(c: &mut Cursor<'_>) -> Result<Option<UserName>> {
    if !c.accept_word("CURRENT_USER") {
        return user(c).map(Some);
    }
    if c.accept(&Token::LParen) {
        c.expect(&Token::RParen)?;
    }
    Ok(None)
}

/// `IDENTIFIED BY [PASSWORD] '...'`, `IDENTIFIED WITH plugin BY | AS '...'`
fn identified(c: &mut Cursor<'_>) -> Result<AccountSecret> {
    c.expect_word("IDENTIFIED")?;
    if c.accept_word("BY") {
        let hashed = c.accept_word("PASSWORD");
        let secret = c.string("password in quotes")?;
        return Ok(if hashed {
            AccountSecret::NativeHash(secret)
        } else {
            AccountSecret::Password(secret)
        });
    }
    c.expect_word("WITH").map_err(|_| c.unexpected("BY or WITH"))?;
    let place = c.unsupported("this plugin", "use mysql_native_password or caching_sha2_password");
    let plugin = c.ident_or_string("a plugin name")?.to_ascii_lowercase();
    let native = plugin == "mysql_native_password";
    if !native && plugin != "caching_sha2_password" {
        return Err(place);
    }
    if c.accept_word("BY") {
        return Ok(AccountSecret::Password(c.string("password in quotes")?));
    }
    if native && c.accept_word("AS") {
        return Ok(AccountSecret::NativeHash(c.string("hash in quotes")?));
    }
    Err(c.unexpected(if native { "BY or AS" } else { "BY" }))
}

fn refuse_default_role(c: &Cursor<'_>) -> Result<()> {
    if c.at_words(&["DEFAULT", "ROLE"]) {
        return Err(
            c.unsupported("DEFAULT ROLE", "GRANT the role; a user has all its roles at once")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::statement::{AccountSecret, Statement, UserName};
    use crate::testing::{error, one};

    fn jack(host: &str) -> UserName {
        UserName { name: "jack".into(), host: host.into() }
    }

    #[test]
    fn users_with_and_without_host() {
        for (typed, host) in [
            ("jack", "%"),
            ("'jack'", "%"),
            ("`jack`@`%`", "%"),
            ("'jack'@'10.1.%'", "10.1.%"),
            ("jack@\"h\"", "h"),
            ("jack@localhost", "localhost"),
            ("'jack'@localhost", "localhost"),
        ] {
            assert_eq!(
                one(&format!("DROP USER IF EXISTS {typed}")),
                Statement::DropUser { user: jack(host), if_exists: true },
                "{typed}"
            );
        }
        assert_eq!(
            error("DROP USER jack@"),
            "expected a host in quotes, found end of statement at line 1, column 16"
        );
    }

    #[test]
    fn secrets_in_all_forms() {
        let native = |hash: &str| Some(AccountSecret::NativeHash(hash.into()));
        let password = |password: &str| Some(AccountSecret::Password(password.into()));
        for (typed, expected) in [
            ("", None),
            ("IDENTIFIED BY 'p'", password("p")),
            ("IDENTIFIED BY ''", password("")),
            ("IDENTIFIED BY PASSWORD '*A'", native("*A")),
            ("IDENTIFIED WITH mysql_native_password AS '*A'", native("*A")),
            ("IDENTIFIED WITH 'mysql_native_password' BY 'p'", password("p")),
            ("IDENTIFIED WITH caching_sha2_password BY 'p'", password("p")),
        ] {
            let statement = one(&format!("CREATE USER IF NOT EXISTS jack {typed}"));
            assert_eq!(
                statement,
                Statement::CreateUser { user: jack("%"), if_not_exists: true, secret: expected }
            );
        }
        let statement = one("ALTER USER jack IDENTIFIED BY 'p'");
        assert_eq!(
            statement,
            Statement::SetPassword {
                user: Some(jack("%")),
                secret: AccountSecret::Password("p".into())
            }
        );
        assert!(!format!("{statement:?}").contains("\"p\""));
    }

    #[test]
    fn set_password_for_oneself_and_others() {
        let set = |user, secret| Statement::SetPassword { user, secret };
        let password = || AccountSecret::Password("p".into());
        assert_eq!(one("SET PASSWORD = PASSWORD('p')"), set(None, password()));
        assert_eq!(one("SET PASSWORD FOR CURRENT_USER() = PASSWORD('p')"), set(None, password()));
        assert_eq!(
            one("SET PASSWORD FOR 'jack'@'h' = '*A'"),
            set(Some(jack("h")), AccountSecret::NativeHash("*A".into()))
        );
    }

    #[test]
    fn errors_do_not_tell_the_password() {
        assert_eq!(
            error("CREATE USER jack IDENTIFIED BY hunter2"),
            "expected password in quotes, found *** at line 1, column 32"
        );
        let refused = crate::parse_one("SET PASSWORD = PASSWORD('hunter2' x)").unwrap_err();
        assert!(!refused.caret().contains("hunter2"), "{}", refused.caret());
    }

    #[test]
    fn roles() {
        assert_eq!(
            one("CREATE ROLE IF NOT EXISTS r"),
            Statement::CreateRole { name: "r".into(), if_not_exists: true }
        );
        assert_eq!(
            one("DROP ROLE 'r'"),
            Statement::DropRole { name: "r".into(), if_exists: false }
        );
    }

    #[test]
    fn what_is_not_supported_says_what_to_do() {
        let message = error("CREATE USER jack IDENTIFIED BY 'p' DEFAULT ROLE 'r'");
        assert!(message.starts_with("DEFAULT ROLE is not supported: GRANT the role"), "{message}");
        let message = error("CREATE USER jack IDENTIFIED WITH authentication_ldap_simple AS 'x'");
        assert!(
            message.starts_with("this plugin is not supported: use mysql_native_password"),
            "{message}"
        );
        assert!(message.ends_with("column 34"), "{message}");
    }
}
