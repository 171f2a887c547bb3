//! `cairn repo`

use serde_json::json;

use super::high::RepoCreatePlan;
use crate::exit::Exit;
use crate::session::Session;

pub(super) fn create(session: &Session, plan: &RepoCreatePlan) -> anyhow::Result<Exit> {
    let repository = session.create(&plan.repository, plan.settings)?;
    session.ui.show(format!("made a repository at {}", plan.repository))?;
    session.ui.document(&json!({
        "verb": "repo create",
        "repository": plan.repository,
        "id": repository.id(),
        "compression": plan.settings.compression.to_string(),
        "pack_bytes": plan.settings.pack_bytes,
    }))?;
    Ok(Exit::Ok)
}
