//! `cairn snapshots`

use std::time::Duration;

use cairn_pipeline::{ListedSnapshot, RecordStats};
use serde_json::{Value, json};

use super::high::Location;
use super::report::seconds;
use crate::exit::Exit;
use crate::session::Session;
use crate::ui::{Align, Table, Ui, bytes, count, duration, plural};

pub(super) fn run(session: &Session, repository: &Location) -> anyhow::Result<Exit> {
    let opened = session.open(repository)?;
    let mut listed = opened.snapshots()?;
    // Oldest first, as history is read; those that cannot be read last.
    listed.sort_by_key(|snapshot| match &snapshot.record {
        Ok(record) => (0, Some(record.timestamp)),
        Err(_) => (1, None),
    });
    show(&session.ui, repository, &listed)?;
    let snapshots: Vec<Value> = listed.iter().map(document).collect();
    let document = json!({ "verb": "snapshots", "repository": repository, "snapshots": snapshots });
    session.ui.document(&document)?;
    Ok(Exit::Ok)
}

fn show(ui: &Ui, repository: &str, listed: &[ListedSnapshot]) -> std::io::Result<()> {
    if listed.is_empty() {
        return ui.show(format!("no snapshots in {repository}"));
    }
    let mut table = Table::new(&[
        ("label", Align::Left),
        ("taken (UTC)", Align::Left),
        ("objects", Align::Right),
        ("segments", Align::Right),
        ("size", Align::Right),
        ("read", Align::Right),
        ("stored", Align::Right),
        ("took", Align::Right),
        ("host", Align::Left),
    ]);
    for snapshot in listed {
        let label = snapshot.label.to_string();
        let Ok(record) = &snapshot.record else {
            table.row([label, "cannot be read".to_owned()]);
            continue;
        };
        let RecordStats { objects, segments, raw_bytes, read_bytes, stored_bytes, .. } =
            record.stats;
        table.row([
            label,
            record.timestamp.to_string(),
            count(objects),
            count(segments),
            bytes(raw_bytes),
            bytes(read_bytes),
            bytes(stored_bytes),
            duration(Duration::from_millis(record.stats.duration_ms)),
            record.host.clone(),
        ]);
    }
    ui.show(table.to_string())?;
    for snapshot in listed {
        if let Err(error) = &snapshot.record {
            let causes = std::error::Error::source(error).map(|cause| format!(": {cause}"));
            ui.show(format!("{}: {error}{}", snapshot.label, causes.unwrap_or_default()))?;
        }
    }
    let stored = listed.iter().filter_map(|snapshot| snapshot.record.as_ref().ok());
    let stored: u64 = stored.map(|record| record.stats.stored_bytes).sum();
    ui.show(format!(
        "{}, {} stored for them",
        plural(listed.len() as u64, "snapshot"),
        bytes(stored)
    ))
}

fn document(snapshot: &ListedSnapshot) -> Value {
    let label = snapshot.label.to_string();
    let record = match &snapshot.record {
        Ok(record) => record,
        Err(error) => return json!({ "label": label, "error": error.to_string() }),
    };
    let stats = &record.stats;
    json!({
        "label": label,
        "timestamp": record.timestamp.to_string(),
        "origin": record.origin,
        "host": record.host,
        "databases": record.databases,
        "ttl": record.ttl.map(|ttl| ttl.to_string()),
        "objects": stats.objects,
        "partitions": stats.partitions,
        "tablets": stats.tablets,
        "segments": stats.segments,
        "raw_bytes": stats.raw_bytes,
        "read_bytes": stats.read_bytes,
        "new_chunks": stats.new_chunks,
        "new_raw_bytes": stats.new_raw_bytes,
        "stored_bytes": stats.stored_bytes,
        "duration_seconds": seconds(Duration::from_millis(stats.duration_ms)),
    })
}
