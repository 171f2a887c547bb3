//! What a statement says: one type for each statement of StarRocks' grammar that Cairn speaks, and [`Statement::Query`]
//! for what is plain SQL.
//!
//! Names are as typed, without quotes; nothing is resolved and nothing is checked against a catalog. Expressions and
//! queries are sqlparser's own types, for the planner of the host.

mod account;
mod job;
mod show;
mod table;
mod view;

use sqlparser::ast;

pub use account::{AccountSecret, GrantObject, Grantee, UserName};
pub use job::{
    AlterSnapshot, Backup, CreateRepository, JobObject, ObjectKind, Restore, SnapshotFilter,
};
pub use show::{Show, ShowFilter};
pub use table::{
    AlterTable, ColumnDefault, ColumnDefinition, CreateTable, DataType, Distribution, KeysKind,
    PartitionDefinition, Partitioning,
};
pub use view::{
    AlterMaterializedView, CreateFunction, CreateMaterializedView, CreateResourceGroup, CreateView,
    Refresh,
};

/// A list of `"key" = "value"` pairs in the order of typing.
pub type Properties = Vec<(String, String)>;

/// `name` or `qualifier.name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedName {
    /// The database, where one was typed.
    pub database: Option<String>,
    /// The name itself.
    pub name: String,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    // Repositories.
    /// `CREATE [READ ONLY] REPOSITORY`
    CreateRepository(CreateRepository),
    /// `DROP REPOSITORY name`
    DropRepository {
        /// Its name.
        name: String,
    },
    /// `SHOW REPOSITORIES`
    ShowRepositories,

    // Snapshots and jobs.
    /// `BACKUP ... SNAPSHOT`
    Backup(Backup),
    /// `RESTORE SNAPSHOT`
    Restore(Restore),
    /// `SHOW BACKUP [FROM database]`
    ShowBackup {
        /// Of which database; none is the session's.
        database: Option<String>,
        /// `WHERE` and `LIKE`.
        filter: ShowFilter,
    },
    /// `SHOW RESTORE [FROM database]`
    ShowRestore {
        /// Of which database; none is the session's.
        database: Option<String>,
        /// `WHERE` and `LIKE`.
        filter: ShowFilter,
    },
    /// `CANCEL BACKUP [FROM database]`
    CancelBackup {
        /// Of which database; none is the session's.
        database: Option<String>,
    },
    /// `CANCEL RESTORE [FROM database]`
    CancelRestore {
        /// Of which database; none is the session's.
        database: Option<String>,
    },
    /// `SHOW SNAPSHOT ON repository [WHERE ...]`
    ShowSnapshot {
        /// The repository.
        repository: String,
        /// Which snapshots.
        filter: SnapshotFilter,
    },
    /// `DROP SNAPSHOT label ON repository [FORCE]`, `DROP SNAPSHOT ON repository WHERE ...`
    DropSnapshot {
        /// The repository.
        repository: String,
        /// Which snapshots; at least one of its fields is set.
        filter: SnapshotFilter,
        /// Also those of another cluster.
        force: bool,
    },

    /// `ALTER SNAPSHOT label ON repository ADD HOLD name [COMMENT "reason"] | DROP HOLD name`; not of StarRocks'
    AlterSnapshot {
        /// The snapshot.
        label: String,
        /// The repository.
        repository: String,
        /// What changes.
        change: AlterSnapshot,
    },
    /// `SHOW HOLDS ON repository`; not of StarRocks'
    ShowHolds {
        /// The repository.
        repository: String,
    },

    // Databases and tables.
    /// `CREATE DATABASE [IF NOT EXISTS] name [PROPERTIES]`
    CreateDatabase {
        /// Its name.
        name: String,
        /// Whether it may exist.
        if_not_exists: bool,
        /// What is said besides.
        properties: Properties,
    },
    /// `DROP DATABASE [IF EXISTS] name [FORCE]`
    DropDatabase {
        /// Its name.
        name: String,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `CREATE TABLE`
    CreateTable(CreateTable),
    /// `CREATE TABLE a LIKE b`
    CreateTableLike {
        /// The new one.
        name: QualifiedName,
        /// The model.
        like: QualifiedName,
        /// Whether it may exist.
        if_not_exists: bool,
    },
    /// `DROP TABLE [IF EXISTS] name [FORCE]`
    DropTable {
        /// Its name.
        name: QualifiedName,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `TRUNCATE TABLE name [PARTITION (...)]`
    TruncateTable {
        /// Its name.
        name: QualifiedName,
        /// Only these partitions.
        partitions: Vec<String>,
    },
    /// `ALTER TABLE`
    AlterTable {
        /// Its name.
        name: QualifiedName,
        /// What changes, in order.
        changes: Vec<AlterTable>,
    },

    // Views.
    /// `CREATE VIEW`
    CreateView(CreateView),
    /// `DROP VIEW [IF EXISTS] name`
    DropView {
        /// Its name.
        name: QualifiedName,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `CREATE MATERIALIZED VIEW`
    CreateMaterializedView(CreateMaterializedView),
    /// `DROP MATERIALIZED VIEW [IF EXISTS] name`
    DropMaterializedView {
        /// Its name.
        name: QualifiedName,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `ALTER MATERIALIZED VIEW name ACTIVE | INACTIVE | RENAME`
    AlterMaterializedView {
        /// Its name.
        name: QualifiedName,
        /// What changes.
        change: AlterMaterializedView,
    },
    /// `REFRESH MATERIALIZED VIEW name [FORCE] [WITH SYNC MODE | ASYNC MODE]`
    RefreshMaterializedView {
        /// Its name.
        name: QualifiedName,
    },

    // Functions, groups.
    /// `CREATE FUNCTION name(types) RETURNS type PROPERTIES (...)`: a catalog object; Cairn does not run it.
    CreateFunction(CreateFunction),
    /// `DROP FUNCTION name(types)`
    DropFunction {
        /// Its name.
        name: QualifiedName,
        /// Types of its arguments.
        arguments: Vec<String>,
    },
    /// `CREATE RESOURCE GROUP name TO (...), ... WITH (...)`
    CreateResourceGroup(CreateResourceGroup),
    /// `DROP RESOURCE GROUP name`
    DropResourceGroup {
        /// Its name.
        name: String,
    },

    // Accounts.
    /// `CREATE USER [IF NOT EXISTS] 'name'[@'host'] [IDENTIFIED BY 'password']`
    CreateUser {
        /// Who.
        user: UserName,
        /// Whether it may exist.
        if_not_exists: bool,
        /// What it proves itself with; none is an empty password.
        secret: Option<AccountSecret>,
    },
    /// `ALTER USER ... IDENTIFIED BY`, `SET PASSWORD [FOR user] = PASSWORD('...')`
    SetPassword {
        /// Whose; none is the session's.
        user: Option<UserName>,
        /// The new secret.
        secret: AccountSecret,
    },
    /// `DROP USER [IF EXISTS] user`
    DropUser {
        /// Who.
        user: UserName,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `CREATE ROLE [IF NOT EXISTS] name`
    CreateRole {
        /// Its name.
        name: String,
        /// Whether it may exist.
        if_not_exists: bool,
    },
    /// `DROP ROLE [IF EXISTS] name`
    DropRole {
        /// Its name.
        name: String,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `GRANT privileges ON object TO grantee`
    Grant {
        /// What may be done.
        privileges: Vec<String>,
        /// With what.
        on: GrantObject,
        /// By whom.
        to: Grantee,
    },
    /// `REVOKE privileges ON object FROM grantee`
    Revoke {
        /// What may be done no longer.
        privileges: Vec<String>,
        /// With what.
        on: GrantObject,
        /// By whom.
        from: Grantee,
    },
    /// `GRANT role, ... TO grantee`
    GrantRoles {
        /// The roles.
        roles: Vec<String>,
        /// Who gets them.
        to: Grantee,
    },
    /// `REVOKE role, ... FROM grantee`
    RevokeRoles {
        /// The roles.
        roles: Vec<String>,
        /// Who loses them.
        from: Grantee,
    },
    /// `SHOW GRANTS [FOR user | FOR ROLE role]`
    ShowGrants {
        /// Whose; none is the session's.
        of: Option<Grantee>,
    },

    // Data.
    /// `INSERT INTO | INSERT OVERWRITE`
    Insert(Insert),
    /// `DELETE FROM name [PARTITION ...] WHERE ...`
    Delete {
        /// From which table.
        table: QualifiedName,
        /// Only from these partitions.
        partitions: Vec<String>,
        /// Which rows; none is all, which the host refuses.
        condition: Option<ast::Expr>,
    },
    /// `SELECT`, `WITH`, `VALUES`.
    Query(Box<ast::Query>),
    /// `EXPLAIN query`
    Explain(Box<ast::Query>),

    // What is there.
    /// Any other `SHOW` and `DESC`.
    Show(Show),

    // Session and configuration.
    /// `USE database`
    Use {
        /// The database.
        database: String,
    },
    /// `SET autocommit = 1, @@session.sql_mode = '...', @x = 1`: names without scope and `@@`, those of the user's own
    /// variables with their `@`. A value that is a single word (`ON`, `DEFAULT`, `utf8`) is an identifier.
    SetVariables(Vec<(String, ast::Expr)>),
    /// Statements that drivers send and that change nothing here: `SET NAMES`, `BEGIN`, `COMMIT`, `ROLLBACK`, `SET TRANSACTION`.
    Nothing,
    /// `KILL [CONNECTION | QUERY] id`
    Kill {
        /// The connection.
        connection: u64,
        /// Only what it runs.
        query_only: bool,
    },
    /// `ADMIN SET FRONTEND | BACKEND CONFIG ("name" = "value") [WITH PERSISTENT]`,
    /// `UPDATE information_schema.be_configs SET value = "value" WHERE name = "name"`
    AdminSetConfig {
        /// Names and values.
        settings: Properties,
        /// Whether it lasts longer than the process.
        persistent: bool,
    },
    /// `ADMIN SHOW FRONTEND | BACKEND CONFIG [LIKE pattern]`
    AdminShowConfig {
        /// Of the names.
        like: Option<String>,
    },
}

/// `INSERT INTO | OVERWRITE table [PARTITION (...)] [WITH LABEL l] [(columns)] query`
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// Into which table.
    pub table: QualifiedName,
    /// Only into these partitions.
    pub partitions: Vec<String>,
    /// Whether what is there goes.
    pub overwrite: bool,
    /// `WITH LABEL`
    pub label: Option<String>,
    /// Names of the columns; empty is all of them.
    pub columns: Vec<String>,
    /// The rows: VALUES, SELECT, or `SELECT ... FROM FILES(...)`, which stands in the query as a table function named `files`
    /// that [`files_properties`](crate::files_properties) reads.
    pub query: Box<ast::Query>,
}
