//! The table of variables: names, values where nothing was set, and what may be set. In order of their names.

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whatever is set.
    Text,
    /// Modes of SQL, but those in which the text of a statement would mean something else.
    SqlMode,
    /// A whole number.
    Number,
    /// 0 or 1; shown as OFF and ON.
    Switch,
    /// What nobody sets.
    ReadOnly,
}

/// A variable.
#[derive(Debug)]
pub(super) struct Known {
    /// Its name, in lower case.
    pub(super) name: &'static str,
    /// What it is where nothing was set.
    pub(super) value: &'static str,
    /// What may be set.
    pub(super) kind: Kind,
}

const fn known(kind: Kind, name: &'static str, value: &'static str) -> Known {
    Known { name, value, kind }
}

/// What drivers and tools ask for, with MySQL's and StarRocks' names. Limits are those of the protocol in this crate.
pub(super) const KNOWN: &[Known] = &[
    known(Kind::Number, "auto_increment_increment", "1"),
    known(Kind::Number, "auto_increment_offset", "1"),
    known(Kind::Switch, "autocommit", "1"),
    known(Kind::Text, "catalog", "default_catalog"),
    known(Kind::Text, "character_set_client", "utf8mb4"),
    known(Kind::Text, "character_set_connection", "utf8mb4"),
    known(Kind::Text, "character_set_database", "utf8mb4"),
    known(Kind::Text, "character_set_filesystem", "binary"),
    known(Kind::Text, "character_set_results", "utf8mb4"),
    known(Kind::Text, "character_set_server", "utf8mb4"),
    known(Kind::ReadOnly, "character_set_system", "utf8mb3"),
    known(Kind::Text, "collation_connection", "utf8mb4_general_ci"),
    known(Kind::Text, "collation_database", "utf8mb4_general_ci"),
    known(Kind::Text, "collation_server", "utf8mb4_general_ci"),
    known(Kind::Text, "default_storage_engine", "OLAP"),
    known(Kind::Text, "default_week_format", "0"),
    known(Kind::Number, "div_precision_increment", "4"),
    known(Kind::Switch, "foreign_key_checks", "0"),
    known(Kind::Number, "group_concat_max_len", "65535"),
    known(Kind::ReadOnly, "have_openssl", "YES"),
    known(Kind::ReadOnly, "have_query_cache", "NO"),
    known(Kind::ReadOnly, "have_ssl", "YES"),
    known(Kind::Text, "init_connect", ""),
    known(Kind::Number, "innodb_lock_wait_timeout", "50"),
    known(Kind::Number, "interactive_timeout", "28800"),
    known(Kind::Text, "language", "/"),
    known(Kind::ReadOnly, "license", "Apache License 2.0"),
    known(Kind::Number, "lock_wait_timeout", "31536000"),
    known(Kind::ReadOnly, "lower_case_file_system", "0"),
    known(Kind::ReadOnly, "lower_case_table_names", "0"),
    known(Kind::Number, "max_allowed_packet", "67108864"),
    known(Kind::ReadOnly, "max_connections", "4096"),
    known(Kind::Number, "max_execution_time", "0"),
    known(Kind::Number, "net_buffer_length", "16384"),
    known(Kind::Number, "net_read_timeout", "60"),
    known(Kind::Number, "net_write_timeout", "600"),
    known(Kind::ReadOnly, "performance_schema", "0"),
    known(Kind::ReadOnly, "protocol_version", "10"),
    known(Kind::Number, "query_cache_size", "0"),
    known(Kind::Text, "query_cache_type", "OFF"),
    known(Kind::Number, "query_timeout", "300"),
    known(Kind::Switch, "sql_auto_is_null", "0"),
    known(Kind::SqlMode, "sql_mode", "ONLY_FULL_GROUP_BY"),
    known(Kind::Switch, "sql_notes", "1"),
    known(Kind::Switch, "sql_quote_show_create", "1"),
    known(Kind::Switch, "sql_safe_updates", "0"),
    known(Kind::Number, "sql_select_limit", "9223372036854775807"),
    known(Kind::Switch, "sql_warnings", "0"),
    known(Kind::Text, "storage_engine", "OLAP"),
    known(Kind::ReadOnly, "system_time_zone", "UTC"),
    known(Kind::Text, "time_zone", "UTC"),
    known(Kind::Text, "transaction_isolation", "REPEATABLE-READ"),
    known(Kind::Switch, "transaction_read_only", "0"),
    known(Kind::Text, "tx_isolation", "REPEATABLE-READ"),
    known(Kind::Switch, "tx_read_only", "0"),
    known(Kind::Switch, "unique_checks", "1"),
    known(Kind::ReadOnly, "version", "8.0.33"),
    known(Kind::ReadOnly, "version_comment", VERSION_COMMENT),
    known(Kind::ReadOnly, "version_compile_machine", std::env::consts::ARCH),
    known(Kind::ReadOnly, "version_compile_os", std::env::consts::OS),
    known(Kind::Number, "wait_timeout", "28800"),
];

/// Which program this is.
const VERSION_COMMENT: &str = concat!("Cairn version ", env!("CARGO_PKG_VERSION"));
