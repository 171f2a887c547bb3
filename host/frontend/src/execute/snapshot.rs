//! SHOW SNAPSHOT, and which snapshots a filter means.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairn_pipeline::{
    Candidate, Error, HoldNames, Label, ListedSnapshot, Record, Repository, SnapshotObject,
};
use cairn_sql::statement::SnapshotFilter;
use cairn_warehouse::cluster_of_origin;
use serde_json::json;

use super::like::is_like;
use crate::account::privilege::{Action, REPOSITORY};
use crate::blocking::blocking;
use crate::clock::{Millis, shown};
use crate::mysql::{Answer, ResultSet, SqlError};
use crate::refusal;
use crate::session::Session;

/// Columns of the list.
const LIST_COLUMNS: [&str; 7] =
    ["Snapshot", "Timestamp", "Status", "ClusterId", "FinishTime", "TTL", "ExpireTime"];
/// Columns of one snapshot in detail; sizes are in the details.
const DETAIL_COLUMNS: [&str; 9] = [
    "Snapshot",
    "Timestamp",
    "Database",
    "Details",
    "Status",
    "ClusterId",
    "FinishTime",
    "TTL",
    "ExpireTime",
];

pub(super) async fn show(
    session: &Session,
    repository: String,
    filter: SnapshotFilter,
) -> Result<Answer, SqlError> {
    session.require(&session.frontend.warehouse.catalog(), Action::system(REPOSITORY))?;
    let filter = understood(filter)?;
    let repositories = Arc::clone(&session.frontend.repositories);
    let result = blocking(move || {
        let opened = repositories.open(&repository)?;
        let failed = |error| {
            let because = refusal::with_causes(&error);
            refusal::general(format!(
                "Failed to list snapshot in repo: {repository}, err: {because}"
            ))
        };
        let wanted = find(&opened, &filter).map_err(failed)?;
        let is_detail = filter.timestamp.is_some() && filter.labels.len() == 1;
        Ok(if is_detail { details(&opened, &wanted) } else { list(wanted) })
    })
    .await?;
    Ok(Answer::Rows(result))
}

/// Labels that are asked for one by one; of more the whole list is asked for.
const MAX_NAMED: usize = 64;

/// The snapshots that a filter means. Where it names labels the others cost nothing.
pub(super) fn find(
    repository: &Repository,
    filter: &SnapshotFilter,
) -> Result<Vec<ListedSnapshot>, Error> {
    let listed = if filter.labels.is_empty() || filter.labels.len() > MAX_NAMED {
        repository.snapshots()?
    } else {
        // What cannot be a label is none.
        let labels: BTreeSet<Label> =
            filter.labels.iter().filter_map(|label| label.parse().ok()).collect();
        repository.snapshots_named(&labels.into_iter().collect::<Vec<_>>())?
    };
    Ok(listed.into_iter().filter(|snapshot| matches_filter(filter, snapshot)).collect())
}

/// A filter whose times are all written as those of snapshots; refuses what is no time.
pub(super) fn understood(filter: SnapshotFilter) -> Result<SnapshotFilter, SqlError> {
    let SnapshotFilter { labels, like, timestamp, not_after, not_before, before, after } = filter;
    Ok(SnapshotFilter {
        labels,
        like,
        timestamp: timestamp.map(time).transpose()?,
        not_after: not_after.map(time).transpose()?,
        not_before: not_before.map(time).transpose()?,
        before: before.map(time).transpose()?,
        after: after.map(time).transpose()?,
    })
}

