//! `cairn diff`

use cairn_pipeline::{Change, Difference, Extent, Level};
use serde_json::{Value, json};

use super::high::DiffPlan;
use crate::exit::Exit;
use crate::session::Session;
use crate::ui::{bytes, plural};

/// Segments that were added, removed and changed.
#[derive(Debug, Default)]
struct Totals {
    added: Extent,
    removed: Extent,
    changed: u64,
    /// Bytes of changed segments in both snapshots.
    changed_bytes: (u64, u64),
}

pub(super) fn run(session: &Session, plan: &DiffPlan) -> anyhow::Result<Exit> {
    let repository = session.open(&plan.repository)?;
    let before = repository.snapshot(&plan.before)?;
    let after = repository.snapshot(&plan.after)?;
    let (mut totals, mut documents) = (Totals::default(), Vec::new());
    for difference in repository.compare(&before, &after)? {
        let difference = difference?;
        totals.add(&difference);
        session.ui.show(line(&difference))?;
        // People read a line at a time; a document is whole.
        if session.ui.is_json() {
            documents.push(document(&difference));
        }
    }
    session.ui.show(summary(plan, &totals))?;
    session.ui.document(&json!({
        "verb": "diff",
        "repository": plan.repository,
        "before": { "label": plan.before, "timestamp": before.timestamp.to_string() },
        "after": { "label": plan.after, "timestamp": after.timestamp.to_string() },
        "differences": documents,
        "segments": {
            "added": totals.added.segments,
            "added_bytes": totals.added.bytes,
            "removed": totals.removed.segments,
            "removed_bytes": totals.removed.bytes,
            "changed": totals.changed,
            "changed_bytes_before": totals.changed_bytes.0,
            "changed_bytes_after": totals.changed_bytes.1,
        },
    }))?;
    Ok(Exit::Ok)
}

impl Totals {
    /// What was added or removed counts with all that is in it: nothing below it is told.
    fn add(&mut self, difference: &Difference) {
        let Difference { change, level, before, after, .. } = difference;
        match change {
            Change::Added => self.added = [self.added, *after].into_iter().sum(),
            Change::Removed => self.removed = [self.removed, *before].into_iter().sum(),
            Change::Changed if *level == Level::Segment => {
                self.changed += 1;
                self.changed_bytes.0 += before.bytes;
                self.changed_bytes.1 += after.bytes;
            }
            Change::Changed => {}
        }
    }
}

fn line(difference: &Difference) -> String {
    let Difference { change, level, kind, path, before, after, is_redefined } = difference;
    let size = |extent: &Extent| match level {
        Level::Segment => bytes(extent.bytes),
        _ => format!("{} in {}", bytes(extent.bytes), plural(extent.segments, "segment")),
    };
    let (sign, size) = match change {
        Change::Added => ('+', size(after)),
        Change::Removed => ('-', size(before)),
        Change::Changed => ('~', format!("{} -> {}", size(before), size(after))),
    };
    let redefined = if *is_redefined { ", another definition" } else { "" };
    format!("{sign} {kind} {}: {size}{redefined}", path.escape_debug())
}

fn summary(plan: &DiffPlan, totals: &Totals) -> String {
    let Totals { added, removed, changed, changed_bytes } = totals;
    format!(
        "from {} to {}: {} added ({}), {} removed ({}), {changed} changed ({} -> {})",
        plan.before,
        plan.after,
        plural(added.segments, "segment"),
        bytes(added.bytes),
        removed.segments,
        bytes(removed.bytes),
        bytes(changed_bytes.0),
        bytes(changed_bytes.1),
    )
}

fn document(difference: &Difference) -> Value {
    let Difference { change, level, kind, path, before, after, is_redefined } = difference;
    let extent = |extent: &Extent| json!({ "segments": extent.segments, "bytes": extent.bytes });
    json!({
        "change": match change {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        },
        "level": level.as_str(),
        "kind": kind,
        "path": path,
        "before": extent(before),
        "after": extent(after),
        "redefined": is_redefined,
    })
}
