//! [`Jobs`]: backups and restores of this server, past and present.
//!
//! A statement is answered as soon as its job is written down (W7); a task of its own sees it through. One job runs for a database
//! at a time, unless the setting allows more whose objects do not meet. A server that comes back begins unfinished jobs anew,
//! under their ids: a backup finds what it had stored, also its record, a restore stages everything again unless it is installed.
//! The tables of a restore are its own from the moment it is accepted.

mod row;
mod run;
mod show;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_pipeline::{Canceller, Engine, ProgressSnapshot};
use cairn_warehouse::{ObjectKind, RestoreClaim, Warehouse};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::clock::{Millis, now_millis};
use crate::mysql::SqlError;
use crate::refusal;
use crate::repository::Repositories;
pub(crate) use row::{JobObjectRow, JobRow, JobTask, State};
pub(crate) use show::{backup_rows, restore_rows};

/// The collection of documents that holds the rows.
const COLLECTION: &str = "jobs";
/// The collection of receipts: of restores that are installed and whose end is not yet written down.
const RECEIPTS: &str = "installed_restores";
/// Ended jobs that are kept for each database and kind, beside those of the time below.
const KEPT_JOBS: usize = 1;
/// How long ended jobs are kept: seven days, as StarRocks does.
const KEEP_MILLIS: Millis = 7 * 24 * 3_600_000;

/// What a new job is asked for.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The database that it is about.
    pub database: String,
    /// The repository.
    pub repository: String,
    /// The label.
    pub label: String,
    /// What it does.
    pub task: JobTask,
    /// After how many seconds it is given up.
    pub timeout_seconds: u64,
    /// Who asks.
    pub user: String,
    /// Whether jobs of one database may run beside each other when their objects do not meet.
    pub beside_others: bool,
}

/// The jobs of a server.
#[derive(Debug, Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    warehouse: Warehouse,
    engine: Engine,
    repositories: Arc<Repositories>,
    runtime: Handle,
    /// By id. A change of a row is made under this lock after the journal has it, so SHOW never tells what a crash would
    /// take back.
    table: Mutex<BTreeMap<u64, Entry>>,
    /// Told whenever a job ends.
    ended: Notify,
}

/// A job, and what only this process knows of it.
#[derive(Debug)]
struct Entry {
    row: JobRow,
    live: Option<Arc<Live>>,
}

/// A job that runs.
#[derive(Debug, Default)]
struct Live {
    canceller: Mutex<Option<Canceller>>,
    progress: Mutex<ProgressSnapshot>,
    is_cancelled: AtomicBool,
    /// Of a restore.
    claim: Option<Arc<RestoreClaim>>,
}

impl Live {
    fn new(claim: Option<Arc<RestoreClaim>>) -> Self {
        Self { claim, ..Self::default() }
    }

    /// Cancels the job, also one that has not reached the engine yet.
    fn cancel(&self) {
        // In one order with the switch: whoever puts it there afterwards sees the wish.
        self.is_cancelled.store(true, Ordering::SeqCst);
        if let Some(canceller) = &*lock(&self.canceller) {
            canceller.cancel();
        }
    }

    /// Whether somebody wants it cancelled.
    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    /// Keeps the switch of the engine's job.
    fn attach(&self, canceller: Canceller) {
        *lock(&self.canceller) = Some(canceller);
        if self.is_cancelled() {
            self.cancel();
        }
    }
}

