//! From what was typed to what the warehouse is asked for: tables, columns, partitions and their changes. Pure.

use cairn_sql::statement::{
    AlterTable, ColumnDefault, ColumnDefinition, CreateTable, DataType, Distribution, KeysKind,
    PartitionDefinition, Partitioning, Properties,
};
use cairn_warehouse::catalog::model;
use cairn_warehouse::ddl::{
    DistributionDefinition, PartitionBy, PartitionSpec, TableChange, TableDefinition,
};

use crate::mysql::SqlError;
use crate::refusal;

/// A table. `described` are the columns of its query, which it has where it names none itself.
pub(super) fn table(
    statement: CreateTable,
    described: Vec<model::Column>,
) -> Result<TableDefinition, SqlError> {
    let CreateTable { name, columns, keys, comment, partitioning, distribution, .. } = statement;
    let columns = if columns.is_empty() {
        described
    } else {
        columns.into_iter().map(column).collect::<Result<_, _>>()?
    };
    Ok(TableDefinition {
        name: name.name,
        comment: comment.unwrap_or_default(),
        columns,
        keys: keys.map(|(kind, names)| keys_kind(kind).map(|kind| (kind, names))).transpose()?,
        partition_by: partition_by(partitioning),
        distribution: distribution.map(self::distribution),
        order_by: statement.order_by,
        properties: properties(statement.properties),
        materialized_view: None,
    })
}

/// A column.
fn column(definition: ColumnDefinition) -> Result<model::Column, SqlError> {
    let ColumnDefinition { name, data_type, nullable, default, auto_increment, comment } =
        definition;
    let default = match default {
        Some(ColumnDefault::Value(text)) => Some(model::ColumnDefault::Value(text)),
        Some(ColumnDefault::CurrentTimestamp) => Some(model::ColumnDefault::CurrentTimestamp),
        Some(ColumnDefault::Null) if !nullable => return Err(invalid_default(&name)),
        Some(ColumnDefault::Null) | None => None,
    };
    Ok(model::Column {
        name,
        column_type: column_type(data_type),
        nullable,
        default,
        auto_increment,
        comment,
        stored_as: None,
        initial: None,
    })
}

fn invalid_default(column: &str) -> SqlError {
    SqlError::new(1067, "42000", format!("Invalid default value for '{column}'"))
}

fn column_type(data_type: DataType) -> model::ColumnType {
    use model::ColumnType as Kept;
    match data_type {
        DataType::Boolean => Kept::Boolean,
        DataType::TinyInt => Kept::TinyInt,
        DataType::SmallInt => Kept::SmallInt,
        DataType::Int => Kept::Int,
        DataType::BigInt => Kept::BigInt,
        DataType::LargeInt => Kept::LargeInt,
        DataType::Float => Kept::Float,
        DataType::Double => Kept::Double,
        DataType::Decimal { precision, scale } => Kept::Decimal { precision, scale },
        DataType::Date => Kept::Date,
        DataType::DateTime => Kept::DateTime,
        DataType::Char(length) => Kept::Char(length),
        DataType::Varchar(length) => Kept::Varchar(length),
        DataType::Varbinary => Kept::Varbinary,
        DataType::Json => Kept::Json,
    }
}

fn keys_kind(kind: KeysKind) -> Result<model::KeysKind, SqlError> {
    match kind {
        KeysKind::Duplicate => Ok(model::KeysKind::Duplicate),
        KeysKind::Primary => Ok(model::KeysKind::Primary),
        KeysKind::Unique => Err(refusal::unsupported("UNIQUE KEY (use PRIMARY KEY)")),
        KeysKind::Aggregate => Err(refusal::unsupported(
            "AGGREGATE KEY (use DUPLICATE KEY and a materialized view that aggregates)",
        )),
    }
}

fn partition_by(partitioning: Partitioning) -> PartitionBy {
    let specs = |partitions: Vec<_>| partitions.into_iter().map(partition).collect();
    match partitioning {
        Partitioning::None => PartitionBy::Nothing,
        Partitioning::Range { columns, partitions } => {
            PartitionBy::Range { columns, partitions: specs(partitions) }
        }
        Partitioning::List { columns, partitions } => {
            PartitionBy::List { columns, partitions: specs(partitions) }
        }
        Partitioning::Automatic { unit, columns } => PartitionBy::Automatic { unit, columns },
    }
}

fn partition(definition: PartitionDefinition) -> PartitionSpec {
    match definition {
        PartitionDefinition::LessThan { name, bound } => PartitionSpec::LessThan { name, bound },
        PartitionDefinition::Fixed { name, from, to } => PartitionSpec::Fixed { name, from, to },
        PartitionDefinition::Every { start, end, step, unit } => {
            PartitionSpec::Every { start, end, step, unit }
        }
        PartitionDefinition::In { name, values } => {
            let tuple = |values: Vec<String>| values.into_iter().map(Some).collect();
            PartitionSpec::In { name, values: values.into_iter().map(tuple).collect() }
        }
    }
}

/// How rows find their tablet.
pub(super) fn distribution(distribution: Distribution) -> DistributionDefinition {
    DistributionDefinition { hash: distribution.hash, buckets: distribution.buckets }
}

/// Pairs by key; of a key that was typed twice the last one holds.
pub(super) fn properties(pairs: Properties) -> model::Properties {
    pairs.into_iter().collect()
}

/// A change of a table.
pub(super) fn change(change: AlterTable) -> Result<TableChange, SqlError> {
    Ok(match change {
        AlterTable::AddColumn(definition) => TableChange::AddColumn(column(definition)?),
        AlterTable::DropColumn(name) => TableChange::DropColumn(name),
        AlterTable::AddPartition { partition, if_not_exists } => {
            TableChange::AddPartition { partition: self::partition(partition), if_not_exists }
        }
        AlterTable::DropPartition { name, if_exists } => {
            TableChange::DropPartition { name, if_exists }
        }
        AlterTable::Rename(name) => TableChange::Rename(name),
        AlterTable::Set(properties) => TableChange::Set(self::properties(properties)),
    })
}

#[cfg(test)]
mod tests;
