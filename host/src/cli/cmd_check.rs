//! `cairn check` and `cairn repo recover`

use cairn_pipeline::{Affected, CheckReport, CheckRequest, Finding, Repair};
use serde_json::{Value, json};

use super::high::{CheckPlan, Repair as Wanted};
use super::report::seconds;
use crate::exit::Exit;
use crate::session::Session;
use crate::ui::{Ui, bytes, count, duration, plural, rate};

/// Findings, and places that each touches, that a report for people lists; more are counted.
const MAX_SHOWN: usize = 10;

pub(super) fn run(session: &Session, plan: &CheckPlan) -> anyhow::Result<Exit> {
    let request = match plan.read_data {
        true => CheckRequest::read_data(),
        false => CheckRequest::structure(),
    };
    let (repository, request) = match plan.repair {
        Wanted::No => (session.open(&plan.repository)?, request),
        Wanted::Damaged => (session.open_to_change(&plan.repository)?, request.repair()),
        Wanted::Recovered => (session.recover(&plan.repository)?, request.recover()),
    };
    let report = session.follow(session.engine.check(&repository, request))?;
    show(&session.ui, &plan.repository, &report)?;
    session.ui.document(&document(&plan.repository, &report))?;
    let left = report.repair.as_ref().map_or(report.is_clean(), |repair| repair.left.is_empty());
    Ok(if left { Exit::Ok } else { Exit::Damaged })
}

fn show(ui: &Ui, repository: &str, report: &CheckReport) -> std::io::Result<()> {
    show_findings(ui, "damaged:", &report.findings().collect::<Vec<_>>())?;
    let structure = &report.structure;
    ui.show(format!(
        "checked {}: {}, {}, {}, {}",
        repository,
        plural(structure.num_snapshots, "snapshot"),
        plural(structure.num_documents, "document"),
        plural(structure.num_segments, "segment"),
        plural(structure.num_packs, "pack"),
    ))?;
    if structure.num_orphan_packs > 0 {
        ui.show(format!(
            "  {} ({}) that no snapshot needs: of backups that died, or that run now",
            plural(structure.num_orphan_packs, "pack"),
            bytes(structure.orphan_bytes),
        ))?;
    }
    if let Some(chunks) = report.good_chunks {
        let (read, speed) = (bytes(report.good_bytes), rate(report.good_bytes, report.duration));
        ui.show(format!("  {} verified, {read} ({speed})", plural(chunks, "chunk")))?;
    }
    let took = duration(report.duration);
    if let Some(repair) = &report.repair {
        show_repair(ui, repair)?;
        let left = plural(repair.left.len() as u64, "finding");
        return match repair.left.is_empty() {
            true => ui.show(format!("{} in {took}", ui.green("repaired"))),
            false => {
                let hint = "the next backup stores again what its data still has";
                ui.show(format!("{left} left after the repair, in {took}; {hint}"))
            }
        };
    }
    match (report.is_clean(), report.good_chunks) {
        (false, _) => {
            let findings = plural(report.findings().count() as u64, "finding");
            ui.show(format!("{findings} in {took}"))
        }
        (true, Some(_)) => ui.show(format!("{} in {took}", ui.green("no damage"))),
        (true, None) => {
            let hint = "the data was not read: --read-data does it";
            ui.show(format!("{} in {took}; {hint}", ui.green("no damage")))
        }
    }
}

fn show_findings(ui: &Ui, title: &str, findings: &[&Finding]) -> std::io::Result<()> {
    for finding in findings.iter().take(MAX_SHOWN) {
        ui.show(format!("{} {}", ui.bold(title), finding.damage))?;
        for affected in finding.affected.iter().take(MAX_SHOWN) {
            ui.show(format!("  touches {affected}"))?;
        }
        more(ui, "  touches", finding.affected.len())?;
    }
    more(ui, title, findings.len())
}

/// What was repaired, each only where there was something, and what is left.
fn show_repair(ui: &Ui, repair: &Repair) -> std::io::Result<()> {
    let done = &repair.done;
    let lines = [
        (done.condemned_packs, "damaged pack", "condemned: a prune frees them"),
        (done.missing_packs, "pack", "missing"),
        (done.salvaged_chunks, "sound chunk", "copied out of damaged packs"),
        (done.lost_chunks, "chunk", "lost with damaged and missing packs"),
        (done.superseded_runs, "index run", "superseded"),
        (done.listed_chunks, "chunk", "listed again"),
        (done.replaced_marks, "mark of prunes", "replaced by one that names nothing"),
    ];
    for (number, what, became) in lines.into_iter().filter(|(number, ..)| *number > 0) {
        ui.show(format!("  {} {became}", plural(number, what)))?;
    }
    for record in &done.records {
        ui.show(format!("  put back snapshot {} of {}", record.label, record.timestamp))?;
    }
    for label in &done.lost_records {
        ui.show(format!("  no pack tells what the record of {label} was"))?;
    }
    for label in &done.busy_records {
        ui.show(format!("  somebody else is busy with the label {label}: repair again"))?;
    }
    show_findings(ui, "left:", &repair.left.iter().collect::<Vec<_>>())
}

fn more(ui: &Ui, what: &str, total: usize) -> std::io::Result<()> {
    match total.checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        Some(more) => ui.show(format!("{what} {} more; --json lists all", count(more as u64))),
        None => Ok(()),
    }
}

fn document(repository: &str, report: &CheckReport) -> Value {
    let structure = &report.structure;
    json!({
        "verb": "check",
        "repository": repository,
        "is_clean": report.is_clean(),
        "findings": report.findings().map(finding).collect::<Vec<_>>(),
        "omitted_places": structure.num_omitted,
        "snapshots": structure.num_snapshots,
        "documents": structure.num_documents,
        "segments": structure.num_segments,
        "packs": structure.num_packs,
        "orphan_packs": structure.num_orphan_packs,
        "orphan_bytes": structure.orphan_bytes,
        "verified_chunks": report.good_chunks,
        "verified_bytes": report.good_bytes,
        "repair": report.repair.as_ref().map(repair),
        "duration_seconds": seconds(report.duration),
    })
}

fn repair(repair: &Repair) -> Value {
    let done = &repair.done;
    let records = done.records.iter();
    json!({
        "condemned_packs": done.condemned_packs,
        "missing_packs": done.missing_packs,
        "salvaged_chunks": done.salvaged_chunks,
        "salvaged_bytes": done.salvaged_bytes,
        "lost_chunks": done.lost_chunks,
        "superseded_runs": done.superseded_runs,
        "listed_chunks": done.listed_chunks,
        "replaced_marks": done.replaced_marks,
        "records": records.map(|it| it.label.to_string()).collect::<Vec<_>>(),
        "lost_records": done.lost_records.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "busy_records": done.busy_records.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "left": repair.left.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "object": finding.damage.object.to_string(),
        "fault": finding.damage.fault.to_string(),
        "damage": finding.damage.to_string(),
        "affected": finding.affected.iter().map(affected).collect::<Vec<_>>(),
    })
}

fn affected(affected: &Affected) -> Value {
    json!({
        "label": affected.label.to_string(),
        "database": affected.database,
        "kind": affected.object.as_ref().map(|object| &object.kind),
        "object": affected.object.as_ref().map(|object| &object.name),
        "partition": affected.partition,
        "tablet": affected.tablet.as_ref().map(|tablet| &tablet.name),
        "segments": affected.segments,
    })
}
