//! Reports of jobs, for people and for machines.

use std::time::Duration;

use cairn_pipeline::{BackupReport, ObjectReport, RestoreReport, SkippedItem};
use serde_json::{Value, json};

use crate::ui::{Align, Table, Ui, bytes, count, duration, plural, rate};

/// Objects that a report for people lists; the biggest first, more are counted.
const MAX_OBJECTS: usize = 20;
/// Skipped things that a report for people lists; more are counted.
const MAX_SKIPPED: usize = 5;

/// `database.table`; an empty level is shown as `-`.
pub(super) fn object_name(database: &str, object: &str) -> String {
    let level = |level: &str| {
        if level.is_empty() { "-".to_owned() } else { level.to_owned() }
    };
    format!("{}.{}", level(database), level(object))
}

/// Shows what a backup did.
pub(super) fn show_backup(ui: &Ui, repository: &str, report: &BackupReport) -> std::io::Result<()> {
    let progress = &report.progress;
    show_objects(ui, "read", &report.objects)?;
    let unchanged = progress.segments_total.saturating_sub(progress.segments_read);
    ui.show(format!(
        "\n{} {} in {repository}\n  read       {} in {} ({}), {} unchanged",
        ui.bold("snapshot"),
        ui.bold(&report.label),
        bytes(progress.bytes_read),
        plural(progress.segments_read, "segment"),
        rate(progress.bytes_read, report.duration),
        plural(unchanged, "segment"),
    ))?;
    ui.show(format!(
        "  new        {} in {}\n  stored     {} in {}\n  took       {}",
        bytes(progress.new_raw_bytes),
        plural(progress.new_chunks, "chunk"),
        bytes(progress.stored_bytes),
        plural(progress.stored_objects, "object"),
        duration(report.duration),
    ))?;
    show_skipped(ui, &report.skipped)
}

fn show_skipped(ui: &Ui, skipped: &[SkippedItem]) -> std::io::Result<()> {
    if skipped.is_empty() {
        return Ok(());
    }
    ui.show(format!(
        "  {}    {}, not in the snapshot:",
        ui.bold("skipped"),
        count(skipped.len() as u64)
    ))?;
    for SkippedItem { what, reason, .. } in skipped.iter().take(MAX_SKIPPED) {
        ui.show(format!("    {}: {}", what.escape_debug(), reason.escape_debug()))?;
    }
    if let Some(more) = skipped.len().checked_sub(MAX_SKIPPED).filter(|more| *more > 0) {
        ui.show(format!("    and {} more; --json lists all", count(more as u64)))?;
    }
    Ok(())
}

/// Shows what a restore did.
pub(super) fn show_restore(ui: &Ui, target: &str, report: &RestoreReport) -> std::io::Result<()> {
    let progress = &report.progress;
    show_objects(ui, "written", &report.objects)?;
    ui.show(format!(
        "\n{} {} into {target}\n  written    {} in {} ({})\n  read       {}\n  took       {}",
        ui.bold("restored"),
        ui.bold(&report.label),
        bytes(progress.bytes_done),
        plural(progress.segments_done, "segment"),
        rate(progress.bytes_done, report.duration),
        bytes(progress.bytes_read),
        duration(report.duration),
    ))?;
    for missing in &report.missing {
        let segments = missing.segments.map(|number| plural(number, "segment"));
        let segments = segments.map_or(String::new(), |segments| format!(" ({segments})"));
        ui.show(format!(
            "{} {}{segments}: {}",
            ui.bold("missing:"),
            missing.place,
            missing.reason
        ))?;
    }
    Ok(())
}

fn show_objects(ui: &Ui, moved: &str, objects: &[ObjectReport]) -> std::io::Result<()> {
    let mut shown: Vec<&ObjectReport> = objects.iter().collect();
    shown.sort_by_key(|object| std::cmp::Reverse((object.read_bytes, object.bytes)));
    let mut table = Table::new(&[
        ("object", Align::Left),
        ("partitions", Align::Right),
        ("tablets", Align::Right),
        ("segments", Align::Right),
        ("size", Align::Right),
        (moved, Align::Right),
    ]);
    for object in shown.iter().take(MAX_OBJECTS) {
        table.row([
            object_name(&object.database, &object.name),
            count(object.partitions),
            count(object.tablets),
            count(object.segments),
            bytes(object.bytes),
            bytes(object.read_bytes),
        ]);
    }
    ui.show(table.to_string())?;
    match shown.len().checked_sub(MAX_OBJECTS).filter(|more| *more > 0) {
        Some(more) => ui.show(format!("and {} more; --json lists all", count(more as u64))),
        None => Ok(()),
    }
}

/// A backup as a document.
pub(super) fn backup_document(repository: &str, report: &BackupReport) -> Value {
    json!({
        "verb": "backup",
        "repository": repository,
        "label": report.label,
        "timestamp": report.timestamp,
        "objects": report.objects,
        "skipped": report.skipped,
        "progress": report.progress,
        "duration_seconds": seconds(report.duration),
    })
}

/// A restore as a document.
pub(super) fn restore_document(repository: &str, target: &str, report: &RestoreReport) -> Value {
    json!({
        "verb": "restore",
        "repository": repository,
        "target": target,
        "label": report.label,
        "timestamp": report.timestamp,
        "objects": report.objects,
        "missing": report.missing,
        "progress": report.progress,
        "duration_seconds": seconds(report.duration),
    })
}

/// A duration as machines read it.
pub(super) fn seconds(took: Duration) -> f64 {
    took.as_secs_f64()
}
