//! SHOW PROCESSLIST, FRONTENDS and BACKENDS. One process is both the frontend and the only backend.

use super::super::admin::OPERATE;
use super::{Sight, columns, row};
use crate::account::privilege::Action;
use crate::clock::{now_millis, shown};
use crate::connections::ConnectionView;
use crate::mysql::{ResultSet, SqlError, SqlType};

/// The id of the only backend.
pub(super) const BACKEND_ID: &str = "10001";
/// Where both live, as nobody else reaches them by these lists.
const HOST: &str = "127.0.0.1";

/// Who may operate the server sees all connections, everybody else the own ones.
pub(super) fn connections(sight: &Sight<'_>) -> ResultSet {
    use SqlType::{Int, UnsignedBigInt, Varchar};
    let mut result = columns(&[
        ("Id", UnsignedBigInt),
        ("User", Varchar),
        ("Host", Varchar),
        ("Db", Varchar),
        ("Command", Varchar),
        ("ConnectionStartTime", Varchar),
        ("Time", Int),
        ("State", Varchar),
        ("Info", Varchar),
        ("IsPending", Varchar),
        ("Warehouse", Varchar),
    ]);
    let sees_all = sight.grants.allow(Action::system(OPERATE));
    let now = now_millis();
    let all = sight.session.frontend.connections.list();
    let seen = all.into_iter().filter(|view| sees_all || view.user == sight.session.user);
    result.rows = seen.map(|view| connection_row(view, now)).collect();
    result
}

fn connection_row(view: ConnectionView, now: i64) -> Vec<Option<String>> {
    let ConnectionView { id, user: (name, _), peer, database, since, statement } = view;
    let (command, info) = match &statement {
        Some((text, _)) => ("Query", Some(text.clone())),
        None => ("Sleep", None),
    };
    let since_when = statement.map_or(since, |(_, since)| since);
    let seconds = now.saturating_sub(since_when).max(0) / 1000;
    vec![
        Some(id.to_string()),
        Some(name),
        Some(peer),
        database,
        Some(command.to_owned()),
        Some(shown(since)),
        Some(seconds.min(i64::from(i32::MAX)).to_string()),
        Some("OK".to_owned()),
        info,
        Some("false".to_owned()),
        Some("default_warehouse".to_owned()),
    ]
}

pub(super) fn frontends(sight: &Sight<'_>) -> Result<ResultSet, SqlError> {
    sight.require(OPERATE)?;
    let frontend = &sight.session.frontend;
    let mut result = ResultSet::of_text([
        "Name",
        "IP",
        "EditLogPort",
        "HttpPort",
        "QueryPort",
        "RpcPort",
        "Role",
        "ClusterId",
        "Join",
        "Alive",
        "ReplayedJournalId",
        "LastHeartbeat",
        "IsHelper",
        "ErrMsg",
        "StartTime",
        "Version",
    ]);
    let text = |text: &str| text.to_owned();
    result.rows.push(row([
        text("frontend"),
        text(HOST),
        text("0"),
        text("0"),
        text("0"),
        text("0"),
        text("LEADER"),
        frontend.warehouse.cluster_id().to_string(),
        text("true"),
        text("true"),
        text("0"),
        shown(now_millis()),
        text("true"),
        String::new(),
        shown(frontend.connections.started_at()),
        text(env!("CARGO_PKG_VERSION")),
    ]));
    Ok(result)
}

pub(super) fn backends(sight: &Sight<'_>) -> Result<ResultSet, SqlError> {
    sight.require(OPERATE)?;
    let mut result = ResultSet::of_text([
        "BackendId",
        "IP",
        "HeartbeatPort",
        "BePort",
        "HttpPort",
        "BrpcPort",
        "LastStartTime",
        "LastHeartbeat",
        "Alive",
        "SystemDecommissioned",
        "ClusterDecommissioned",
        "TabletNum",
        "DataUsedCapacity",
        "AvailCapacity",
        "TotalCapacity",
        "UsedPct",
        "MaxDiskUsedPct",
        "ErrMsg",
        "Version",
        "Status",
    ]);
    let tables = || sight.catalog.databases().flat_map(|database| database.tables());
    let indexes = tables().flat_map(|table| table.partitions()).flat_map(|it| &it.indexes);
    let tablets: usize = indexes.map(|index| index.tablets.len()).sum();
    let bytes = tables().map(|table| super::relation::byte_count(table)).sum();
    let text = |text: &str| Some(text.to_owned());
    result.rows.push(vec![
        text(BACKEND_ID),
        text(HOST),
        text("0"),
        text("0"),
        text("0"),
        text("0"),
        Some(shown(sight.session.frontend.connections.started_at())),
        Some(shown(now_millis())),
        text("true"),
        text("false"),
        text("false"),
        Some(tablets.to_string()),
        Some(super::size_text(bytes)),
        None,
        None,
        None,
        None,
        text(""),
        text(env!("CARGO_PKG_VERSION")),
        text("{}"),
    ]);
    Ok(result)
}
