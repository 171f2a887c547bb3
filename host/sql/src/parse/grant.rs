//! `GRANT` and `REVOKE`, of privileges and of roles: `SELECT ON TABLE d.t TO USER u` since StarRocks 3.0, `SELECT_PRIV ON
//! d.t TO u` before.

use sqlparser::tokenizer::Token;

use super::account;
use crate::cursor::{Cursor, Result};
use crate::statement::{GrantObject, Grantee, Statement};

pub(super) fn grant(c: &mut Cursor<'_>) -> Result<Statement> {
    let (what, object) = granted(c)?;
    c.expect_word("TO").map_err(|_| expected_after(c, object.is_some(), "TO"))?;
    let to = grantee(c)?;
    if c.at_words(&["WITH", "GRANT", "OPTION"]) {
        let advice = "grant the privilege to each who needs it";
        return Err(c.unsupported("WITH GRANT OPTION", advice));
    }
    Ok(match object {
        Some(on) => Statement::Grant { privileges: what, on, to },
        None => Statement::GrantRoles { roles: what, to },
    })
}

pub(super) fn revoke(c: &mut Cursor<'_>) -> Result<Statement> {
    let (what, object) = granted(c)?;
    c.expect_word("FROM").map_err(|_| expected_after(c, object.is_some(), "FROM"))?;
    let from = grantee(c)?;
    Ok(match object {
        Some(on) => Statement::Revoke { privileges: what, on, from },
        None => Statement::RevokeRoles { roles: what, from },
    })
}

/// `USER u`, `ROLE r`, and before 3.0 a bare user.
pub(super) fn grantee(c: &mut Cursor<'_>) -> Result<Grantee> {
    if c.at_word("ROLE") && is_name(c.peek_at(1)) {
        c.advance();
        return account::role(c).map(Grantee::Role);
    }
    if c.at_word("USER") && is_name(c.peek_at(1)) {
        c.advance();
    }
    account::user(c).map(Grantee::User)
}

/// Privileges and their object, or roles and none.
fn granted(c: &mut Cursor<'_>) -> Result<(Vec<String>, Option<GrantObject>)> {
    let mark = c.mark();
    let privileges = c.commas(privilege);
    if privileges.is_ok() && c.accept_word("ON") {
        return Ok((privileges?, Some(object(c)?)));
    }
    let behind = c.mark();
    c.reset(mark);
    let roles = c.commas(|c| c.ident_or_string("a privilege or a role"));
    if roles.is_err() && privileges.is_ok() {
        c.reset(behind);
        return Err(c.unexpected("ON"));
    }
    Ok((roles?, None))
}

fn expected_after(c: &Cursor<'_>, object: bool, word: &str) -> crate::error::SyntaxError {
    c.unexpected(&if object { word.to_owned() } else { format!("ON or {word}") })
}

/// One or more words, such as `CREATE MATERIALIZED VIEW`, in upper case.
fn privilege(c: &mut Cursor<'_>) -> Result<String> {
    let mut words = Vec::new();
    while !c.word().is_empty() && !c.at_any(&["ON", "TO", "FROM"]) {
        words.push(c.word());
        c.advance();
    }
    match words.as_slice() {
        [] => Err(c.unexpected("a privilege")),
        [all, privileges] if all == "ALL" && privileges == "PRIVILEGES" => Ok("ALL".to_owned()),
        _ => Ok(words.join(" ")),
    }
}

fn object(c: &mut Cursor<'_>) -> Result<GrantObject> {
    if c.accept_word("ALL") {
        return all(c);
    }
    let one_follows = is_name(c.peek_at(1));
    match c.word().as_str() {
        "SYSTEM" if c.peek_at(1) != &Token::Period => {
            c.advance();
            Ok(GrantObject::System)
        }
        "CATALOG" if one_follows => {
            c.advance();
            Ok(GrantObject::Catalog(c.ident("a catalog name")?))
        }
        "DATABASE" if one_follows => {
            c.advance();
            Ok(GrantObject::Database(Some(c.database()?)))
        }
        "TABLE" => {
            c.advance();
            pattern(c, Kind::Table)
        }
        "VIEW" if one_follows => {
            c.advance();
            pattern(c, Kind::View)
        }
        "MATERIALIZED" if one_follows => {
            c.advance();
            c.expect_word("VIEW")?;
            pattern(c, Kind::MaterializedView)
        }
        word @ ("RESOURCE" | "FUNCTION" | "USER" | "GLOBAL" | "STORAGE") if one_follows => {
            let advice = "grant on SYSTEM, CATALOG, DATABASE, TABLE, VIEW or MATERIALIZED VIEW";
            Err(c.unsupported(format!("a privilege on {word}"), advice))
        }
        _ => pattern(c, Kind::Table),
    }
}

