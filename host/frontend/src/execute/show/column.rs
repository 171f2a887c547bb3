//! SHOW COLUMNS and DESC.

use cairn_sql::statement::QualifiedName;
use cairn_warehouse::catalog::Relation;
use cairn_warehouse::catalog::model::{Column, ColumnDefault, ColumnType};
use cairn_warehouse::query::information_schema_columns;

use super::{Sight, is_information_schema, row};
use crate::mysql::{ResultSet, SqlError};
use crate::refusal;

/// What texts are compared by.
const COLLATION: &str = "utf8_general_ci";

pub(super) fn show(
    sight: &Sight<'_>,
    name: &QualifiedName,
    full: bool,
) -> Result<ResultSet, SqlError> {
    let database = sight.session.database_or(name.database.as_deref())?;
    if is_information_schema(&database) {
        return of_information_schema(&name.name, full);
    }
    let (columns, keys): (&[Column], &[String]) = match sight.relation(name)?.1 {
        Relation::Table(table) => (&table.row().columns, &table.row().key_columns),
        Relation::Rollup(_, rollup) => (&rollup.columns, &[]),
        Relation::View(view) => (&view.columns, &[]),
    };
    let is_key = |column: &Column| keys.iter().any(|key| column.is_named(key));
    let described = columns.iter().map(|column| Described {
        name: &column.name,
        column_type: column.column_type,
        nullable: column.nullable,
        is_key: is_key(column),
        default: default_text(column),
        extra: if column.auto_increment { "auto_increment" } else { "" },
        comment: &column.comment,
    });
    Ok(list(described, full))
}

fn of_information_schema(name: &str, full: bool) -> Result<ResultSet, SqlError> {
    let columns = information_schema_columns(name)
        .ok_or_else(|| refusal::unknown_table(&format!("information_schema.{name}")))?;
    let described = columns.iter().map(|(name, column_type)| Described {
        name,
        column_type: *column_type,
        nullable: true,
        is_key: false,
        default: None,
        extra: "",
        comment: "",
    });
    Ok(list(described, full))
}

struct Described<'a> {
    name: &'a str,
    column_type: ColumnType,
    nullable: bool,
    is_key: bool,
    default: Option<String>,
    extra: &'a str,
    comment: &'a str,
}

fn list<'a>(described: impl Iterator<Item = Described<'a>>, full: bool) -> ResultSet {
    let mut shown = if full {
        ResultSet::of_text([
            "Field",
            "Type",
            "Collation",
            "Null",
            "Key",
            "Default",
            "Extra",
            "Privileges",
            "Comment",
        ])
    } else {
        ResultSet::of_text(["Field", "Type", "Null", "Key", "Default", "Extra"])
    };
    shown.rows = described.map(|column| cells(column, full)).collect();
    shown
}

/// DESC tells of a key whether it is one, the list of columns says YES or NO, as StarRocks does.
fn cells(column: Described<'_>, full: bool) -> Vec<Option<String>> {
    let Described { name, column_type, nullable, is_key, default, extra, comment } = column;
    let yes_no = |truth: bool| if truth { "YES" } else { "NO" }.to_owned();
    let is_text = matches!(column_type, ColumnType::Char(_) | ColumnType::Varchar(_));
    let mut cells = row([name.to_owned(), type_text(column_type)]);
    if full {
        cells.push(is_text.then(|| COLLATION.to_owned()));
    }
    cells.push(Some(yes_no(nullable)));
    cells.push(Some(if full { yes_no(is_key) } else { is_key.to_string() }));
    cells.push(default);
    cells.push(Some(extra.to_owned()));
    if full {
        cells.push(Some(String::new()));
        cells.push(Some(comment.to_owned()));
    }
    cells
}

/// A type as lists show it: `decimal(10,2)`.
pub(super) fn type_text(column_type: ColumnType) -> String {
    column_type.to_string().to_lowercase()
}

fn default_text(column: &Column) -> Option<String> {
    column.default.as_ref().map(|default| match default {
        ColumnDefault::Value(text) => text.clone(),
        ColumnDefault::CurrentTimestamp => "CURRENT_TIMESTAMP".to_owned(),
    })
}
