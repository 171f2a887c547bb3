//! [`Names`]: what a word on the terminal may become. Pure.

use std::collections::{BTreeMap, BTreeSet};

use cairn_warehouse::catalog::{Catalog, Database, Table};

/// With what a statement may begin.
const FIRST_WORDS: [&str; 21] = [
    "ADMIN", "ALTER", "BACKUP", "CANCEL", "CREATE", "DELETE", "DESC", "DROP", "EXPLAIN", "GRANT",
    "INSERT", "KILL", "REFRESH", "RESTORE", "REVOKE", "SELECT", "SET", "SHOW", "TRUNCATE", "USE",
    "WITH",
];

/// What is often typed behind that.
const WORDS: [&str; 71] = [
    "ACTIVE",
    "AND",
    "AS",
    "ASC",
    "BACKUP",
    "BETWEEN",
    "BROKER",
    "BUCKETS",
    "BY",
    "COLUMN",
    "COLUMNS",
    "CONFIG",
    "COUNT",
    "DATABASE",
    "DATABASES",
    "DESC",
    "DISTINCT",
    "DISTRIBUTED",
    "DUPLICATE",
    "EXISTS",
    "FILES",
    "FROM",
    "FRONTEND",
    "FULL",
    "FUNCTION",
    "GRANTS",
    "GROUP",
    "HASH",
    "HAVING",
    "IDENTIFIED",
    "IN",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCATION",
    "MATERIALIZED",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "PARTITION",
    "PARTITIONS",
    "PRIMARY",
    "PROCESSLIST",
    "PROPERTIES",
    "RANGE",
    "REFRESH",
    "REPOSITORIES",
    "REPOSITORY",
    "RESTORE",
    "ROLE",
    "SET",
    "SNAPSHOT",
    "SUM",
    "SYSTEM",
    "TABLE",
    "TABLES",
    "TO",
    "USER",
    "VALUES",
    "VARIABLES",
    "VIEW",
    "VIEWS",
    "WHERE",
    "WITH",
];

