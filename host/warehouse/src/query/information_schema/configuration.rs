//! `be_configs`: the settings of the server, which is its own only backend. Its rows come from who runs the query, not from
//! the catalog.

use super::Kind::{Number, Text};
use super::{Cell, Definition};
use crate::query::session::ServerSetting;

/// The name of the relation.
pub(super) const NAME: &str = "be_configs";
/// The id of the only backend, as SHOW BACKENDS tells it.
const BACKEND_ID: i64 = 10_001;

pub(super) const DEFINITIONS: &[Definition] = &[Definition {
    name: NAME,
    columns: &[
        ("BE_ID", Number),
        ("NAME", Text),
        ("TYPE", Text),
        ("DEFAULT", Text),
        ("VALUE", Text),
        ("MUTABLE", Text),
    ],
    rows: |_| Vec::new(),
}];

pub(super) fn rows(settings: Vec<ServerSetting>) -> Vec<Vec<Cell>> {
    let row = |setting: ServerSetting| {
        let ServerSetting { name, kind, default, value, is_mutable } = setting;
        let texts = [name, kind, default, value, is_mutable.to_string()];
        let id = std::iter::once(Cell::Number(BACKEND_ID));
        id.chain(texts.into_iter().map(Cell::from)).collect()
    };
    settings.into_iter().map(row).collect()
}
