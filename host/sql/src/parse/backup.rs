//! `BACKUP`, `RESTORE`, `CANCEL`: the forms of StarRocks 3.4 and later, of which those before are a part.

use sqlparser::tokenizer::Token;

use super::account;
use crate::cursor::{Cursor, Result, is_word};
use crate::statement::{
    Backup, JobObject, ObjectKind, QualifiedName, Restore, Statement, UserName,
};

/// What may stand behind ALL.
const KINDS: &str = "TABLES, MATERIALIZED VIEWS, VIEWS, FUNCTIONS, USERS, ROLES or RESOURCE GROUPS";

/// Kinds of two words.
const TWO_WORDS: [([&str; 2], ObjectKind); 4] = [
    (["MATERIALIZED", "VIEW"], ObjectKind::MaterializedView),
    (["MATERIALIZED", "VIEWS"], ObjectKind::MaterializedView),
    (["RESOURCE", "GROUP"], ObjectKind::ResourceGroup),
    (["RESOURCE", "GROUPS"], ObjectKind::ResourceGroup),
];

/// `[DATABASE d] SNAPSHOT [d.]label TO repository [ON (...)] [PROPERTIES (...)]`
pub(super) fn backup(c: &mut Cursor<'_>) -> Result<Statement> {
    refuse_external_catalogs(c)?;
    let database = c.accept_word("DATABASE").then(|| c.database()).transpose()?;
    c.expect_word("SNAPSHOT")?;
    let label = label(c, database.is_some())?;
    c.expect_word("TO")?;
    let repository = c.ident("a repository name")?;
    Ok(Statement::Backup(Backup {
        database: database.or(label.0),
        label: label.1,
        repository,
        objects: objects(c)?,
        properties: c.properties()?,
    }))
}

/// `SNAPSHOT [d.]label FROM repository [DATABASE d [AS e]] [ON (...)] [PROPERTIES (...)]`
pub(super) fn restore(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_word("SNAPSHOT")?;
    let (target, label) = label(c, false)?;
    c.expect_word("FROM")?;
    let repository = c.ident("a repository name")?;
    refuse_external_catalogs(c)?;
    let database = c.accept_word("DATABASE").then(|| c.database()).transpose()?;
    let alias = database.is_some() && c.accept_word("AS");
    Ok(Statement::Restore(Restore {
        target,
        database,
        database_alias: alias.then(|| c.ident("a database name")).transpose()?,
        label,
        repository,
        objects: objects(c)?,
        properties: c.properties()?,
    }))
}

/// `BACKUP | RESTORE [FROM d]`
pub(super) fn cancel(c: &mut Cursor<'_>) -> Result<Statement> {
    let backup = c.accept_word("BACKUP");
    if !backup {
        c.expect_word("RESTORE").map_err(|_| c.unexpected("BACKUP or RESTORE"))?;
    }
    if c.accept_word("FOR") {
        refuse_external_catalogs(c)?;
        return Err(c.unexpected("FROM"));
    }
    let database = c.in_database()?;
    Ok(if backup {
        Statement::CancelBackup { database }
    } else {
        Statement::CancelRestore { database }
    })
}

/// The database, where it is typed, and the label.
fn label(c: &mut Cursor<'_>, database_is_known: bool) -> Result<(Option<String>, String)> {
    let label = c.ident("a label")?;
    if c.peek() != &Token::Period {
        return Ok((None, label));
    }
    if database_is_known {
        return Err(c.unexpected("a label without a database, which DATABASE names"));
    }
    c.advance();
    Ok((Some(label), c.ident("a label")?))
}

fn refuse_external_catalogs(c: &Cursor<'_>) -> Result<()> {
    if c.at_word("EXTERNAL") || c.at_words(&["ALL", "EXTERNAL"]) {
        let advice = "a backup holds databases of default_catalog";
        return Err(c.unsupported("EXTERNAL CATALOG", advice));
    }
    Ok(())
}

fn objects(c: &mut Cursor<'_>) -> Result<Vec<JobObject>> {
    if c.at_word("EXCLUDE") {
        return Err(c.unsupported("EXCLUDE", "name with ON what is meant"));
    }
    if c.accept_word("ON") { c.list(object) } else { Ok(Vec::new()) }
}

fn object(c: &mut Cursor<'_>) -> Result<JobObject> {
    if c.accept_word("ALL") {
        return match kind(c) {
            Some(kind) => Ok(JobObject::All(kind)),
            None => Err(c.unexpected(KINDS)),
        };
    }
    let kind = if kind_is_typed(c) { kind(c) } else { None };
    if let Some(kind) = kind.filter(|kind| kind.is_of_server()) {
        return of_server(c, kind);
    }
    let name = c.qualified_name("a table name")?;
    let may_have_partitions = matches!(kind, None | Some(ObjectKind::Table));
    let (temporary, partitions) =
        if may_have_partitions { partitions(c)? } else { (false, Vec::new()) };
    let alias = c.accept_word("AS").then(|| c.ident("a new name")).transpose()?;
    Ok(JobObject::One { kind, name, partitions, temporary, alias })
}

/// A user, a role or a resource group.
fn of_server(c: &mut Cursor<'_>, kind: ObjectKind) -> Result<JobObject> {
    let name = match kind {
        ObjectKind::User => {
            let UserName { name, host } = account::user(c)?;
            format!("{name}@{host}")
        }
        ObjectKind::Role => account::role(c)?,
        _ => c.ident("a resource group name")?,
    };
    if c.at_word("AS") {
        let advice = "users, roles and resource groups keep their names";
        return Err(c.unsupported("AS", advice));
    }
    let name = QualifiedName { database: None, name };
    Ok(JobObject::One { kind: Some(kind), name, partitions: vec![], temporary: false, alias: None })
}

/// Only a kind has a name behind it: in `ON (view, function AS f)` both are names of tables.
fn kind_is_typed(c: &Cursor<'_>) -> bool {
    if TWO_WORDS.iter().any(|(words, _)| c.at_words(words)) {
        return true;
    }
    let next = c.peek_at(1);
    // Names of users and roles may be in quotes.
    matches!(next, Token::Word(_) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_))
        && !["AS", "PARTITION", "PARTITIONS", "TEMPORARY"].iter().any(|word| is_word(next, word))
}

fn kind(c: &mut Cursor<'_>) -> Option<ObjectKind> {
    if let Some((_, kind)) = TWO_WORDS.iter().find(|(words, _)| c.accept_words(words)) {
        return Some(*kind);
    }
    let kind = match c.word().as_str() {
        "TABLE" | "TABLES" => ObjectKind::Table,
        "VIEW" | "VIEWS" => ObjectKind::View,
        "FUNCTION" | "FUNCTIONS" => ObjectKind::Function,
        "USER" | "USERS" => ObjectKind::User,
        "ROLE" | "ROLES" => ObjectKind::Role,
        _ => return None,
    };
    c.advance();
    Some(kind)
}

/// `[TEMPORARY] PARTITION p | PARTITIONS (p, ...)`: whether temporary, and which.
fn partitions(c: &mut Cursor<'_>) -> Result<(bool, Vec<String>)> {
    let temporary = c.accept_word("TEMPORARY");
    if temporary || c.at_any(&["PARTITION", "PARTITIONS"]) {
        return Ok((temporary, super::partition::names(c)?));
    }
    Ok((false, Vec::new()))
}

#[cfg(test)]
mod tests;
