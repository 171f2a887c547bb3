//! [`Jobs`]: backups and restores of this server, past and present.
//!
//! A statement is answered as soon as its job is written down (W7); a task of its own sees it through. One job runs for a database
//! at a time, unless the setting allows more whose objects do not meet. A server that comes back begins unfinished jobs anew,
//! under their ids: a backup finds what it had stored, also its record, a restore stages everything again unless it is installed.
//! The tables of a restore are its own from the moment it is accepted.

mod cancel;
mod live;
mod row;
mod run;
mod show;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_pipeline::{Engine, ProgressSnapshot};
use cairn_warehouse::store::Transaction;
use cairn_warehouse::{ObjectKind, RestoreClaim, RestoredNames, Warehouse};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::clock::{Millis, now_millis};
use crate::mysql::SqlError;
use crate::refresh::Refreshes;
use crate::refusal;
use crate::repository::Repositories;
use live::Live;
pub(crate) use row::{JobObjectRow, JobRow, JobTask, State};
pub(crate) use show::{backup_rows, restore_rows};
pub use watched::WatchedJob;

/// The collection of documents that holds the rows.
const COLLECTION: &str = "jobs";
/// The collection of receipts: of restores that are installed and whose end is not yet written down.
const RECEIPTS: &str = "installed_restores";
/// Why a job is refused beside another.
const BUSY: &str = "Can only run one backup or restore job of a database at same time";
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
    /// Who asks: name and host of the account.
    pub user: (String, String),
    /// Whether jobs of one database may run beside each other when their objects do not meet.
    pub beside_others: bool,
}

/// A job as a host sees it that waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// Its id.
    pub id: u64,
    /// `BACKUP` or `RESTORE`.
    pub kind: &'static str,
    /// The database that it is about.
    pub database: String,
    /// The label of the snapshot.
    pub label: String,
    /// The state, as SHOW tells it.
    pub state: &'static str,
    /// Whether it has ended.
    pub is_over: bool,
    /// Why it did not finish.
    pub failure: Option<String>,
}

impl JobView {
    fn of(row: &JobRow) -> Self {
        Self {
            id: row.id,
            kind: if row.is_backup() { "BACKUP" } else { "RESTORE" },
            database: row.database.clone(),
            label: row.label.clone(),
            state: row.state.as_str(),
            is_over: row.state.is_final(),
            failure: row.failure.as_ref().map(|failure| failure.message.clone()),
        }
    }
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
    refreshes: Refreshes,
    runtime: Handle,
    /// Held by whoever changes rows, while the journal takes the change: before the table, and not on threads of connections.
    journal: Mutex<()>,
    /// By id. What the journal has: a change comes here after that, so SHOW never tells what a crash would take back (W7).
    /// Held for a look or a step.
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

impl Jobs {
    /// The jobs that a warehouse knows of; none runs until [`Jobs::resume`].
    pub fn load(
        warehouse: Warehouse,
        engine: Engine,
        repositories: Arc<Repositories>,
        refreshes: Refreshes,
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
        let shared = Shared {
            warehouse,
            engine,
            repositories,
            refreshes,
            runtime,
            journal: Mutex::default(),
            table: Mutex::new(table),
            ended: Notify::new(),
        };
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
                Some(_) => {
                    self.change(&row.ended(None, now_millis()))?;
                    let restored: Vec<_> = row.restored().map(|(_, now)| now).collect();
                    let refreshes = self.shared.refreshes.clone();
                    self.shared
                        .runtime
                        .spawn(async move { refreshes.after_restore(&restored).await });
                }
                None => {
                    let _journal = lock(&self.shared.journal);
                    self.begin(row.resumed(), true)?;
                }
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
            user: new.user.0,
            host: new.user.1,
            is_cancelled: false,
        };
        // Of two jobs that exclude each other one is refused.
        let _journal = lock(&self.shared.journal);
        let refused =
            self.lock().values().find_map(|entry| exclusion(&entry.row, &row, beside_others));
        if let Some(why) = refused {
            return Err(refusal::general(why));
        }
        self.begin(row, false)?;
        Ok(id)
    }

