//! `CREATE RESOURCE GROUP`, `DROP RESOURCE GROUP`.

use sqlparser::tokenizer::Token;

use crate::cursor::{Cursor, Result};
use crate::statement::{CreateResourceGroup, Statement};

/// `GROUP name [TO (classifier), ...] WITH ("limit" = "value", ...)`
pub(super) fn create(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_word("GROUP")?;
    let name = c.ident("a resource group name")?;
    let classifiers = if c.accept_word("TO") { c.commas(classifier)? } else { Vec::new() };
    c.expect_word("WITH")?;
    let properties = c.property_list()?;
    Ok(Statement::CreateResourceGroup(CreateResourceGroup { name, classifiers, properties }))
}

/// `GROUP name`
pub(super) fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_word("GROUP")?;
    Ok(Statement::DropResourceGroup { name: c.ident("a resource group name")? })
}

/// The inside of `(user = 'x', query_type in ('select'))`, as typed.
fn classifier(c: &mut Cursor<'_>) -> Result<String> {
    c.expect(&Token::LParen)?;
    let mark = c.mark();
    c.skip_until(|_| false);
    let text = c.text_since(mark).to_owned();
    if text.is_empty() {
        return Err(c.unexpected("a classifier"));
    }
    c.expect(&Token::RParen)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use crate::statement::{CreateResourceGroup, Statement};
    use crate::testing::{error, one};

    #[test]
    fn create_and_drop() {
        assert_eq!(
            one(r#"CREATE RESOURCE GROUP g
                   TO (user='u', query_type in  ('select', 'insert')), (db='d')
                   WITH ("cpu_weight" = "10", "mem_limit" = "20%")"#),
            Statement::CreateResourceGroup(CreateResourceGroup {
                name: "g".into(),
                classifiers: vec![
                    "user='u', query_type in  ('select', 'insert')".into(),
                    "db='d'".into()
                ],
                properties: vec![
                    ("cpu_weight".into(), "10".into()),
                    ("mem_limit".into(), "20%".into())
                ],
            })
        );
        assert!(matches!(
            one("CREATE RESOURCE GROUP g WITH ('cpu_weight' = '1')"),
            Statement::CreateResourceGroup(group) if group.classifiers.is_empty()
        ));
        assert_eq!(one("DROP RESOURCE GROUP g"), Statement::DropResourceGroup { name: "g".into() });
    }

    #[test]
    fn errors() {
        for (text, message) in [
            (
                "CREATE RESOURCE GROUP g",
                "expected WITH, found end of statement at line 1, column 24",
            ),
            (
                "CREATE RESOURCE GROUP g TO ()",
                "expected a classifier, found ) at line 1, column 29",
            ),
            (
                "CREATE RESOURCE GROUP g TO (a = 'b'",
                "expected ), found end of statement at line 1, column 36",
            ),
        ] {
            assert_eq!(error(text), message);
        }
    }
}
