//! `CREATE DATABASE`, `DROP DATABASE`.

use crate::cursor::{Cursor, Result};
use crate::statement::Statement;

/// `[IF NOT EXISTS] name [PROPERTIES (...)]`
pub(super) fn create(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_not_exists = c.if_not_exists();
    let name = c.database()?;
    Ok(Statement::CreateDatabase { name, if_not_exists, properties: c.properties()? })
}

/// `[IF EXISTS] name [FORCE]`
pub(super) fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = c.if_exists();
    let name = c.database()?;
    c.accept_word("FORCE");
    Ok(Statement::DropDatabase { name, if_exists })
}

#[cfg(test)]
mod tests {
    use crate::statement::Statement;
    use crate::testing::{error, one};

    #[test]
    fn create_and_drop() {
        assert_eq!(
            one(r#"CREATE DATABASE IF NOT EXISTS d PROPERTIES ("a" = "b")"#),
            Statement::CreateDatabase {
                name: "d".into(),
                if_not_exists: true,
                properties: vec![("a".into(), "b".into())],
            }
        );
        assert_eq!(
            one("drop schema if exists default_catalog.`d` force;"),
            Statement::DropDatabase { name: "d".into(), if_exists: true }
        );
        assert_eq!(
            error("CREATE DATABASE hive.d"),
            "catalog hive is not supported: all databases are in default_catalog at line 1, column 23"
        );
    }
}
