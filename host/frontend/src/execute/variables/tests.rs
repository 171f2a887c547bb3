use cairn_sql::statement::Statement;

use super::*;
use crate::mysql::MysqlConfig;

type Variables = BTreeMap<String, String>;

/// What a session has set after a SET.
fn after(variables: &Variables, typed: &str) -> Result<Variables, SqlError> {
    match cairn_sql::parse_one(&format!("SET {typed}")) {
        Ok(Statement::SetVariables(assignments)) => changed(variables, assignments),
        other => panic!("{typed}: {other:?}"),
    }
}

fn set(typed: &str) -> Vec<(String, String)> {
    let variables = after(&Variables::new(), typed);
    variables.unwrap_or_else(|error| panic!("{typed}: {error}")).into_iter().collect()
}

fn code(typed: &str) -> u16 {
    after(&Variables::new(), typed).unwrap_err().code
}

#[test]
fn the_table_is_in_order_and_every_value_is_one() {
    assert!(KNOWN.is_sorted_by(|a, b| a.name < b.name));
    for known in KNOWN {
        assert_eq!(known.check(known.value).as_deref(), Ok(known.value), "{}", known.name);
    }
}

#[test]
fn limits_are_those_of_the_protocol() {
    let config = MysqlConfig::new(([127, 0, 0, 1], 0).into());
    let value = |name: &str| known(name).map(|known| known.value.to_owned());
    let seconds = |time: std::time::Duration| Some(time.as_secs().to_string());
    assert_eq!(value("max_allowed_packet"), Some(config.max_allowed_packet.to_string()));
    assert_eq!(value("max_connections"), Some(config.max_connections.to_string()));
    assert_eq!(value("wait_timeout"), seconds(config.idle_timeout));
    assert_eq!(value("interactive_timeout"), seconds(config.idle_timeout));
    assert_eq!(value("net_write_timeout"), seconds(config.write_timeout));
    assert_eq!(value("version"), Some(config.version));
}

#[test]
fn what_drivers_and_dumps_set_is_kept() {
    for (typed, expected) in [
        ("autocommit = OFF", &[("autocommit", "0")][..]),
        ("autocommit = true", &[("autocommit", "1")]),
        ("SESSION query_timeout = 60", &[("query_timeout", "60")]),
        ("GLOBAL Query_Timeout = '60'", &[("query_timeout", "60")]),
        ("@@session.time_zone = '+00:00'", &[("time_zone", "+00:00")]),
        ("character_set_results = NULL", &[("character_set_results", "")]),
        ("character_set_connection = binary", &[("character_set_connection", "binary")]),
        ("pipeline_dop = 4", &[("pipeline_dop", "4")]),
        (
            "sql_mode = CONCAT(@@sql_mode, ',PIPES_AS_CONCAT')",
            &[("sql_mode", "ONLY_FULL_GROUP_BY,PIPES_AS_CONCAT")],
        ),
        ("@a = 'x', @b = @a, @c = @unset", &[("@a", "x"), ("@b", "x")]),
        ("@OLD_SQL_MODE = @@SQL_MODE", &[("@old_sql_mode", "ONLY_FULL_GROUP_BY")]),
        ("@x = @@session.autocommit, @y = -1", &[("@x", "1"), ("@y", "-1")]),
        ("autocommit = 0, autocommit = DEFAULT", &[]),
    ] {
        let expected: Vec<_> =
            expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(set(typed), expected, "{typed}");
    }
}

#[test]
fn what_cannot_be_set_is_refused() {
    for (typed, expected) in [
        ("version = '5.1'", 1238),
        ("@@global.lower_case_table_names = 1", 1238),
        ("autocommit = maybe", 1231),
        ("wait_timeout = soon", 1232),
        ("@a = @@colour", 1193),
        ("@a = 1 + 2", 1235),
        ("@a = CONCAT('a', DEFAULT)", 1235),
        ("@a = CONCAT('a', lower('B'))", 1235),
    ] {
        assert_eq!(code(typed), expected, "{typed}");
    }
}

#[test]
fn a_session_cannot_keep_without_end() {
    let long = format!("@a = '{}'", "x".repeat(MAX_BYTES));
    assert!(after(&Variables::new(), &long).is_err());
    let full: Variables = (0..MAX_KEPT).map(|n| (format!("@v{n}"), String::new())).collect();
    assert!(after(&full, "@more = 1").is_err());
    assert!(after(&full, "@v7 = 1").is_ok());
}

/// A client that quotes for such a mode, as drivers do once it is set, would be read otherwise.
#[test]
fn modes_in_which_quotes_differ_are_refused() {
    for mode in ["NO_BACKSLASH_ESCAPES", "ansi_quotes", "STRICT_TRANS_TABLES, ANSI", "4", "1048576"]
    {
        assert_eq!(code(&format!("sql_mode = '{mode}'")), 1231, "{mode}");
    }
    assert_eq!(code("sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')"), 1231);
    for mode in ["", "TRADITIONAL", "STRICT_TRANS_TABLES,NO_ZERO_DATE", "2"] {
        assert_eq!(
            set(&format!("sql_mode = '{mode}'")),
            [("sql_mode".to_owned(), mode.to_owned())]
        );
    }
}
