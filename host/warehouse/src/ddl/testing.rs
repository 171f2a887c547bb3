//! Definitions that tests begin with.

use jiff::Timestamp;
use tempfile::TempDir;

use crate::catalog::model::{Column, ColumnType, Properties};
use crate::{Error, Warehouse};

use super::definition::{DistributionDefinition, PartitionSpec, TableDefinition};

/// A column that may be NULL.
pub(crate) fn column(name: &str, column_type: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
        auto_increment: false,
        comment: String::new(),
        stored_as: None,
        initial: None,
    }
}

/// A column of text.
pub(crate) fn text(name: &str) -> Column {
    column(name, ColumnType::Varchar(100))
}

/// Names as owned strings.
pub(crate) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Pairs as properties.
pub(crate) fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A table with columns `k` (INT), `d` (DATE) and `v` (VARCHAR), in one partition.
pub(crate) fn table(name: &str) -> TableDefinition {
    TableDefinition {
        name: name.to_owned(),
        columns: vec![column("k", ColumnType::Int), column("d", ColumnType::Date), text("v")],
        distribution: hash(&["k"], 2),
        ..TableDefinition::default()
    }
}

/// `DISTRIBUTED BY HASH(columns) BUCKETS buckets`
pub(crate) fn hash(columns: &[&str], buckets: u32) -> Option<DistributionDefinition> {
    Some(DistributionDefinition { hash: Some(names(columns)), buckets: Some(buckets) })
}

/// `PARTITION name VALUES LESS THAN (bound)`; no bound is MAXVALUE.
pub(crate) fn less_than(name: &str, bound: Option<&str>) -> PartitionSpec {
    PartitionSpec::LessThan { name: name.to_owned(), bound: vec![bound.map(str::to_owned)] }
}

/// `START (start) END (end) EVERY (INTERVAL 1 unit)`
pub(crate) fn every(start: &str, end: &str, unit: &str) -> PartitionSpec {
    PartitionSpec::Every {
        start: start.to_owned(),
        end: end.to_owned(),
        step: 1,
        unit: Some(unit.to_owned()),
    }
}

/// A time of the day of the tests.
pub(crate) fn now() -> Timestamp {
    "2024-05-17T13:45:10Z".parse().unwrap()
}

/// A warehouse with an empty database `d`, in a directory that goes with it.
pub(crate) async fn warehouse() -> (TempDir, Warehouse) {
    let directory = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(directory.path()).unwrap();
    warehouse.create_database("d", Properties::new()).await.unwrap();
    (directory, warehouse)
}

/// The message of what must fail.
pub(crate) fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}
