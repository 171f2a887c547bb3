//! Databases, tables, columns, views and materialized views.

use super::Kind::{Number, Text, Time};
use super::{Cell, Definition, yes_no};
use crate::catalog::model::{Column, ColumnType, KeysKind, Refresh, TableRow};
use crate::catalog::{Catalog, Database, Table};
use crate::query::rewrite::{CATALOG, INFORMATION_SCHEMA};

const CHARACTER_SET: &str = "utf8";
const COLLATION: &str = "utf8_general_ci";

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "schemata",
        columns: &[
            ("CATALOG_NAME", Text),
            ("SCHEMA_NAME", Text),
            ("DEFAULT_CHARACTER_SET_NAME", Text),
            ("DEFAULT_COLLATION_NAME", Text),
            ("SQL_PATH", Text),
        ],
        rows: schemata,
    },
    Definition {
        name: "tables",
        columns: &[
            ("TABLE_CATALOG", Text),
            ("TABLE_SCHEMA", Text),
            ("TABLE_NAME", Text),
            ("TABLE_TYPE", Text),
            ("ENGINE", Text),
            ("VERSION", Number),
            ("ROW_FORMAT", Text),
            ("TABLE_ROWS", Number),
            ("AVG_ROW_LENGTH", Number),
            ("DATA_LENGTH", Number),
            ("MAX_DATA_LENGTH", Number),
            ("INDEX_LENGTH", Number),
            ("DATA_FREE", Number),
            ("AUTO_INCREMENT", Number),
            ("CREATE_TIME", Time),
            ("UPDATE_TIME", Time),
            ("CHECK_TIME", Time),
            ("TABLE_COLLATION", Text),
            ("CHECKSUM", Number),
            ("CREATE_OPTIONS", Text),
            ("TABLE_COMMENT", Text),
        ],
        rows: tables,
    },
    Definition {
        name: "columns",
        columns: &[
            ("TABLE_CATALOG", Text),
            ("TABLE_SCHEMA", Text),
            ("TABLE_NAME", Text),
            ("COLUMN_NAME", Text),
            ("ORDINAL_POSITION", Number),
            ("COLUMN_DEFAULT", Text),
            ("IS_NULLABLE", Text),
            ("DATA_TYPE", Text),
            ("CHARACTER_MAXIMUM_LENGTH", Number),
            ("CHARACTER_OCTET_LENGTH", Number),
            ("NUMERIC_PRECISION", Number),
            ("NUMERIC_SCALE", Number),
            ("DATETIME_PRECISION", Number),
            ("CHARACTER_SET_NAME", Text),
            ("COLLATION_NAME", Text),
            ("COLUMN_TYPE", Text),
            ("COLUMN_KEY", Text),
            ("EXTRA", Text),
            ("PRIVILEGES", Text),
            ("COLUMN_COMMENT", Text),
            ("COLUMN_SIZE", Number),
            ("DECIMAL_DIGITS", Number),
            ("GENERATION_EXPRESSION", Text),
            ("SRS_ID", Number),
        ],
        rows: columns,
    },
    Definition {
        name: "views",
        columns: &[
            ("TABLE_CATALOG", Text),
            ("TABLE_SCHEMA", Text),
            ("TABLE_NAME", Text),
            ("VIEW_DEFINITION", Text),
            ("CHECK_OPTION", Text),
            ("IS_UPDATABLE", Text),
            ("DEFINER", Text),
            ("SECURITY_TYPE", Text),
            ("CHARACTER_SET_CLIENT", Text),
            ("COLLATION_CONNECTION", Text),
        ],
        rows: views,
    },
    Definition {
        name: "materialized_views",
        columns: &[
            ("MATERIALIZED_VIEW_ID", Number),
            ("TABLE_SCHEMA", Text),
            ("TABLE_NAME", Text),
            ("REFRESH_TYPE", Text),
            ("IS_ACTIVE", Text),
            ("INACTIVE_REASON", Text),
            ("PARTITION_TYPE", Text),
            ("LAST_REFRESH_FINISHED_TIME", Time),
            ("LAST_REFRESH_STATE", Text),
            ("TABLE_ROWS", Number),
            ("MATERIALIZED_VIEW_DEFINITION", Text),
        ],
        rows: materialized_views,
    },
];

