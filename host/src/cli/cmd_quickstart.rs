//! `cairn quickstart`

use super::high::QuickstartPlan;
use crate::config::HostConfig;
use crate::exit::Exit;
use crate::quickstart::{self, Wishes};
use crate::signals::Signals;
use crate::ui::Ui;

pub(super) fn run(
    ui: &Ui,
    signals: &Signals,
    config: &HostConfig,
    plan: &QuickstartPlan,
) -> anyhow::Result<Exit> {
    let wishes = Wishes {
        directory: &plan.directory,
        repository: plan.repository.as_deref(),
        said: &plan.said,
        scale: plan.scale,
        program: &plan.program,
    };
    quickstart::run(ui, signals, config, &wishes)?;
    Ok(Exit::Ok)
}
