//! Tables, their columns and partitions.

use sqlparser::ast;

use super::{Properties, QualifiedName};

/// `CREATE TABLE`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// Its name.
    pub name: QualifiedName,
    /// Whether it may exist.
    pub if_not_exists: bool,
    /// Its columns; may be empty with a query.
    pub columns: Vec<ColumnDefinition>,
    /// The kind of key and its columns.
    pub keys: Option<(KeysKind, Vec<String>)>,
    /// `COMMENT "..."`
    pub comment: Option<String>,
    /// `PARTITION BY`
    pub partitioning: Partitioning,
    /// `DISTRIBUTED BY`
    pub distribution: Option<Distribution>,
    /// `ORDER BY (...)`
    pub order_by: Vec<String>,
    /// `PROPERTIES (...)`
    pub properties: Properties,
    /// `AS SELECT ...`
    pub query: Option<Box<ast::Query>>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// `DEFAULT "..."`, `DEFAULT CURRENT_TIMESTAMP`
    pub default: Option<ColumnDefault>,
    /// `AUTO_INCREMENT`
    pub auto_increment: bool,
    /// `COMMENT "..."`
    pub comment: String,
}

/// What a column holds where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnDefault {
    /// A literal, as text.
    Value(String),
    /// The time of the load.
    CurrentTimestamp,
    /// NULL.
    Null,
}

/// A type of StarRocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `BOOLEAN`
    Boolean,
    /// `TINYINT`
    TinyInt,
    /// `SMALLINT`
    SmallInt,
    /// `INT`
    Int,
    /// `BIGINT`
    BigInt,
    /// `LARGEINT`
    LargeInt,
    /// `FLOAT`
    Float,
    /// `DOUBLE`
    Double,
    /// `DECIMAL(precision, scale)`
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// `DATE`
    Date,
    /// `DATETIME`
    DateTime,
    /// `CHAR(length)`
    Char(u32),
    /// `VARCHAR(length)`; `STRING` is `VARCHAR(65533)`.
    Varchar(u32),
    /// `VARBINARY`
    Varbinary,
    /// `JSON`
    Json,
}

/// Kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeysKind {
    /// `DUPLICATE KEY`
    Duplicate,
    /// `PRIMARY KEY`
    Primary,
    /// `UNIQUE KEY`
    Unique,
    /// `AGGREGATE KEY`
    Aggregate,
}

/// `PARTITION BY`
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Partitioning {
    /// Nothing said: one partition of the table's name.
    #[default]
    None,
    /// `RANGE (columns) (partitions)`
    Range {
        /// The columns.
        columns: Vec<String>,
        /// Those made at once.
        partitions: Vec<PartitionDefinition>,
    },
    /// `LIST (columns) (partitions)`
    List {
        /// The columns.
        columns: Vec<String>,
        /// Those made at once.
        partitions: Vec<PartitionDefinition>,
    },
    /// `date_trunc('unit', column)` or `(column, ...)`: partitions are made when rows arrive.
    Automatic {
        /// The unit of time in lower case; none partitions by value.
        unit: Option<String>,
        /// The columns.
        columns: Vec<String>,
    },
}

/// A partition, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionDefinition {
    /// `PARTITION p VALUES LESS THAN (v, ...)`; none is MAXVALUE.
    LessThan {
        /// Its name.
        name: String,
        /// The bound, one for each column.
        bound: Vec<Option<String>>,
    },
    /// `PARTITION p VALUES [(a, ...), (b, ...))`
    Fixed {
        /// Its name.
        name: String,
        /// Where it begins.
        from: Vec<Option<String>>,
        /// Before which it ends.
        to: Vec<Option<String>>,
    },
    /// `START ("a") END ("b") EVERY (INTERVAL n unit)` or `EVERY (n)`
    Every {
        /// The first bound.
        start: String,
        /// The last bound.
        end: String,
        /// How many.
        step: u32,
        /// Of what: a unit of time in lower case, or none for numbers.
        unit: Option<String>,
    },
    /// `PARTITION p VALUES IN (...)`
    In {
        /// Its name.
        name: String,
        /// The values, one for each column.
        values: Vec<Vec<String>>,
    },
}

/// `DISTRIBUTED BY`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// The columns of HASH; none is RANDOM.
    pub hash: Option<Vec<String>>,
    /// `BUCKETS n`
    pub buckets: Option<u32>,
}

/// A change of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterTable {
    /// `ADD COLUMN`
    AddColumn(ColumnDefinition),
    /// `DROP COLUMN`
    DropColumn(String),
    /// `ADD PARTITION`, `ADD PARTITIONS START ... END ... EVERY`
    AddPartition {
        /// What.
        partition: PartitionDefinition,
        /// Whether it may exist.
        if_not_exists: bool,
    },
    /// `DROP PARTITION [IF EXISTS] p [FORCE]`
    DropPartition {
        /// Its name.
        name: String,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `RENAME name`
    Rename(String),
    /// `SET ("key" = "value")`
    Set(Properties),
}