fn schemata(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let names = catalog.databases().map(|database| database.row().name.as_str());
    let row = |name: &str| {
        vec![CATALOG.into(), name.into(), CHARACTER_SET.into(), COLLATION.into(), Cell::Null]
    };
    names.chain([INFORMATION_SCHEMA]).map(row).collect()
}

/// Bytes of all segments of a table.
pub(super) fn data_length(table: &Table) -> u64 {
    table.partitions().flat_map(|partition| partition.segments()).map(|segment| segment.bytes).sum()
}

/// Rows of a table, without those of its rollups.
pub(super) fn row_count(table: &Table) -> u64 {
    let index = table.row().index;
    let partitions = table.partitions();
    let segments = partitions.flat_map(|row| super::super::scan::segments_of(row, index));
    segments.map(|segment| segment.rows).sum()
}

fn tables(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let of_table = |database: &Database, table: &Table| {
        let row = table.row();
        let rows = row_count(table);
        let bytes = data_length(table);
        let next = row.columns.iter().any(|column| column.auto_increment);
        let kind = if row.materialized_view.is_some() { "VIEW" } else { "BASE TABLE" };
        let numbers = (rows, bytes, next.then_some(row.next_auto_increment));
        table_row(&database.row().name, &row.name, kind, "StarRocks", Some(numbers), &row.comment)
    };
    let mut rows = Vec::new();
    for database in catalog.databases() {
        rows.extend(database.tables().map(|table| of_table(database, table)));
        let name = &database.row().name;
        rows.extend(
            database
                .views()
                .map(|view| table_row(name, &view.name, "VIEW", "", None, &view.comment)),
        );
    }
    rows.extend(
        super::names()
            .map(|name| table_row(INFORMATION_SCHEMA, name, "SYSTEM VIEW", "MEMORY", None, "")),
    );
    rows
}

fn table_row(
    database: &str,
    name: &str,
    kind: &str,
    engine: &str,
    numbers: Option<(u64, u64, Option<u64>)>,
    comment: &str,
) -> Vec<Cell> {
    let (rows, bytes, next) = numbers.unwrap_or_default();
    let average = bytes.checked_div(rows).unwrap_or(0);
    vec![
        CATALOG.into(),
        database.into(),
        name.into(),
        kind.into(),
        engine.into(),
        Cell::Null,
        Cell::Null,
        rows.into(),
        average.into(),
        bytes.into(),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        next.into(),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        COLLATION.into(),
        Cell::Null,
        Cell::Null,
        comment.into(),
    ]
}

fn columns(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for database in catalog.databases() {
        let name = &database.row().name;
        for table in database.tables() {
            let row = table.row();
            rows.extend(column_rows(name, &row.name, &row.columns, Some(row)));
        }
        for view in database.views() {
            rows.extend(column_rows(name, &view.name, &view.columns, None));
        }
    }
    rows
}

fn column_rows(
    database: &str,
    table: &str,
    columns: &[Column],
    owner: Option<&TableRow>,
) -> Vec<Vec<Cell>> {
    columns
        .iter()
        .enumerate()
        .map(|(place, column)| column_row(database, table, place + 1, column, owner))
        .collect()
}

fn column_row(
    database: &str,
    table: &str,
    place: usize,
    column: &Column,
    owner: Option<&TableRow>,
) -> Vec<Cell> {
    let full_type = column.column_type.to_string().to_lowercase();
    let bare_type = full_type.split('(').next().unwrap_or_default();
    let Sizes { text, digits, scale, time } = sizes(column.column_type);
    let default = match &column.default {
        Some(crate::catalog::model::ColumnDefault::Value(text)) => Some(text.as_str()),
        Some(crate::catalog::model::ColumnDefault::CurrentTimestamp) => Some("CURRENT_TIMESTAMP"),
        None => None,
    };
    let is_key = owner.is_some_and(|row| row.key_columns.iter().any(|key| column.is_named(key)));
    let key = match owner.map(|row| row.keys) {
        Some(KeysKind::Primary) if is_key => "PRI",
        Some(KeysKind::Duplicate) if is_key => "DUP",
        _ => "",
    };
    let is_text = text.is_some();
    vec![
        CATALOG.into(),
        database.into(),
        table.into(),
        column.name.as_str().into(),
        place.into(),
        default.into(),
        yes_no(column.nullable),
        bare_type.into(),
        text.into(),
        text.into(),
        digits.into(),
        scale.into(),
        time.into(),
        is_text.then_some(CHARACTER_SET).into(),
        is_text.then_some(COLLATION).into(),
        full_type.as_str().into(),
        key.into(),
        if column.auto_increment { "auto_increment" } else { "" }.into(),
        "".into(),
        column.comment.as_str().into(),
        digits.or(text).into(),
        scale.into(),
        Cell::Null,
        Cell::Null,
    ]
}

