//! `cairn backup`

use std::sync::Arc;

use cairn_pipeline::directory::DirectorySource;
use cairn_pipeline::{BackupRequest, Repository, Timestamp};

use super::high::BackupPlan;
use super::report;
use crate::exit::Exit;
use crate::session::Session;

/// Length of `yyyy-MM-dd-HH-mm-ss`, at the start of a timestamp.
const SECONDS_LENGTH: usize = 19;

pub(super) fn run(session: &Session, plan: BackupPlan) -> anyhow::Result<Exit> {
    // Before anything is made: a wrong label or a missing directory leaves no trace.
    let typed = plan.label.as_deref().map(BackupRequest::new).transpose()?;
    let source = DirectorySource::open(&plan.warehouse)?;
    let repository = session.open_or_create(&plan.repository, plan.settings)?;
    let request = match typed {
        Some(request) => request,
        None => BackupRequest::new(&label_now(&repository))?,
    };
    let request = request.select(plan.selection);
    let request = if plan.rescan {
        request.rescan()
    } else {
        request
    };
    let report = session.follow(
        session
            .engine
            .backup(&repository, Arc::new(source), request),
    )?;
    report::show_backup(&session.ui, &plan.repository, &report)?;
    session
        .ui
        .document(&report::backup_document(&plan.repository, &report))?;
    Ok(Exit::Ok)
}

/// A label made from the time: to the second, or to the millisecond when that one is taken.
fn label_now(repository: &Repository) -> String {
    let now = Timestamp::now().to_string();
    let label = |time: &str| format!("backup-{time}");
    let short = label(now.get(..SECONDS_LENGTH).unwrap_or(&now));
    match repository.snapshot(&short) {
        Ok(_) => label(&now),
        Err(_) => short,
    }
}
