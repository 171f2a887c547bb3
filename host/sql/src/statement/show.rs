//! SHOW.

use sqlparser::ast;

use super::QualifiedName;

/// `LIKE 'pattern'` and `WHERE condition` of a SHOW.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShowFilter {
    /// Of the first column.
    pub like: Option<String>,
    /// Over the columns that are shown.
    pub condition: Option<ast::Expr>,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Show {
    /// `SHOW DATABASES`
    Databases(ShowFilter),
    /// `SHOW [FULL] TABLES [FROM d]`
    Tables {
        /// Of which database; none is the session's.
        database: Option<String>,
        /// With the kind of each.
        full: bool,
        /// `LIKE`, `WHERE`.
        filter: ShowFilter,
    },
    /// `SHOW TABLE STATUS [FROM d]`
    TableStatus {
        /// Of which database; none is the session's.
        database: Option<String>,
        /// `LIKE`, `WHERE`.
        filter: ShowFilter,
    },
    /// `SHOW CREATE TABLE | VIEW | MATERIALIZED VIEW name`
    CreateTable(QualifiedName),
    /// `SHOW CREATE DATABASE name`
    CreateDatabase(String),
    /// `DESC name`, `SHOW [FULL] COLUMNS FROM name`
    Columns {
        /// Of which table.
        table: QualifiedName,
        /// With collation, privileges and comment.
        full: bool,
        /// `LIKE`, `WHERE`.
        filter: ShowFilter,
    },
    /// `SHOW PARTITIONS FROM name`
    Partitions {
        /// Of which table.
        table: QualifiedName,
        /// `WHERE`.
        filter: ShowFilter,
    },
    /// `SHOW TABLET FROM name`
    Tablets(QualifiedName),
    /// `SHOW MATERIALIZED VIEWS [FROM d]`
    MaterializedViews {
        /// Of which database; none is the session's.
        database: Option<String>,
        /// `LIKE`, `WHERE`.
        filter: ShowFilter,
    },
    /// `SHOW [FULL] FUNCTIONS [FROM d]`
    Functions {
        /// Of which database; none is the session's.
        database: Option<String>,
    },
    /// `SHOW RESOURCE GROUPS [ALL]`, `SHOW RESOURCE GROUP name`
    ResourceGroups {
        /// Only this one.
        name: Option<String>,
    },
    /// `SHOW PROC '/colocation_group'`
    ColocateGroups,
    /// `SHOW USERS`, `SHOW ALL AUTHENTICATION`
    Users,
    /// `SHOW ROLES`
    Roles,
    /// `SHOW [GLOBAL | SESSION] VARIABLES`
    Variables(ShowFilter),
    /// `SHOW WARNINGS`, `SHOW ERRORS`
    Warnings,
    /// `SHOW [FULL] PROCESSLIST`
    Processlist,
    /// `SHOW ENGINES`, `SHOW COLLATION`, `SHOW CHARSET`, `SHOW PLUGINS`, `SHOW STATUS`, `SHOW INDEX FROM t`, `SHOW TRIGGERS`,
    /// ...: what drivers ask for; the words after SHOW, in upper case.
    Other(String),
    /// `SHOW FRONTENDS`
    Frontends,
    /// `SHOW BACKENDS`
    Backends,
}
