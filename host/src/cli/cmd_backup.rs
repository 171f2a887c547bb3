//! `cairn backup`

use std::path::Path;
use std::sync::Arc;

use cairn_pipeline::directory::DirectorySource;
use cairn_pipeline::storage::StorageUrl;
use cairn_pipeline::{BackupRequest, Repository, Timestamp};

use super::high::BackupPlan;
use super::report;
use crate::exit::{Exit, Refusal};
use crate::session::Session;

/// Length of `yyyy-MM-dd-HH-mm-ss`, at the start of a timestamp.
const SECONDS_LENGTH: usize = 19;

pub(super) fn run(session: &Session, plan: BackupPlan) -> anyhow::Result<Exit> {
    // Before anything is made: a wrong label or a missing directory leaves no trace.
    let typed = plan.label.as_deref().map(BackupRequest::new).transpose()?;
    let source = DirectorySource::open(&plan.warehouse)?;
    refuse_inside(&plan.repository, &plan.warehouse)?;
    let repository = session.open_or_create(&plan.repository, plan.settings)?;
    let request = match typed {
        Some(request) => request,
        None => BackupRequest::new(&label_now(&repository))?,
    };
    let request = request.select(plan.selection).keep_for(plan.ttl);
    let request = if plan.rescan { request.rescan() } else { request };
    let report = session.follow(session.engine.backup(&repository, Arc::new(source), request))?;
    report::show_backup(&session.ui, &plan.repository, &report)?;
    session.ui.document(&report::backup_document(&plan.repository, &report))?;
    Ok(Exit::Ok)
}

/// Refuses a repository inside what is backed up: each backup would hold all earlier ones.
fn refuse_inside(repository: &str, warehouse: &Path) -> anyhow::Result<()> {
    let StorageUrl::Local(path) = StorageUrl::parse(repository)? else { return Ok(()) };
    // What does not exist yet lies where the first of its parents that exists does.
    let existing = path.ancestors().find_map(|parent| match parent.as_os_str().is_empty() {
        true => Path::new(".").canonicalize().ok(),
        false => parent.canonicalize().ok(),
    });
    match existing.zip(warehouse.canonicalize().ok()) {
        Some((place, warehouse)) if place.starts_with(&warehouse) => Err(Refusal::usage(format!(
            "the repository {repository} would lie inside the warehouse {}",
            warehouse.display(),
        ))),
        _ => Ok(()),
    }
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
