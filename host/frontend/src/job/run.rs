//! Sees one job through: opens its repository, looks whether an earlier life of the server has finished it, starts it on the
//! engine, follows its states, ends it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cairn_pipeline::tablet::{SelectedItem, TabletErrorKind, TabletSource};
use cairn_pipeline::{
    BackupRequest, Error, ErrorKind, JOB_EVENTS, JOB_SPANS, JobHandle, JobKind, JobState, Period,
    Repository, RestoreItem, RestoreRequest, Selection, Timestamp,
};
use cairn_warehouse::{BackupObject, ObjectKind, RestoreSettings, WarehouseSink, WarehouseSource};
use futures::FutureExt;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tracing::Instrument;

use super::row::{Failure, JobObjectRow, JobRow, JobTask, StatusCode};
use super::{Jobs, Live};
use crate::account::restorer::Restorer;
use crate::blocking::blocking;
use crate::clock::{self, Millis, now_millis};
use crate::mysql::SqlError;
use crate::refusal;
use crate::repository::{NO_SUCH_SNAPSHOT, Unopened};

/// How often states and progress are looked at: often enough for a person who types SHOW.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How soon a journal that could not be written is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(5);
/// How soon after a restart a repository that did not answer is asked again, at first; then each time twice as late.
const OPEN_AGAIN: Duration = Duration::from_secs(5);
/// But not later.
const OPEN_AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// The label has a record, which may be the one that this job put before a restart; or nobody heard whether it was put.
const MAY_BE_COMMITTED: [&str; 2] = ["CAIRN-R004", "CAIRN-A005"];