/// What comes behind `ALL`.
fn all(c: &mut Cursor<'_>) -> Result<GrantObject> {
    if c.accept_any(&["DATABASES", "DATABASE"]) {
        return Ok(GrantObject::Database(None));
    }
    let kind = if c.accept_any(&["TABLES", "TABLE"]) {
        Kind::Table
    } else if c.accept_any(&["VIEWS", "VIEW"]) {
        Kind::View
    } else if c.accept_words(&["MATERIALIZED", "VIEWS"])
        || c.accept_words(&["MATERIALIZED", "VIEW"])
    {
        Kind::MaterializedView
    } else {
        return Err(c.unexpected("TABLES, VIEWS, MATERIALIZED VIEWS or DATABASES"));
    };
    c.expect_word("IN")?;
    if c.accept_words(&["ALL", "DATABASES"]) {
        return Ok(kind.object(None, None));
    }
    c.expect_word("DATABASE").map_err(|_| c.unexpected("DATABASE or ALL DATABASES"))?;
    Ok(kind.object(Some(c.database()?), None))
}

#[derive(Clone, Copy)]
enum Kind {
    Table,
    View,
    MaterializedView,
}

impl Kind {
    fn object(self, database: Option<String>, name: Option<String>) -> GrantObject {
        match self {
            Self::Table => GrantObject::Table { database, table: name },
            Self::View => GrantObject::View { database, view: name },
            Self::MaterializedView => GrantObject::MaterializedView { database, view: name },
        }
    }
}

/// `t`, `d.t`, `d.*`, `*.*`
fn pattern(c: &mut Cursor<'_>, kind: Kind) -> Result<GrantObject> {
    if c.accept(&Token::Mul) {
        c.expect(&Token::Period)?;
        c.expect(&Token::Mul)?;
        return Ok(kind.object(None, None));
    }
    let first = c.ident("a table, a database or SYSTEM")?;
    if !c.accept(&Token::Period) {
        return Ok(kind.object(None, Some(first)));
    }
    let name = if c.accept(&Token::Mul) { None } else { Some(c.ident("a table or *")?) };
    Ok(kind.object(Some(first), name))
}

fn is_name(token: &Token) -> bool {
    matches!(
        token,
        Token::Word(_) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::Mul
    )
}

#[cfg(test)]
mod tests {
    use crate::statement::{GrantObject, Grantee, Statement, UserName};
    use crate::testing::{error, one};

    fn role(name: &str) -> Grantee {
        Grantee::Role(name.into())
    }

    fn user(name: &str) -> Grantee {
        Grantee::User(UserName { name: name.into(), host: "%".into() })
    }

    fn table(database: &str, table: &str) -> GrantObject {
        let given = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        GrantObject::Table { database: given(database), table: given(table) }
    }

    #[track_caller]
    fn grants(text: &str, privileges: &[&str], on: GrantObject, to: Grantee) {
        let privileges = privileges.iter().map(|p| (*p).to_owned()).collect();
        assert_eq!(one(text), Statement::Grant { privileges, on, to });
    }

