//! SHOW PARTITIONS and SHOW TABLET.

use std::sync::Arc;

use cairn_sql::statement::QualifiedName;
use cairn_warehouse::catalog::model::{
    ColumnType, Distribution, PartitionBounds, PartitionRow, PartitionValue, Partitioning,
    TableRow, Tablet,
};

use super::server::BACKEND_ID;
use super::{Sight, size_text};
use crate::mysql::{ResultSet, SqlError};

/// The column that LIKE is about.
pub(super) const NAME: usize = 1;

pub(super) fn partitions(sight: &Sight<'_>, name: &QualifiedName) -> Result<ResultSet, SqlError> {
    let (_, table) = sight.table(name)?;
    let row = table.row();
    let bounds = match row.partitioning {
        Partitioning::List { .. } => "List",
        _ => "Range",
    };
    let mut shown = ResultSet::of_text([
        "PartitionId",
        "PartitionName",
        "VisibleVersion",
        "VisibleVersionTime",
        "VisibleVersionHash",
        "State",
        "PartitionKey",
        bounds,
        "DistributionKey",
        "Buckets",
        "ReplicationNum",
        "StorageMedium",
        "CooldownTime",
        "LastConsistencyCheckTime",
        "DataSize",
        "IsInMemory",
        "RowCount",
    ]);
    let mut partitions: Vec<&Arc<PartitionRow>> = table.partitions().collect();
    if matches!(row.partitioning, Partitioning::Range { .. }) {
        partitions.sort_by_key(|partition| begin(partition));
    }
    shown.rows = partitions.into_iter().map(|partition| partition_row(row, partition)).collect();
    Ok(shown)
}

/// Where a partition begins.
pub(super) fn begin(partition: &PartitionRow) -> &[PartitionValue] {
    match &partition.bounds {
        PartitionBounds::Range { from, .. } => from,
        PartitionBounds::All | PartitionBounds::List(_) => &[],
    }
}

fn partition_row(table: &TableRow, partition: &PartitionRow) -> Vec<Option<String>> {
    let base = || partition.indexes.iter().filter(|index| index.index == table.index);
    let tablets = base().flat_map(|index| &index.tablets);
    let rows: u64 =
        tablets.clone().flat_map(|tablet| &tablet.segments).map(|segment| segment.rows).sum();
    let bytes = partition.segments().map(|segment| segment.bytes).sum();
    let distribution = match &table.distribution {
        Distribution::Hash { columns, .. } => columns.join(", "),
        Distribution::Random { .. } => "ALL KEY".to_owned(),
    };
    vec![
        Some(partition.id.to_string()),
        Some(partition.name.clone()),
        Some(partition.version.to_string()),
        None,
        Some("0".to_owned()),
        Some(if table.restoring { "RESTORE" } else { "NORMAL" }.to_owned()),
        Some(table.partitioning.columns().join(", ")),
        Some(bounds_text(table, &partition.bounds)),
        Some(distribution),
        Some(tablets.count().to_string()),
        Some(partition.replication_num.to_string()),
        Some("HDD".to_owned()),
        None,
        None,
        Some(size_text(bytes)),
        Some("false".to_owned()),
        Some(rows.to_string()),
    ]
}

/// `[types: [DATE]; keys: [2024-01-01]; ..types: [DATE]; keys: [2024-02-01]; )`, `(('a'), ('b'))`
fn bounds_text(table: &TableRow, bounds: &PartitionBounds) -> String {
    let types: Vec<_> =
        table.partitioning.columns().iter().map(|name| table.column(name)).collect();
    let types: Vec<_> = types.into_iter().flatten().map(|column| column.column_type).collect();
    match bounds {
        PartitionBounds::All => String::new(),
        PartitionBounds::Range { from, to } => {
            format!("[{}..{})", bound_text(&types, from), bound_text(&types, to))
        }
        PartitionBounds::List(tuples) => {
            let tuple = |values: &Vec<PartitionValue>| {
                let values: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
                format!("({})", values.join(", "))
            };
            format!("({})", tuples.iter().map(tuple).collect::<Vec<_>>().join(", "))
        }
    }
}

fn bound_text(types: &[ColumnType], values: &[PartitionValue]) -> String {
    let types: Vec<_> = types.iter().map(ToString::to_string).collect();
    let values: Vec<_> = values.iter().map(ToString::to_string).collect();
    format!("types: [{}]; keys: [{}]; ", types.join(", "), values.join(", "))
}

pub(super) fn tablets(sight: &Sight<'_>, name: &QualifiedName) -> Result<ResultSet, SqlError> {
    let (_, table) = sight.table(name)?;
    let mut shown = ResultSet::of_text([
        "TabletId",
        "ReplicaId",
        "BackendId",
        "SchemaHash",
        "Version",
        "VersionHash",
        "LstSuccessVersion",
        "LstSuccessVersionHash",
        "LstFailedVersion",
        "LstFailedVersionHash",
        "LstFailedTime",
        "DataSize",
        "RowCount",
        "State",
        "LstConsistencyCheckTime",
        "CheckVersion",
        "CheckVersionHash",
        "VersionCount",
        "PathHash",
        "MetaUrl",
        "CompactionStatus",
    ]);
    let of_partition = |partition: &Arc<PartitionRow>| {
        let tablets = partition.indexes.iter().flat_map(|index| &index.tablets);
        tablets.map(|tablet| tablet_row(tablet, partition.version)).collect::<Vec<_>>()
    };
    shown.rows = table.partitions().flat_map(of_partition).collect();
    Ok(shown)
}

/// There is one copy of a tablet, which is called as the tablet.
fn tablet_row(tablet: &Tablet, version: u64) -> Vec<Option<String>> {
    let bytes: u64 = tablet.segments.iter().map(|segment| segment.bytes).sum();
    let rows: u64 = tablet.segments.iter().map(|segment| segment.rows).sum();
    let text = |text: &str| Some(text.to_owned());
    vec![
        Some(tablet.id.to_string()),
        Some(tablet.id.to_string()),
        text(BACKEND_ID),
        text("0"),
        Some(version.to_string()),
        text("0"),
        Some(version.to_string()),
        text("0"),
        text("-1"),
        text("0"),
        None,
        Some(size_text(bytes)),
        Some(rows.to_string()),
        text("NORMAL"),
        None,
        text("-1"),
        text("-1"),
        Some(tablet.segments.len().to_string()),
        text("0"),
        None,
        None,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_shown_as_starrocks_shows_them() {
        let date = |days| PartitionValue::Date(days);
        let types = [ColumnType::Date, ColumnType::Int];
        assert_eq!(
            bound_text(&types, &[date(0), PartitionValue::Max]),
            "types: [DATE, INT]; keys: [1970-01-01, MAXVALUE]; "
        );
    }
}
