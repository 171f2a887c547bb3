//! `cairn hold`

use cairn_pipeline::{Hold, this_host};
use serde_json::{Value, json};

use super::high::{HoldAction, HoldPlan};
use crate::exit::{Exit, Refusal};
use crate::session::Session;
use crate::ui::{Align, Table, Ui};

pub(super) fn run(session: &Session, plan: &HoldPlan) -> anyhow::Result<Exit> {
    let place = &plan.repository;
    match &plan.action {
        HoldAction::Add { label, name, reason } => {
            let (snapshot, name) = (parse(label)?, parse(name)?);
            let repository = session.open_to_change(place)?;
            let hold = repository.hold(&snapshot, &name, reason, &this_host().to_string())?;
            session.ui.show(format!("holds {label} of {}: {hold}", hold.taken))?;
            let hold = document(&hold);
            session
                .ui
                .document(&json!({ "verb": "hold add", "repository": place, "hold": hold }))?;
        }
        HoldAction::Remove { label, name } => {
            let (snapshot, hold) = (parse(label)?, parse(name)?);
            session.open_to_change(place)?.release(&snapshot, &hold)?;
            session.ui.show(format!("{label} is not held as {name} any more"))?;
            session.ui.document(&json!({
                "verb": "hold remove", "repository": place, "label": label, "name": name,
            }))?;
        }
        HoldAction::List { label } => {
            let label = label.as_deref().map(parse).transpose()?;
            let holds = session.open(place)?.holds(label.as_ref())?;
            show(&session.ui, place, &holds)?;
            let holds: Vec<Value> = holds.iter().map(document).collect();
            session
                .ui
                .document(&json!({ "verb": "hold list", "repository": place, "holds": holds }))?;
        }
    }
    Ok(Exit::Ok)
}

fn parse(text: &str) -> anyhow::Result<cairn_pipeline::Label> {
    text.parse().map_err(|error| Refusal::usage(format!("{text:?}: {error}")))
}

fn show(ui: &Ui, repository: &str, holds: &[Hold]) -> std::io::Result<()> {
    if holds.is_empty() {
        return ui.show(format!("no holds in {repository}"));
    }
    let columns = ["label", "taken (UTC)", "hold", "reason", "placed by", "placed (UTC)"];
    let mut table = Table::new(&columns.map(|name| (name, Align::Left)));
    for hold in holds {
        let (label, taken, name) = (&hold.label, hold.taken, &hold.name);
        let said = match &hold.note {
            Some(note) => [note.reason.clone(), note.by.clone(), note.placed.to_string()],
            None => ["damaged".to_owned(), String::new(), String::new()],
        };
        let named = [label.to_string(), taken.to_string(), name.to_string()];
        table.row(named.into_iter().chain(said));
    }
    ui.show(table.to_string())
}

fn document(hold: &Hold) -> Value {
    let note = hold.note.as_ref();
    json!({
        "label": hold.label.to_string(),
        "timestamp": hold.taken.to_string(),
        "name": hold.name.to_string(),
        "reason": note.map(|note| &note.reason),
        "by": note.map(|note| &note.by),
        "placed": note.map(|note| note.placed.to_string()),
    })
}
