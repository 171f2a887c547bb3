//! `cairn quickstart`

use super::high::QuickstartPlan;
use crate::exit::Exit;
use crate::quickstart::{self, Wishes};
use crate::session::Session;

pub(super) fn run(session: &Session, plan: &QuickstartPlan) -> anyhow::Result<Exit> {
    let wishes = Wishes {
        directory: &plan.directory,
        repository: plan.repository.as_deref(),
        said: &plan.said,
        scale: plan.scale,
        settings: plan.settings,
        program: &plan.program,
    };
    quickstart::run(session, &wishes)?;
    Ok(Exit::Ok)
}
