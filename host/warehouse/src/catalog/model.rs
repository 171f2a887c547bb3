//! What the catalog holds: plain values with no behaviour but their own consistency.
//!
//! Every type here is a row of the store or a part of one, as JSON: a field may be added with a default, none may change
//! its meaning. Objects are found by name, referred to by id; ids are never used twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::segment::Segment;

pub use super::account::{GrantRow, GrantScope, PasswordProofs, RoleRow, UserRow};
pub use super::id::Id;

/// `"key" = "value"` of a definition.
pub type Properties = BTreeMap<String, String>;

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseRow {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// What was said at its making.
    #[serde(default)]
    pub properties: Properties,
}

/// A type of a column, named as StarRocks names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// 8 bits.
    TinyInt,
    /// 16 bits.
    SmallInt,
    /// 32 bits.
    Int,
    /// 64 bits.
    BigInt,
    /// 38 digits.
    LargeInt,
    /// 32 bits.
    Float,
    /// 64 bits.
    Double,
    /// Exact.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// A day.
    Date,
    /// A time without zone, in microseconds.
    DateTime,
    /// Text of at most this many bytes.
    Char(u32),
    /// Text of at most this many bytes.
    Varchar(u32),
    /// Bytes.
    Varbinary,
    /// Text that is JSON.
    Json,
}

/// A column of a table, a view or a materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, as typed; names are compared without case.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// What a row holds where nothing is said.
    #[serde(default)]
    pub default: Option<ColumnDefault>,
    /// Whether its values are counted up by the table.
    #[serde(default)]
    pub auto_increment: bool,
    /// For people.
    #[serde(default)]
    pub comment: String,
    /// Its name in segments, where that is not `name`: a column that takes the name of a dropped one must not find the
    /// values of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_as: Option<String>,
    /// What it holds in segments that are older than the column, as text; none is NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<String>,
}

impl Column {
    /// Its name in segments.
    pub fn stored_name(&self) -> &str {
        self.stored_as.as_deref().unwrap_or(&self.name)
    }

    /// Whether it is called so.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// What a column holds where nothing is said; NULL is no default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnDefault {
    /// A literal, as text.
    Value(String),
    /// The time of the load.
    CurrentTimestamp,
}

/// What rows of a table are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysKind {
    /// By nothing; the key sorts.
    Duplicate,
    /// By the key; a later row replaces an earlier one.
    Primary,
}

/// How rows find their partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitioning {
    /// One partition, of the table's name.
    Single,
    /// By ranges of one or more columns.
    Range {
        /// The columns.
        columns: Vec<String>,
        /// Makes partitions for rows that have none: a unit of time (`day`, `month`, ...).
        automatic: Option<String>,
    },
    /// By lists of values of one or more columns.
    List {
        /// The columns.
        columns: Vec<String>,
        /// Whether partitions are made for values that have none.
        automatic: bool,
    },
}

impl Partitioning {
    /// The columns that choose the partition.
    pub fn columns(&self) -> &[String] {
        match self {
            Self::Single => &[],
            Self::Range { columns, .. } | Self::List { columns, .. } => columns,
        }
    }
}

/// How rows of a partition find their tablet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// By a hash of these columns.
    Hash {
        /// The columns.
        columns: Vec<String>,
        /// Tablets of a partition.
        buckets: u32,
    },
    /// In turn.
    Random {
        /// Tablets of a partition.
        buckets: u32,
    },
}

impl Distribution {
    /// Tablets of a partition.
    pub fn buckets(&self) -> u32 {
        match self {
            Self::Hash { buckets, .. } | Self::Random { buckets } => *buckets,
        }
    }

    /// The columns that choose the tablet.
    pub fn columns(&self) -> &[String] {
        match self {
            Self::Hash { columns, .. } => columns,
            Self::Random { .. } => &[],
        }
    }
}

/// A value of a partition column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionValue {
    /// Below every value.
    Min,
    /// NULL; sorts below every other value.
    Null,
    /// A number.
    Int(i128),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01.
    DateTime(i64),
    /// Text.
    Text(String),
    /// Above every value.
    Max,
}

/// Which rows a partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionBounds {
    /// All of them.
    All,
    /// From (inclusive) to (exclusive), one value for each column.
    Range {
        /// Where it begins.
        from: Vec<PartitionValue>,
        /// Before which it ends.
        to: Vec<PartitionValue>,
    },
    /// These, one value for each column.
    List(Vec<Vec<PartitionValue>>),
}

