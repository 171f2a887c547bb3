//! An object of a snapshot is what its key says, and its query reads what its row says: both are made so or refused before
//! anything is decided by them. Pure.

use cairn_pipeline::tablet::ObjectKey;

use crate::catalog::model::BaseTable;
use crate::definition::Definition;
use crate::query::{stored_query, text_query};
use crate::{Error, ErrorKind, Result};

/// Makes a definition that of its key, or refuses it.
pub(super) fn fit(definition: &mut Definition, key: &ObjectKey) -> Result<()> {
    let is_kind = &*key.kind == definition.kind().as_str();
    if !(is_kind && fit_name(definition, &key.name)) {
        let message = format!("the definition of {key} in the snapshot is of something else");
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    fit_query(definition)
}

/// What has relations takes its name from the key when it is installed; what names itself must have that name.
fn fit_name(definition: &mut Definition, name: &str) -> bool {
    match definition {
        Definition::Table(_) | Definition::View { .. } => true,
        Definition::Function(row) => {
            let arguments = format!("({})", row.arguments.join(", "));
            let name = name.strip_suffix(&arguments).filter(|name| !name.is_empty());
            name.map(|name| row.name = name.to_owned()).is_some()
        }
        Definition::ResourceGroup(row) => row.name == name,
        Definition::Role(row) => row.name == name,
        Definition::User(row) => row.identity() == name,
    }
}

/// Writes the query anew, every table with its database, and lists what it reads.
fn fit_query(definition: &mut Definition) -> Result<()> {
    let (database, query) = match definition {
        Definition::View { database, row } => (&*database, &mut row.query),
        Definition::Table(table) => match &mut table.row.materialized_view {
            Some(view) => (&table.database, &mut view.query),
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    let (text, reads) = stored_query(text_query(query)?, database)?;
    *query = text;
    match definition {
        Definition::View { row, .. } => row.base_tables = reads,
        Definition::Table(table) => {
            if let Some(view) = &mut table.row.materialized_view {
                let mut kept = std::mem::take(&mut view.base_tables);
                let base_table = |(database, name): (String, String)| {
                    let is_it = |base: &BaseTable| base.database == database && base.name == name;
                    let at = kept.iter().position(is_it);
                    let seen = at.map(|at| kept.swap_remove(at).seen).unwrap_or_default();
                    BaseTable { database, name, seen }
                };
                view.base_tables = reads.into_iter().map(base_table).collect();
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::model::{FunctionRow, RoleRow, UserRow, ViewRow};

    fn key(kind: &str, name: &str) -> ObjectKey {
        ObjectKey { database: "d".into(), kind: kind.into(), name: name.into() }
    }

    fn view(query: &str) -> Definition {
        let row = ViewRow {
            id: 1,
            database: 1,
            name: "v".to_owned(),
            comment: String::new(),
            columns: Vec::new(),
            query: query.to_owned(),
            base_tables: Vec::new(),
        };
        Definition::View { database: "d".to_owned(), row }
    }

    fn root() -> Definition {
        Definition::User(UserRow {
            name: "root".to_owned(),
            host: "%".to_owned(),
            proofs: Default::default(),
            roles: Vec::new(),
            grants: Vec::new(),
        })
    }

    #[test]
    fn a_user_does_not_come_as_a_table_nor_under_another_name() {
        for (kind, name) in
            [("table", "t"), ("view", "root@%"), ("user", "jack@%"), ("user", "root")]
        {
            let error = fit(&mut root(), &key(kind, name)).expect_err("is refused");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{kind} {name}");
        }
        fit(&mut root(), &key("user", "root@%")).expect("is what its key says");
        let role = RoleRow { name: "r".to_owned(), roles: Vec::new(), grants: Vec::new() };
        assert!(fit(&mut Definition::Role(role.clone()), &key("role", "s")).is_err());
        assert!(fit(&mut Definition::Role(role), &key("role", "r")).is_ok());
    }

    #[test]
    fn a_function_takes_the_name_of_its_key_and_keeps_its_arguments() {
        let row = FunctionRow {
            id: 1,
            database: 1,
            name: "f".to_owned(),
            kind: "SCALAR".to_owned(),
            arguments: vec!["INT".to_owned(), "INT".to_owned()],
            returns: "INT".to_owned(),
            properties: Default::default(),
        };
        let mut function = Definition::Function(row);
        assert!(fit(&mut function, &key("function", "f(INT)")).is_err());
        assert!(fit(&mut function, &key("function", "(INT, INT)")).is_err());
        fit(&mut function, &key("function", "g(INT, INT)")).expect("has these arguments");
        assert!(matches!(&function, Definition::Function(row) if row.name == "g"));
    }

    #[test]
    fn what_a_query_reads_is_found_in_the_query() {
        let mut secret = view("SELECT 'it''s' AS a FROM sec.t JOIN u ON true");
        fit(&mut secret, &key("view", "v")).expect("can be read");
        let reads: Vec<_> = secret.reads().collect();
        assert_eq!(reads, [("sec", "t"), ("d", "u")]);
        let Definition::View { row, .. } = &secret else { panic!("it was a view") };
        assert!(row.query.contains("`d`.`u`") && row.query.contains("'it\\'s'"), "{}", row.query);
        assert!(fit(&mut view("SELECT * FROM files('path' = '/x')"), &key("view", "v")).is_err());
        assert!(fit(&mut view("DROP TABLE t"), &key("view", "v")).is_err());
    }
}
