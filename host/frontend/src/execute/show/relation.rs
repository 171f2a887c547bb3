//! SHOW DATABASES, SHOW TABLES and SHOW TABLE STATUS.

use std::collections::BTreeMap;

use cairn_warehouse::catalog::model::Id;
use cairn_warehouse::catalog::{Database, Relation, Table};
use cairn_warehouse::query::information_schema_names;

use super::{Sight, columns, is_information_schema, row};
use crate::account::privilege::Target;
use crate::account::reader::target;
use crate::mysql::{ResultSet, SqlError, SqlType};
use crate::session::INFORMATION_SCHEMA;

pub(super) fn databases(sight: &Sight<'_>) -> ResultSet {
    let names = sight.catalog.databases().map(|database| database.row().name.as_str());
    let seen = names.filter(|name| sight.sees(Target::Database(name)));
    let mut names: Vec<_> = seen.chain([INFORMATION_SCHEMA]).collect();
    names.sort_unstable();
    let mut shown = ResultSet::of_text(["Database"]);
    shown.rows = names.into_iter().map(|name| row([name.to_owned()])).collect();
    shown
}

pub(super) fn tables(
    sight: &Sight<'_>,
    database: Option<&str>,
    full: bool,
) -> Result<ResultSet, SqlError> {
    let name = sight.session.database_or(database)?;
    let listed: BTreeMap<&str, &str> = if is_information_schema(&name) {
        information_schema_names().map(|name| (name, "SYSTEM VIEW")).collect()
    } else {
        let relations = relations(sight, sight.database(Some(&name))?);
        relations.into_iter().map(|(name, relation)| (name, kind(relation))).collect()
    };
    let first = format!("Tables_in_{name}");
    let columns = [Some(first.as_str()), full.then_some("Table_type")];
    let mut shown = ResultSet::of_text(columns.into_iter().flatten());
    shown.rows = listed
        .into_iter()
        .map(|(name, kind)| {
            let cells = [Some(name.to_owned()), full.then(|| kind.to_owned())];
            cells.into_iter().flatten().map(Some).collect()
        })
        .collect();
    Ok(shown)
}

/// The tables, materialized views and views that the user sees, by name.
fn relations<'a>(sight: &Sight<'_>, database: &'a Database) -> BTreeMap<&'a str, Relation<'a>> {
    let tables = database.tables().map(|it| (it.row().name.as_str(), Relation::Table(it)));
    let views = database.views().map(|it| (it.name.as_str(), Relation::View(it)));
    let of = &database.row().name;
    tables.chain(views).filter(|(_, it)| sight.sees(target(of, Some(*it)))).collect()
}

/// A materialized view is a view to drivers.
fn kind(relation: Relation<'_>) -> &'static str {
    match relation {
        Relation::Table(table) if table.row().materialized_view.is_none() => "BASE TABLE",
        _ => "VIEW",
    }
}

pub(super) fn status(sight: &Sight<'_>, database: Option<&str>) -> Result<ResultSet, SqlError> {
    let text = |name| (name, SqlType::Varchar);
    let number = |name| (name, SqlType::UnsignedBigInt);
    let time = |name| (name, SqlType::DateTime);
    let mut shown = columns(&[
        text("Name"),
        text("Engine"),
        number("Version"),
        text("Row_format"),
        number("Rows"),
        number("Avg_row_length"),
        number("Data_length"),
        number("Max_data_length"),
        number("Index_length"),
        number("Data_free"),
        number("Auto_increment"),
        time("Create_time"),
        time("Update_time"),
        time("Check_time"),
        text("Collation"),
        number("Checksum"),
        text("Create_options"),
        text("Comment"),
    ]);
    let name = sight.session.database_or(database)?;
    if is_information_schema(&name) {
        return Ok(shown);
    }
    let relations = relations(sight, sight.database(Some(&name))?);
    shown.rows = relations.into_iter().map(|(name, relation)| status_row(name, relation)).collect();
    Ok(shown)
}

fn status_row(name: &str, relation: Relation<'_>) -> Vec<Option<String>> {
    let mut cells = vec![None; 18];
    let mut put = |place: usize, text: String| {
        if let Some(cell) = cells.get_mut(place) {
            *cell = Some(text);
        }
    };
    put(0, name.to_owned());
    put(1, String::new());
    match relation {
        Relation::Table(table) => {
            let (rows, bytes) = (row_count(table, table.row().index), byte_count(table));
            put(1, "StarRocks".to_owned());
            put(4, rows.to_string());
            put(5, bytes.checked_div(rows).unwrap_or(0).to_string());
            put(6, bytes.to_string());
            if table.row().columns.iter().any(|column| column.auto_increment) {
                put(10, table.row().next_auto_increment.to_string());
            }
            put(17, table.row().comment.clone());
        }
        Relation::View(view) => put(17, view.comment.clone()),
        Relation::Rollup(..) => {}
    }
    put(14, "utf8_general_ci".to_owned());
    cells
}

/// Rows of an index of a table.
pub(super) fn row_count(table: &Table, index: Id) -> u64 {
    let indexes = table.partitions().flat_map(|partition| &partition.indexes);
    let tablets = indexes.filter(|it| it.index == index).flat_map(|it| &it.tablets);
    tablets.flat_map(|tablet| &tablet.segments).map(|segment| segment.rows).sum()
}

/// Bytes of a table with its rollups.
pub(super) fn byte_count(table: &Table) -> u64 {
    table.partitions().flat_map(|partition| partition.segments()).map(|segment| segment.bytes).sum()
}
