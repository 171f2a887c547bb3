//! `cairn cat`
//!
//! Every byte was verified before it is shown. What is wrong is found on the way: the exit code says whether all of it came.

use serde_json::json;

use super::high::LookPlan;
use crate::exit::Exit;
use crate::session::Session;

/// Shows the bytes of a segment; with `--json`, only that all of them can be read.
pub(super) fn run(session: &Session, plan: &LookPlan) -> anyhow::Result<Exit> {
    let repository = session.open(&plan.repository)?;
    let record = repository.snapshot(&plan.label)?;
    let segment = repository.segment(&record, &plan.path)?;
    let total = segment.total();
    for chunk in segment {
        let chunk = chunk?;
        if !session.ui.is_json() {
            session.ui.show_raw(&chunk)?;
        }
    }
    session.ui.document(&json!({
        "verb": "cat",
        "repository": plan.repository,
        "label": plan.label,
        "timestamp": record.timestamp.to_string(),
        "path": plan.path.to_string(),
        "bytes": total,
    }))?;
    Ok(Exit::Ok)
}
