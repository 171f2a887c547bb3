//! `cairn prune`

use cairn_pipeline::{PruneReport, PruneRequest};
use serde_json::{Value, json};

use super::high::PrunePlan;
use super::report::seconds;
use crate::exit::Exit;
use crate::session::Session;
use crate::ui::{Ui, bytes, duration, plural};

const HOW_TO_GO_ON: &str = "nothing more was marked: `cairn check --repair` mends what can be and names the snapshots that it cannot; forget those, or \
     prune with --accept-loss where only data is lost, or with --keep-packs where something is only to be copied";

pub(super) fn run(session: &Session, plan: &PrunePlan) -> anyhow::Result<Exit> {
    let request = PruneRequest::new().grace(plan.grace);
    let mut request = match plan.max_unused {
        Some(percent) => request.max_unused(percent),
        None => request.keep_packs(),
    };
    if plan.accept_loss {
        request = request.accept_loss();
    }
    let repository = match plan.dry_run {
        true => {
            request = request.dry_run();
            session.open(&plan.repository)?
        }
        false => session.open_to_change(&plan.repository)?,
    };
    let pruned = session.follow(session.engine.prune(&repository, request));
    let report = pruned.map_err(|error| match Exit::of_error(&error) {
        Exit::Damaged => error.context(HOW_TO_GO_ON),
        _ => error,
    })?;
    show(&session.ui, plan, &report)?;
    session.ui.document(&document(plan, &report))?;
    Ok(Exit::Ok)
}

fn show(ui: &Ui, plan: &PrunePlan, report: &PruneReport) -> std::io::Result<()> {
    let pruned = &report.pruned;
    ui.show(format!(
        "{} {}: {} in {}, {}",
        if plan.dry_run { "would prune" } else { "pruned" },
        plan.repository,
        bytes(pruned.pack_bytes),
        plural(pruned.num_packs, "pack"),
        plural(pruned.num_snapshots, "snapshot"),
    ))?;
    if !plan.dry_run {
        let (freed, packs) = (bytes(pruned.freed_bytes), plural(pruned.freed_packs, "pack"));
        ui.show(format!(
            "  freed      {freed} in {packs}, {}",
            plural(pruned.freed_runs, "index run")
        ))?;
    }
    ui.show(format!(
        "  marked     {} in {}, {}\n  kept of it {}{}",
        bytes(pruned.condemned_bytes),
        plural(pruned.condemned_packs, "pack"),
        plural(pruned.superseded_runs, "index run"),
        plural(pruned.copied_chunks, "chunk"),
        if plan.dry_run { String::new() } else { format!(", {}", bytes(pruned.copied_bytes)) },
    ))?;
    ui.show(format!("  unused     {} in packs that stay", bytes(pruned.unused_bytes)))?;
    if pruned.lost_chunks > 0 {
        ui.show(format!(
            "  lost       {} that snapshots need",
            plural(pruned.lost_chunks, "chunk")
        ))?;
    }
    if let Some(next) = pruned.next_sweep {
        ui.show(format!(
            "  waiting    {}, {}: a prune after {} deletes them",
            plural(pruned.waiting_packs, "pack"),
            plural(pruned.waiting_runs, "index run"),
            duration(next),
        ))?;
    }
    ui.show(format!("  took       {}", duration(report.duration)))
}

fn document(plan: &PrunePlan, report: &PruneReport) -> Value {
    let pruned = &report.pruned;
    json!({
        "verb": "prune",
        "repository": plan.repository,
        "dry_run": plan.dry_run,
        "grace_seconds": seconds(plan.grace),
        "snapshots": pruned.num_snapshots,
        "documents": pruned.num_documents,
        "lost_chunks": pruned.lost_chunks,
        "packs": pruned.num_packs,
        "pack_bytes": pruned.pack_bytes,
        "unused_bytes": pruned.unused_bytes,
        "freed_packs": pruned.freed_packs,
        "freed_bytes": pruned.freed_bytes,
        "freed_runs": pruned.freed_runs,
        "marked_packs": pruned.condemned_packs,
        "marked_bytes": pruned.condemned_bytes,
        "marked_runs": pruned.superseded_runs,
        "written_runs": pruned.written_runs,
        "copied_chunks": pruned.copied_chunks,
        "copied_bytes": pruned.copied_bytes,
        "waiting_packs": pruned.waiting_packs,
        "waiting_runs": pruned.waiting_runs,
        "next_seconds": pruned.next_sweep.map(seconds),
        "duration_seconds": seconds(report.duration),
    })
}
