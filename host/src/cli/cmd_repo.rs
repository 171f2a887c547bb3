//! `cairn repo`

use cairn_pipeline::CopyReport;
use serde_json::{Value, json};

use super::high::{RepoCopyPlan, RepoCreatePlan};
use super::report::seconds;
use crate::exit::{Exit, Refusal};
use crate::secret::HOW;
use crate::session::Session;
use crate::ui::{Ui, bytes, count, duration, plural, rate};

/// Damaged objects that a report for people lists; more are counted.
const MAX_SHOWN: usize = 10;

pub(super) fn create(session: &Session, plan: &RepoCreatePlan) -> anyhow::Result<Exit> {
    if plan.encrypt && !session.has_secret() {
        return Err(Refusal::usage(format!("--encrypt needs a key: {HOW}")));
    }
    let repository = session.create(&plan.repository, plan.settings)?;
    let what = if repository.is_encrypted() { "an encrypted" } else { "a" };
    session.ui.show(format!("made {what} repository at {}", plan.repository))?;
    session.ui.document(&json!({
        "verb": "repo create",
        "repository": plan.repository,
        "id": repository.id(),
        "compression": plan.settings.compression.to_string(),
        "pack_bytes": plan.settings.pack_bytes,
        "encrypted": repository.is_encrypted(),
    }))?;
    Ok(Exit::Ok)
}

pub(super) fn copy(session: &Session, plan: &RepoCopyPlan) -> anyhow::Result<Exit> {
    let from = session.open(&plan.from)?;
    if let Some(anew) = &plan.anew {
        return super::cmd_repo_anew::copy(session, &from, plan, anew);
    }
    let to = session.open_for_repository(&plan.to)?;
    let report = session.follow(session.engine.copy(&from, to))?;
    show_copy(&session.ui, plan, &report)?;
    session.ui.document(&copy_document(plan, &from.id(), &report))?;
    Ok(if report.is_whole() { Exit::Ok } else { Exit::Damaged })
}

fn show_copy(ui: &Ui, plan: &RepoCopyPlan, report: &CopyReport) -> std::io::Result<()> {
    for damage in report.damages.iter().take(MAX_SHOWN) {
        ui.show(format!("{} {damage}", ui.bold("damaged, not copied:")))?;
    }
    if let Some(more) = report.damages.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        ui.show(format!("and {} more; --json lists all", count(more as u64)))?;
    }
    let copied = &report.copied;
    ui.show(format!(
        "copied {} to {}: {}\n  copied     {} in {} ({})\n  was there  {} in {}\n  took       {}",
        plan.from,
        plan.to,
        plural(report.num_snapshots, "snapshot"),
        bytes(copied.bytes_copied),
        plural(copied.objects_copied, "object"),
        rate(copied.bytes_copied, report.duration),
        bytes(copied.bytes_present),
        plural(copied.objects_present, "object"),
        duration(report.duration),
    ))
}

fn copy_document(plan: &RepoCopyPlan, id: &str, report: &CopyReport) -> Value {
    let copied = &report.copied;
    json!({
        "verb": "repo copy",
        "from": plan.from,
        "to": plan.to,
        "id": id,
        "snapshots": report.num_snapshots,
        "copied_objects": copied.objects_copied,
        "copied_bytes": copied.bytes_copied,
        "present_objects": copied.objects_present,
        "present_bytes": copied.bytes_present,
        "damaged": report.damages.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "duration_seconds": seconds(report.duration),
    })
}
