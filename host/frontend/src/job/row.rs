//! [`JobRow`]: a backup or a restore as the journal keeps it, and the steps it may take. Pure.
//!
//! A row is written when a job is accepted, when it enters a state that SHOW tells, when it is cancelled, and when it ends (W7). What only the running
//! process can know, its progress, is not in it. Names of states are StarRocks'.

use cairn_pipeline::JobState;
use cairn_warehouse::ObjectKind;
use serde::{Deserialize, Serialize};

use crate::account::ANY_HOST;

/// Milliseconds since 1970-01-01.
pub(crate) type Millis = i64;

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    /// Its id; also its key in the journal.
    pub id: u64,
    /// The database that it is about: of a restore, the one restored into.
    pub database: String,
    /// The repository.
    pub repository: String,
    /// The label of the snapshot.
    pub label: String,
    /// What it does.
    pub task: JobTask,
    /// Where it stands.
    pub state: State,
    /// When it was asked for.
    pub created_at: Millis,
    /// When the view was taken (backup) or the manifests were read (restore).
    #[serde(default)]
    pub prepared_at: Option<Millis>,
    /// When the last byte was moved.
    #[serde(default)]
    pub moved_at: Option<Millis>,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<Millis>,
    /// Why it did not finish.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// After how many seconds it is given up.
    pub timeout_seconds: u64,
    /// Who asked for it.
    pub user: String,
    /// The host of that account.
    #[serde(default = "any_host")]
    pub host: String,
    /// Whether it has been cancelled; it may still finish, where it was too late for that.
    #[serde(default)]
    pub is_cancelled: bool,
}

/// Rows of before accounts were kept with their host.
fn any_host() -> String {
    ANY_HOST.to_owned()
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobTask {
    /// Puts objects into a repository.
    Backup {
        /// The objects, as found when it was accepted.
        objects: Vec<JobObjectRow>,
        /// How long the snapshot is to be kept, such as `7 DAY`; none is for ever.
        #[serde(default)]
        ttl: Option<String>,
    },
    /// Takes objects out of a repository.
    Restore {
        /// The timestamp of the snapshot.
        timestamp: String,
        /// The database in the snapshot.
        from_database: String,
        /// The objects, by their names in the snapshot.
        objects: Vec<JobObjectRow>,
        /// Copies that were asked for.
        replication_num: u16,
        /// As typed; nothing follows from it.
        allow_load: bool,
        /// Materialized views that were asked for and left as they are, being active.
        #[serde(default)]
        skipped: Vec<String>,
    },
}

/// An object of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobObjectRow {
    /// What it is: a kind of the engine, such as `table`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Only these partitions; nothing is all of them.
    #[serde(default)]
    pub partitions: Vec<String>,
    /// Under which name it is restored; nothing is the same.
    #[serde(default)]
    pub alias: Option<String>,
}

/// Why a job did not finish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A status code of StarRocks'.
    pub code: StatusCode,
    /// What happened.
    pub message: String,
}

/// Status codes of StarRocks' that a job can end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StatusCode {
    /// Something that was needed is not there.
    NotFound,
    /// Stored bytes are not what they must be.
    BadFile,
    /// The time was up.
    Timeout,
    /// The repository could not be reached.
    BadConnection,
    /// Everything else, and a cancel.
    CommonError,
}

impl StatusCode {
    /// The word in SHOW.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::BadFile => "BAD_FILE",
            Self::Timeout => "TIMEOUT",
            Self::BadConnection => "BAD_CONNECTION",
            Self::CommonError => "COMMON_ERROR",
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted.
    Pending,
    /// The view is taken (backup); manifests are read (restore).
    Snapshoting,
    /// Data is on its way to the repository.
    Uploading,
    /// Data is on its way from the repository.
    Downloading,
    /// Manifests and record are written.
    SaveMeta,
    /// What was restored is made live.
    Committing,
    /// Done.
    Finished,
    /// Ended without an effect.
    Cancelled,
}

impl State {
    /// The word in SHOW; the spelling is StarRocks'.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Snapshoting => "SNAPSHOTING",
            Self::Uploading => "UPLOADING",
            Self::Downloading => "DOWNLOADING",
            Self::SaveMeta => "SAVE_META",
            Self::Committing => "COMMITTING",
            Self::Finished => "FINISHED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing comes after it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled)
    }
}

impl JobObjectRow {
    /// Its database, where the job is about `database`: what is of the server is in none.
    pub fn database_of<'a>(&self, database: &'a str) -> &'a str {
        let of_server = [ObjectKind::User, ObjectKind::Role, ObjectKind::ResourceGroup];
        if ObjectKind::parse(&self.kind).is_some_and(|kind| of_server.contains(&kind)) {
            ""
        } else {
            database
        }
    }
}

impl JobRow {
    /// Whether it is a backup.
    pub fn is_backup(&self) -> bool {
        matches!(self.task, JobTask::Backup { .. })
    }

    /// The objects that it names.
    pub fn objects(&self) -> &[JobObjectRow] {
        match &self.task {
            JobTask::Backup { objects, .. } | JobTask::Restore { objects, .. } => objects,
        }
    }

    /// Of a restore, what each table and view was called in the snapshot and is called now, as (database, name).
    pub fn restored(&self) -> impl Iterator<Item = ((String, String), (String, String))> {
        let (from, objects) = match &self.task {
            JobTask::Restore { from_database, objects, .. } => (from_database, objects.as_slice()),
            JobTask::Backup { .. } => (&self.database, [].as_slice()),
        };
        let relations = [ObjectKind::Table, ObjectKind::MaterializedView, ObjectKind::View];
        let is_relation = move |object: &&JobObjectRow| {
            ObjectKind::parse(&object.kind).is_some_and(|kind| relations.contains(&kind))
        };
        objects.iter().filter(is_relation).map(move |object| {
            let now = object.alias.as_ref().unwrap_or(&object.name);
            ((from.clone(), object.name.clone()), (self.database.clone(), now.clone()))
        })
    }