impl Jobs {
    /// The jobs that a warehouse knows of; none runs until [`Jobs::resume`].
    pub fn load(
        warehouse: Warehouse,
        engine: Engine,
        repositories: Arc<Repositories>,
        runtime: Handle,
    ) -> Result<Self, SqlError> {
        let mut table = BTreeMap::new();
        for (key, document) in
            warehouse.store().documents(COLLECTION).map_err(refusal::of_warehouse)?
        {
            let row: JobRow = serde_json::from_value(document)
                .map_err(|error| refusal::corrupt(&format!("job {key}"), &error))?;
            table.insert(row.id, Entry { row, live: None });
        }
        let table = Mutex::new(table);
        let shared =
            Shared { warehouse, engine, repositories, runtime, table, ended: Notify::new() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Begins jobs anew that an earlier process left unfinished.
    pub fn resume(&self) -> Result<(), SqlError> {
        let unfinished: Vec<JobRow> = {
            let table = self.lock();
            let rows = table.values().map(|entry| &entry.row);
            rows.filter(|row| !row.state.is_final()).cloned().collect()
        };
        for row in unfinished {
            tracing::info!(
                job = row.id,
                label = row.label,
                "a job of before the restart begins anew"
            );
            let store = self.shared.warehouse.store();
            let receipt = store.document(RECEIPTS, &key(row.id));
            match receipt.map_err(refusal::of_warehouse)? {
                Some(_) => self.change(row.ended(None, now_millis())),
                None => self.start(row.resumed())?,
            }
        }
        Ok(())
    }

    /// Accepts a job and starts it. Blocks for the journal.
    pub fn submit(&self, new: NewJob) -> Result<u64, SqlError> {
        let id = self.shared.warehouse.next_id().map_err(refusal::of_warehouse)?;
        let beside_others = new.beside_others;
        let row = JobRow {
            id,
            database: new.database,
            repository: new.repository,
            label: new.label,
            task: new.task,
            state: State::Pending,
            created_at: now_millis(),
            prepared_at: None,
            moved_at: None,
            finished_at: None,
            failure: None,
            timeout_seconds: new.timeout_seconds,
            user: new.user,
        };
        // The journal is written under the lock: of two jobs that exclude each other one is refused.
        let mut table = self.lock();
        if table.values().any(|entry| excludes(&entry.row, &row, beside_others)) {
            return Err(refusal::general(
                "Can only run one backup or restore job of a database at same time",
            ));
        }
        if let Some(writer) = table.values().find(|entry| writes_the_same(&entry.row, &row)) {
            return Err(refusal::general(format!(
                "Snapshot with name '{}' is being written by job {} of database {}",
                row.label, writer.row.id, writer.row.database
            )));
        }
        let claim = self.claim(&row)?;
        self.write(&row)?;
        let live = Arc::new(Live::new(claim));
        table.insert(id, Entry { row: row.clone(), live: Some(Arc::clone(&live)) });
        drop(table);
        self.spawn(row, live);
        Ok(id)
    }

    /// Cancels the running backup or restore of a database.
    pub fn cancel(&self, database: &str, backup: bool) -> Result<(), SqlError> {
        let table = self.lock();
        let mut of_database = table
            .values()
            .rev()
            .filter(|entry| entry.row.database == database && entry.row.is_backup() == backup);
        let Some(entry) = of_database.find(|entry| !entry.row.state.is_final()) else {
            let word = if backup {
                "No backup job is currently running"
            } else {
                "No restore is currently running"
            };
            return Err(refusal::general(word));
        };
        if let Some(live) = &entry.live {
            live.cancel();
        }
        Ok(())
    }

    /// Whether a job runs on a repository.
    pub fn uses(&self, repository: &str) -> bool {
        self.lock()
            .values()
            .any(|entry| entry.row.repository == repository && !entry.row.state.is_final())
    }

    /// Whether a job reads or writes a snapshot: its kind.
    pub fn uses_snapshot(&self, repository: &str, label: &str) -> Option<bool> {
        let table = self.lock();
        let mut running = table.values().map(|entry| &entry.row).filter(|row| {
            row.repository == repository && row.label == label && !row.state.is_final()
        });
        running.next().map(JobRow::is_backup)
    }

    /// The jobs of a database, the newest first, with the progress of those that run.
    pub fn of_database(
        &self,
        database: Option<&str>,
        backup: bool,
    ) -> Vec<(JobRow, Option<ProgressSnapshot>)> {
        let table = self.lock();
        let wanted = table.values().rev().filter(|entry| {
            entry.row.is_backup() == backup
                && database.is_none_or(|database| entry.row.database == database)
        });
        let with_progress = |entry: &Entry| {
            let progress = entry.live.as_ref().map(|live| *lock(&live.progress));
            (entry.row.clone(), progress)
        };
        wanted.map(with_progress).collect()
    }

    /// Waits until no job runs.
    pub async fn idle(&self) {
        loop {
            let ended = self.shared.ended.notified();
            if self.lock().values().all(|entry| entry.live.is_none()) {
                return;
            }
            ended.await;
        }
    }

    /// Removes rows of jobs that ended long ago. Blocks.
    pub fn sweep(&self, now: Millis) -> Result<(), SqlError> {
        let mut table = self.lock();
        let mut seen: BTreeMap<(String, bool), usize> = BTreeMap::new();
        let mut old = Vec::new();
        for (id, entry) in table.iter().rev() {
            let row = &entry.row;
            let rank = seen.entry((row.database.clone(), row.is_backup())).or_default();
            *rank += 1;
            let is_old = row.finished_at.is_some_and(|at| now.saturating_sub(at) > KEEP_MILLIS);
            if is_old && *rank > KEPT_JOBS {
                old.push(*id);
            }
        }
        for id in old {
            let store = self.shared.warehouse.store();
            store.remove_document(COLLECTION, &key(id)).map_err(refusal::of_warehouse)?;
            table.remove(&id);
        }
        Ok(())
    }

    /// The existing tables of a restore become its own (W5).
    fn claim(&self, row: &JobRow) -> Result<Option<Arc<RestoreClaim>>, SqlError> {
        if row.is_backup() {
            return Ok(None);
        }
        let claim = RestoreClaim::new(self.shared.warehouse.clone());
        let claim = claim.with_receipt(RECEIPTS, &key(row.id));
        let tables = [ObjectKind::Table, ObjectKind::MaterializedView].map(ObjectKind::as_str);
        let objects = row.objects().iter().filter(|object| tables.contains(&&*object.kind));
        let names = objects.map(|object| object.alias.as_ref().unwrap_or(&object.name).as_str());
        claim.claim_named(&row.database, names).map_err(refusal::of_warehouse)?;
        Ok(Some(Arc::new(claim)))
    }

    fn start(&self, row: JobRow) -> Result<(), SqlError> {
        let live = Arc::new(Live::new(self.claim(&row)?));
        let mut table = self.lock();
        self.write(&row)?;
        table.insert(row.id, Entry { row: row.clone(), live: Some(Arc::clone(&live)) });
        drop(table);
        self.spawn(row, live);
        Ok(())
    }

    fn spawn(&self, row: JobRow, live: Arc<Live>) {
        let jobs = self.clone();
        self.shared.runtime.spawn(async move { run::follow(jobs, row, live).await });
    }

    /// A row in a new state: to the journal, then to SHOW.
    fn change(&self, row: JobRow) {
        let mut table = self.lock();
        // A journal that cannot be written is told of by the log; SHOW tells what is so.
        if let Err(error) = self.write(&row) {
            tracing::error!(job = row.id, %error, "the journal of jobs cannot be written");
        }
        let is_over = row.state.is_final();
        if let Some(entry) = table.get_mut(&row.id) {
            entry.row = row;
            // Before SHOW tells of the end: who reads it there may load.
            let ended = entry.live.take_if(|_| is_over);
            if let Some(claim) = ended.as_ref().and_then(|live| live.claim.as_ref()) {
                claim.release();
            }
        }
        drop(table);
        if is_over {
            self.shared.ended.notify_waiters();
        }
    }

    fn write(&self, row: &JobRow) -> Result<(), SqlError> {
        let document =
            serde_json::to_value(row).map_err(|error| refusal::corrupt("job", &error))?;
        let key = key(row.id);
        let written = self.shared.warehouse.store().transact(|tx| {
            if row.state.is_final() {
                tx.remove_document(RECEIPTS, &key);
            }
            tx.put_document(COLLECTION, &key, &document)
        });
        written.map_err(refusal::of_warehouse)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        lock(&self.shared.table)
    }
}

/// What these mutexes guard is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ids in the order of their making.
fn key(id: u64) -> String {
    format!("{id:020}")
}

/// Whether two backups would put one snapshot: only one of them may, so that a record tells whose it is.
fn writes_the_same(there: &JobRow, new: &JobRow) -> bool {
    let is_running_backup = there.is_backup() && !there.state.is_final();
    let snapshot = |row: &JobRow| (row.repository.clone(), row.label.clone());
    is_running_backup && new.is_backup() && snapshot(there) == snapshot(new)
}

/// Whether a job that there is keeps another from running.
fn excludes(there: &JobRow, new: &JobRow, beside_others: bool) -> bool {
    if there.state.is_final() || there.database != new.database {
        return false;
    }
    if !beside_others {
        return true;
    }
    let is_everything = |row: &JobRow| row.objects().is_empty();
    let name = |object: &JobObjectRow| object.alias.clone().unwrap_or_else(|| object.name.clone());
    is_everything(there)
        || is_everything(new)
        || there.objects().iter().any(|a| new.objects().iter().any(|b| name(a) == name(b)))
}