    /// Refuses a database whose only job runs: told at once, before a repository that this job keeps busy is asked.
    pub fn refuse_busy(&self, database: &str, beside_others: bool) -> Result<(), SqlError> {
        let runs = |entry: &Entry| entry.row.database == database && !entry.row.state.is_final();
        if !beside_others && self.lock().values().any(runs) { Err(is_busy()) } else { Ok(()) }
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
            let progress = entry.live.as_ref().map(|live| live.progress());
            (entry.row.clone(), progress)
        };
        wanted.map(with_progress).collect()
    }

    /// All of them, by id.
    pub fn views(&self) -> Vec<JobView> {
        self.lock().values().map(|entry| JobView::of(&entry.row)).collect()
    }

    /// Whether there are jobs that are about no database.
    pub fn has_of_no_database(&self) -> bool {
        self.lock().values().any(|entry| entry.row.database.is_empty())
    }

    /// Where the restores that are remembered put what they took.
    fn restored_names(&self) -> RestoredNames {
        let mut names = RestoredNames::default();
        for Entry { row, .. } in self.lock().values() {
            if row.state == State::Finished {
                row.restored().for_each(|(source, target)| names.add(source, target));
            }
        }
        names
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
        let _journal = lock(&self.shared.journal);
        let old = old_jobs(self.lock().values().map(|entry| &entry.row), now);
        if old.is_empty() {
            return Ok(());
        }
        let remove = |tx: &mut Transaction<'_>| {
            old.iter().for_each(|id| tx.remove_document(COLLECTION, &key(*id)));
            Ok(())
        };
        self.shared.warehouse.store().transact(remove).map_err(refusal::of_warehouse)?;
        self.lock().retain(|id, _| !old.contains(id));
        Ok(())
    }

    /// Writes down a job and starts it; the caller holds the journal.
    fn begin(&self, row: JobRow, is_resumed: bool) -> Result<(), SqlError> {
        let claim = self.claim(&row)?;
        self.write(&row)?;
        let live = Arc::new(Live::new(row.is_cancelled, claim, is_resumed));
        self.lock().insert(row.id, Entry { row: row.clone(), live: Some(Arc::clone(&live)) });
        let jobs = self.clone();
        self.shared.runtime.spawn(async move { run::follow(jobs, row, live).await });
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

    /// A row in a new state: to the journal, then to SHOW. Where the journal cannot be written, SHOW stays as well. Blocks.
    fn change(&self, row: &JobRow) -> Result<(), SqlError> {
        let _journal = lock(&self.shared.journal);
        let known = {
            let table = self.lock();
            table.get(&row.id).map(|entry| (entry.row.is_cancelled, entry.live.clone()))
        };
        let (is_cancelled, live) = known.unwrap_or_default();
        let row = JobRow { is_cancelled, ..row.clone() };
        self.write(&row)?;
        let is_over = row.state.is_final();
        // Before SHOW tells of the end: who reads it there may load.
        let ended = live.as_ref().filter(|_| is_over);
        if let Some(claim) = ended.and_then(|live| live.claim.as_ref()) {
            claim.release();
        }
        if let Some(entry) = self.lock().get_mut(&row.id) {
            entry.row = row;
            entry.live.take_if(|_| is_over);
        }
        if is_over {
            self.shared.ended.notify_waiters();
        }
        Ok(())
    }

    fn write(&self, row: &JobRow) -> Result<(), SqlError> {
        let document =
            serde_json::to_value(row).map_err(|error| refusal::corrupt("job", &error))?;
        let write = |tx: &mut Transaction<'_>| {
            if row.state.is_final() {
                tx.remove_document(RECEIPTS, &key(row.id));
            }
            tx.put_document(COLLECTION, &key(row.id), &document)
        };
        self.shared.warehouse.store().transact(write).map_err(refusal::of_warehouse)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        lock(&self.shared.table)
    }
}

