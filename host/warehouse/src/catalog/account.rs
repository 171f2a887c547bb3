//! Rows of users and roles, on the terms of [`super::model`]. What they mean is the embedder's: the warehouse keeps them.

use serde::{Deserialize, Serialize};

/// Proofs of a password, one for each way to log in; empty is no password. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PasswordProofs {
    /// SHA1(SHA1(password)), in hex.
    pub native: String,
    /// SHA256(SHA256(password)), in hex; empty where only the native hash was told.
    pub sha2: String,
}

impl std::fmt::Debug for PasswordProofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordProofs(..)")
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// The name.
    pub name: String,
    /// From where; `%` is anywhere.
    pub host: String,
    /// What it proves itself with.
    pub proofs: PasswordProofs,
    /// Its roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What it may do.
    #[serde(default)]
    pub grants: Vec<GrantRow>,
}

impl UserRow {
    /// The name with the host, which tells the user from others of the name.
    pub fn identity(&self) -> String {
        format!("{}@{}", self.name, self.host)
    }
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRow {
    /// Its name.
    pub name: String,
    /// Roles that it includes.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What it may do.
    #[serde(default)]
    pub grants: Vec<GrantRow>,
}

/// A privilege on something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRow {
    /// Its name, in upper case.
    pub privilege: String,
    /// What it is for.
    pub scope: GrantScope,
}

/// What a privilege is for; none is all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantScope {
    /// The server.
    System,
    /// A catalog.
    Catalog(String),
    /// A database.
    Database(Option<String>),
    /// A table.
    Table(Option<String>, Option<String>),
    /// A view.
    View(Option<String>, Option<String>),
    /// A materialized view.
    MaterializedView(Option<String>, Option<String>),
}
