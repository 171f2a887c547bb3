//! How tables are keyed, partitioned and distributed: StarRocks' `tables_config`.

use super::Kind::{Number, Text};
use super::{Cell, Definition};
use crate::catalog::model::{Distribution, KeysKind, TableRow};
use crate::catalog::{Catalog, Table};

pub(super) const DEFINITIONS: &[Definition] = &[Definition {
    name: "tables_config",
    columns: &[
        ("TABLE_SCHEMA", Text),
        ("TABLE_NAME", Text),
        ("TABLE_ENGINE", Text),
        ("TABLE_MODEL", Text),
        ("PRIMARY_KEY", Text),
        ("PARTITION_KEY", Text),
        ("DISTRIBUTE_KEY", Text),
        ("DISTRIBUTE_TYPE", Text),
        ("DISTRIBUTE_BUCKET", Number),
        ("SORT_KEY", Text),
        ("PROPERTIES", Text),
        ("TABLE_ID", Number),
    ],
    rows,
}];

fn rows(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let databases = catalog.databases();
    let tables = databases
        .flat_map(|database| database.tables().map(|table| row(&database.row().name, table)));
    tables.collect()
}

fn row(database: &str, table: &Table) -> Vec<Cell> {
    let row: &TableRow = table.row();
    let (model, primary_key) = match row.keys {
        KeysKind::Primary => ("PRIMARY_KEYS", quoted(&row.key_columns)),
        KeysKind::Duplicate => ("DUP_KEYS", String::new()),
    };
    let engine = if row.materialized_view.is_some() { "MATERIALIZED_VIEW" } else { "OLAP" };
    let method = match row.distribution {
        Distribution::Hash { .. } => "HASH",
        Distribution::Random { .. } => "RANDOM",
    };
    // Texts alone: writing them cannot fail.
    let properties = serde_json::to_string(&row.properties).unwrap_or_default();
    vec![
        database.into(),
        row.name.as_str().into(),
        engine.into(),
        model.into(),
        primary_key.into(),
        quoted(row.partitioning.columns()).into(),
        quoted(row.distribution.columns()).into(),
        method.into(),
        u64::from(row.distribution.buckets()).into(),
        quoted(row.sort_columns()).into(),
        properties.into(),
        row.id.into(),
    ]
}

fn quoted(names: &[String]) -> String {
    let quoted = names.iter().map(|name| format!("`{}`", name.replace('`', "``")));
    quoted.collect::<Vec<_>>().join(", ")
}
