//! ALTER SNAPSHOT ... ADD | DROP HOLD, and SHOW HOLDS: what keeps snapshots from being forgotten.

use std::sync::Arc;

use cairn_pipeline::{Hold, Label};
use cairn_sql::statement::AlterSnapshot;

use super::done;
use crate::account::privilege::{Action, REPOSITORY};
use crate::blocking::blocking;
use crate::mysql::{Answer, ResultSet, SqlError};
use crate::refusal;
use crate::repository::NO_SUCH_SNAPSHOT;
use crate::session::Session;

const COLUMNS: [&str; 6] = ["Snapshot", "Timestamp", "Hold", "Reason", "PlacedBy", "PlacedAt"];

pub(super) async fn alter(
    session: &Session,
    label: String,
    repository: String,
    change: AlterSnapshot,
) -> Result<Answer, SqlError> {
    require(session)?;
    let by = format!("{}@{}", session.user.0, session.user.1);
    let repositories = Arc::clone(&session.frontend.repositories);
    blocking(move || {
        let opened = repositories.open_to_write(&repository)?;
        let snapshot = label.parse::<Label>().map_err(|_| no_such(&repository, &label))?;
        let outcome = match &change {
            AlterSnapshot::AddHold { name, reason } => {
                opened.hold(&snapshot, &hold_name(name)?, reason, &by).map(drop)
            }
            AlterSnapshot::DropHold { name } => opened.release(&snapshot, &hold_name(name)?),
        };
        outcome.map_err(|error| match error.code() {
            NO_SUCH_SNAPSHOT => no_such(&repository, &label),
            _ => {
                let because = refusal::with_causes(&error);
                refusal::general(format!(
                    "Failed to alter snapshot {label} in repository {repository}: {because}"
                ))
            }
        })
    })
    .await?;
    Ok(done())
}

pub(super) async fn show(session: &Session, repository: String) -> Result<Answer, SqlError> {
    require(session)?;
    let repositories = Arc::clone(&session.frontend.repositories);
    let holds = blocking(move || {
        repositories.open(&repository)?.holds(None).map_err(|error| {
            let because = refusal::with_causes(&error);
            refusal::general(format!("Failed to list holds in repository {repository}: {because}"))
        })
    })
    .await?;
    let mut result = ResultSet::of_text(COLUMNS);
    result.rows = holds.into_iter().map(row).collect();
    Ok(Answer::Rows(result))
}

fn row(hold: Hold) -> Vec<Option<String>> {
    let Hold { label, taken, name, note } = hold;
    let mut row = vec![Some(label.to_string()), Some(taken.to_string()), Some(name.to_string())];
    row.extend(match note {
        Some(note) => [Some(note.reason), Some(note.by), Some(note.placed.to_string())],
        None => [None, None, None],
    });
    row
}

/// Holds are named as snapshots are.
fn hold_name(name: &str) -> Result<Label, SqlError> {
    name.parse().map_err(|error| {
        refusal::analysis(format_args!("Incorrect hold name '{name}': as of a label, {error}"))
    })
}

fn no_such(repository: &str, label: &str) -> SqlError {
    refusal::general(format!("Snapshot does not exist in repository {repository}: {label}"))
}

fn require(session: &Session) -> Result<(), SqlError> {
    session.require(&session.frontend.warehouse.catalog(), Action::system(REPOSITORY))
}
