//! `cairn config`

use crate::config::DOCUMENTED_DEFAULT;
use crate::exit::Exit;
use crate::ui::Ui;

pub(super) fn print(ui: &Ui) -> anyhow::Result<Exit> {
    ui.show_raw(DOCUMENTED_DEFAULT)?;
    Ok(Exit::Ok)
}
