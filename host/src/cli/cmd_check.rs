//! `cairn check`

use cairn_pipeline::{Affected, CheckReport, CheckRequest, Finding};
use serde_json::{Value, json};

use super::high::CheckPlan;
use super::report::seconds;
use crate::exit::Exit;
use crate::session::Session;
use crate::ui::{Ui, bytes, count, duration, plural, rate};

/// Findings, and places that each touches, that a report for people lists; more are counted.
const MAX_SHOWN: usize = 10;

pub(super) fn run(session: &Session, plan: &CheckPlan) -> anyhow::Result<Exit> {
    let repository = session.open(&plan.repository)?;
    let request = match plan.read_data {
        true => CheckRequest::read_data(),
        false => CheckRequest::structure(),
    };
    let report = session.follow(session.engine.check(&repository, request))?;
    show(&session.ui, &plan.repository, &report)?;
    session.ui.document(&document(&plan.repository, &report))?;
    Ok(if report.is_clean() { Exit::Ok } else { Exit::Damaged })
}

fn show(ui: &Ui, repository: &str, report: &CheckReport) -> std::io::Result<()> {
    for finding in report.findings().take(MAX_SHOWN) {
        ui.show(format!("{} {}", ui.bold("damaged:"), finding.damage))?;
        for affected in finding.affected.iter().take(MAX_SHOWN) {
            ui.show(format!("  touches {affected}"))?;
        }
        more(ui, "  touches", finding.affected.len())?;
    }
    more(ui, "damaged:", report.findings().count())?;
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
        "duration_seconds": seconds(report.duration),
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
