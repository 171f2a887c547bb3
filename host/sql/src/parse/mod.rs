//! The grammar: the first words of a statement choose its family, each of which has a file.

mod account;
mod admin;
mod backup;
mod column;
mod data;
mod database;
mod function;
mod grant;
mod interval;
mod materialized_view;
mod partition;
mod repository;
mod resource_group;
mod session;
mod show;
mod snapshot;
mod table;
mod view;

use crate::cursor::{Cursor, Result};
use crate::query;
use crate::statement::Statement;

/// Statements of StarRocks that are none of Cairn, and what to do instead.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("ANALYZE", "there are no statistics to gather"),
    ("EXPORT", "use BACKUP, or SELECT from a client"),
    ("LOAD", "use INSERT INTO ... SELECT ... FROM FILES(...)"),
    ("MERGE", "INSERT INTO a primary key table replaces rows"),
    ("RECOVER", "what was dropped is gone; restore it from a snapshot"),
    ("SUBMIT", "there are no tasks; run the statement itself"),
    ("UPDATE", "INSERT INTO a primary key table replaces rows"),
];

/// One statement, up to its end.
pub(crate) fn statement(c: &mut Cursor<'_>) -> Result<Statement> {
    let statement = by_first_word(c)?;
    c.end()?;
    Ok(statement)
}

fn by_first_word(c: &mut Cursor<'_>) -> Result<Statement> {
    if query::at_query(c) {
        return Ok(Statement::Query(query::query(c)?.0));
    }
    if admin::at_update(c) {
        c.advance();
        return admin::update(c);
    }
    let word = c.word();
    if let Some((word, advice)) = UNSUPPORTED.iter().find(|(unsupported, _)| *unsupported == word) {
        return Err(c.unsupported(*word, advice));
    }
    let rule = match word.as_str() {
        "ADMIN" => admin::admin,
        "ALTER" => alter,
        "BACKUP" => backup::backup,
        "BEGIN" | "COMMIT" | "ROLLBACK" | "START" => session::transaction,
        "CANCEL" => backup::cancel,
        "CREATE" => create,
        "DELETE" => data::delete,
        "DESC" | "DESCRIBE" => show::describe,
        "DROP" => drop,
        "EXPLAIN" => data::explain,
        "GRANT" => grant::grant,
        "INSERT" => data::insert,
        "KILL" => session::kill,
        "REFRESH" => materialized_view::refresh,
        "RESTORE" => backup::restore,
        "REVOKE" => grant::revoke,
        "SET" => session::set,
        "SHOW" => show::show,
        "TRUNCATE" => data::truncate,
        "USE" => session::use_database,
        _ => return Err(c.unexpected("a statement")),
    };
    c.advance();
    rule(c)
}

fn create(c: &mut Cursor<'_>) -> Result<Statement> {
    let or_replace = c.accept_words(&["OR", "REPLACE"]);
    if or_replace && !c.at_word("VIEW") {
        return Err(c.unexpected("VIEW"));
    }
    let rule = match c.word().as_str() {
        "AGGREGATE" | "GLOBAL" | "FUNCTION" => return function::create(c),
        "DATABASE" | "SCHEMA" => database::create,
        "MATERIALIZED" => materialized_view::create,
        "READ" | "REPOSITORY" => return repository::create(c),
        "RESOURCE" => resource_group::create,
        "ROLE" => account::create_role,
        // `CREATE TABLE FUNCTION f()` makes a function.
        "TABLE" if c.at_words(&["TABLE", "FUNCTION"]) => return function::create(c),
        "TABLE" => table::create,
        "EXTERNAL" | "TEMPORARY" => return Err(table::unsupported_kind(c)),
        "USER" => account::create_user,
        "VIEW" => {
            c.advance();
            return view::create(c, or_replace);
        }
        _ => {
            return Err(c.unexpected(
                "REPOSITORY, DATABASE, TABLE, VIEW, MATERIALIZED VIEW, FUNCTION, RESOURCE GROUP, USER or ROLE",
            ));
        }
    };
    c.advance();
    rule(c)
}

fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    let rule = match c.word().as_str() {
        "DATABASE" | "SCHEMA" => database::drop,
        "FUNCTION" => function::drop,
        "MATERIALIZED" => materialized_view::drop,
        "REPOSITORY" => repository::drop,
        "RESOURCE" => resource_group::drop,
        "ROLE" => account::drop_role,
        "SNAPSHOT" => snapshot::drop,
        "TABLE" => table::drop,
        "USER" => account::drop_user,
        "VIEW" => view::drop,
        _ => {
            return Err(c.unexpected(
                "REPOSITORY, SNAPSHOT, DATABASE, TABLE, VIEW, MATERIALIZED VIEW, FUNCTION, RESOURCE GROUP, USER or ROLE",
            ));
        }
    };
    c.advance();
    rule(c)
}

fn alter(c: &mut Cursor<'_>) -> Result<Statement> {
    let rule = match c.word().as_str() {
        "MATERIALIZED" => materialized_view::alter,
        "SNAPSHOT" => snapshot::alter,
        "TABLE" => table::alter,
        "USER" => account::alter_user,
        _ => return Err(c.unexpected("TABLE, MATERIALIZED VIEW, SNAPSHOT or USER")),
    };
    c.advance();
    rule(c)
}
