//! `ADMIN SET CONFIG`, `ADMIN SHOW CONFIG`, and the UPDATE that sets a backend's.

use sqlparser::tokenizer::Token;

use crate::cursor::{Cursor, Result, is_word};
use crate::statement::Statement;

/// `SET FRONTEND | BACKEND CONFIG ("name" = "value") [WITH PERSISTENT]`, `SHOW FRONTEND | BACKEND CONFIG [LIKE pattern]`
pub(super) fn admin(c: &mut Cursor<'_>) -> Result<Statement> {
    let set = c.accept_word("SET");
    if !set {
        c.expect_word("SHOW").map_err(|_| c.unexpected("SET or SHOW"))?;
    }
    c.expect_any(&["FRONTEND", "BACKEND"])?;
    c.expect_word("CONFIG")?;
    if set {
        let settings = c.property_list()?;
        let persistent = c.accept_words(&["WITH", "PERSISTENT"]);
        return Ok(Statement::AdminSetConfig { settings, persistent });
    }
    let like = c.accept_word("LIKE").then(|| c.string("pattern in quotes")).transpose()?;
    Ok(Statement::AdminShowConfig { like })
}

/// Whether an UPDATE is about the relation that configures a backend.
pub(super) fn at_update(c: &Cursor<'_>) -> bool {
    c.at_word("UPDATE")
        && is_word(c.peek_at(1), "INFORMATION_SCHEMA")
        && *c.peek_at(2) == Token::Period
        && is_word(c.peek_at(3), "BE_CONFIGS")
}

/// `information_schema.be_configs SET value = "value" WHERE name = "name"`
pub(super) fn update(c: &mut Cursor<'_>) -> Result<Statement> {
    c.qualified_name("information_schema.be_configs")?;
    c.expect_words(&["SET", "VALUE"])?;
    c.expect(&Token::Eq)?;
    let value = value(c)?;
    c.expect_words(&["WHERE", "NAME"])?;
    c.expect(&Token::Eq)?;
    let name = c.string("name in quotes")?;
    Ok(Statement::AdminSetConfig { settings: vec![(name, value)], persistent: false })
}

/// In quotes, or a bare number or word such as TRUE.
fn value(c: &mut Cursor<'_>) -> Result<String> {
    if let Token::Number(digits, _) = c.peek() {
        let digits = digits.clone();
        c.advance();
        return Ok(digits);
    }
    c.ident_or_string("a value")
}

#[cfg(test)]
mod tests {
    use crate::statement::Statement;
    use crate::testing::{error, one};

    #[test]
    fn set_and_show() {
        assert_eq!(
            one(r#"ADMIN SET FRONTEND CONFIG ("a" = "1")"#),
            Statement::AdminSetConfig {
                settings: vec![("a".into(), "1".into())],
                persistent: false
            }
        );
        assert_eq!(
            one(r#"ADMIN SET FRONTEND CONFIG ("a" = "1") WITH PERSISTENT"#),
            Statement::AdminSetConfig {
                settings: vec![("a".into(), "1".into())],
                persistent: true
            }
        );
        assert_eq!(
            one("ADMIN SHOW BACKEND CONFIG LIKE '%a%'"),
            Statement::AdminShowConfig { like: Some("%a%".into()) }
        );
        assert_eq!(one("admin show frontend config"), Statement::AdminShowConfig { like: None });
        assert_eq!(
            error("ADMIN REPAIR TABLE t"),
            "expected SET or SHOW, found REPAIR at line 1, column 7"
        );
    }

    #[test]
    fn update_sets_a_backends_setting_and_nothing_else() {
        let set = |value: &str| Statement::AdminSetConfig {
            settings: vec![("a".into(), value.into())],
            persistent: false,
        };
        for (typed, value) in [("8", "8"), ("'8'", "8"), ("\"8\"", "8"), ("true", "true")] {
            let text = format!(
                "UPDATE information_schema.be_configs SET VALUE = {typed} WHERE name = 'a'"
            );
            assert_eq!(one(&text), set(value), "{text}");
        }
        assert_eq!(
            error("UPDATE information_schema.be_configs SET value = 1"),
            "expected WHERE, found end of statement at line 1, column 51"
        );
        assert!(error("UPDATE t SET value = 1").starts_with("UPDATE is not supported"));
    }
}
