//! Rows of SHOW BACKUP and SHOW RESTORE: StarRocks' columns, from the journal and the progress of what runs. Pure.

use cairn_pipeline::ProgressSnapshot;

use super::row::{JobObjectRow, JobRow, JobTask};
use crate::clock::{Millis, shown};
use crate::mysql::ResultSet;

/// Columns of SHOW BACKUP.
const BACKUP_COLUMNS: [&str; 14] = [
    "JobId",
    "SnapshotName",
    "DbName",
    "State",
    "BackupObjs",
    "CreateTime",
    "SnapshotFinishedTime",
    "UploadFinishedTime",
    "FinishedTime",
    "UnfinishedTasks",
    "Progress",
    "TaskErrMsg",
    "Status",
    "Timeout",
];

/// Columns of SHOW RESTORE.
const RESTORE_COLUMNS: [&str; 18] = [
    "JobId",
    "Label",
    "Timestamp",
    "DbName",
    "State",
    "AllowLoad",
    "ReplicationNum",
    "RestoreObjs",
    "CreateTime",
    "MetaPreparedTime",
    "SnapshotFinishedTime",
    "DownloadFinishedTime",
    "FinishedTime",
    "UnfinishedTasks",
    "Progress",
    "TaskErrMsg",
    "Status",
    "Timeout",
];

/// A job with the progress of what runs.
pub(crate) type Shown = (JobRow, Option<ProgressSnapshot>);

/// SHOW BACKUP.
pub(crate) fn backup_rows(jobs: &[Shown]) -> ResultSet {
    let mut result = ResultSet::of_text(BACKUP_COLUMNS);
    result.rows = jobs.iter().map(backup_row).collect();
    result
}

/// SHOW RESTORE.
pub(crate) fn restore_rows(jobs: &[Shown]) -> ResultSet {
    let mut result = ResultSet::of_text(RESTORE_COLUMNS);
    result.rows = jobs.iter().map(restore_row).collect();
    result
}

fn backup_row((row, progress): &Shown) -> Vec<Option<String>> {
    vec![
        Some(row.id.to_string()),
        Some(row.label.clone()),
        Some(row.database.clone()),
        Some(row.state.as_str().to_owned()),
        Some(backup_objects(row)),
        Some(shown(row.created_at)),
        time(row.prepared_at),
        time(row.moved_at),
        time(row.finished_at),
        Some(unfinished(row, progress)),
        Some(backup_progress(row, progress)),
        Some(task_error(row)),
        Some(status(row)),
        Some(row.timeout_seconds.to_string()),
    ]
}

fn restore_row((row, progress): &Shown) -> Vec<Option<String>> {
    let (timestamp, replication_num, allow_load) = match &row.task {
        JobTask::Restore { timestamp, replication_num, allow_load, .. } => {
            (timestamp.clone(), *replication_num, *allow_load)
        }
        JobTask::Backup { .. } => Default::default(),
    };
    vec![
        Some(row.id.to_string()),
        Some(row.label.clone()),
        Some(timestamp),
        Some(row.database.clone()),
        Some(row.state.as_str().to_owned()),
        Some(allow_load.to_string()),
        Some(replication_num.to_string()),
        Some(restore_objects(row.objects())),
        Some(shown(row.created_at)),
        time(row.prepared_at),
        time(row.prepared_at),
        time(row.moved_at),
        time(row.finished_at),
        Some(unfinished(row, progress)),
        Some(restore_progress(row, progress)),
        Some(task_error(row)),
        Some(status(row)),
        Some(row.timeout_seconds.to_string()),
    ]
}

fn time(millis: Option<Millis>) -> Option<String> {
    millis.map(shown)
}

/// `[db.a], [db.b PARTITIONS (p1, p2)]`
fn backup_objects(row: &JobRow) -> String {
    let one = |object: &JobObjectRow| {
        let name = &object.name;
        let database = object.database_of(&row.database);
        if database.is_empty() {
            return format!("[{} {name}]", object.kind);
        }
        if object.partitions.is_empty() {
            return format!("[{database}.{name}]");
        }
        format!("[{database}.{name} PARTITIONS ({})]", object.partitions.join(", "))
    };
    row.objects().iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `a, b PARTITIONS [p1, p2], c AS d`
fn restore_objects(objects: &[JobObjectRow]) -> String {
    let one = |object: &JobObjectRow| {
        let mut text = object.name.clone();
        if object.database_of("of a database").is_empty() {
            text = format!("{} {text}", object.kind);
        }
        if !object.partitions.is_empty() {
            text.push_str(&format!(" PARTITIONS [{}]", object.partitions.join(", ")));
        }
        if let Some(alias) = &object.alias {
            text.push_str(&format!(" AS {alias}"));
        }
        text
    };
    objects.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The one task of a job that runs; segments are its parts.
fn unfinished(row: &JobRow, progress: &Option<ProgressSnapshot>) -> String {
    let is_moving = progress.filter(|_| !row.state.is_final());
    is_moving.map(|_| format!("{id}={id}", id = row.id)).unwrap_or_default()
}

fn backup_progress(row: &JobRow, progress: &Option<ProgressSnapshot>) -> String {
    let text = |progress: ProgressSnapshot| {
        let (id, done, total) = (row.id, progress.segments_done, progress.segments_total);
        format!("[ task id: {id} -> finished part:{done}/ total number of subtasks:{total}]")
    };
    progress.map(text).unwrap_or_default()
}

fn restore_progress(row: &JobRow, progress: &Option<ProgressSnapshot>) -> String {
    let text = |progress: ProgressSnapshot| {
        format!("[{}: {}/{}]", row.id, progress.segments_done, progress.segments_total)
    };
    progress.map(text).unwrap_or_default()
}

/// What went wrong, and what was left out.
fn task_error(row: &JobRow) -> String {
    let skipped = match &row.task {
        JobTask::Restore { skipped, .. } => skipped.as_slice(),
        JobTask::Backup { .. } => &[],
    };
    let skipped = skipped.iter().map(|view| {
        format!("materialized view {view} is active and was not restored: make it INACTIVE first")
    });
    let failure = row.failure.iter().map(|failure| failure.message.clone());
    let messages = failure.chain(skipped).map(|message| format!("[{}: {message}]", row.id));
    messages.collect::<Vec<_>>().join(", ")
}

fn status(row: &JobRow) -> String {
    match &row.failure {
        None => "[OK]".to_owned(),
        Some(failure) => format!("[{}, msg: {}]", failure.code.as_str(), failure.message),
    }
}
