//! `cairn restore`

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use cairn_pipeline::directory::DirectorySink;
use cairn_pipeline::{Repository, RestoreRequest};

use super::high::RestorePlan;
use super::report;
use crate::exit::{Exit, Refusal};
use crate::session::Session;

pub(super) fn run(session: &Session, plan: RestorePlan) -> anyhow::Result<Exit> {
    let repository = session.open(&plan.repository)?;
    let label = match plan.label {
        Some(label) => label,
        None => latest(session, &repository)?,
    };
    let mut request = RestoreRequest::new(&label)?;
    // Before anything is made: a wrong label leaves no trace.
    repository.snapshot(&label)?;
    for item in plan.items {
        request = request.item(item);
    }
    if plan.partial {
        refuse_occupied(&plan.target)?;
        request = request.partial();
    }
    let sink = DirectorySink::open(&plan.target)?;
    let report = session.follow(session.engine.restore(&repository, Arc::new(sink), request))?;
    let target = plan.target.display().to_string();
    report::show_restore(&session.ui, &target, &report)?;
    session.ui.document(&report::restore_document(&plan.repository, &target, &report))?;
    Ok(if report.missing.is_empty() { Exit::Ok } else { Exit::Damaged })
}

/// Nothing that is live is replaced by less.
fn refuse_occupied(target: &Path) -> anyhow::Result<()> {
    let mut entries = match std::fs::read_dir(target) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("cannot look into {}", target.display()))?,
    };
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Refusal::usage(format!(
            "{} is not empty: a partial restore goes into an empty directory, so that it replaces nothing by less",
            target.display()
        ))),
    }
}

/// The label of the newest snapshot that can be read.
fn latest(session: &Session, repository: &Repository) -> anyhow::Result<String> {
    let mut newest = None;
    for listed in repository.snapshots()? {
        match listed.record {
            Ok(record) => newest = newest.max(Some((record.timestamp, listed.label.to_string()))),
            Err(error) => session.ui.note(format!("passed over {}: {error}", listed.label)),
        }
    }
    match newest {
        Some((_, label)) => Ok(label),
        None => Err(Refusal::usage("there are no snapshots in the repository")),
    }
}
