//! Views, materialized views, functions, resource groups.

use sqlparser::ast;

use super::{Distribution, Properties, QualifiedName};

/// `CREATE [OR REPLACE] VIEW`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// Its name.
    pub name: QualifiedName,
    /// Whether it may exist.
    pub if_not_exists: bool,
    /// Whether it replaces another.
    pub or_replace: bool,
    /// Names of its columns; empty takes those of the query.
    pub columns: Vec<String>,
    /// `COMMENT "..."`
    pub comment: String,
    /// The query.
    pub query: Box<ast::Query>,
    /// The query as typed.
    pub text: String,
}

/// `CREATE MATERIALIZED VIEW`: asynchronous where `REFRESH`, `DISTRIBUTED BY` or `PARTITION BY` is said, else synchronous.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateMaterializedView {
    /// Its name.
    pub name: QualifiedName,
    /// Whether it may exist.
    pub if_not_exists: bool,
    /// `COMMENT "..."`
    pub comment: String,
    /// When it is refreshed; none is a synchronous view.
    pub refresh: Option<Refresh>,
    /// `REFRESH DEFERRED`: not at once.
    pub deferred: bool,
    /// `PARTITION BY`, as typed.
    pub partition_by: Option<String>,
    /// `DISTRIBUTED BY`
    pub distribution: Option<Distribution>,
    /// `PROPERTIES (...)`
    pub properties: Properties,
    /// The query.
    pub query: Box<ast::Query>,
    /// The query as typed.
    pub text: String,
}

/// When an asynchronous materialized view is refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// `REFRESH MANUAL`
    Manual,
    /// `REFRESH [IMMEDIATE | DEFERRED] ASYNC`: after each load of a base table.
    OnLoad,
    /// `REFRESH ASYNC [START ("t")] EVERY (INTERVAL n unit)`
    Every {
        /// From when on.
        start: Option<String>,
        /// How many.
        step: u32,
        /// Of what, in lower case.
        unit: String,
    },
}

/// A change of a materialized view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterMaterializedView {
    /// `ACTIVE`
    Active,
    /// `INACTIVE`
    Inactive,
    /// `RENAME name`
    Rename(String),
}

/// `CREATE FUNCTION`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFunction {
    /// Its name.
    pub name: QualifiedName,
    /// `AGGREGATE`, `TABLE`, or nothing.
    pub kind: String,
    /// Types of its arguments, in upper case without blanks.
    pub arguments: Vec<String>,
    /// Type of its result.
    pub returns: String,
    /// `symbol`, `type`, `file`, ...
    pub properties: Properties,
}

/// `CREATE RESOURCE GROUP name TO (classifier), ... WITH (limits)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateResourceGroup {
    /// Its name.
    pub name: String,
    /// Which queries it is for: each a list such as `user = 'x', query_type in ('select')`, as typed.
    pub classifiers: Vec<String>,
    /// Its limits.
    pub properties: Properties,
}
