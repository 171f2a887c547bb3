//! `CREATE TABLE`, `DROP TABLE`, `ALTER TABLE`.

use sqlparser::tokenizer::Token;

use super::column::column;
use super::partition;
use crate::cursor::{Cursor, Result};
use crate::error::SyntaxError;
use crate::query;
use crate::statement::{
    AlterTable, ColumnDefinition, CreateTable, KeysKind, Partitioning, Statement,
};

/// `[IF NOT EXISTS] name (columns) clauses`, `... [clauses] AS query`, `... LIKE other`
pub(super) fn create(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_not_exists = c.if_not_exists();
    let name = c.qualified_name("a table name")?;
    if c.accept_word("LIKE") {
        let like = c.qualified_name("a table name")?;
        return Ok(Statement::CreateTableLike { name, like, if_not_exists });
    }
    let mut table = CreateTable {
        name,
        if_not_exists,
        columns: if c.peek() == &Token::LParen { c.list(column_or_index)? } else { Vec::new() },
        keys: None,
        comment: None,
        partitioning: Partitioning::None,
        distribution: None,
        order_by: Vec::new(),
        properties: Vec::new(),
        query: None,
    };
    clauses(c, &mut table)?;
    if c.accept_word("AS") {
        table.query = Some(query::query(c)?.0);
    } else if table.columns.is_empty() {
        return Err(c.unexpected("columns in parentheses, LIKE or AS"));
    }
    Ok(Statement::CreateTable(table))
}

fn column_or_index(c: &mut Cursor<'_>) -> Result<ColumnDefinition> {
    if c.at_word("INDEX") && matches!(c.peek_at(2), Token::LParen) {
        return Err(c.unsupported("INDEX", "leave it out; a scan skips what its filter excludes"));
    }
    column(c)
}

/// The clauses behind the columns, each at most once, in any order.
fn clauses(c: &mut Cursor<'_>, table: &mut CreateTable) -> Result<()> {
    let mut seen = Vec::new();
    loop {
        let clause = c.word();
        // There is one kind of key.
        let is_key = matches!(clause.as_str(), "DUPLICATE" | "PRIMARY" | "UNIQUE" | "AGGREGATE");
        if seen.contains(&clause) || is_key && table.keys.is_some() {
            return Err(c.unexpected("a clause that was not there before"));
        }
        match clause.as_str() {
            "ENGINE" => engine(c)?,
            "DEFAULT" | "CHARSET" => charset(c)?,
            "DUPLICATE" => table.keys = Some(keys(c, KeysKind::Duplicate)?),
            "PRIMARY" => table.keys = Some(keys(c, KeysKind::Primary)?),
            "UNIQUE" => table.keys = Some(keys(c, KeysKind::Unique)?),
            "AGGREGATE" => table.keys = Some(keys(c, KeysKind::Aggregate)?),
            "COMMENT" => {
                c.advance();
                table.comment = Some(c.string("comment in quotes")?);
            }
            "PARTITION" => {
                c.advance();
                c.expect_word("BY")?;
                table.partitioning = partition::partitioning(c)?;
            }
            "DISTRIBUTED" => {
                c.advance();
                table.distribution = Some(partition::distribution(c)?);
            }
            "ORDER" => {
                c.advance();
                c.expect_word("BY")?;
                table.order_by = c.idents("a column name")?;
            }
            "PROPERTIES" => table.properties = c.properties()?,
            _ => return Ok(()),
        }
        seen.push(clause);
    }
}

/// `ENGINE = olap`
fn engine(c: &mut Cursor<'_>) -> Result<()> {
    c.advance();
    c.accept(&Token::Eq);
    let refused = c.unsupported("this engine", "every table is an OLAP table");
    let engine = c.ident_or_string("an engine")?;
    if engine.eq_ignore_ascii_case("olap") { Ok(()) } else { Err(refused) }
}

