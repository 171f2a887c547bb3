//! `cairn forget`
//!
//! All labels are looked for before any snapshot goes, and only what was found then is removed.

use std::collections::BTreeSet;

use anyhow::Context;
use cairn_pipeline::{Label, ListedSnapshot};
use serde_json::{Value, json};

use super::high::ForgetPlan;
use crate::exit::{Exit, Refusal};
use crate::session::Session;
use crate::ui::{Ui, plural};

pub(super) fn run(session: &Session, plan: &ForgetPlan) -> anyhow::Result<Exit> {
    let labels = plan.labels.iter().map(|label| label.parse());
    let labels: BTreeSet<Label> = labels.collect::<Result<_, _>>().map_err(refusal)?;
    let labels: Vec<Label> = labels.into_iter().collect();
    let repository = if plan.dry_run {
        session.open(&plan.repository)?
    } else {
        session.open_to_change(&plan.repository)?
    };
    let found = repository.snapshots_named(&labels)?;
    let is_found = |label: &&Label| found.iter().any(|snapshot| snapshot.label == **label);
    if let Some(missing) = labels.iter().find(|label| !is_found(label)) {
        let message = format!("there is no snapshot {missing} in {}", plan.repository);
        return Err(Refusal::usage(message));
    }
    let word = if plan.dry_run { "would forget" } else { "forgot" };
    for snapshot in &found {
        if !plan.dry_run {
            let taken = snapshot.record.as_ref().ok().map(|record| record.timestamp);
            let forgotten = repository.forget(&snapshot.label, taken);
            forgotten.with_context(|| format!("cannot forget {}", snapshot.label))?;
        }
        show(&session.ui, word, snapshot)?;
    }
    if !plan.dry_run {
        session.ui.show(format!(
            "{} less in {}; what only they held takes space until a prune",
            plural(found.len() as u64, "snapshot"),
            plan.repository
        ))?;
    }
    session.ui.document(&json!({
        "verb": "forget",
        "repository": plan.repository,
        "dry_run": plan.dry_run,
        "snapshots": found.iter().map(document).collect::<Vec<_>>(),
    }))?;
    Ok(Exit::Ok)
}

fn refusal(error: impl std::fmt::Display) -> anyhow::Error {
    Refusal::usage(error.to_string())
}

fn show(ui: &Ui, word: &str, snapshot: &ListedSnapshot) -> std::io::Result<()> {
    match &snapshot.record {
        Ok(record) => ui.show(format!("{word} {} of {}", snapshot.label, record.timestamp)),
        Err(_) => ui.show(format!("{word} {}, whose record cannot be read", snapshot.label)),
    }
}

fn document(snapshot: &ListedSnapshot) -> Value {
    let timestamp = snapshot.record.as_ref().ok().map(|record| record.timestamp.to_string());
    json!({ "label": snapshot.label.to_string(), "timestamp": timestamp })
}
