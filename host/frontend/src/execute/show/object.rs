//! SHOW FUNCTIONS, RESOURCE GROUPS and PROC '/colocation_group': objects that are neither tables nor views.

use std::collections::BTreeMap;

use cairn_warehouse::catalog::model::{FunctionRow, Properties, ResourceGroupRow};
use cairn_warehouse::catalog::{Database, Table};

use super::super::admin::OPERATE;
use super::column::type_text;
use super::{Sight, row};
use crate::mysql::{ResultSet, SqlError};
use crate::refusal;

/// The property that puts a table into a colocation group.
const COLOCATE_WITH: &str = "colocate_with";

pub(super) fn functions(sight: &Sight<'_>, database: Option<&str>) -> Result<ResultSet, SqlError> {
    let mut shown = ResultSet::of_text([
        "Signature",
        "Return Type",
        "Function Type",
        "Intermediate Type",
        "Properties",
    ]);
    shown.rows = sight.database(database)?.functions().map(|it| function_row(it)).collect();
    Ok(shown)
}

fn function_row(function: &FunctionRow) -> Vec<Option<String>> {
    let kind = match function.kind.as_str() {
        "AGGREGATE" => "Aggregate",
        "TABLE" => "Table",
        _ => "Scalar",
    };
    let properties = serde_json::to_string(&function.properties).unwrap_or_default();
    vec![
        Some(format!("{}({})", function.name, function.arguments.join(","))),
        Some(function.returns.clone()),
        Some(kind.to_owned()),
        None,
        Some(properties),
    ]
}

/// A group is shown once for each of its classifiers.
pub(super) fn resource_groups(
    sight: &Sight<'_>,
    name: Option<&str>,
) -> Result<ResultSet, SqlError> {
    let mut shown = ResultSet::of_text(
        ["name", "id"].into_iter().chain(LIMITS.map(|(name, _)| name)).chain(["classifiers"]),
    );
    let catalog = sight.catalog;
    let groups =
        match name {
            None => catalog.resource_groups().collect(),
            Some(name) => vec![catalog.resource_group(name).ok_or_else(|| {
                refusal::general(format!("resource_group({name}) does not exist"))
            })?],
        };
    for group in groups {
        let none = [String::new()];
        let classifiers = if group.classifiers.is_empty() { &none[..] } else { &group.classifiers };
        shown.rows.extend(classifiers.iter().map(|classifier| group_row(group, classifier)));
    }
    Ok(shown)
}

/// Limits of a group, and what the one was called before that took its place.
const LIMITS: [(&str, &str); 8] = [
    ("cpu_weight", "cpu_core_limit"),
    ("exclusive_cpu_cores", ""),
    ("mem_limit", ""),
    ("big_query_cpu_second_limit", ""),
    ("big_query_scan_rows_limit", ""),
    ("big_query_mem_limit", ""),
    ("concurrency_limit", ""),
    ("spill_mem_limit_threshold", ""),
];

fn group_row(group: &ResourceGroupRow, classifier: &str) -> Vec<Option<String>> {
    let limit = |properties: &Properties, (name, before): (&str, &str)| {
        properties.get(name).or_else(|| properties.get(before)).cloned()
    };
    let mut cells = row([group.name.clone(), group.id.to_string()]);
    cells.extend(LIMITS.map(|names| limit(&group.properties, names)));
    let classifier = if classifier.is_empty() { String::new() } else { format!("({classifier})") };
    cells.push(Some(classifier));
    cells
}

pub(super) fn colocation_groups(sight: &Sight<'_>) -> Result<ResultSet, SqlError> {
    sight.require(OPERATE)?;
    let mut shown = ResultSet::of_text([
        "GroupId",
        "GroupName",
        "TableIds",
        "BucketsNum",
        "ReplicationNum",
        "DistCols",
        "IsStable",
    ]);
    for database in sight.catalog.databases() {
        let mut groups: BTreeMap<&String, Vec<&Table>> = BTreeMap::new();
        for table in database.tables() {
            if let Some(group) = table.row().properties.get(COLOCATE_WITH) {
                groups.entry(group).or_default().push(table);
            }
        }
        let rows = groups.into_iter();
        shown.rows.extend(rows.filter_map(|(name, tables)| group_of(database, name, &tables)));
    }
    Ok(shown)
}

/// Tables of a group are distributed alike: the first one tells how.
fn group_of(database: &Database, name: &str, tables: &[&Table]) -> Option<Vec<Option<String>>> {
    let first = tables.first()?.row();
    let ids: Vec<_> = tables.iter().map(|table| table.row().id.to_string()).collect();
    let types = first.distribution.columns().iter().filter_map(|name| first.column(name));
    let types: Vec<_> = types.map(|column| type_text(column.column_type)).collect();
    let copies = first.properties.get("replication_num").map_or("1", String::as_str);
    let id = database.row().id;
    Some(row([
        format!("{id}.{}", tables.iter().map(|table| table.row().id).min()?),
        format!("{id}_{name}"),
        ids.join(", "),
        first.distribution.buckets().to_string(),
        copies.to_owned(),
        types.join(", "),
        "true".to_owned(),
    ]))
}