/// Why a job did not come to its end.
enum Stop {
    /// It failed, or was cancelled: that is its end.
    Failed(Failure),
    /// The same, and the engine has logged it.
    Logged(Failure),
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

/// Runs a job from its row to its end. What is logged meanwhile stands in a span that has the id which SHOW gives it.
pub(super) async fn follow(jobs: Jobs, row: JobRow, live: Arc<Live>) {
    let span =
        tracing::error_span!(target: JOB_SPANS, "sql_job", id = row.id, database = row.database);
    follow_to_end(jobs, row, live).instrument(span).await;
}

async fn follow_to_end(jobs: Jobs, row: JobRow, live: Arc<Live>) {
    let mut row = row;
    let failure = match caught(run(&jobs, &mut row, &live)).await {
        Ok(()) => None,
        Err(Stop::Failed(failure) | Stop::Unsure(failure)) => {
            let (label, error) = (&row.label, &failure.message);
            match live.is_cancelled() {
                true => tracing::info!(target: JOB_EVENTS, label, error, "cancelled"),
                false => tracing::error!(target: JOB_EVENTS, label, error, "failed"),
            }
            Some(failure)
        }
        Err(Stop::Logged(failure)) => Some(failure),
        Err(Stop::ServerStops) => return,
    };
    let ended = row.ended(failure, now_millis());
    // Until it is written down it is not shown, and the job keeps others from running.
    while let Err(error) = write_down(&jobs, &ended).await {
        let error = error.message;
        tracing::error!(error, "the end of the job could not be written down");
        sleep(WRITE_AGAIN).await;
    }
}

/// A task that panics is a job that failed: else it would run for ever and keep others from running.
async fn caught(running: impl Future<Output = Result<(), Stop>>) -> Result<(), Stop> {
    let ended = AssertUnwindSafe(running).catch_unwind().await;
    ended.unwrap_or_else(|_| {
        let message = "the job was given up after a fault of the server; see its log".to_owned();
        Err(common(message).into())
    })
}

async fn write_down(jobs: &Jobs, row: &JobRow) -> Result<(), Failure> {
    let (jobs, row) = (jobs.clone(), row.clone());
    blocking(move || jobs.change(&row)).await.map_err(of_sql)
}

async fn run(jobs: &Jobs, row: &mut JobRow, live: &Arc<Live>) -> Result<(), Stop> {
    let left = Duration::from_millis(row.time_left(now_millis()).unwrap_or_default());
    let deadline = Instant::now() + left;
    let opened = open(jobs, row, live, deadline).await;
    if let Err(Stop::Failed(_)) = &opened {
        // The engine counts only what reaches it.
        let kind = if row.is_backup() { JobKind::Backup } else { JobKind::Restore };
        let is_wanted = live.is_cancelled();
        let outcome = if is_wanted { JobState::Cancelled } else { JobState::Failed };
        cairn_pipeline::metrics::count_unstarted(kind, outcome);
    }
    let repository = opened?;
    if live.is_cancelled() || left.is_zero() {
        // An earlier life of the server may have finished it first.
        if live.is_resumed && is_committed(jobs, row, &repository).await? {
            return Ok(());
        }
        let failure = if live.is_cancelled() { cancelled(row) } else { timed_out(row) };
        return Err(failure.into());
    }
    match row.task.clone() {
        JobTask::Backup { objects, ttl } => {
            // The journal has only what was understood once.
            let ttl = ttl.and_then(|ttl| ttl.parse().ok());
            let asked = (objects.as_slice(), ttl);
            match back_up(jobs, row, live, deadline, &repository, asked).await {
                Err(Stop::Unsure(failure)) => {
                    let is_committed = is_committed(jobs, row, &repository).await?;
                    if is_committed { Ok(()) } else { Err(Stop::Logged(failure)) }
                }
                ended => ended,
            }
        }
        JobTask::Restore { .. } => restore(jobs, row, live, deadline, &repository).await,
    }
}

/// The repository of a job. After a restart, when the network may not be there yet, one that does not answer is asked until it
/// does: the job has its time.
async fn open(
    jobs: &Jobs,
    row: &JobRow,
    live: &Live,
    deadline: Instant,
) -> Result<Arc<Repository>, Stop> {
    let mut pause = OPEN_AGAIN;
    loop {
        let error = match open_once(jobs, row, live, deadline).await? {
            Ok(opened) => return Ok(opened),
            Err(Unopened { refused, may_pass: true }) if live.is_resumed => refused.message,
            Err(Unopened { refused, .. }) => return Err(common(refused.message).into()),
        };
        tracing::warn!(target: JOB_EVENTS, label = row.label, error, "waits for its repository");
        tokio::select! {
            biased;
            () = live.cancelled() => return Err(cancelled(row).into()),
            () = sleep_until(deadline) => return Err(timed_out(row).into()),
            () = sleep(pause) => pause = (pause * 2).min(OPEN_AGAIN_AT_MOST),
        }
    }
}

/// One that may have finished already waits for an answer, whatever is wished meanwhile: its end is told there.
async fn open_once(
    jobs: &Jobs,
    row: &JobRow,
    live: &Live,
    deadline: Instant,
) -> Result<Result<Arc<Repository>, Unopened>, Stop> {
    let (repositories, name) = (Arc::clone(&jobs.shared.repositories), row.repository.clone());
    let to_write = row.is_backup();
    let opening = in_background(move || {
        if to_write { repositories.open_to_write(&name) } else { repositories.open(&name) }
    });
    if live.is_resumed && to_write {
        return Ok(opening.await?);
    }
    tokio::select! {
        biased;
        () = live.cancelled() => Err(cancelled(row).into()),
        () = sleep_until(deadline) => Err(timed_out(row).into()),
        opened = opening => Ok(opened?),
    }
}

/// Whether the repository has a record that only this job can have put: of this warehouse, since the job was asked for. Of the
/// jobs of a server one at a time may write a label.
async fn is_committed(
    jobs: &Jobs,
    row: &JobRow,
    repository: &Arc<Repository>,
) -> Result<bool, Failure> {
    if !row.is_backup() {
        return Ok(false);
    }
    let (repository, label) = (Arc::clone(repository), row.label.clone());
    let origin = WarehouseSource::new(jobs.shared.warehouse.clone(), Vec::new()).origin();
    let since = row.created_at;
    let look = move || match repository.snapshot(&label) {
        Ok(record) => {
            let taken = Millis::try_from(record.timestamp.as_unix_millis());
            Ok(record.origin == origin && taken.is_ok_and(|taken| taken >= since))
        }
        Err(error) if error.code() == NO_SUCH_SNAPSHOT => Ok(false),
        Err(error) => Err(refusal::general(refusal::with_causes(&error))),
    };
    blocking(look).await.map_err(of_sql)
}

async fn back_up(
    jobs: &Jobs,
    row: &mut JobRow,
    live: &Arc<Live>,
    deadline: Instant,
    repository: &Repository,
    (objects, ttl): (&[JobObjectRow], Option<Period>),
) -> Result<(), Stop> {
    let engine = &jobs.shared.engine;
    let request = BackupRequest::new(&row.label).map_err(failure_of)?;
    let request = request.select(selection(&row.database, objects)).keep_for(ttl);
    let objects = objects.iter().map(|object| backup_object(&row.database, object));
    let source = WarehouseSource::new(jobs.shared.warehouse.clone(), objects.collect());
    let job = engine.backup(repository, Arc::new(source), request);
    watch(jobs, row, live, deadline, job).await
}

async fn restore(
    jobs: &Jobs,
    row: &mut JobRow,
    live: &Arc<Live>,
    deadline: Instant,
    repository: &Repository,
) -> Result<(), Stop> {
    let JobTask::Restore { timestamp, from_database, objects, replication_num, .. } = &row.task
    else {
        return Ok(());
    };
    if objects.is_empty() {
        // Every object is an active materialized view.
        return Ok(());
    }
    let mut request = RestoreRequest::new(&row.label).map_err(failure_of)?;
    let taken = timestamp.parse::<Timestamp>();
    let taken = taken.map_err(|error| Failure {
        code: StatusCode::NotFound,
        message: format!("backup_timestamp {timestamp}: {error}"),
    })?;
    request = request.taken_at(taken);
    for item in restore_items(from_database, &row.database, objects) {
        request = request.item(item);
    }
    let (now, earlier) = (clock::timestamp(), jobs.restored_names());
    let settings = RestoreSettings { replication_num: *replication_num, now, earlier };
    let restorer = Restorer { name: row.user.clone(), host: row.host.clone() };
    let warehouse = jobs.shared.warehouse.clone();
    let sink = match &live.claim {
        Some(claim) => WarehouseSink::claimed(warehouse, settings, Arc::clone(claim)),
        None => WarehouseSink::new(warehouse, settings),
    };
    let sink = sink.permitted_by(Arc::new(restorer));
    let job = jobs.shared.engine.restore(repository, Arc::new(sink), request);
    watch(jobs, row, live, deadline, job).await?;
    let restored: Vec<_> = row.restored().map(|(_, now)| now).collect();
    jobs.shared.refreshes.after_restore(&restored).await;
    Ok(())
}

/// Follows a job of the engine to its end, tells its states, and cancels it at the deadline.
async fn watch<R>(
    jobs: &Jobs,
    row: &mut JobRow,
    live: &Arc<Live>,
    deadline: Instant,
    mut job: JobHandle<R>,
) -> Result<(), Stop> {
    live.attach(job.canceller(), job.watch());
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
                    ErrorKind::Storage => {
                        let failure = failure_of(error);
                        let at = jobs.shared.repositories.describe(&row.repository);
                        let message = format!("{at}: {}", failure.message);
                        Stop::Logged(Failure { message, ..failure })
                    }
                    _ => Stop::Logged(failure_of(error)),
                });
            }
            () = sleep_until(deadline), if !is_late => {
                is_late = true;
                job.cancel();
            }
            _ = looks.tick() => {
                if let Some(next) = row.advanced(job.state(), now_millis()) {
                    match write_down(jobs, &next).await {
                        Ok(()) => *row = next,
                        // SHOW stays behind; the next look tries again.
                        Err(error) => {
                            let error = error.message;
                            tracing::error!(error, "the journal cannot be written");
                        }
                    }
                }
            }
        }
    }
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| common(error.to_string()))
}

