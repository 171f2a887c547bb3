//! Properties of tables: which there are, and what their values may be. Pure.

use crate::catalog::model::Properties;
use crate::{Error, Result};

/// Copies of each partition.
pub(crate) const REPLICATION_NUM: &str = "replication_num";
/// The same for partitions to come.
pub(crate) const DEFAULT_REPLICATION_NUM: &str = "default.replication_num";
/// The colocation group of a table.
pub(crate) const COLOCATE_WITH: &str = "colocate_with";

/// How those of dynamic partitions begin.
pub(crate) const DYNAMIC_PARTITION: &str = "dynamic_partition.";

/// What is kept and shown, and does nothing here: there is one disk and one node, and Parquet has formats of its own.
const KEPT: [&str; 18] = [
    "bloom_filter_columns",
    "bucket_size",
    "compression",
    "datacache.enable",
    "enable_persistent_index",
    "fast_schema_evolution",
    "flat_json.enable",
    "force_external_table_query_rewrite",
    "in_memory",
    "light_schema_change",
    "mv_rewrite_staleness_second",
    "partition_refresh_number",
    "persistent_index_type",
    "query_rewrite_consistency",
    "replicated_storage",
    "storage_medium",
    "warehouse",
    "write_quorum",
];

/// Refuses properties that no table has, and values that they cannot have.
pub(crate) fn check(properties: &Properties) -> Result<()> {
    for (key, value) in properties {
        match key.as_str() {
            REPLICATION_NUM | DEFAULT_REPLICATION_NUM => drop(parse_replication_num(value)?),
            COLOCATE_WITH => {}
            // Checked with the table that has them.
            key if key.starts_with(DYNAMIC_PARTITION) => {}
            key if key.starts_with("session.") || KEPT.contains(&key) => {}
            _ => return Err(Error::invalid(format!("Unknown properties: {{{key}={value}}}"))),
        }
    }
    Ok(())
}

/// Copies that were asked for; one where nothing was.
pub(crate) fn replication_num(properties: &Properties) -> u16 {
    let said = properties.get(DEFAULT_REPLICATION_NUM).or_else(|| properties.get(REPLICATION_NUM));
    said.and_then(|value| parse_replication_num(value).ok()).unwrap_or(1)
}

fn parse_replication_num(value: &str) -> Result<u16> {
    value.trim().parse().ok().filter(|copies| *copies > 0).ok_or_else(|| {
        Error::invalid(format!("Replication num should larger than 0. (suggested 3): '{value}'"))
    })
}

/// Merges `changes` into `properties`. A colocation group with an empty name is none.
pub(crate) fn merge(properties: &mut Properties, changes: Properties) {
    properties.extend(changes);
    if properties.get(COLOCATE_WITH).is_some_and(String::is_empty) {
        properties.remove(COLOCATE_WITH);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::properties;
    use super::*;

    #[test]
    fn unknown_properties_and_bad_values_are_refused() {
        check(&properties(&[("replication_num", "3"), ("compression", "LZ4")])).unwrap();
        let message = |pairs| check(&properties(pairs)).unwrap_err().to_string();
        assert_eq!(message(&[("colour", "red")]), "Unknown properties: {colour=red}");
        assert!(message(&[("replication_num", "0")]).starts_with("Replication num should larger"));
        assert_eq!(replication_num(&properties(&[("replication_num", "3")])), 3);
        assert_eq!(replication_num(&Properties::new()), 1);
    }
}
