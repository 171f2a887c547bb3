//! Sees one job through: opens its repository, starts it on the engine, follows its states, ends it.

use std::sync::Arc;
use std::time::Duration;

use cairn_pipeline::tablet::{SelectedItem, TabletSource};
use cairn_pipeline::{
    BackupRequest, Error, ErrorKind, JobHandle, Repository, RestoreItem, RestoreRequest, Selection,
};
use cairn_warehouse::{BackupObject, ObjectKind, RestoreSettings, WarehouseSink, WarehouseSource};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::row::{Failure, JobObjectRow, JobRow, JobTask, StatusCode};
use super::{Jobs, Live, lock};
use crate::clock::{Millis, now_millis, timestamp};
use crate::mysql::SqlError;
use crate::refusal;

/// How often states and progress are looked at: often enough for a person who types SHOW.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The label has a record, which may be the one that this job put before a restart; or nobody heard whether it was put.
const MAY_BE_COMMITTED: [&str; 2] = ["CAIRN-R004", "CAIRN-A005"];

/// Why a job did not come to its end.
enum Stop {
    /// It failed, or was cancelled: that is its end.
    Failed(Failure),
    /// The same, if the record that there may be is not its own.
    Unsure(Failure),
    /// The server stops: the next one begins the job anew.
    ServerStops,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs a job from its row to its end.
pub(super) async fn follow(jobs: Jobs, row: JobRow, live: Arc<Live>) {
    let mut row = row;
    let outcome = match row.time_left(now_millis()) {
        None => Err(timed_out(&row).into()),
        Some(left) => {
            let deadline = Instant::now() + Duration::from_millis(left);
            run(&jobs, &mut row, &live, deadline).await
        }
    };
    let failure = match outcome {
        Ok(()) => None,
        Err(Stop::Failed(failure) | Stop::Unsure(failure)) => Some(failure),
        Err(Stop::ServerStops) => return,
    };
    if let Some(Failure { message, .. }) = &failure {
        tracing::warn!(job = row.id, label = row.label, message, "a job did not finish");
    }
    let ended = row.ended(failure, now_millis());
    let last = tokio::task::spawn_blocking(move || jobs.change(ended));
    if let Err(error) = last.await {
        tracing::error!(%error, "the end of a job could not be written down");
    }
}

async fn run(
    jobs: &Jobs,
    row: &mut JobRow,
    live: &Arc<Live>,
    deadline: Instant,
) -> Result<(), Stop> {
    let repository = {
        let (repositories, name) = (Arc::clone(&jobs.shared.repositories), row.repository.clone());
        let to_write = row.is_backup();
        blocking(move || {
            if to_write { repositories.open_to_write(&name) } else { repositories.open(&name) }
        })
        .await?
    };
    let (engine, warehouse) = (&jobs.shared.engine, jobs.shared.warehouse.clone());
    match row.task.clone() {
        JobTask::Backup { objects } => {
            let request = BackupRequest::new(&row.label).map_err(failure_of)?;
            let request = request.select(selection(&row.database, &objects));
            let objects = objects.iter().map(|object| backup_object(&row.database, object));
            let source = WarehouseSource::new(warehouse, objects.collect());
            let origin = source.origin();
            let job = engine.backup(&repository, Arc::new(source), request);
            match watch(jobs, row, live, deadline, job).await {
                Err(Stop::Unsure(failure)) => {
                    let (label, since) = (row.label.clone(), row.created_at);
                    let look = move || Ok(is_committed(&repository, &label, &origin, since));
                    if blocking(look).await? { Ok(()) } else { Err(failure.into()) }
                }
                outcome => outcome,
            }
        }
        JobTask::Restore { from_database, objects, replication_num, .. } => {
            let mut request = RestoreRequest::new(&row.label).map_err(failure_of)?;
            for item in restore_items(&from_database, &row.database, &objects) {
                request = request.item(item);
            }
            let settings = RestoreSettings { replication_num, now: timestamp() };
            let sink = match &live.claim {
                Some(claim) => WarehouseSink::claimed(warehouse, settings, Arc::clone(claim)),
                None => WarehouseSink::new(warehouse, settings),
            };
            let job = engine.restore(&repository, Arc::new(sink), request);
            watch(jobs, row, live, deadline, job).await
        }
    }
}

/// Follows a job of the engine to its end, tells its states, and cancels it at the deadline.
async fn watch<R>(
    jobs: &Jobs,
    row: &mut JobRow,
    live: &Arc<Live>,
    deadline: Instant,
    mut job: JobHandle<R>,
) -> Result<(), Stop> {
    live.attach(job.canceller());
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut is_late = false;
    loop {
        tokio::select! {
            biased;
            report = &mut job => {
                let report = report.map(drop);
                return report.map_err(|error| match error.kind() {
                    ErrorKind::Cancelled if is_late => timed_out(row).into(),
                    ErrorKind::Cancelled if live.is_cancelled() => cancelled(row).into(),
                    ErrorKind::Cancelled => Stop::ServerStops,
                    _ if MAY_BE_COMMITTED.contains(&error.code()) => Stop::Unsure(failure_of(error)),
                    _ => failure_of(error).into(),
                });
            }
            () = sleep_until(deadline), if !is_late => {
                is_late = true;
                job.cancel();
            }
            _ = looks.tick() => {
                *lock(&live.progress) = job.progress();
                if let Some(next) = row.advanced(job.state(), now_millis()) {
                    *row = next.clone();
                    let jobs = jobs.clone();
                    blocking(move || { jobs.change(next); Ok(()) }).await?;
                }
            }
        }
    }
}

/// Whether the record of a label is the one that a job of this server put: of its jobs only one at a time may write a label.
fn is_committed(repository: &Repository, label: &str, origin: &str, since: Millis) -> bool {
    let record = repository.snapshot(label);
    record.is_ok_and(|record| {
        let taken = Millis::try_from(record.timestamp.as_unix_millis());
        record.origin == origin && taken.is_ok_and(|taken| taken >= since)
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    let common = |message: String| Failure { code: StatusCode::CommonError, message };
    done.map_err(|error| common(error.to_string()))?.map_err(|error| common(error.message))
}

/// The objects of a backup as the engine asks for them.
fn selection(database: &str, objects: &[JobObjectRow]) -> Selection {
    let item = |object: &JobObjectRow| SelectedItem {
        database: database.to_owned(),
        object: Some(object.name.clone()),
        partitions: (!object.partitions.is_empty()).then(|| object.partitions.clone()),
    };
    Selection { items: objects.iter().map(item).collect() }
}

fn backup_object(database: &str, object: &JobObjectRow) -> BackupObject {
    BackupObject {
        kind: ObjectKind::parse(&object.kind).unwrap_or(ObjectKind::Table),
        database: database.to_owned(),
        name: object.name.clone(),
        partitions: (!object.partitions.is_empty()).then(|| object.partitions.clone()),
    }
}

/// What a restore asks the engine for; nothing named is the whole database.
fn restore_items(from: &str, into: &str, objects: &[JobObjectRow]) -> Vec<RestoreItem> {
    let as_database = (from != into).then(|| into.to_owned());
    let whole = RestoreItem {
        database: from.to_owned(),
        object: None,
        partitions: None,
        as_database,
        as_object: None,
    };
    if objects.is_empty() {
        return vec![whole];
    }
    let item = |object: &JobObjectRow| RestoreItem {
        object: Some(object.name.clone()),
        partitions: (!object.partitions.is_empty()).then(|| object.partitions.clone()),
        as_object: object.alias.clone(),
        ..whole.clone()
    };
    objects.iter().map(item).collect()
}

fn cancelled(row: &JobRow) -> Failure {
    let message = if row.is_backup() {
        "user cancelled".to_owned()
    } else {
        format!("user cancelled, current state: {}", row.state.as_str())
    };
    Failure { code: StatusCode::CommonError, message }
}

fn timed_out(row: &JobRow) -> Failure {
    let kind = if row.is_backup() { "backup" } else { "restore" };
    let message = format!("{kind} job with label: {}  timeout.", row.label);
    Failure { code: StatusCode::Timeout, message }
}

fn failure_of(error: Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::Storage => StatusCode::BadConnection,
        ErrorKind::Repository => StatusCode::BadFile,
        _ if error.code() == "CAIRN-T001" => StatusCode::NotFound,
        _ => StatusCode::CommonError,
    };
    Failure { code, message: refusal::with_causes(&error) }
}
