//! SHOW and DESC: what there is, in StarRocks' columns.
//!
//! A statement looks at one catalog (W3) through the eyes of its user: who holds nothing on something is not shown it, and is not
//! told whether it is there. Nothing is read but the catalog in memory.

mod column;
mod create;
mod fixed;
mod materialized_view;
mod object;
mod partition;
mod relation;
mod server;

use std::sync::Arc;

use cairn_sql::statement::{QualifiedName, Show, ShowFilter};
use cairn_warehouse::catalog::{Catalog, Database, Relation, Table};

use super::{account, filter, variables};
use crate::account::privilege::{Action, Grants, Target};
use crate::account::reader::target_of_name;
use crate::mysql::{Answer, ResultSet, SqlError, SqlType};
use crate::refusal;
use crate::session::{INFORMATION_SCHEMA, Session};

pub(super) fn run(session: &Session, show: Show) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    let sight = &Sight::of(session, &catalog);
    let whole = |shown: ResultSet| (shown, ShowFilter::default(), 0);
    let (shown, condition, named) = match show {
        Show::Databases(filter) => (relation::databases(sight), filter, 0),
        Show::Tables { database, full, filter } => {
            (relation::tables(sight, database.as_deref(), full)?, filter, 0)
        }
        Show::TableStatus { database, filter } => {
            (relation::status(sight, database.as_deref())?, filter, 0)
        }
        Show::Columns { table, full, filter } => (column::show(sight, &table, full)?, filter, 0),
        Show::Partitions { table, filter } => {
            (partition::partitions(sight, &table)?, filter, partition::NAME)
        }
        Show::MaterializedViews { database, filter } => {
            let shown = materialized_view::show(sight, database.as_deref())?;
            (shown, filter, materialized_view::NAME)
        }
        Show::Variables(filter) => (variables::show(session), filter, 0),
        Show::CreateTable(name) => whole(create::relation(sight, &name)?),
        Show::CreateDatabase(name) => whole(create::database(sight, &name)?),
        Show::Tablets(table) => whole(partition::tablets(sight, &table)?),
        Show::Functions { database } => whole(object::functions(sight, database.as_deref())?),
        Show::ResourceGroups { name } => whole(object::resource_groups(sight, name.as_deref())?),
        Show::ColocateGroups => whole(object::colocation_groups(sight)?),
        Show::Users => whole(account::users(session)?),
        Show::Roles => whole(account::roles(session)?),
        Show::Warnings => whole(ResultSet::of_text(["Level", "Code", "Message"])),
        Show::Processlist => whole(server::connections(sight)),
        Show::Other(words) if words == "AUTHENTICATION" => whole(account::authentication(session)),
        Show::Other(words) => whole(fixed::show(&words)?),
        Show::Frontends => whole(server::frontends(sight)?),
        Show::Backends => whole(server::backends(sight)?),
    };
    filter::apply(shown, &condition, named).map(Answer::Rows)
}

/// One catalog as a user sees it.
struct Sight<'a> {
    session: &'a Session,
    catalog: &'a Catalog,
    grants: Grants<'a>,
}

impl<'a> Sight<'a> {
    fn of(session: &'a Session, catalog: &'a Catalog) -> Self {
        Self { session, catalog, grants: session.grants(catalog) }
    }

    fn sees(&self, target: Target<'_>) -> bool {
        self.grants.see(target)
    }

    /// Refuses when the user may not do this on the server.
    fn require(&self, privilege: &'static str) -> Result<(), SqlError> {
        self.session.require(self.catalog, Action::system(privilege))
    }

    /// The database that is meant.
    fn database(&self, named: Option<&str>) -> Result<&'a Arc<Database>, SqlError> {
        let name = self.session.database_or(named)?;
        if !self.sees(Target::Database(&name)) {
            return Err(refusal::denied("any", &Target::Database(&name).describe()));
        }
        self.catalog.database(&name).map_err(refusal::of_warehouse)
    }

    /// The database of a name, and what the name means in it.
    fn relation(
        &self,
        name: &QualifiedName,
    ) -> Result<(&'a Arc<Database>, Relation<'a>), SqlError> {
        let database = self.session.database_or(name.database.as_deref())?;
        let target = target_of_name(self.catalog, &database, &name.name);
        if !self.sees(target) {
            return Err(refusal::denied("any", &target.describe()));
        }
        let found = self.catalog.database(&database).map_err(refusal::of_warehouse)?;
        match found.relation(&name.name) {
            Some(relation) => Ok((found, relation)),
            None => Err(refusal::unknown_table(&format!("{database}.{}", name.name))),
        }
    }

    /// A table or an asynchronous materialized view: what has partitions.
    fn table(&self, name: &QualifiedName) -> Result<(&'a Arc<Database>, &'a Arc<Table>), SqlError> {
        match self.relation(name)? {
            (database, Relation::Table(table)) => Ok((database, table)),
            (database, _) => Err(refusal::general(format!(
                "{}.{} has no partitions: it is a view or an index of its table",
                database.row().name,
                name.name
            ))),
        }
    }
}

/// Without rows yet.
fn columns(columns: &[(&str, SqlType)]) -> ResultSet {
    let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    ResultSet { columns, rows: Vec::new() }
}

/// A row without NULLs.
fn row<const N: usize>(cells: [String; N]) -> Vec<Option<String>> {
    cells.map(Some).to_vec()
}

/// Whether a name is that of the database of everything that can be known of the others.
fn is_information_schema(name: &str) -> bool {
    name.eq_ignore_ascii_case(INFORMATION_SCHEMA)
}

/// Bytes as StarRocks shows them: `1.5KB`.
fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    let mut scaled = bytes;
    let mut tenths = 0;
    let mut unit = "B";
    for larger in UNITS {
        if scaled < 1024 {
            break;
        }
        tenths = scaled % 1024 * 10 / 1024;
        scaled /= 1024;
        unit = larger;
    }
    if tenths == 0 { format!("{scaled}{unit}") } else { format!("{scaled}.{tenths}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::size_text;

    #[test]
    fn sizes_have_one_digit_behind_the_point() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KB"),
            (1536, "1.5KB"),
            (10 << 20, "10MB"),
            ((3 << 30) + (1 << 29), "3.5GB"),
            (u64::MAX, "16383.9PB"),
        ] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
