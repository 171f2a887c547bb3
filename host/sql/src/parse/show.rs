//! `SHOW` and `DESC`: what is there, and what drivers ask for.

use sqlparser::tokenizer::Token;

use super::{account, grant, snapshot};
use crate::cursor::{Cursor, Result, is_word};
use crate::query;
use crate::statement::{Grantee, Show, ShowFilter, Statement};

/// What drivers and tools ask for and what Cairn answers without looking, as words behind SHOW.
const OTHERS: [&[&str]; 21] = [
    &["AUTHENTICATION"],
    &["BINARY", "LOGS"],
    &["BROKER"],
    &["CATALOGS"],
    &["CHARACTER", "SET"],
    &["CHARSET"],
    &["COLLATION"],
    &["COMPUTE", "NODES"],
    &["ENGINES"],
    &["EVENTS"],
    &["FUNCTION", "STATUS"],
    &["INDEX"],
    &["INDEXES"],
    &["KEYS"],
    &["OPEN", "TABLES"],
    &["PLUGINS"],
    &["PRIVILEGES"],
    &["PROCEDURE", "STATUS"],
    &["STATUS"],
    &["STORAGE", "ENGINES"],
    &["TRIGGERS"],
];

/// `SHOW ...`, behind the word.
pub(super) fn show(c: &mut Cursor<'_>) -> Result<Statement> {
    let full = c.accept_word("FULL");
    if !full {
        if let Some(statement) = family(c)? {
            return Ok(statement);
        }
        if let Some(other) = other(c)? {
            return Ok(Statement::Show(other));
        }
    }
    listing(c, full).map(Statement::Show)
}

/// What other families show.
fn family(c: &mut Cursor<'_>) -> Result<Option<Statement>> {
    let rule: fn(&mut Cursor<'_>) -> Result<Statement> = match c.word().as_str() {
        "BACKUP" => backup,
        "RESTORE" => restore,
        "SNAPSHOT" => snapshot::show,
        "HOLDS" => snapshot::show_holds,
        "GRANTS" => grants,
        "REPOSITORIES" => |_| Ok(Statement::ShowRepositories),
        _ => return Ok(None),
    };
    c.advance();
    rule(c).map(Some)
}

/// `SHOW [FULL] objects ...`
fn listing(c: &mut Cursor<'_>, full: bool) -> Result<Show> {
    let rule = match c.word().as_str() {
        "TABLES" => tables,
        "COLUMNS" | "FIELDS" => columns,
        "PROCESSLIST" => |_: &mut Cursor<'_>, _| Ok(Show::Processlist),
        "FUNCTIONS" => functions,
        _ if full => return Err(c.unexpected("TABLES, COLUMNS, FUNCTIONS or PROCESSLIST")),
        "DATABASES" | "SCHEMAS" => databases,
        "CREATE" => create,
        "TABLE" if c.at_words(&["TABLE", "STATUS"]) => table_status,
        "PARTITIONS" => partitions,
        "TABLET" | "TABLETS" => tablets,
        "MATERIALIZED" => materialized_views,
        "RESOURCE" => resource_groups,
        "PROC" => proc,
        "USERS" => |_: &mut Cursor<'_>, _| Ok(Show::Users),
        "ALL" if c.at_words(&["ALL", "AUTHENTICATION"]) => |c: &mut Cursor<'_>, _| {
            c.advance();
            Ok(Show::Users)
        },
        "ROLES" => |_: &mut Cursor<'_>, _| Ok(Show::Roles),
        "GLOBAL" | "SESSION" | "LOCAL" if is_word(c.peek_at(1), "VARIABLES") => {
            |c: &mut Cursor<'_>, _| {
                c.advance();
                filter(c).map(Show::Variables)
            }
        }
        "VARIABLES" => |c: &mut Cursor<'_>, _| filter(c).map(Show::Variables),
        "WARNINGS" | "ERRORS" => warnings,
        "FRONTENDS" => |_: &mut Cursor<'_>, _| Ok(Show::Frontends),
        "BACKENDS" => |_: &mut Cursor<'_>, _| Ok(Show::Backends),
        _ => {
            return Err(c.unexpected(
                "what to show, such as DATABASES, TABLES, REPOSITORIES, SNAPSHOT, BACKUP, RESTORE or GRANTS",
            ));
        }
    };
    c.advance();
    rule(c, full)
}

/// `SHOW BACKUP [FROM d] [LIKE | WHERE]`, behind the words
fn backup(c: &mut Cursor<'_>) -> Result<Statement> {
    Ok(Statement::ShowBackup { database: c.in_database()?, filter: filter(c)? })
}

/// `SHOW RESTORE [FROM d] [LIKE | WHERE]`, behind the words
fn restore(c: &mut Cursor<'_>) -> Result<Statement> {
    Ok(Statement::ShowRestore { database: c.in_database()?, filter: filter(c)? })
}

/// `LIKE 'pattern'` or `WHERE condition`, where one is there.
pub(super) fn filter(c: &mut Cursor<'_>) -> Result<ShowFilter> {
    if c.accept_word("LIKE") {
        let like = Some(c.string("pattern in quotes")?);
        return Ok(ShowFilter { like, condition: None });
    }
    let condition = if c.accept_word("WHERE") { Some(query::expression(c)?) } else { None };
    Ok(ShowFilter { like: None, condition })
}