fn of_sql(error: SqlError) -> Failure {
    common(error.message)
}

fn common(message: String) -> Failure {
    Failure { code: StatusCode::CommonError, message }
}

/// The objects of a backup as the engine asks for them.
fn selection(database: &str, objects: &[JobObjectRow]) -> Selection {
    let item = |object: &JobObjectRow| SelectedItem {
        database: object.database_of(database).to_owned(),
        object: Some(object.name.clone()),
        partitions: (!object.partitions.is_empty()).then(|| object.partitions.clone()),
    };
    Selection { items: objects.iter().map(item).collect() }
}

fn backup_object(database: &str, object: &JobObjectRow) -> BackupObject {
    BackupObject {
        kind: ObjectKind::parse(&object.kind).unwrap_or(ObjectKind::Table),
        database: object.database_of(database).to_owned(),
        name: object.name.clone(),
        partitions: (!object.partitions.is_empty()).then(|| object.partitions.clone()),
    }
}

/// What a restore asks the engine for.
fn restore_items(from: &str, into: &str, objects: &[JobObjectRow]) -> Vec<RestoreItem> {
    let item = |object: &JobObjectRow| RestoreItem {
        database: object.database_of(from).to_owned(),
        object: Some(object.name.clone()),
        partitions: (!object.partitions.is_empty()).then(|| object.partitions.clone()),
        as_database: (from != into).then(|| object.database_of(into).to_owned()),
        as_object: object.alias.clone(),
    };
    objects.iter().map(item).collect()
}

fn cancelled(row: &JobRow) -> Failure {
    let message = if row.is_backup() {
        "user cancelled".to_owned()
    } else {
        format!("user cancelled, current state: {}", row.state.as_str())
    };
    common(message)
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
    Failure { code, message: words(&error) }
}

/// What happened. A refusal of the warehouse is in words for users: what the engine says before them, on what it worked, is not.
fn words(error: &Error) -> String {
    use TabletErrorKind::{Busy, Invalid, NotFound, Unsupported};
    let whole = refusal::with_causes(error);
    let is_refusal =
        [Busy, Invalid, NotFound, Unsupported].iter().any(|kind| kind.code() == error.code());
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let cause = cause.filter(|cause| is_refusal && whole.ends_with(cause));
    cause.unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_end() {
        let ended = caught(async { panic!("as was asked") }).await;
        assert!(
            matches!(ended, Err(Stop::Failed(Failure { message, .. })) if message.contains("fault"))
        );
    }
}