/// What these mutexes guard is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_busy() -> SqlError {
    refusal::general(BUSY)
}

/// Ids in the order of their making.
fn key(id: u64) -> String {
    format!("{id:020}")
}

/// Jobs that ended so long ago that nobody asks for them; the last ones of each database are kept.
fn old_jobs<'a>(rows: impl DoubleEndedIterator<Item = &'a JobRow>, now: Millis) -> BTreeSet<u64> {
    let mut seen: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let mut old = BTreeSet::new();
    for row in rows.rev() {
        let rank = seen.entry((&row.database, row.is_backup())).or_default();
        *rank += 1;
        let is_old = row.finished_at.is_some_and(|at| now.saturating_sub(at) > KEEP_MILLIS);
        if is_old && *rank > KEPT_JOBS {
            old.insert(row.id);
        }
    }
    old
}

/// Why a job that there is keeps another from running.
fn exclusion(there: &JobRow, new: &JobRow, beside_others: bool) -> Option<String> {
    if there.state.is_final() {
        return None;
    }
    // Only one of two backups may put a snapshot, so that a record tells whose it is.
    let is_label_taken = there.is_backup()
        && new.is_backup()
        && (&there.repository, &there.label) == (&new.repository, &new.label);
    if is_label_taken {
        return Some(format!(
            "Snapshot with name '{}' is being written by job {} of database {}",
            new.label, there.id, there.database
        ));
    }
    let name = |object: &JobObjectRow| object.alias.clone().unwrap_or_else(|| object.name.clone());
    let meet = || there.objects().iter().any(|a| new.objects().iter().any(|b| name(a) == name(b)));
    if there.database == new.database && (!beside_others || meet()) {
        return Some(BUSY.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(id: u64, database: &str, label: &str, names: &[&str]) -> JobRow {
        let object = |name: &&str| JobObjectRow {
            kind: "table".to_owned(),
            name: (*name).to_owned(),
            partitions: Vec::new(),
            alias: None,
        };
        JobRow {
            id,
            database: database.to_owned(),
            repository: "r".to_owned(),
            label: label.to_owned(),
            task: JobTask::Backup { objects: names.iter().map(object).collect(), ttl: None },
            state: State::Uploading,
            created_at: 0,
            prepared_at: None,
            moved_at: None,
            finished_at: None,
            failure: None,
            timeout_seconds: 600,
            user: "root".to_owned(),
            host: "%".to_owned(),
            is_cancelled: false,
        }
    }

    #[test]
    fn jobs_of_a_database_or_of_a_label_exclude_each_other() {
        let there = backup(1, "d", "a", &["t", "u"]);
        for (new, beside_others, is_excluded) in [
            (backup(2, "d", "b", &["x"]), false, true),
            (backup(2, "d", "b", &["x"]), true, false),
            (backup(2, "d", "b", &["x", "u"]), true, true),
            (backup(2, "e", "b", &["t"]), false, false),
            (backup(2, "e", "a", &["x"]), true, true),
        ] {
            let why = exclusion(&there, &new, beside_others);
            assert_eq!(why.is_some(), is_excluded, "{new:?}: {why:?}");
            assert_eq!(exclusion(&there.ended(None, 1), &new, beside_others), None);
        }
    }

    #[test]
    fn old_jobs_go_but_the_last_of_each_database() {
        let ended = |id, database| backup(id, database, "l", &["t"]).ended(None, 0);
        let rows = [ended(1, "d"), ended(2, "d"), ended(3, "e"), backup(4, "d", "l", &["t"])];
        assert_eq!(old_jobs(rows.iter(), KEEP_MILLIS), BTreeSet::new());
        assert_eq!(old_jobs(rows.iter(), KEEP_MILLIS + 1), BTreeSet::from([1, 2]));
    }
}
