//! Definitions, their checks, and the rows they become.
//!
//! What decides is pure: definitions in, rows or an error out. The methods of [`crate::Warehouse`] around it find the
//! table, take its lock (W4), refuse one that is being restored (W5), and commit everything in one transaction (W1).

mod alter;
mod column;
mod database;
mod definition;
mod dependent;
mod dynamic;
mod every;
mod materialized_view;
mod name;
mod partition;
mod property;
mod resource_group;
mod table;

#[cfg(test)]
mod testing;

pub use definition::{
    DistributionDefinition, FunctionDefinition, MaterializedViewChange, NewPartition, PartitionBy,
    PartitionSpec, ResourceGroupDefinition, RollupDefinition, TableChange, TableDefinition,
    ViewDefinition,
};
pub(crate) use dependent::{base_table_dropped, base_view_inactive, view_changed};
pub use dynamic::Maintenance;
pub(crate) use dynamic::would_remove;
pub(crate) use every::MAX_AT_ONCE as MAX_NEW_PARTITIONS;
pub(crate) use materialized_view::INACTIVE_BY_USER;
pub use materialized_view::with_rollup;
pub use partition::{automatic_partition, partition_row};
pub(crate) use property::{COLOCATE_WITH, DYNAMIC_PARTITION};
pub(crate) use table::check_colocation;