/// `DEFAULT CHARSET = utf8`
fn charset(c: &mut Cursor<'_>) -> Result<()> {
    c.accept_word("DEFAULT");
    c.expect_word("CHARSET")?;
    c.accept(&Token::Eq);
    c.ident_or_string("a character set")?;
    Ok(())
}

fn keys(c: &mut Cursor<'_>, kind: KeysKind) -> Result<(KeysKind, Vec<String>)> {
    c.advance();
    c.expect_word("KEY")?;
    Ok((kind, c.idents("a column name")?))
}

/// `CREATE EXTERNAL TABLE`, `CREATE TEMPORARY TABLE`
pub(super) fn unsupported_kind(c: &Cursor<'_>) -> SyntaxError {
    let what = format!("CREATE {}", c.word());
    c.unsupported(what, "create a table of default_catalog")
}

/// `[IF EXISTS] name [FORCE]`
pub(super) fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = c.if_exists();
    let name = c.qualified_name("a table name")?;
    c.accept_word("FORCE");
    Ok(Statement::DropTable { name, if_exists })
}

/// `name change, ...`
pub(super) fn alter(c: &mut Cursor<'_>) -> Result<Statement> {
    let name = c.qualified_name("a table name")?;
    let changes = c.commas(change)?.into_iter().flatten().collect();
    Ok(Statement::AlterTable { name, changes })
}

/// One clause: more than one change where it holds a list.
fn change(c: &mut Cursor<'_>) -> Result<Vec<AlterTable>> {
    let rule = match c.word().as_str() {
        "ADD" => add,
        "DROP" => drop_part,
        "RENAME" => rename,
        "SET" => |c: &mut Cursor<'_>| Ok(vec![AlterTable::Set(c.property_list()?)]),
        _ => return Err(c.unexpected("ADD, DROP, RENAME or SET")),
    };
    c.advance();
    rule(c)
}

fn add(c: &mut Cursor<'_>) -> Result<Vec<AlterTable>> {
    if c.accept_word("COLUMN") {
        if c.peek() == &Token::LParen {
            return Ok(c.list(column)?.into_iter().map(AlterTable::AddColumn).collect());
        }
        return Ok(vec![AlterTable::AddColumn(column(c)?)]);
    }
    let (partition, if_not_exists) = if c.accept_word("PARTITIONS") {
        (partition::every(c)?, false)
    } else if c.accept_word("PARTITION") {
        let if_not_exists = c.if_not_exists();
        (partition::definition(c)?, if_not_exists)
    } else {
        return Err(c.unexpected("COLUMN, PARTITION or PARTITIONS"));
    };
    Ok(vec![AlterTable::AddPartition { partition, if_not_exists }])
}

fn drop_part(c: &mut Cursor<'_>) -> Result<Vec<AlterTable>> {
    if c.accept_word("COLUMN") {
        return Ok(vec![AlterTable::DropColumn(c.ident("a column name")?)]);
    }
    c.expect_any(&["PARTITION", "PARTITIONS"]).map_err(|_| c.unexpected("COLUMN or PARTITION"))?;
    let if_exists = c.if_exists();
    let names = if c.peek() == &Token::LParen {
        c.idents("a partition name")?
    } else {
        vec![c.ident("a partition name")?]
    };
    c.accept_word("FORCE");
    Ok(names.into_iter().map(|name| AlterTable::DropPartition { name, if_exists }).collect())
}

fn rename(c: &mut Cursor<'_>) -> Result<Vec<AlterTable>> {
    if c.at_any(&["COLUMN", "PARTITION", "ROLLUP"]) && matches!(c.peek_at(1), Token::Word(_)) {
        let what = format!("RENAME {}", c.word());
        return Err(c.unsupported(what, "create a table with the new names and INSERT INTO it"));
    }
    Ok(vec![AlterTable::Rename(c.ident("a new name")?)])
}

#[cfg(test)]
mod tests;