/// `2026-11-23`, `2026-11-23 08:00:00` and `2026-11-23-08-00-00-000` as the beginning of a timestamp.
fn time(text: String) -> Result<String, SqlError> {
    const WIDTHS: [usize; 7] = [4, 2, 2, 2, 2, 2, 3];
    let time = text.trim().replace([' ', ':', '.', 'T'], "-");
    let mut widths = WIDTHS.iter();
    let fits = |part: &str, width: &usize| {
        part.len() == *width && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_time = time.split('-').all(|part| widths.next().is_some_and(|width| fits(part, width)));
    if is_time && time.split('-').count() >= 3 {
        return Ok(time);
    }
    Err(refusal::analysis(format_args!(
        "Invalid timestamp: '{text}'. Expected one such as '2026-11-23-08-00-00-000' or its beginning, from the day on"
    )))
}

/// Whether a snapshot is one of those that a filter means. One that cannot be read is shown unless its time matters.
fn matches_filter(filter: &SnapshotFilter, snapshot: &ListedSnapshot) -> bool {
    let label: &str = snapshot.label.as_ref();
    (filter.labels.is_empty() || filter.labels.iter().any(|it| it == label))
        && filter.like.as_ref().is_none_or(|pattern| is_like(label, pattern))
        && matches_time(filter, snapshot)
}

fn matches_time(filter: &SnapshotFilter, snapshot: &ListedSnapshot) -> bool {
    type Holds = fn(&str, &str) -> bool;
    let bounds: [(&Option<String>, Holds); 5] = [
        (&filter.timestamp, |time, bound| time == bound),
        (&filter.not_after, |time, bound| time <= bound),
        (&filter.not_before, |time, bound| time >= bound),
        (&filter.before, |time, bound| time < bound),
        (&filter.after, |time, bound| time > bound),
    ];
    if bounds.iter().all(|(bound, _)| bound.is_none()) {
        return true;
    }
    let Ok(record) = &snapshot.record else { return false };
    // Timestamps are of one width, so their order is that of their texts.
    let time = record.timestamp.to_string();
    bounds.iter().all(|(bound, holds)| bound.as_ref().is_none_or(|bound| holds(&time, bound)))
}

fn list(snapshots: Vec<ListedSnapshot>) -> ResultSet {
    let mut result = ResultSet::of_text(LIST_COLUMNS);
    result.rows = snapshots.into_iter().map(list_row).collect();
    result
}

fn list_row(snapshot: ListedSnapshot) -> Vec<Option<String>> {
    let (time, status) = match &snapshot.record {
        Ok(record) => (Some(record.timestamp.to_string()), "OK".to_owned()),
        Err(error) => (None, format!("ERROR: Failed to get info: {}", refusal::with_causes(error))),
    };
    let [cluster, finished, ttl, expires] = retention(&snapshot);
    vec![Some(snapshot.label.into()), time, Some(status), cluster, finished, ttl, expires]
}

/// The four columns about retention.
fn retention(snapshot: &ListedSnapshot) -> [Option<String>; 4] {
    let Ok(record) = &snapshot.record else { return [None, None, None, None] };
    let time = |millis: u64| Millis::try_from(millis).ok().map(shown);
    let finished = record.timestamp.as_unix_millis().saturating_add(record.stats.duration_ms);
    let expires = record.ttl.and_then(|_| Candidate::of(snapshot, &HoldNames::default()).expires());
    [
        cluster_of_origin(&record.origin).map(|cluster| cluster.to_string()),
        time(finished),
        record.ttl.map(|ttl| ttl.to_string()),
        expires.and_then(|expires| time(expires.as_unix_millis())),
    ]
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
        let mut row = vec![Some(label), Some(time), database, details, Some(status)];
        row.extend(retention(snapshot));
        result.rows.push(row);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_from_the_day_on() {
        for (typed, meant) in [
            ("2026-11-23", "2026-11-23"),
            ("2026-11-23 08:00:00", "2026-11-23-08-00-00"),
            (" 2026-11-23T08:00:00.123 ", "2026-11-23-08-00-00-123"),
            ("2026-11-23-08-00-00-123", "2026-11-23-08-00-00-123"),
        ] {
            assert_eq!(time(typed.to_owned()).unwrap(), meant);
        }
        for typed in ["", "yesterday", "2026", "2026-11", "26-11-23", "2026-11-23-08-00-00-123-4"] {
            assert!(time(typed.to_owned()).is_err(), "{typed}");
        }
    }
}