/// A partition with its tablets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionRow {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Which rows it holds.
    pub bounds: PartitionBounds,
    /// Copies that were asked for; there is one.
    pub replication_num: u16,
    /// Grows by one with each load.
    pub version: u64,
    /// Tablets of the base index, by bucket, then those of each rollup in the order of [`TableRow::rollups`].
    pub indexes: Vec<IndexTablets>,
}

impl PartitionRow {
    /// All its segments, of every index.
    pub fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.indexes.iter().flat_map(|index| &index.tablets).flat_map(|tablet| &tablet.segments)
    }
}

/// Tablets of one index of a partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexTablets {
    /// The index: that of the table, or of one of its rollups.
    pub index: Id,
    /// By bucket.
    pub tablets: Vec<Tablet>,
}

/// A tablet: immutable segments, in the order of loading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tablet {
    /// Its id; its directory has this name.
    pub id: Id,
    /// Its segments.
    pub segments: Vec<Arc<Segment>>,
}

/// A native table or an asynchronous materialized view: what has partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRow {
    /// Its id.
    pub id: Id,
    /// Its database.
    pub database: Id,
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub comment: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The kind of its key.
    pub keys: KeysKind,
    /// The columns of its key: the first of `columns`.
    pub key_columns: Vec<String>,
    /// By what segments are sorted, where that is not the key: see [`TableRow::sort_columns`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<String>,
    /// How rows find their partition.
    pub partitioning: Partitioning,
    /// How they find their tablet.
    pub distribution: Distribution,
    /// The id of its base index.
    pub index: Id,
    /// Its synchronous materialized views.
    #[serde(default)]
    pub rollups: Vec<Rollup>,
    /// `replication_num`, `colocate_with`, `dynamic_partition.*`, ...
    #[serde(default)]
    pub properties: Properties,
    /// The next value of its AUTO_INCREMENT column.
    #[serde(default)]
    pub next_auto_increment: u64,
    /// What makes it a materialized view.
    #[serde(default)]
    pub materialized_view: Option<MaterializedView>,
    /// Why loads and changes are refused; none is NORMAL. Not stored: a restore that died holds nothing.
    #[serde(skip)]
    pub restoring: bool,
}

impl TableRow {
    /// By what its segments are sorted.
    pub fn sort_columns(&self) -> &[String] {
        if self.order_by.is_empty() { &self.key_columns } else { &self.order_by }
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.is_named(name))
    }
}

/// A synchronous materialized view: an index of its table that is kept at load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollup {
    /// Its id.
    pub index: Id,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The query over its table.
    pub query: String,
}

/// What makes a table an asynchronous materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaterializedView {
    /// Its query, with every table qualified by its database.
    pub query: String,
    /// The query as typed.
    pub text: String,
    /// When it is refreshed.
    pub refresh: Refresh,
    /// What it reads.
    pub base_tables: Vec<BaseTable>,
    /// Why it is not kept up to date; none is active.
    #[serde(default)]
    pub inactive_reason: Option<String>,
    /// End of the last refresh, in milliseconds since 1970-01-01.
    #[serde(default)]
    pub refreshed_at: Option<i64>,
}

/// A table that a materialized view reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseTable {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Versions of its partitions that the view has seen, by name.
    #[serde(default)]
    pub seen: BTreeMap<String, u64>,
}

/// When a materialized view is refreshed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refresh {
    /// When asked.
    Manual,
    /// After each load of a base table.
    OnLoad,
    /// By the clock.
    Every {
        /// Seconds from one to the next.
        seconds: u64,
        /// When the first one is due, in milliseconds since 1970-01-01; none counts from the last refresh.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start: Option<i64>,
    },
}

/// A logical view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewRow {
    /// Its id.
    pub id: Id,
    /// Its database.
    pub database: Id,
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub comment: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its query, with every table qualified by its database.
    pub query: String,
    /// What it reads, as (database, name).
    pub base_tables: Vec<(String, String)>,
}

/// A function: a catalog object that is kept, shown, backed up and restored, and not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionRow {
    /// Its id.
    pub id: Id,
    /// Its database.
    pub database: Id,
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

impl FunctionRow {
    /// Its name with the types of its arguments, which tells it from others of the name.
    pub fn signature(&self) -> String {
        format!("{}({})", self.name, self.arguments.join(", "))
    }
}

/// A resource group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceGroupRow {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Which queries it is for, as typed.
    pub classifiers: Vec<String>,
    /// Its limits.
    pub properties: Properties,
}
