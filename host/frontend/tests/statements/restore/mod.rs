//! BACKUP and RESTORE through statements: what they make, what they refuse, and in which words.

mod accounts;
mod live;
mod matrix;
mod messages;
mod rules;

use tempfile::TempDir;

use cairn_frontend::mysql::Answer;

use crate::rig::{Client, Rig};

/// A place where servers have a repository in common.
pub(crate) struct Cellar {
    place: TempDir,
}

impl Cellar {
    pub(crate) fn new() -> Self {
        Self { place: tempfile::tempdir().unwrap() }
    }

    /// Where the repository is.
    pub(crate) fn location(&self) -> String {
        format!("file://{}", self.place.path().join("repo").display())
    }

    /// A new server with the repository `repo`.
    pub(crate) async fn server(&self) -> Rig {
        let mut rig = Rig::new().await;
        let location = self.location();
        let sql = format!("CREATE REPOSITORY repo WITH BROKER ON LOCATION '{location}'");
        rig.root.done(&sql).await;
        rig
    }
}

/// How the last job of a database ended: nothing, or why it failed.
async fn outcome(client: &mut Client, kind: &str, database: &str) -> Result<(), String> {
    let Ok(Answer::Rows(jobs)) = client.run(&format!("SHOW {kind} FROM {database}")).await else {
        panic!("SHOW {kind} gives rows")
    };
    let cell = |name: &str| {
        let at = jobs.columns.iter().position(|(column, _)| column == name).unwrap();
        jobs.rows[0][at].clone().unwrap_or_default()
    };
    match cell("State").as_str() {
        "FINISHED" => Ok(()),
        "CANCELLED" => Err(cell("Status")),
        other => panic!("the job is {other}"),
    }
}

/// Backs up a database, or these of its objects.
pub(crate) async fn back_up(rig: &mut Rig, database: &str, label: &str, on: &str) {
    rig.root.done(&format!("BACKUP DATABASE {database} SNAPSHOT {label} TO repo {on}")).await;
    rig.frontend.jobs().idle().await;
    outcome(&mut rig.root, "BACKUP", database).await.unwrap();
}

/// When a snapshot was taken.
pub(crate) async fn taken_at(rig: &mut Rig, label: &str) -> String {
    let sql = format!("SHOW SNAPSHOT ON repo WHERE SNAPSHOT = '{label}'");
    let rows = rig.root.rows(&sql).await;
    rows[0].split('|').nth(1).unwrap().to_owned()
}

/// Restores into a database what `rest` says, which stands behind the name of the repository: nothing, or the error of
/// the statement or of the job.
pub(crate) async fn restore(
    rig: &mut Rig,
    into: &str,
    label: &str,
    rest: &str,
) -> Result<(), String> {
    restore_with(rig, into, label, rest, "'allow_load' = 'false'").await
}

/// The same with one more property.
pub(crate) async fn restore_with(
    rig: &mut Rig,
    into: &str,
    label: &str,
    rest: &str,
    property: &str,
) -> Result<(), String> {
    let at = taken_at(rig, label).await;
    let sql = format!(
        "RESTORE SNAPSHOT {label} FROM repo {rest} PROPERTIES ('backup_timestamp' = '{at}', {property})"
    );
    match rig.root.run(&sql).await {
        Ok(_) => {}
        Err(error) => return Err(error.message),
    }
    rig.frontend.jobs().idle().await;
    outcome(&mut rig.root, "RESTORE", into).await
}
