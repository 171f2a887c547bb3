//! `cairn quickstart`

use super::high::QuickstartPlan;
use crate::exit::Exit;
use crate::quickstart;
use crate::session::Session;

pub(super) fn run(session: &Session, plan: &QuickstartPlan) -> anyhow::Result<Exit> {
    quickstart::run(session, &plan.directory, plan.scale, plan.settings)?;
    Ok(Exit::Ok)
}
