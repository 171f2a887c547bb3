//! What became of names: where restores put what they took out of snapshots. Pure.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::query::renamed_query;
use crate::{Error, Result};

/// Database and name.
pub(super) type Name = (String, String);

/// Names in snapshots, as (database, name), and what they became; the last restore of a name counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoredNames(BTreeMap<Name, Name>);

impl RestoredNames {
    /// What had one name has another one now.
    pub fn add(&mut self, source: (String, String), target: (String, String)) {
        self.0.insert(source, target);
    }

    /// What a name became; none where it was not restored.
    pub(super) fn get(&self, name: &Name) -> Option<&Name> {
        self.0.get(name)
    }

    /// Whether something has this name now.
    pub(super) fn has_target(&self, name: &Name) -> bool {
        self.0.values().any(|target| target == name)
    }

    /// A stored query, in which every table is qualified by its database, with the names of now.
    pub(super) fn apply(&self, query: &str) -> Result<String> {
        renamed_query(query, |relation| self.rename(relation)).map_err(|error| {
            let message = format!("the query of a view in the snapshot cannot be read: {error}");
            Error::invalid(message).with_source(error)
        })
    }

    fn rename(&self, relation: &mut ObjectName) {
        let [.., ObjectNamePart::Identifier(database), ObjectNamePart::Identifier(name)] =
            relation.0.as_mut_slice()
        else {
            return;
        };
        if let Some((new_database, new_name)) =
            self.0.get(&(database.value.clone(), name.value.clone()))
        {
            *database = Ident::with_quote('`', new_database);
            *name = Ident::with_quote('`', new_name);
        }
    }
}

impl FromIterator<(Name, Name)> for RestoredNames {
    fn from_iter<T: IntoIterator<Item = (Name, Name)>>(names: T) -> Self {
        Self(names.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> RestoredNames {
        let name = |database: &str, name: &str| (database.to_owned(), name.to_owned());
        RestoredNames::from_iter([(name("a", "t"), name("b", "t2"))])
    }

    #[test]
    fn tables_of_a_query_get_their_new_names_and_nothing_else_does() {
        let query = "SELECT `t`.`x`, 'a.t' FROM `a`.`t` AS `t` JOIN `a`.`u` ON `t`.`x` = `u`.`x`";
        assert_eq!(
            names().apply(query).unwrap(),
            "SELECT `t`.`x`, 'a.t' FROM `b`.`t2` AS `t` JOIN `a`.`u` ON `t`.`x` = `u`.`x`"
        );
    }

    #[test]
    fn texts_of_a_query_stay_what_they_are() {
        let query = r"SELECT 'x\\y', 'it\'s', 'C:\\' FROM `a`.`t` AS `t`";
        let renamed = names().apply(query).unwrap();
        assert_eq!(renamed, r"SELECT 'x\\y', 'it\'s', 'C:\\' FROM `b`.`t2` AS `t`");
    }

    #[test]
    fn a_query_that_cannot_be_read_is_an_error() {
        assert!(names().apply("SELECT FROM WHERE").is_err());
        assert!(names().apply("SELECT 1; SELECT 2").is_err());
    }
}
