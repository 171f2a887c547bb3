//! `cairn quickstart`

use super::high::QuickstartPlan;
use crate::exit::Exit;
use crate::session::Session;

pub(super) fn run(session: &Session, plan: &QuickstartPlan) -> anyhow::Result<Exit> {
    let _ = (session, plan);
    Ok(Exit::Ok)
}
