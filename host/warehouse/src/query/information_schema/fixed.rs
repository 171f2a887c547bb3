//! What is the same in every warehouse: engines, character sets, and relations that exist for drivers and have no rows.

use super::Kind::{Number, Text, Time};
use super::{Cell, Definition, Kind};

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "engines",
        columns: &[
            ("ENGINE", Text),
            ("SUPPORT", Text),
            ("COMMENT", Text),
            ("TRANSACTIONS", Text),
            ("XA", Text),
            ("SAVEPOINTS", Text),
        ],
        rows: |_| {
            let engine =
                ["StarRocks", "DEFAULT", "Tablets of immutable segments", "NO", "NO", "NO"];
            vec![engine.map(Cell::from).to_vec()]
        },
    },
    Definition {
        name: "character_sets",
        columns: &[
            ("CHARACTER_SET_NAME", Text),
            ("DEFAULT_COLLATE_NAME", Text),
            ("DESCRIPTION", Text),
            ("MAXLEN", Number),
        ],
        rows: |_| {
            let set = |name: &str, collation: &str, bytes| {
                vec![name.into(), collation.into(), "UTF-8 Unicode".into(), Cell::Number(bytes)]
            };
            vec![set("utf8", "utf8_general_ci", 3), set("utf8mb4", "utf8mb4_general_ci", 4)]
        },
    },
    Definition {
        name: "collations",
        columns: &[
            ("COLLATION_NAME", Text),
            ("CHARACTER_SET_NAME", Text),
            ("ID", Number),
            ("IS_DEFAULT", Text),
            ("IS_COMPILED", Text),
            ("SORTLEN", Number),
        ],
        rows: |_| {
            let collation = |name: &str, set: &str, id| {
                let (id, length) = (Cell::Number(id), Cell::Number(1));
                vec![name.into(), set.into(), id, "Yes".into(), "Yes".into(), length]
            };
            vec![
                collation("utf8_general_ci", "utf8", 33),
                collation("utf8mb4_general_ci", "utf8mb4", 45),
            ]
        },
    },
    empty("routines", ROUTINES),
    empty("parameters", PARAMETERS),
    empty("triggers", TRIGGERS),
    empty("events", EVENTS),
    empty("column_privileges", PRIVILEGES),
    empty("table_privileges", PRIVILEGES),
    empty("schema_privileges", PRIVILEGES),
    empty("user_privileges", PRIVILEGES),
];

const fn empty(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Definition {
    Definition { name, columns, rows: |_| Vec::new() }
}

const ROUTINES: &[(&str, Kind)] = &[
    ("SPECIFIC_NAME", Text),
    ("ROUTINE_CATALOG", Text),
    ("ROUTINE_SCHEMA", Text),
    ("ROUTINE_NAME", Text),
    ("ROUTINE_TYPE", Text),
    ("DATA_TYPE", Text),
    ("ROUTINE_DEFINITION", Text),
    ("CREATED", Time),
    ("LAST_ALTERED", Time),
    ("ROUTINE_COMMENT", Text),
    ("DEFINER", Text),
];

const PARAMETERS: &[(&str, Kind)] = &[
    ("SPECIFIC_CATALOG", Text),
    ("SPECIFIC_SCHEMA", Text),
    ("SPECIFIC_NAME", Text),
    ("ORDINAL_POSITION", Number),
    ("PARAMETER_MODE", Text),
    ("PARAMETER_NAME", Text),
    ("DATA_TYPE", Text),
    ("ROUTINE_TYPE", Text),
];

const TRIGGERS: &[(&str, Kind)] = &[
    ("TRIGGER_CATALOG", Text),
    ("TRIGGER_SCHEMA", Text),
    ("TRIGGER_NAME", Text),
    ("EVENT_MANIPULATION", Text),
    ("EVENT_OBJECT_SCHEMA", Text),
    ("EVENT_OBJECT_TABLE", Text),
    ("ACTION_STATEMENT", Text),
    ("ACTION_TIMING", Text),
    ("CREATED", Time),
];

const EVENTS: &[(&str, Kind)] = &[
    ("EVENT_CATALOG", Text),
    ("EVENT_SCHEMA", Text),
    ("EVENT_NAME", Text),
    ("DEFINER", Text),
    ("EVENT_DEFINITION", Text),
    ("STATUS", Text),
];

const PRIVILEGES: &[(&str, Kind)] = &[
    ("GRANTEE", Text),
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("COLUMN_NAME", Text),
    ("PRIVILEGE_TYPE", Text),
    ("IS_GRANTABLE", Text),
];
