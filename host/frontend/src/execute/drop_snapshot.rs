//! DROP SNAPSHOT: all that is meant is looked up and judged before anything goes. A snapshot goes in one step; of several, those
//! before the one that fails are gone. Space is freed by a prune, not here. What may go is judged where sweeps are, too.
//!
//! A job of this server that reads or writes the snapshot keeps it. One of another server is not known here: a restore that
//! has begun there is not disturbed, for what it reads stays until a prune.

use std::sync::Arc;

use cairn_pipeline::{ListedSnapshot, Owner, Reason, Repository, Verdict};
use cairn_sql::statement::SnapshotFilter;
use cairn_warehouse::cluster_of_origin;

use super::snapshot::{find, understood};
use crate::account::privilege::{Action, REPOSITORY};
use crate::blocking::blocking;
use crate::frontend::Frontend;
use crate::mysql::{Answer, Done, SqlError};
use crate::refusal;
use crate::repository::NO_SUCH_SNAPSHOT;
use crate::session::Session;

pub(super) async fn run(
    session: &Session,
    repository: String,
    filter: SnapshotFilter,
    force: bool,
) -> Result<Answer, SqlError> {
    session.require(&session.frontend.warehouse.catalog(), Action::system(REPOSITORY))?;
    let filter = understood(filter)?;
    let frontend = Arc::clone(&session.frontend);
    let affected = blocking(move || Drop { frontend, repository, force }.run(&filter)).await?;
    Ok(Answer::Done(Done { affected, ..Done::default() }))
}

/// A statement that is executed.
struct Drop {
    frontend: Arc<Frontend>,
    repository: String,
    force: bool,
}

impl Drop {
    /// The number of snapshots that are gone.
    fn run(&self, filter: &SnapshotFilter) -> Result<u64, SqlError> {
        let name = &self.repository;
        if !self.frontend.repositories.has(name) {
            return Err(refusal::general(format!("Repository does not exist: {name}")));
        }
        let opened = self.frontend.repositories.open_to_write(name)?;
        for label in &filter.labels {
            self.refuse_path(label)?;
            self.refuse_used(label)?;
        }
        let listed = find(&opened, filter).map_err(|error| {
            let because = refusal::with_causes(&error);
            refusal::general(format!("Failed to list snapshots in repository {name}: {because}"))
        })?;
        let is_listed =
            |label: &&String| listed.iter().any(|snapshot| snapshot.label.as_str() == **label);
        if let Some(missing) = filter.labels.iter().find(|label| !is_listed(label)) {
            return Err(self.no_such(missing));
        }
        for snapshot in &listed {
            self.refuse_used(snapshot.label.as_str())?;
        }
        let verdicts = self.judge(&opened, &listed)?;
        for verdict in &verdicts {
            self.refuse_kept(&opened, verdict)?;
        }
        for verdict in &verdicts {
            self.forget(&opened, verdict)?;
        }
        Ok(verdicts.len() as u64)
    }

    /// What no label can be is told apart from what is not there.
    fn refuse_path(&self, label: &str) -> Result<(), SqlError> {
        if label.is_empty() || label.contains(['/', '\\']) {
            let because = "a label is not empty and has no path separator";
            return Err(self.failed(label, because));
        }
        Ok(())
    }

    fn refuse_used(&self, label: &str) -> Result<(), SqlError> {
        match self.frontend.jobs.uses_snapshot(&self.repository, label) {
            None => Ok(()),
            Some(true) => Err(refusal::general(format!(
                "Can not drop snapshot {label}: a backup is writing it"
            ))),
            Some(false) => Err(refusal::general(format!(
                "Can not drop snapshot {label}: a restore is reading it"
            ))),
        }
    }

    /// What becomes of snapshots that are named: without FORCE only what this cluster has made may go.
    fn judge(
        &self,
        opened: &Repository,
        listed: &[ListedSnapshot],
    ) -> Result<Vec<Verdict>, SqlError> {
        let owner = (!self.force).then(|| self.frontend.owner());
        opened.judge_named(listed, owner).map_err(|error| {
            let name = &self.repository;
            let because = refusal::with_causes(&error);
            refusal::general(format!("Failed to list snapshots in repository {name}: {because}"))
        })
    }

    /// Refuses a snapshot that something keeps, and says what.
    fn refuse_kept(&self, opened: &Repository, verdict: &Verdict) -> Result<(), SqlError> {
        let (label, name) = (&verdict.snapshot.label, &self.repository);
        match verdict.reasons.first() {
            Some(Reason::Held(hold)) => {
                let holds = opened.holds(Some(label)).unwrap_or_default();
                let taken = verdict.snapshot.taken();
                let holds = holds.iter().filter(|hold| hold.counts_for(taken));
                let by: Vec<String> = holds.map(ToString::to_string).collect();
                Err(refusal::general(format!(
                    "Snapshot {label} in repository {name} is held: {}. Release it with ALTER SNAPSHOT {label} ON {name} DROP HOLD {hold}",
                    by.join(", ")
                )))
            }
            Some(Reason::Foreign(owner)) => {
                let ours = self.frontend.warehouse.cluster_id();
                let whose = match owner {
                    Some(Owner::Origin(origin)) => cluster_of_origin(origin),
                    _ => None,
                };
                let whose = match whose {
                    Some(owner) => format!("was created by cluster {owner}"),
                    None => "does not record which cluster created it".to_owned(),
                };
                Err(refusal::general(format!(
                    "Snapshot {label} in repository {name} {whose}, and this cluster is {ours}. Use DROP SNAPSHOT ... FORCE to drop it anyway"
                )))
            }
            _ => Ok(()),
        }
    }

    fn forget(&self, opened: &Repository, verdict: &Verdict) -> Result<(), SqlError> {
        let label = verdict.snapshot.label.as_str();
        // A snapshot that took the label meanwhile is not meant.
        opened.forget_judged(verdict).map_err(|error| match error.code() {
            NO_SUCH_SNAPSHOT => self.no_such(label),
            _ => self.failed(label, &refusal::with_causes(&error)),
        })
    }

    fn no_such(&self, label: &str) -> SqlError {
        let repository = &self.repository;
        refusal::general(format!("Snapshot does not exist in repository {repository}: {label}"))
    }

    fn failed(&self, label: &str, because: &str) -> SqlError {
        refusal::general(format!(
            "Failed to delete snapshot {label} in repository {}: {because}",
            self.repository
        ))
    }
}
