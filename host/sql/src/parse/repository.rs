//! `CREATE REPOSITORY`, `DROP REPOSITORY`.

use crate::cursor::{Cursor, Result};
use crate::statement::{CreateRepository, Statement};

/// `[READ ONLY] REPOSITORY name WITH BROKER [broker] ON LOCATION "url" [PROPERTIES (...)]`
pub(super) fn create(c: &mut Cursor<'_>) -> Result<Statement> {
    let read_only = c.accept_words(&["READ", "ONLY"]);
    c.expect_word("REPOSITORY")?;
    let name = c.ident("a repository name")?;
    c.expect_words(&["WITH", "BROKER"])?;
    let broker =
        if c.at_word("ON") { None } else { Some(c.ident_or_string("a broker name or ON")?) };
    c.expect_words(&["ON", "LOCATION"])?;
    let location = c.string("location in quotes")?;
    let properties = c.properties()?;
    Ok(Statement::CreateRepository(CreateRepository {
        name,
        read_only,
        broker,
        location,
        properties,
    }))
}

pub(super) fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    Ok(Statement::DropRepository { name: c.ident("a repository name")? })
}

#[cfg(test)]
mod tests {
    use crate::statement::{CreateRepository, Statement};
    use crate::testing::{error, one};

    #[test]
    fn create_with_all_and_with_least() {
        assert_eq!(
            one(
                r#"create read only repository `r-1` with broker "b" on location 's3a://x/y' properties ("a" = 'b')"#
            ),
            Statement::CreateRepository(CreateRepository {
                name: "r-1".into(),
                read_only: true,
                broker: Some("b".into()),
                location: "s3a://x/y".into(),
                properties: vec![("a".into(), "b".into())],
            })
        );
        let Statement::CreateRepository(least) =
            one(r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "file:///x""#)
        else {
            panic!()
        };
        assert_eq!((least.read_only, least.broker, least.properties), (false, None, vec![]));
    }

    #[test]
    fn errors_name_what_is_missing() {
        for (text, message) in [
            (
                r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "x" PROPERTIES ("a" = 5)"#,
                "expected property value in quotes, found 5 at line 1, column 67",
            ),
            ("CREATE REPOSITORY r ON", "expected WITH, found ON at line 1, column 21"),
            (
                "CREATE REPOSITORY r WITH BROKER 5",
                "expected a broker name or ON, found 5 at line 1, column 33",
            ),
            (
                "CREATE REPOSITORY WITH BROKER",
                "expected a repository name, found WITH at line 1, column 19",
            ),
            ("CREATE READ REPOSITORY r", "expected REPOSITORY, found READ at line 1, column 8"),
            (
                r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "x" PROPERTIES ("a" = "b" "c")"#,
                r#"expected , or ), found "c" at line 1, column 71"#,
            ),
            (
                "DROP REPOSITORY",
                "expected a repository name, found end of statement at line 1, column 16",
            ),
        ] {
            assert_eq!(error(text), message);
        }
    }
}
