//! ADMIN SET CONFIG and ADMIN SHOW CONFIG.

use std::sync::Arc;

use cairn_sql::statement::{Properties, ShowFilter};

use super::{done, filter};
use crate::account::privilege::Action;
use crate::blocking::blocking;
use crate::mysql::{Answer, ResultSet, SqlError};
use crate::refusal;
use crate::session::Session;
use crate::settings::SettingView;

/// What is needed to see and change how the server runs.
pub(super) const OPERATE: &str = "OPERATE";

pub(super) async fn set(
    session: &Session,
    settings: Properties,
    persistent: bool,
) -> Result<Answer, SqlError> {
    require(session)?;
    let [(name, value)] = settings.as_slice() else {
        // As StarRocks: several would not be one change.
        return Err(refusal::analysis("Only one config can be set at a time"));
    };
    let (name, value) = (name.clone(), value.clone());
    let frontend = Arc::clone(&session.frontend);
    blocking(move || frontend.settings.set(&name, &value, persistent)).await?;
    Ok(done())
}

pub(super) fn show(session: &Session, like: Option<String>) -> Result<Answer, SqlError> {
    require(session)?;
    let columns = ["Key", "AliasNames", "Value", "Type", "IsMutable", "Comment"];
    let mut shown = ResultSet::of_text(columns);
    shown.rows = session.frontend.settings.list().into_iter().map(row).collect();
    let condition = ShowFilter { like, condition: None };
    filter::apply(shown, &condition, 0).map(Answer::Rows)
}

fn row(setting: SettingView) -> Vec<Option<String>> {
    let SettingView { name, value, kind, about, .. } = setting;
    vec![
        Some(name.to_owned()),
        Some("[]".to_owned()),
        Some(value),
        Some(kind.to_owned()),
        Some("true".to_owned()),
        Some(about.to_owned()),
    ]
}

fn require(session: &Session) -> Result<(), SqlError> {
    session.require(&session.frontend.warehouse.catalog(), Action::system(OPERATE))
}
