//! What is asked for, before it is checked: the warehouse's own words, free of any grammar.

use crate::catalog::model::{Column, KeysKind, MaterializedView, PartitionBounds, Properties};

/// A table or an asynchronous materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableDefinition {
    /// Its name.
    pub name: String,
    /// For people.
    pub comment: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The kind of its key and the key's columns; none leaves the choice to the warehouse.
    pub keys: Option<(KeysKind, Vec<String>)>,
    /// How rows find their partition.
    pub partition_by: PartitionBy,
    /// How they find their tablet; none leaves the choice to the warehouse.
    pub distribution: Option<DistributionDefinition>,
    /// By what segments are sorted; empty is the key.
    pub order_by: Vec<String>,
    /// What is said besides.
    pub properties: Properties,
    /// What makes it a materialized view.
    pub materialized_view: Option<MaterializedView>,
}

/// How rows find their partition, and the partitions to begin with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PartitionBy {
    /// One partition of the table's name.
    #[default]
    Nothing,
    /// By ranges.
    Range {
        /// Of these columns.
        columns: Vec<String>,
        /// Those made at once.
        partitions: Vec<PartitionSpec>,
    },
    /// By lists of values.
    List {
        /// Of these columns.
        columns: Vec<String>,
        /// Those made at once.
        partitions: Vec<PartitionSpec>,
    },
    /// Partitions are made when rows arrive.
    Automatic {
        /// By ranges of a unit of time; none is by value.
        unit: Option<String>,
        /// Of these columns.
        columns: Vec<String>,
    },
}

/// A partition, or several, with its bounds as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionSpec {
    /// From where the one below it ends.
    LessThan {
        /// Its name.
        name: String,
        /// Before which it ends, by column; none is MAXVALUE.
        bound: Vec<Option<String>>,
    },
    /// Between two bounds.
    Fixed {
        /// Its name.
        name: String,
        /// Where it begins.
        from: Vec<Option<String>>,
        /// Before which it ends, by column; none is MAXVALUE.
        to: Vec<Option<String>>,
    },
    /// One after the other.
    Every {
        /// Where the first begins.
        start: String,
        /// Before which the last ends.
        end: String,
        /// The length of each.
        step: u32,
        /// In this unit of time; none counts numbers.
        unit: Option<String>,
    },
    /// These values.
    In {
        /// Its name.
        name: String,
        /// Tuples with a value for each column; none is NULL.
        values: Vec<Vec<Option<String>>>,
    },
}

/// A partition before it has ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartition {
    /// Its name.
    pub name: String,
    /// Which rows it holds.
    pub bounds: PartitionBounds,
}

/// How rows find their tablet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionDefinition {
    /// By a hash of these columns; none is in turn.
    pub hash: Option<Vec<String>>,
    /// Tablets of a partition; none leaves the choice to the warehouse.
    pub buckets: Option<u32>,
}

/// A change of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// A new last column. Where its default is the current time, `initial` says what the clock of the session shows; none
    /// is UTC.
    AddColumn(Column),
    /// A column goes.
    DropColumn(String),
    /// New partitions.
    AddPartition {
        /// Which.
        partition: PartitionSpec,
        /// Whether its name may be taken.
        if_not_exists: bool,
    },
    /// A partition goes, with its rows.
    DropPartition {
        /// Its name.
        name: String,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// Another name.
    Rename(String),
    /// Other properties.
    Set(Properties),
}

/// A change of an asynchronous materialized view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaterializedViewChange {
    /// It is kept up to date again, from the beginning.
    Activate,
    /// It is kept up to date no longer.
    Inactivate,
    /// Another name.
    Rename(String),
}

/// A logical view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDefinition {
    /// Its name.
    pub name: String,
    /// For people.
    pub comment: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its query, with every table qualified by its database.
    pub query: String,
    /// What it reads, as (database, name).
    pub base_tables: Vec<(String, String)>,
}

/// A synchronous materialized view of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupDefinition {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its query over the table.
    pub query: String,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDefinition {
    /// Its name.
    pub name: String,
    /// `SCALAR`, `AGGREGATE`, `TABLE`.
    pub kind: String,
    /// Types of its arguments.
    pub arguments: Vec<String>,
    /// Type of its result.
    pub returns: String,
    /// `symbol`, `type`, `file`, ...
    pub properties: Properties,
}

/// A resource group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceGroupDefinition {
    /// Its name.
    pub name: String,
    /// Which queries it is for, as typed.
    pub classifiers: Vec<String>,
    /// Its limits.
    pub properties: Properties,
}
