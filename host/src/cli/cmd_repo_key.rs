//! `cairn repo key`

use cairn_pipeline::ListedSlot;
use serde_json::{Value, json};

use super::high::{KeyChange, NewSecret, RepoKeyPlan};
use crate::exit::Exit;
use crate::secret::SecretSource;
use crate::session::Session;
use crate::ui::{Align, Table, Ui};

pub(super) fn run(session: &Session, plan: &RepoKeyPlan) -> anyhow::Result<Exit> {
    let (ui, location) = (&session.ui, &plan.repository);
    match &plan.change {
        KeyChange::List => list(session, location)?,
        KeyChange::Add { secret, note } => {
            let secret = match secret {
                NewSecret::PassphraseFile(path) => SecretSource::passphrase_in(path)?,
                NewSecret::Source(source) => source.fetch()?,
            };
            let slot = session.open_to_change(location)?.add_key_slot(&secret, note)?;
            ui.show(format!("added the key slot {slot}"))?;
            ui.document(&json!({ "verb": "repo key add", "repository": location, "slot": slot.to_string() }))?;
        }
        KeyChange::Remove(slot) => {
            session.open_to_change(location)?.remove_key_slot(*slot)?;
            ui.show(format!("removed the key slot {slot}"))?;
            ui.note("who kept a copy of it can still open what is stored");
            ui.document(&json!({ "verb": "repo key remove", "repository": location, "slot": slot.to_string() }))?;
        }
        KeyChange::Rotate => {
            let generation = session.open_to_change(location)?.rotate_keys()?;
            ui.show(format!("what is stored from now on is sealed with key {generation}"))?;
            ui.document(
                &json!({ "verb": "repo key rotate", "repository": location, "key": generation }),
            )?;
        }
    }
    Ok(Exit::Ok)
}

fn list(session: &Session, location: &str) -> anyhow::Result<()> {
    let slots = session.engine.key_slots(&session.storage_of(location)?)?;
    show(&session.ui, location, &slots)?;
    let slots: Vec<Value> = slots.iter().map(document).collect();
    let document = json!({ "verb": "repo key list", "repository": location, "slots": slots });
    Ok(session.ui.document(&document)?)
}

fn show(ui: &Ui, location: &str, slots: &[ListedSlot]) -> std::io::Result<()> {
    if slots.is_empty() {
        return ui
            .show(format!("no key slots in {location}: it is not encrypted, or lost its keys"));
    }
    let mut table = Table::new(&[
        ("slot", Align::Left),
        ("opened by", Align::Left),
        ("made (UTC)", Align::Left),
        ("note", Align::Left),
    ]);
    for slot in slots {
        let id = slot.id.to_string();
        match &slot.label {
            Ok(label) => table.row([
                id,
                label.kind.to_string(),
                label.created.to_string(),
                label.note.escape_debug().to_string(),
            ]),
            Err(_) => table.row([id, "damaged".to_owned()]),
        }
    }
    ui.show(table.to_string())
}

fn document(slot: &ListedSlot) -> Value {
    let id = slot.id.to_string();
    match &slot.label {
        Ok(label) => json!({
            "slot": id,
            "opened_by": label.kind.to_string(),
            "created": label.created.to_string(),
            "note": label.note,
        }),
        Err(damage) => json!({ "slot": id, "damaged": damage.to_string() }),
    }
}
