//! [`Id`]: by what everything of the catalog is referred to. The ground of the crate: rows and files alike know it.

/// Identifies a database, a table, a view, a partition, an index or a tablet, across all of them.
pub type Id = u64;