struct Sizes {
    text: Option<u64>,
    digits: Option<u64>,
    scale: Option<u64>,
    time: Option<u64>,
}

fn sizes(column_type: ColumnType) -> Sizes {
    let none = Sizes { text: None, digits: None, scale: None, time: None };
    let whole = |digits| Sizes { digits: Some(digits), scale: Some(0), ..none };
    match column_type {
        ColumnType::TinyInt => whole(3),
        ColumnType::SmallInt => whole(5),
        ColumnType::Int => whole(10),
        ColumnType::BigInt => whole(19),
        ColumnType::LargeInt => whole(38),
        ColumnType::Float => Sizes { digits: Some(7), ..none },
        ColumnType::Double => Sizes { digits: Some(15), ..none },
        ColumnType::Decimal { precision, scale } => {
            Sizes { digits: Some(precision.into()), scale: Some(scale.into()), ..none }
        }
        ColumnType::DateTime => Sizes { time: Some(6), ..none },
        ColumnType::Char(bytes) | ColumnType::Varchar(bytes) => {
            Sizes { text: Some(bytes.into()), ..none }
        }
        ColumnType::Boolean | ColumnType::Date | ColumnType::Varbinary | ColumnType::Json => none,
    }
}

fn views(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for database in catalog.databases() {
        rows.extend(database.views().map(|view| {
            vec![
                CATALOG.into(),
                database.row().name.as_str().into(),
                view.name.as_str().into(),
                view.query.as_str().into(),
                "NONE".into(),
                yes_no(false),
                Cell::Null,
                "NONE".into(),
                CHARACTER_SET.into(),
                COLLATION.into(),
            ]
        }));
    }
    rows
}

fn materialized_views(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for database in catalog.databases() {
        let name = database.row().name.as_str();
        for table in database.tables() {
            let row = table.row();
            if let Some(view) = &row.materialized_view {
                let refresh = match view.refresh {
                    Refresh::Manual => "MANUAL",
                    Refresh::OnLoad | Refresh::Every { .. } => "ASYNC",
                };
                rows.push(vec![
                    row.id.into(),
                    name.into(),
                    row.name.as_str().into(),
                    refresh.into(),
                    if view.inactive_reason.is_none() { "true" } else { "false" }.into(),
                    view.inactive_reason.as_deref().into(),
                    "UNPARTITIONED".into(),
                    view.refreshed_at.map_or(Cell::Null, |millis| Cell::Time(millis * 1000)),
                    view.refreshed_at.map(|_| "SUCCESS").into(),
                    row_count(table).into(),
                    definition(&row.name, refresh, &view.text),
                ]);
            }
            rows.extend(row.rollups.iter().map(|rollup| rollup_row(name, table, rollup)));
        }
    }
    rows
}

fn rollup_row(database: &str, table: &Table, rollup: &crate::catalog::model::Rollup) -> Vec<Cell> {
    let partitions = table.partitions();
    let segments = partitions.flat_map(|row| super::super::scan::segments_of(row, rollup.index));
    let rows: u64 = segments.map(|segment| segment.rows).sum();
    vec![
        rollup.index.into(),
        database.into(),
        rollup.name.as_str().into(),
        "ROLLUP".into(),
        "true".into(),
        Cell::Null,
        "UNPARTITIONED".into(),
        Cell::Null,
        Cell::Null,
        rows.into(),
        definition(&rollup.name, "", &rollup.query),
    ]
}

/// A statement, as clients expect. How the view is partitioned and distributed is in `tables_config`.
fn definition(name: &str, refresh: &str, query: &str) -> Cell {
    let name = name.replace('`', "``");
    let refresh = if refresh.is_empty() { String::new() } else { format!("\nREFRESH {refresh}") };
    format!("CREATE MATERIALIZED VIEW `{name}`{refresh}\nAS {query}").into()
}
