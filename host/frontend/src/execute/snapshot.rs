//! SHOW SNAPSHOT.

use std::sync::Arc;

use cairn_pipeline::{ListedSnapshot, Record, Repository, SnapshotObject};
use cairn_sql::statement::SnapshotFilter;
use serde_json::json;

use super::blocking;
use super::like::is_like;
use super::repository::REPOSITORY;
use crate::account::privilege::Action;
use crate::mysql::{Answer, ResultSet, SqlError};
use crate::refusal;
use crate::session::Session;

/// Columns of the list.
const LIST_COLUMNS: [&str; 3] = ["Snapshot", "Timestamp", "Status"];
/// Columns of one snapshot in detail; sizes are in the details.
const DETAIL_COLUMNS: [&str; 5] = ["Snapshot", "Timestamp", "Database", "Details", "Status"];

pub(super) async fn show(
    session: &Session,
    repository: String,
    filter: SnapshotFilter,
) -> Result<Answer, SqlError> {
    session.require(&session.frontend.warehouse.catalog(), Action::system(REPOSITORY))?;
    let repositories = Arc::clone(&session.frontend.repositories);
    let result = blocking(move || {
        let opened = repositories.open(&repository)?;
        let failed = |error| {
            let because = refusal::with_causes(&error);
            refusal::general(format!(
                "Failed to list snapshot in repo: {repository}, err: {because}"
            ))
        };
        let listed = opened.snapshots().map_err(failed)?;
        let is_wanted = |snapshot: &ListedSnapshot| matches_filter(&filter, snapshot);
        let wanted: Vec<_> = listed.into_iter().filter(is_wanted).collect();
        let is_detail = filter.timestamp.is_some() && filter.labels.len() == 1;
        Ok(if is_detail { details(&opened, &wanted) } else { list(&wanted) })
    })
    .await?;
    Ok(Answer::Rows(result))
}

/// Whether a snapshot is one of those that a filter means. One that cannot be read is shown unless its time matters.
pub(super) fn matches_filter(filter: &SnapshotFilter, snapshot: &ListedSnapshot) -> bool {
    let label = snapshot.label.to_string();
    let time = snapshot.record.as_ref().ok().map(|record| record.timestamp.to_string());
    // Timestamps are of one width, so their order is that of their texts.
    let by_time = |bound: &Option<String>, holds: fn(&str, &str) -> bool| match (bound, &time) {
        (None, _) => true,
        (Some(bound), Some(time)) => holds(time, bound),
        (Some(_), None) => false,
    };
    (filter.labels.is_empty() || filter.labels.contains(&label))
        && filter.like.as_ref().is_none_or(|pattern| is_like(&label, pattern))
        && by_time(&filter.timestamp, |time, bound| time == bound)
        && by_time(&filter.not_after, |time, bound| time <= bound)
        && by_time(&filter.not_before, |time, bound| time >= bound)
}

fn list(snapshots: &[ListedSnapshot]) -> ResultSet {
    let mut result = ResultSet::of_text(LIST_COLUMNS);
    result.rows = snapshots.iter().map(list_row).collect();
    result
}

fn list_row(snapshot: &ListedSnapshot) -> Vec<Option<String>> {
    let label = Some(snapshot.label.to_string());
    match &snapshot.record {
        Ok(record) => vec![label, Some(record.timestamp.to_string()), Some("OK".to_owned())],
        Err(error) => {
            let status = format!("ERROR: Failed to get info: {}", refusal::with_causes(error));
            vec![label, None, Some(status)]
        }
    }
}

fn details(repository: &Repository, snapshots: &[ListedSnapshot]) -> ResultSet {
    let mut result = ResultSet::of_text(DETAIL_COLUMNS);
    for snapshot in snapshots {
        let Ok(record) = &snapshot.record else { continue };
        let (label, time) = (snapshot.label.to_string(), record.timestamp.to_string());
        let (database, details, status) = match repository.objects(record) {
            Ok(objects) => {
                let database = objects.iter().map(|object| object.database.clone()).next();
                let details = details_of(record, &objects);
                (database, Some(details), "OK".to_owned())
            }
            Err(error) => {
                (None, None, format!("Failed to get info: {}", refusal::with_causes(&error)))
            }
        };
        result.rows.push(vec![Some(label), Some(time), database, details, Some(status)]);
    }
    result
}

/// The brief form of StarRocks' job info: its keys, and sizes.
fn details_of(record: &Record, objects: &[SnapshotObject]) -> String {
    let mut members = serde_json::Map::new();
    for object in objects {
        let partitions: serde_json::Map<_, _> =
            object.partitions.iter().map(|name| (name.clone(), json!({}))).collect();
        let member = json!({
            "kind": object.kind,
            "partitions": partitions,
            "segments": object.segments,
            "bytes": object.bytes,
        });
        members.insert(object.name.clone(), member);
    }
    let stats = &record.stats;
    let info = json!({
        "name": record.label.to_string(),
        "database": objects.first().map(|object| &object.database),
        "backup_time": record.timestamp.to_string(),
        "backup_objects": members,
        "backup_result": "succeed",
        "bytes": stats.raw_bytes,
        "read_bytes": stats.read_bytes,
        "stored_bytes": stats.stored_bytes,
        "duration_ms": stats.duration_ms,
    });
    serde_json::to_string_pretty(&info).unwrap_or_default()
}
