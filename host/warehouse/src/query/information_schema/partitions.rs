//! Partitions and what they hold.

use super::Kind::{Number, Text};
use super::{Cell, Definition};
use crate::catalog::model::{Distribution, PartitionBounds, PartitionRow, PartitionValue};
use crate::catalog::{Catalog, Table};

pub(super) const DEFINITIONS: &[Definition] = &[Definition {
    name: "partitions_meta",
    columns: &[
        ("DB_NAME", Text),
        ("TABLE_NAME", Text),
        ("PARTITION_NAME", Text),
        ("PARTITION_ID", Number),
        ("VISIBLE_VERSION", Number),
        ("NEXT_VERSION", Number),
        ("PARTITION_KEY", Text),
        ("PARTITION_VALUE", Text),
        ("DISTRIBUTION_KEY", Text),
        ("BUCKETS", Number),
        ("REPLICATION_NUM", Number),
        ("DATA_SIZE", Text),
        ("ROW_COUNT", Number),
    ],
    rows,
}];

fn rows(catalog: &Catalog) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for database in catalog.databases() {
        for table in database.tables() {
            let name = &database.row().name;
            rows.extend(table.partitions().map(|partition| row(name, table, partition)));
        }
    }
    rows
}

fn row(database: &str, table: &Table, partition: &PartitionRow) -> Vec<Cell> {
    let definition = table.row();
    let base = partition.indexes.iter().find(|index| index.index == definition.index);
    let rows: u64 = base
        .iter()
        .flat_map(|index| &index.tablets)
        .flat_map(|tablet| &tablet.segments)
        .map(|segment| segment.rows)
        .sum();
    let bytes: u64 = partition.segments().map(|segment| segment.bytes).sum();
    let distribution = match &definition.distribution {
        Distribution::Hash { columns, .. } => columns.join(", "),
        Distribution::Random { .. } => "RANDOM".to_owned(),
    };
    vec![
        database.into(),
        definition.name.as_str().into(),
        partition.name.as_str().into(),
        partition.id.into(),
        partition.version.into(),
        (partition.version + 1).into(),
        definition.partitioning.columns().join(", ").into(),
        bounds_text(&partition.bounds).into(),
        distribution.into(),
        base.map_or(0, |index| index.tablets.len()).into(),
        u64::from(partition.replication_num).into(),
        format!("{bytes}B").into(),
        rows.into(),
    ]
}

/// `[('1'), ('5'))`, or the tuples of a list.
fn bounds_text(bounds: &PartitionBounds) -> String {
    let tuple = |values: &Vec<PartitionValue>| {
        let values: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
        format!("({})", values.join(", "))
    };
    match bounds {
        PartitionBounds::All => String::new(),
        PartitionBounds::Range { from, to } => format!("[{}, {})", tuple(from), tuple(to)),
        PartitionBounds::List(tuples) => tuples.iter().map(tuple).collect::<Vec<_>>().join(", "),
    }
}