/// Names of a catalog, and which database is the current one.
#[derive(Debug, Default)]
pub(super) struct Names {
    current: Option<String>,
    /// Columns of relations of databases.
    databases: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Names {
    pub(super) fn of(catalog: &Catalog, current: Option<&str>) -> Self {
        let databases = catalog.databases();
        let named = databases.map(|database| (database.row().name.clone(), relations(database)));
        Self { current: current.map(str::to_owned), databases: named.collect() }
    }

    /// Where the word before `at` begins, and what it may become.
    pub(super) fn complete(&self, line: &str, at: usize) -> (usize, Vec<String>) {
        let before = line.get(..at).unwrap_or(line);
        let start = before.trim_end_matches(is_part_of_name).len();
        let (head, typed) = before.split_at(start);
        let statement = head.rsplit(';').next().unwrap_or(head);
        if is_inside_quotes(statement) {
            return (start, Vec::new());
        }
        let mut found = match head.strip_suffix('.') {
            Some(owner) => self.members(owner, line),
            None if statement.trim().is_empty() => keywords(&FIRST_WORDS, typed),
            None => {
                let mut found = self.names(line);
                if !typed.is_empty() {
                    found.extend(keywords(&WORDS, typed));
                }
                found
            }
        };
        found.retain(|name| begins_with(name, typed));
        (start, found.into_iter().map(quoted).collect())
    }

    /// What may stand behind `owner.`: relations of a database, columns of a relation.
    fn members(&self, owner: &str, line: &str) -> BTreeSet<String> {
        let owner = owner.trim_end_matches('`');
        let name = &owner[owner.trim_end_matches(is_part_of_name).len()..];
        let relations = self.databases.get(name).into_iter().flat_map(BTreeMap::keys).cloned();
        let columns = self.reached(line).filter(|(relation, _)| *relation == name);
        relations.chain(columns.flat_map(|(_, columns)| columns.iter().cloned())).collect()
    }

    /// What may stand alone: databases, relations of the current one, columns of relations that the line names.
    fn names(&self, line: &str) -> BTreeSet<String> {
        let words: BTreeSet<&str> = line.split(|part| !is_part_of_name(part)).collect();
        let current = self.current.as_ref().and_then(|current| self.databases.get(current));
        let relations = current.into_iter().flat_map(BTreeMap::keys).cloned();
        let named = self.reached(line).filter(|(relation, _)| words.contains(relation));
        let columns = named.flat_map(|(_, columns)| columns.iter().cloned());
        self.databases.keys().cloned().chain(relations).chain(columns).collect()
    }

    /// Relations of the current database, and of those that the line names.
    fn reached(&self, line: &str) -> impl Iterator<Item = (&str, &Vec<String>)> {
        let words: BTreeSet<&str> = line.split(|part| !is_part_of_name(part)).collect();
        let databases = self.databases.iter().filter(move |(name, _)| {
            words.contains(name.as_str()) || Some(*name) == self.current.as_ref()
        });
        databases.flat_map(|(_, relations)| {
            relations.iter().map(|(relation, columns)| (relation.as_str(), columns))
        })
    }
}

fn relations(database: &Database) -> BTreeMap<String, Vec<String>> {
    let mut relations = BTreeMap::new();
    for table in database.tables().map(|table| Table::row(table)) {
        let columns = table.columns.iter().map(|column| column.name.clone());
        relations.insert(table.name.clone(), columns.collect());
        for rollup in &table.rollups {
            let columns = rollup.columns.iter().map(|column| column.name.clone());
            relations.insert(rollup.name.clone(), columns.collect());
        }
    }
    for view in database.views() {
        let columns = view.columns.iter().map(|column| column.name.clone());
        relations.insert(view.name.clone(), columns.collect());
    }
    relations
}

fn is_part_of_name(part: char) -> bool {
    part.is_alphanumeric() || part == '_' || part == '$'
}

fn is_inside_quotes(statement: &str) -> bool {
    ['\'', '"'].iter().any(|quote| statement.matches(*quote).count() % 2 == 1)
}

/// Keywords as they are being typed: large or small.
fn keywords(words: &[&str], typed: &str) -> BTreeSet<String> {
    let is_small = typed.starts_with(|first: char| first.is_lowercase());
    let written = |word: &&str| if is_small { word.to_lowercase() } else { (*word).to_owned() };
    words.iter().map(written).collect()
}

fn begins_with(name: &str, typed: &str) -> bool {
    let mut name = name.chars().flat_map(char::to_lowercase);
    typed.chars().flat_map(char::to_lowercase).all(|letter| name.next() == Some(letter))
}

fn quoted(name: String) -> String {
    match name.chars().all(is_part_of_name) {
        true => name,
        false => format!("`{}`", name.replace('`', "``")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(line: &str) -> Vec<String> {
        let relation = |name: &str, columns: &[&str]| {
            (name.to_owned(), columns.iter().map(ToString::to_string).collect())
        };
        let shop = BTreeMap::from([
            relation("orders", &["o_key", "o_price"]),
            relation("odd name", &["x"]),
        ]);
        let other = BTreeMap::from([relation("items", &["i_key"])]);
        let names = Names {
            current: Some("shop".to_owned()),
            databases: BTreeMap::from([("shop".to_owned(), shop), ("other".to_owned(), other)]),
        };
        let (start, found) = names.complete(line, line.len());
        assert!(line.is_char_boundary(start));
        found
    }

    #[test]
    fn a_statement_begins_with_a_verb() {
        assert_eq!(complete("SHO"), ["SHOW"]);
        assert_eq!(complete("USE x; re"), ["refresh", "restore", "revoke"]);
        assert_eq!(complete("ord"), [""; 0]);
        assert_eq!(complete("").len(), FIRST_WORDS.len());
    }

    #[test]
    fn names_are_those_that_can_be_meant() {
        assert_eq!(complete("SELECT * FROM ord"), ["order", "orders"]);
        assert_eq!(complete("SELECT * FROM od"), ["`odd name`"]);
        assert_eq!(complete("SELECT * FROM other."), ["items"]);
        assert_eq!(complete("SELECT * FROM orders WHERE o_p"), ["o_price"]);
        assert_eq!(complete("SELECT orders.O_"), ["o_key", "o_price"]);
        assert_eq!(complete("SELECT i_ FROM other.items WHERE i_"), ["i_key"]);
        assert_eq!(complete("SELECT i_"), [""; 0]);
        assert_eq!(complete("USE ot"), ["other"]);
    }

    #[test]
    fn texts_are_not_completed() {
        assert_eq!(complete("SELECT 'or"), [""; 0]);
        assert_eq!(complete("SELECT 'é', \"ü\" FROM ord"), ["order", "orders"]);
    }
}
