//! [`Background`]: what goes on when the last statement has ended: jobs, and refreshes of materialized views.

use std::collections::BTreeSet;
use std::time::Duration;

use cairn_frontend::JobView;
use serde_json::json;
use tokio::time::timeout;

use super::statement::Statements;
use crate::ui::Ui;

/// After how long it is said that views are waited for.
const SAID_AFTER: Duration = Duration::from_secs(1);

/// Tells the jobs of this run from older ones.
#[derive(Debug)]
pub(crate) struct Background {
    /// Over before the first statement.
    old: BTreeSet<u64>,
}

/// How what was waited for came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The jobs of this run.
    pub(crate) jobs: Vec<JobView>,
    /// Whether nothing goes on; else somebody did not want to wait.
    pub(crate) is_idle: bool,
}

impl Background {
    /// Looks at what is over already.
    pub(crate) fn begin(statements: &Statements<'_>) -> Self {
        let jobs = statements.frontend().jobs().views().into_iter();
        Self { old: jobs.filter(|job| job.is_over).map(|job| job.id).collect() }
    }

    /// Waits until nothing goes on, or for Ctrl-C.
    pub(crate) fn wait(self, statements: &Statements<'_>, ui: &Ui) -> Ended {
        let frontend = statements.frontend();
        let jobs = || {
            let jobs = frontend.jobs().views().into_iter();
            jobs.filter(|job| !self.old.contains(&job.id)).collect::<Vec<_>>()
        };
        for job in jobs().iter().filter(|job| !job.is_over) {
            ui.note(format!(
                "waiting for {} of {}.{} ({}); Ctrl-C leaves it, and it begins anew when the directory is next opened",
                job.kind, job.database, job.label, job.state
            ));
            ui.event(&json!({ "event": "waiting", "job": document(job) }));
        }
        let idle = statements.wait(async {
            frontend.jobs().idle().await;
            if timeout(SAID_AFTER, frontend.refreshed()).await.is_err() {
                ui.note("waiting for materialized views that are refreshed; Ctrl-C leaves them");
                frontend.refreshed().await;
            }
        });
        let (jobs, is_idle) = (jobs(), idle.is_some());
        for job in &jobs {
            let (kind, database, label) = (job.kind, &job.database, &job.label);
            match &job.failure {
                Some(failure) => {
                    ui.complain(format!("{kind} of {database}.{label} {}: {failure}", job.state));
                }
                None if !job.is_over => {
                    ui.complain(format!("{kind} of {database}.{label} was left behind"));
                }
                None => {}
            }
        }
        Ended { jobs, is_idle }
    }
}

/// A job as machines read it.
pub(super) fn document(job: &JobView) -> serde_json::Value {
    json!({
        "id": job.id,
        "kind": job.kind,
        "database": job.database,
        "label": job.label,
        "state": job.state,
        "failure": job.failure,
    })
}
