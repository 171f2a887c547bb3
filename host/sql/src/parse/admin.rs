//! `ADMIN SET CONFIG`, `ADMIN SHOW CONFIG`.

use crate::cursor::{Cursor, Result};
use crate::statement::Statement;

/// `SET FRONTEND | BACKEND CONFIG ("name" = "value")`, `SHOW FRONTEND | BACKEND CONFIG [LIKE pattern]`
pub(super) fn admin(c: &mut Cursor<'_>) -> Result<Statement> {
    let set = c.accept_word("SET");
    if !set {
        c.expect_word("SHOW").map_err(|_| c.unexpected("SET or SHOW"))?;
    }
    c.expect_any(&["FRONTEND", "BACKEND"])?;
    c.expect_word("CONFIG")?;
    if set {
        return Ok(Statement::AdminSetConfig { settings: c.property_list()? });
    }
    let like = c.accept_word("LIKE").then(|| c.string("pattern in quotes")).transpose()?;
    Ok(Statement::AdminShowConfig { like })
}

#[cfg(test)]
mod tests {
    use crate::statement::Statement;
    use crate::testing::{error, one};

    #[test]
    fn set_and_show() {
        assert_eq!(
            one(r#"ADMIN SET FRONTEND CONFIG ("a" = "1")"#),
            Statement::AdminSetConfig { settings: vec![("a".into(), "1".into())] }
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
}