/// `DESC name`, `DESC query`
pub(super) fn describe(c: &mut Cursor<'_>) -> Result<Statement> {
    if query::at_query(c) {
        return Ok(Statement::Explain(query::query(c)?.0));
    }
    let table = c.qualified_name("a table name")?;
    c.accept_word("ALL");
    Ok(Statement::Show(Show::Columns { table, full: false, filter: ShowFilter::default() }))
}

/// `[FOR user | FOR ROLE role]`
fn grants(c: &mut Cursor<'_>) -> Result<Statement> {
    if !c.accept_word("FOR") {
        return Ok(Statement::ShowGrants { of: None });
    }
    if c.at_word("CURRENT_USER") {
        return Ok(Statement::ShowGrants { of: account::user_or_current(c)?.map(Grantee::User) });
    }
    Ok(Statement::ShowGrants { of: Some(grant::grantee(c)?) })
}

/// `[FROM default_catalog] [LIKE | WHERE]`
fn databases(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    if c.accept_any(&["FROM", "IN"]) {
        let catalog = c.ident("a catalog name")?;
        c.own_catalog(&catalog)?;
    }
    filter(c).map(Show::Databases)
}

/// `[FROM d] [LIKE | WHERE]`
fn tables(c: &mut Cursor<'_>, full: bool) -> Result<Show> {
    Ok(Show::Tables { database: c.in_database()?, full, filter: filter(c)? })
}

/// `STATUS [FROM d] [LIKE | WHERE]`
fn table_status(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    c.advance();
    Ok(Show::TableStatus { database: c.in_database()?, filter: filter(c)? })
}

/// `TABLE | VIEW | MATERIALIZED VIEW name`, `DATABASE name`
fn create(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    if c.accept_any(&["DATABASE", "SCHEMA"]) {
        c.if_not_exists();
        return Ok(Show::CreateDatabase(c.database()?));
    }
    if c.accept_any(&["TABLE", "VIEW"]) || c.accept_words(&["MATERIALIZED", "VIEW"]) {
        return Ok(Show::CreateTable(c.qualified_name("a table or view name")?));
    }
    Err(c.unexpected("TABLE, VIEW, MATERIALIZED VIEW or DATABASE"))
}

/// `FROM name [FROM d] [LIKE | WHERE]`
fn columns(c: &mut Cursor<'_>, full: bool) -> Result<Show> {
    c.expect_any(&["FROM", "IN"])?;
    let mut table = c.qualified_name("a table name")?;
    if let Some(database) = c.in_database()? {
        table.database = Some(database);
    }
    Ok(Show::Columns { table, full, filter: filter(c)? })
}

/// `FROM name [WHERE]`
fn partitions(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    c.expect_any(&["FROM", "IN"])?;
    Ok(Show::Partitions { table: c.qualified_name("a table name")?, filter: filter(c)? })
}

/// `FROM name`
fn tablets(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    c.expect_any(&["FROM", "IN"])?;
    c.qualified_name("a table name").map(Show::Tablets)
}

/// `VIEWS [FROM d] [LIKE | WHERE]`
fn materialized_views(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    c.expect_any(&["VIEWS", "VIEW"])?;
    Ok(Show::MaterializedViews { database: c.in_database()?, filter: filter(c)? })
}

/// `[FROM d]`
fn functions(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    Ok(Show::Functions { database: c.in_database()? })
}

/// `GROUPS [ALL]`, `GROUP name`
fn resource_groups(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    if c.accept_word("GROUPS") {
        c.accept_word("ALL");
        return Ok(Show::ResourceGroups { name: None });
    }
    c.expect_word("GROUP").map_err(|_| c.unexpected("GROUPS or GROUP"))?;
    Ok(Show::ResourceGroups { name: Some(c.ident("a resource group name")?) })
}

/// `'/path'`
fn proc(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    let unknown =
        c.unsupported("this path", "there are /colocation_group, /frontends and /backends");
    match c.string("path in quotes")?.trim_end_matches('/') {
        "/colocation_group" => Ok(Show::ColocateGroups),
        "/frontends" => Ok(Show::Frontends),
        "/backends" => Ok(Show::Backends),
        _ => Err(unknown),
    }
}

/// `[LIMIT [m,] n]`, which changes nothing: there are few.
fn warnings(c: &mut Cursor<'_>, _full: bool) -> Result<Show> {
    if c.accept_word("LIMIT") {
        c.commas(|c| c.number::<u64>("a number"))?;
    }
    Ok(Show::Warnings)
}

/// One of [`OTHERS`], with `FROM`, `LIKE` and `WHERE` as they come.
fn other(c: &mut Cursor<'_>) -> Result<Option<Show>> {
    let scoped = c.at_any(&["GLOBAL", "SESSION"]) && is_word(c.peek_at(1), "STATUS");
    if scoped {
        c.advance();
    }
    let Some(words) = OTHERS.iter().find(|words| c.accept_words(words)) else {
        return Ok(None);
    };
    while c.accept_any(&["FROM", "IN"]) {
        c.qualified_name("a name")?;
    }
    if c.peek() != &Token::EOF {
        filter(c)?;
    }
    Ok(Some(Show::Other(words.join(" "))))
}

#[cfg(test)]
mod tests;
