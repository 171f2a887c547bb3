//! What drivers and tools ask for and what is the same in every server: engines, character sets, and lists that are empty.

use crate::account::CATALOG;
use crate::mysql::{ResultSet, SqlError};
use crate::refusal;

/// A list: the words behind SHOW, the columns, the rows.
type List = (&'static [&'static str], &'static [&'static str], &'static [&'static [&'static str]]);

const LISTS: &[List] = &[
    (&["BINARY LOGS"], &["Log_name", "File_size"], &[]),
    (
        &["BROKER"],
        &["Name", "IP", "Port", "Alive", "LastStartTime", "LastUpdateTime", "ErrMsg"],
        &[],
    ),
    (
        &["CATALOGS"],
        &["Catalog", "Type", "Comment"],
        &[&[CATALOG, "Internal", "The catalog that holds all databases of this server"]],
    ),
    (
        &["CHARSET", "CHARACTER SET"],
        &["Charset", "Description", "Default collation", "Maxlen"],
        &[
            &["utf8", "UTF-8 Unicode", "utf8_general_ci", "3"],
            &["utf8mb4", "UTF-8 Unicode", "utf8mb4_general_ci", "4"],
        ],
    ),
    (
        &["COLLATION"],
        &["Collation", "Charset", "Id", "Default", "Compiled", "Sortlen"],
        &[
            &["utf8_general_ci", "utf8", "33", "Yes", "Yes", "1"],
            &["utf8mb4_general_ci", "utf8mb4", "45", "Yes", "Yes", "1"],
        ],
    ),
    (
        &["COMPUTE NODES"],
        &[
            "ComputeNodeId",
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
            "ErrMsg",
            "Version",
        ],
        &[],
    ),
    (
        &["ENGINES", "STORAGE ENGINES"],
        &["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"],
        &[&["OLAP", "DEFAULT", "Tablets of immutable segments", "NO", "NO", "NO"]],
    ),
    (
        &["EVENTS"],
        &[
            "Db",
            "Name",
            "Definer",
            "Time",
            "Type",
            "Execute at",
            "Interval value",
            "Interval field",
            "Starts",
            "Ends",
            "Status",
            "Originator",
            "character_set_client",
            "collation_connection",
            "Database Collation",
        ],
        &[],
    ),
    (
        &["FUNCTION STATUS", "PROCEDURE STATUS"],
        &[
            "Db",
            "Name",
            "Type",
            "Definer",
            "Modified",
            "Created",
            "Security_type",
            "Comment",
            "character_set_client",
            "collation_connection",
            "Database Collation",
        ],
        &[],
    ),
    (
        &["INDEX", "INDEXES", "KEYS"],
        &[
            "Table",
            "Non_unique",
            "Key_name",
            "Seq_in_index",
            "Column_name",
            "Collation",
            "Cardinality",
            "Sub_part",
            "Packed",
            "Null",
            "Index_type",
            "Comment",
        ],
        &[],
    ),
    (&["OPEN TABLES"], &["Database", "Table", "In_use", "Name_locked"], &[]),
    (
        &["PLUGINS"],
        &[
            "Name",
            "Type",
            "Description",
            "Version",
            "JavaVersion",
            "ClassName",
            "SoName",
            "Sources",
            "Status",
            "Properties",
        ],
        &[],
    ),
    (&["PRIVILEGES"], &["Privilege", "Context", "Comment"], &[]),
    (&["STATUS"], &["Variable_name", "Value"], &[]),
    (
        &["TRIGGERS"],
        &[
            "Trigger",
            "Event",
            "Table",
            "Statement",
            "Timing",
            "Created",
            "sql_mode",
            "Definer",
            "character_set_client",
            "collation_connection",
            "Database Collation",
        ],
        &[],
    ),
];

pub(super) fn show(words: &str) -> Result<ResultSet, SqlError> {
    let list = LISTS.iter().find(|(names, ..)| names.contains(&words));
    let (_, columns, rows) =
        list.ok_or_else(|| refusal::unsupported(format_args!("SHOW {words}")))?;
    let mut shown = ResultSet::of_text(columns.iter().copied());
    let cells = |cells: &&[&str]| cells.iter().map(|cell| Some((*cell).to_owned())).collect();
    shown.rows = rows.iter().map(cells).collect();
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_columns() {
        for (words, columns, rows) in LISTS {
            for row in *rows {
                assert_eq!(row.len(), columns.len(), "{words:?}");
            }
        }
    }

    #[test]
    fn what_drivers_ask_for_is_answered() {
        for words in ["ENGINES", "COLLATION", "CHARSET", "CHARACTER SET", "PLUGINS", "STATUS"] {
            assert!(!show(words).unwrap().columns.is_empty(), "{words}");
        }
        assert_eq!(show("THUNDER").unwrap_err().code, 1235);
    }
}
