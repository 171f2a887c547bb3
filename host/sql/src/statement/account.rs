//! Users, roles, grants.

/// `'name'@'host'`
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName {
    /// The name.
    pub name: String,
    /// From where; `%` is anywhere.
    pub host: String,
}

/// What a user proves itself with. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum AccountSecret {
    /// `IDENTIFIED BY 'password'`
    Password(String),
    /// `IDENTIFIED BY PASSWORD '*hash'`, `IDENTIFIED WITH mysql_native_password AS '*hash'`
    NativeHash(String),
}

impl std::fmt::Debug for AccountSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountSecret(..)")
    }
}

/// Who gets a privilege.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// A user.
    User(UserName),
    /// A role.
    Role(String),
}

/// What a privilege is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantObject {
    /// `SYSTEM`
    System,
    /// `CATALOG name`
    Catalog(String),
    /// `DATABASE name`, `ALL DATABASES`
    Database(Option<String>),
    /// `TABLE d.t`, `ALL TABLES IN DATABASE d`, `ALL TABLES IN ALL DATABASES`, `d.*`, `*.*`
    Table {
        /// The database; none is all, or the session's where a table is named.
        database: Option<String>,
        /// The table; none is all.
        table: Option<String>,
    },
    /// `VIEW`, as for a table.
    View {
        /// The database; none is all, or the session's where a view is named.
        database: Option<String>,
        /// The view; none is all.
        view: Option<String>,
    },
    /// `MATERIALIZED VIEW`, as for a table.
    MaterializedView {
        /// The database; none is all, or the session's where a view is named.
        database: Option<String>,
        /// The view; none is all.
        view: Option<String>,
    },
}
