//! `cairn ls`

use cairn_pipeline::{Entry, Extent, Level};
use serde_json::{Value, json};

use super::high::LookPlan;
use crate::exit::Exit;
use crate::session::Session;
use crate::ui::{Align, Table, Ui, bytes, count};

pub(super) fn run(session: &Session, plan: &LookPlan) -> anyhow::Result<Exit> {
    let repository = session.open(&plan.repository)?;
    let record = repository.snapshot(&plan.label)?;
    let entries = repository.look(&record, &plan.path)?;
    show(&session.ui, &entries)?;
    session.ui.document(&json!({
        "verb": "ls",
        "repository": plan.repository,
        "label": plan.label,
        "timestamp": record.timestamp.to_string(),
        "path": plan.path.to_string(),
        "entries": entries.iter().map(document).collect::<Vec<_>>(),
    }))?;
    Ok(Exit::Ok)
}

fn show(ui: &Ui, entries: &[Entry]) -> std::io::Result<()> {
    if entries.is_empty() {
        return ui.show("nothing in it");
    }
    let mut table = Table::new(&[
        ("name", Align::Left),
        ("kind", Align::Left),
        ("segments", Align::Right),
        ("size", Align::Right),
    ]);
    for Entry { level, kind, name, extent: Extent { segments, bytes: size } } in entries {
        let segments = if *level == Level::Segment { String::new() } else { count(*segments) };
        table.row([name.clone(), kind.clone(), segments, bytes(*size)]);
    }
    ui.show(table.to_string())
}

fn document(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "level": entry.level.as_str(),
        "kind": entry.kind,
        "segments": entry.extent.segments,
        "bytes": entry.extent.bytes,
    })
}
