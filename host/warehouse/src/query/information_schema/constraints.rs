//! Keys: what drivers ask for to learn what tells rows apart. There are no foreign keys.

use super::Kind::{Number, Text};
use super::{Cell, Definition, yes_no};
use crate::catalog::Catalog;
use crate::catalog::model::{KeysKind, TableRow};

/// What MySQL calls the constraint of a primary key. Its catalog of constraints is always `def`.
const PRIMARY: &str = "PRIMARY";
const CONSTRAINT_CATALOG: &str = "def";

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "key_column_usage",
        columns: &[
            ("CONSTRAINT_CATALOG", Text),
            ("CONSTRAINT_SCHEMA", Text),
            ("CONSTRAINT_NAME", Text),
            ("TABLE_CATALOG", Text),
            ("TABLE_SCHEMA", Text),
            ("TABLE_NAME", Text),
            ("COLUMN_NAME", Text),
            ("ORDINAL_POSITION", Number),
            ("POSITION_IN_UNIQUE_CONSTRAINT", Number),
            ("REFERENCED_TABLE_SCHEMA", Text),
            ("REFERENCED_TABLE_NAME", Text),
            ("REFERENCED_COLUMN_NAME", Text),
        ],
        rows: key_column_usage,
    },
    Definition {
        name: "table_constraints",
        columns: &[
            ("CONSTRAINT_CATALOG", Text),
            ("CONSTRAINT_SCHEMA", Text),
            ("CONSTRAINT_NAME", Text),
            ("TABLE_SCHEMA", Text),
            ("TABLE_NAME", Text),
            ("CONSTRAINT_TYPE", Text),
        ],
        rows: table_constraints,
    },
    Definition {
        name: "statistics",
        columns: &[
            ("TABLE_CATALOG", Text),
            ("TABLE_SCHEMA", Text),
            ("TABLE_NAME", Text),
            ("NON_UNIQUE", Number),
            ("INDEX_SCHEMA", Text),
            ("INDEX_NAME", Text),
            ("SEQ_IN_INDEX", Number),
            ("COLUMN_NAME", Text),
            ("COLLATION", Text),
            ("CARDINALITY", Number),
            ("SUB_PART", Number),
            ("PACKED", Text),
            ("NULLABLE", Text),
            ("INDEX_TYPE", Text),
            ("COMMENT", Text),
            ("INDEX_COMMENT", Text),
        ],
        rows: statistics,
    },
    Definition {
        name: "referential_constraints",
        columns: &[
            ("CONSTRAINT_CATALOG", Text),
            ("CONSTRAINT_SCHEMA", Text),
            ("CONSTRAINT_NAME", Text),
            ("UNIQUE_CONSTRAINT_CATALOG", Text),
            ("UNIQUE_CONSTRAINT_SCHEMA", Text),
            ("UNIQUE_CONSTRAINT_NAME", Text),
            ("MATCH_OPTION", Text),
            ("UPDATE_RULE", Text),
            ("DELETE_RULE", Text),
            ("TABLE_NAME", Text),
            ("REFERENCED_TABLE_NAME", Text),
        ],
        rows: |_| Vec::new(),
    },
];

/// Tables with a primary key, and their database.
fn primary_keys(catalog: &Catalog) -> impl Iterator<Item = (&str, &TableRow)> {
    catalog.databases().flat_map(|database| {
        let tables = database.tables().map(|table| table.row().as_ref());
        let keyed = tables.filter(|row| row.keys == KeysKind::Primary);
        keyed.map(|row| (database.row().name.as_str(), row))
    })
}

/// The columns of all primary keys, with their places, which count from 1.
fn key_columns(catalog: &Catalog) -> impl Iterator<Item = (&str, &TableRow, usize, &str)> {
    primary_keys(catalog).flat_map(|(database, row)| {
        let columns = row.key_columns.iter().enumerate();
        columns.map(move |(place, column)| (database, row, place + 1, column.as_str()))
    })
}

fn key_column_usage(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let rows = key_columns(catalog).map(|(database, row, place, column)| {
        vec![
            CONSTRAINT_CATALOG.into(),
            database.into(),
            PRIMARY.into(),
            CONSTRAINT_CATALOG.into(),
            database.into(),
            row.name.as_str().into(),
            column.into(),
            place.into(),
        ]
    });
    rows.collect()
}

fn table_constraints(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let rows = primary_keys(catalog).map(|(database, row)| {
        vec![
            CONSTRAINT_CATALOG.into(),
            database.into(),
            PRIMARY.into(),
            database.into(),
            row.name.as_str().into(),
            "PRIMARY KEY".into(),
        ]
    });
    rows.collect()
}

fn statistics(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let rows = key_columns(catalog).map(|(database, row, place, column)| {
        vec![
            CONSTRAINT_CATALOG.into(),
            database.into(),
            row.name.as_str().into(),
            Cell::Number(0),
            database.into(),
            PRIMARY.into(),
            place.into(),
            column.into(),
            "A".into(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            yes_no(false),
            "BTREE".into(),
            "".into(),
            "".into(),
        ]
    });
    rows.collect()
}