    /// What the row becomes when the engine's job is in this state at this time; nothing when that is no news. The end is
    /// told by [`JobRow::ended`], which knows how it went.
    pub fn advanced(&self, engine: JobState, now: Millis) -> Option<Self> {
        if self.state.is_final() || engine.is_final() {
            return None;
        }
        let state = self.state_of(engine);
        if state == self.state {
            return None;
        }
        let mut next = Self { state, ..self.clone() };
        if matches!(state, State::Uploading | State::Downloading) {
            next.prepared_at.get_or_insert(now);
        }
        if matches!(state, State::SaveMeta | State::Committing) {
            next.prepared_at.get_or_insert(now);
            next.moved_at.get_or_insert(now);
        }
        Some(next)
    }

    /// The row at its end.
    pub fn ended(&self, failure: Option<Failure>, now: Millis) -> Self {
        let mut next = Self { finished_at: Some(now), failure, ..self.clone() };
        if next.failure.is_some() {
            next.state = State::Cancelled;
        } else {
            next.state = State::Finished;
            next.prepared_at.get_or_insert(now);
            next.moved_at.get_or_insert(now);
        }
        next
    }

    /// The row of a job that a stopped server left behind and that begins anew.
    pub fn resumed(&self) -> Self {
        Self { state: State::Pending, prepared_at: None, moved_at: None, ..self.clone() }
    }

    /// Milliseconds from this time until it is given up; nothing when that has passed.
    pub fn time_left(&self, now: Millis) -> Option<u64> {
        let limit = self.timeout_seconds.saturating_mul(1000);
        let spent = u64::try_from(now.saturating_sub(self.created_at)).unwrap_or(0);
        limit.checked_sub(spent).filter(|&left| left > 0)
    }

    fn state_of(&self, engine: JobState) -> State {
        match (engine, self.is_backup()) {
            (JobState::Snapshotting, _) => State::Snapshoting,
            (JobState::Uploading, _) => State::Uploading,
            (JobState::Downloading, _) => State::Downloading,
            (JobState::Committing, true) => State::SaveMeta,
            (JobState::Committing, false) => State::Committing,
            _ => self.state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(task: JobTask) -> JobRow {
        JobRow {
            id: 7,
            database: "d".to_owned(),
            repository: "r".to_owned(),
            label: "l".to_owned(),
            task,
            state: State::Pending,
            created_at: 1_000,
            prepared_at: None,
            moved_at: None,
            finished_at: None,
            failure: None,
            timeout_seconds: 600,
            host: "%".to_owned(),
            is_cancelled: false,
            user: "root".to_owned(),
        }
    }

    fn backup() -> JobRow {
        row(JobTask::Backup { objects: Vec::new(), ttl: None })
    }

    fn restore() -> JobRow {
        let (timestamp, from_database) = (String::new(), "d".to_owned());
        row(JobTask::Restore {
            timestamp,
            from_database,
            objects: Vec::new(),
            replication_num: 1,
            allow_load: false,
            skipped: Vec::new(),
        })
    }

    fn walk(mut row: JobRow, states: &[JobState]) -> (JobRow, Vec<&'static str>) {
        let mut words = vec![row.state.as_str()];
        for (now, state) in (2_000..).zip(states) {
            if let Some(next) = row.advanced(*state, now) {
                words.push(next.state.as_str());
                row = next;
            }
        }
        let row = row.ended(None, 9_000);
        words.push(row.state.as_str());
        (row, words)
    }

    #[test]
    fn states_are_told_in_starrocks_words() {
        use JobState::{Committing, Downloading, Pending, Snapshotting, Uploading};
        let (done, words) =
            walk(backup(), &[Pending, Snapshotting, Snapshotting, Uploading, Committing]);
        assert_eq!(words, ["PENDING", "SNAPSHOTING", "UPLOADING", "SAVE_META", "FINISHED"]);
        assert_eq!((done.prepared_at, done.moved_at), (Some(2_003), Some(2_004)));
        let (_, words) = walk(restore(), &[Snapshotting, Downloading, Committing]);
        assert_eq!(words, ["PENDING", "SNAPSHOTING", "DOWNLOADING", "COMMITTING", "FINISHED"]);
    }

    #[test]
    fn states_that_were_too_short_to_see_leave_no_hole_in_the_times() {
        let (done, words) = walk(backup(), &[]);
        assert_eq!(words, ["PENDING", "FINISHED"]);
        assert_eq!((done.prepared_at, done.moved_at), (Some(9_000), Some(9_000)));
    }

    #[test]
    fn an_end_is_an_end() {
        let failure = Failure { code: StatusCode::CommonError, message: "no".to_owned() };
        let ended = backup().ended(Some(failure), 5_000);
        assert_eq!((ended.state, ended.finished_at), (State::Cancelled, Some(5_000)));
        assert_eq!(ended.advanced(JobState::Uploading, 6_000), None);
    }

    #[test]
    fn time_runs_from_the_asking() {
        assert_eq!(backup().time_left(1_000), Some(600_000));
        assert_eq!(backup().time_left(600_999), Some(1));
        assert_eq!(backup().time_left(601_000), None);
        assert_eq!(backup().time_left(0), Some(600_000), "a clock that went back gives no time");
    }

    #[test]
    fn a_row_survives_the_journal() {
        for row in [backup(), restore(), restore().ended(None, 2_000)] {
            let text = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<JobRow>(&text).unwrap(), row);
        }
    }
}