    #[test]
    fn privileges_since_3_0() {
        grants(
            "GRANT REPOSITORY ON SYSTEM TO ROLE r",
            &["REPOSITORY"],
            GrantObject::System,
            role("r"),
        );
        grants("GRANT EXPORT ON TABLE t TO ROLE r", &["EXPORT"], table("", "t"), role("r"));
        grants(
            "grant select, insert on d.t to user 'u'@'%'",
            &["SELECT", "INSERT"],
            table("d", "t"),
            user("u"),
        );
        grants(
            "GRANT CREATE DATABASE ON CATALOG default_catalog TO USER u",
            &["CREATE DATABASE"],
            GrantObject::Catalog("default_catalog".into()),
            user("u"),
        );
        grants(
            "GRANT SELECT ON ALL TABLES IN DATABASE d TO USER u",
            &["SELECT"],
            table("d", ""),
            user("u"),
        );
        grants(
            "GRANT ALL ON ALL TABLES IN ALL DATABASES TO ROLE r",
            &["ALL"],
            table("", ""),
            role("r"),
        );
        grants(
            "GRANT ALL PRIVILEGES, CREATE MATERIALIZED VIEW ON ALL DATABASES TO ROLE r",
            &["ALL", "CREATE MATERIALIZED VIEW"],
            GrantObject::Database(None),
            role("r"),
        );
        grants(
            "GRANT DROP ON DATABASE d TO ROLE r",
            &["DROP"],
            GrantObject::Database(Some("d".into())),
            role("r"),
        );
        grants(
            "GRANT SELECT ON VIEW d.v TO ROLE r",
            &["SELECT"],
            GrantObject::View { database: Some("d".into()), view: Some("v".into()) },
            role("r"),
        );
        grants(
            "GRANT REFRESH ON ALL MATERIALIZED VIEWS IN DATABASE d TO ROLE r",
            &["REFRESH"],
            GrantObject::MaterializedView { database: Some("d".into()), view: None },
            role("r"),
        );
        grants(
            "GRANT REFRESH ON MATERIALIZED VIEW d.v TO ROLE r",
            &["REFRESH"],
            GrantObject::MaterializedView { database: Some("d".into()), view: Some("v".into()) },
            role("r"),
        );
    }

    #[test]
    fn privileges_before_3_0() {
        grants("GRANT SELECT_PRIV ON d.* TO u", &["SELECT_PRIV"], table("d", ""), user("u"));
        grants(
            "GRANT ADMIN_PRIV, GRANT_PRIV ON *.* TO 'u'@'%'",
            &["ADMIN_PRIV", "GRANT_PRIV"],
            table("", ""),
            user("u"),
        );
        grants("GRANT LOAD_PRIV ON *.* TO ROLE 'r'", &["LOAD_PRIV"], table("", ""), role("r"));
    }

    #[test]
    fn roles_are_granted_to_users_and_roles() {
        assert_eq!(
            one("GRANT a, 'b' TO USER u"),
            Statement::GrantRoles { roles: vec!["a".into(), "b".into()], to: user("u") }
        );
        assert_eq!(
            one("REVOKE a FROM ROLE b"),
            Statement::RevokeRoles { roles: vec!["a".into()], from: role("b") }
        );
        assert_eq!(
            one("GRANT db_admin TO role"),
            Statement::GrantRoles { roles: vec!["db_admin".into()], to: user("role") }
        );
    }

    #[test]
    fn revoke_is_the_mirror_of_grant() {
        assert_eq!(
            one("REVOKE SELECT ON TABLE d.t FROM USER u"),
            Statement::Revoke {
                privileges: vec!["SELECT".into()],
                on: table("d", "t"),
                from: user("u")
            }
        );
    }

    #[test]
    fn errors() {
        for (text, message) in [
            ("GRANT SELECT ON TABLE d.t u", "expected TO, found u at line 1, column 27"),
            ("GRANT r FROM u", "expected ON or TO, found FROM at line 1, column 9"),
            (
                "GRANT SELECT ON ALL THINGS TO u",
                "expected TABLES, VIEWS, MATERIALIZED VIEWS or DATABASES, found THINGS at line 1, column 21",
            ),
            (
                "GRANT SELECT ON ALL TABLES IN d TO u",
                "expected DATABASE or ALL DATABASES, found d at line 1, column 31",
            ),
            ("GRANT CREATE TABLE TO u", "expected ON, found TO at line 1, column 20"),
            ("GRANT", "expected a privilege or a role, found end of statement at line 1, column 6"),
        ] {
            assert_eq!(error(text), message);
        }
        for text in [
            "GRANT SELECT ON *.* TO u WITH GRANT OPTION",
            "GRANT IMPERSONATE ON USER a TO USER b",
            "GRANT USAGE ON FUNCTION d.f(INT) TO ROLE r",
            "GRANT ALTER ON RESOURCE GROUP g TO ROLE r",
        ] {
            let message = error(text);
            assert!(message.contains("is not supported: "), "{message}");
        }
    }
}
