//! CANCEL: what was cancelled stays so after a crash (W7), and the job hears of it once that is written down.

use super::{JobRow, Jobs, lock};
use crate::mysql::SqlError;
use crate::refusal;

impl Jobs {
    /// Cancels the running backup or restore of a database. Blocks for the journal.
    pub fn cancel(&self, database: &str, backup: bool) -> Result<(), SqlError> {
        let is_it = |row: &JobRow| row.database == database && row.is_backup() == backup;
        if self.cancel_newest(is_it)? {
            return Ok(());
        }
        let table = self.lock();
        let newest = table.values().rev().find(|entry| entry.row.database == database);
        Err(no_running_job(newest.map(|entry| &entry.row), backup))
    }

    /// Cancels one job. Blocks for the journal.
    pub fn cancel_job(&self, id: u64) -> Result<(), SqlError> {
        if self.cancel_newest(|row| row.id == id)? {
            return Ok(());
        }
        Err(match self.lock().get(&id) {
            Some(entry) => no_running_job(Some(&entry.row), entry.row.is_backup()),
            None => refusal::general(format!("There is no job {id}")),
        })
    }

    /// Whether there was a running one.
    fn cancel_newest(&self, is_it: impl Fn(&JobRow) -> bool) -> Result<bool, SqlError> {
        let _journal = lock(&self.shared.journal);
        let running = {
            let table = self.lock();
            let mut newest = table.values().rev();
            let entry = newest.find(|entry| is_it(&entry.row) && !entry.row.state.is_final());
            entry.map(|entry| (entry.row.clone(), entry.live.clone()))
        };
        let Some((row, live)) = running else { return Ok(false) };
        let row = JobRow { is_cancelled: true, ..row };
        self.write(&row)?;
        if let Some(entry) = self.lock().get_mut(&row.id) {
            entry.row = row;
        }
        if let Some(live) = live {
            live.cancel();
        }
        Ok(true)
    }
}

/// Why there is nothing to cancel; `newest` is the last job of the database.
fn no_running_job(newest: Option<&JobRow>, backup: bool) -> SqlError {
    refusal::general(match newest {
        Some(row) if row.is_backup() == backup => format!(
            "Failed to cancel job: Job with label {} can not be cancelled. state: {}",
            row.label,
            row.state.as_str()
        ),
        _ if backup => "No backup job is currently running".to_owned(),
        _ => "No restore is currently running".to_owned(),
    })
}
