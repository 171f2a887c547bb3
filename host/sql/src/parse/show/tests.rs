use crate::statement::{Grantee, Show, ShowFilter, Statement, UserName};
use crate::testing::{error, name, one};

#[track_caller]
fn shows(text: &str, expected: Show) {
    assert_eq!(one(text), Statement::Show(expected), "{text}");
}

fn like(pattern: &str) -> ShowFilter {
    ShowFilter { like: Some(pattern.into()), condition: None }
}

fn none() -> ShowFilter {
    ShowFilter::default()
}

#[test]
fn jobs_of_a_database() {
    let backup = Statement::ShowBackup { database: Some("d".into()), filter: none() };
    assert_eq!(one("SHOW BACKUP FROM d"), backup);
    let restore = Statement::ShowRestore { database: None, filter: none() };
    assert_eq!(one("SHOW RESTORE"), restore);
    let Statement::ShowRestore { filter, .. } = one("SHOW RESTORE IN d WHERE Label = 'l'") else {
        panic!()
    };
    assert_eq!(filter.condition.unwrap().to_string(), "Label = 'l'");
}

#[test]
fn databases_and_tables() {
    shows("SHOW DATABASES", Show::Databases(none()));
    shows("show schemas from default_catalog like 'a%'", Show::Databases(like("a%")));
    let tables = |database: Option<&str>, full, filter| Show::Tables {
        database: database.map(Into::into),
        full,
        filter,
    };
    shows("SHOW TABLES", tables(None, false, none()));
    shows("SHOW FULL TABLES FROM `d` LIKE '%'", tables(Some("d"), true, like("%")));
    shows("SHOW TABLES IN default_catalog.d", tables(Some("d"), false, none()));
    let Statement::Show(Show::Tables { filter, .. }) =
        one("SHOW FULL TABLES WHERE Table_type != 'VIEW'")
    else {
        panic!()
    };
    assert_eq!(filter.condition.unwrap().to_string(), "Table_type <> 'VIEW'");
}

#[test]
fn status_of_tables() {
    let status = |database: Option<&str>, filter| Show::TableStatus {
        database: database.map(Into::into),
        filter,
    };
    shows("SHOW TABLE STATUS", status(None, none()));
    shows("show table status from `d` like 't%'", status(Some("d"), like("t%")));
}

#[test]
fn definitions() {
    shows("SHOW CREATE TABLE d.t", Show::CreateTable(name("d.t")));
    shows("SHOW CREATE VIEW v", Show::CreateTable(name("v")));
    shows("SHOW CREATE MATERIALIZED VIEW v", Show::CreateTable(name("v")));
    shows("SHOW CREATE DATABASE IF NOT EXISTS d", Show::CreateDatabase("d".into()));
}

#[test]
fn columns() {
    let columns = |table: &str, full, filter| Show::Columns { table: name(table), full, filter };
    shows("DESC d.t", columns("d.t", false, none()));
    shows("DESCRIBE t ALL", columns("t", false, none()));
    shows("SHOW COLUMNS FROM t", columns("t", false, none()));
    shows("SHOW FULL FIELDS FROM `t` FROM `d` LIKE '%'", columns("d.t", true, like("%")));
    assert!(matches!(one("DESC SELECT 1"), Statement::Explain(_)));
}

#[test]
fn parts_of_tables() {
    shows("SHOW PARTITIONS FROM d.t", Show::Partitions { table: name("d.t"), filter: none() });
    shows("SHOW TABLET FROM t", Show::Tablets(name("t")));
    shows("SHOW TABLETS FROM t", Show::Tablets(name("t")));
}

#[test]
fn other_objects() {
    shows(
        "SHOW MATERIALIZED VIEWS FROM d LIKE 'v'",
        Show::MaterializedViews { database: Some("d".into()), filter: like("v") },
    );
    shows("SHOW FULL FUNCTIONS IN d", Show::Functions { database: Some("d".into()) });
    shows("SHOW RESOURCE GROUPS ALL", Show::ResourceGroups { name: None });
    shows("SHOW RESOURCE GROUP g", Show::ResourceGroups { name: Some("g".into()) });
    shows("SHOW PROC '/colocation_group'", Show::ColocateGroups);
    shows("SHOW PROC \"/backends/\"", Show::Backends);
    shows("SHOW FRONTENDS", Show::Frontends);
    shows("SHOW BACKENDS", Show::Backends);
    assert_eq!(one("SHOW REPOSITORIES;"), Statement::ShowRepositories);
}

#[test]
fn accounts() {
    shows("SHOW USERS", Show::Users);
    shows("SHOW ALL AUTHENTICATION", Show::Users);
    shows("SHOW ROLES", Show::Roles);
    let user = UserName { name: "u".into(), host: "%".into() };
    for (text, of) in [
        ("SHOW GRANTS", None),
        ("SHOW GRANTS FOR CURRENT_USER()", None),
        ("SHOW GRANTS FOR 'u'@'%'", Some(Grantee::User(user.clone()))),
        ("SHOW GRANTS FOR USER u", Some(Grantee::User(user))),
        ("SHOW GRANTS FOR ROLE r", Some(Grantee::Role("r".into()))),
    ] {
        assert_eq!(one(text), Statement::ShowGrants { of }, "{text}");
    }
}

#[test]
fn what_drivers_ask() {
    shows("SHOW VARIABLES LIKE 'version%'", Show::Variables(like("version%")));
    shows("SHOW SESSION VARIABLES", Show::Variables(none()));
    shows("SHOW GLOBAL VARIABLES LIKE 'x'", Show::Variables(like("x")));
    shows("SHOW WARNINGS LIMIT 5", Show::Warnings);
    shows("SHOW ERRORS", Show::Warnings);
    shows("SHOW FULL PROCESSLIST", Show::Processlist);
    for (text, words) in [
        ("SHOW ENGINES", "ENGINES"),
        ("show storage engines", "STORAGE ENGINES"),
        ("SHOW COLLATION WHERE Charset = 'utf8'", "COLLATION"),
        ("SHOW CHARACTER SET LIKE 'utf8'", "CHARACTER SET"),
        ("SHOW CHARSET", "CHARSET"),
        ("SHOW PLUGINS", "PLUGINS"),
        ("SHOW GLOBAL STATUS LIKE 'Ssl_cipher'", "STATUS"),
        ("SHOW INDEX FROM `t` FROM `d`", "INDEX"),
        ("SHOW KEYS FROM d.t", "KEYS"),
        ("SHOW TRIGGERS FROM d", "TRIGGERS"),
        ("SHOW EVENTS", "EVENTS"),
        ("SHOW PROCEDURE STATUS WHERE Db = 'd'", "PROCEDURE STATUS"),
        ("SHOW CATALOGS", "CATALOGS"),
    ] {
        shows(text, Show::Other(words.into()));
    }
}

#[test]
fn errors() {
    for (text, message) in [
        (
            "SHOW",
            "expected what to show, such as DATABASES, TABLES, REPOSITORIES, SNAPSHOT, BACKUP, RESTORE or GRANTS, found end of statement at line 1, column 5",
        ),
        (
            "SHOW FULL DATABASES",
            "expected TABLES, COLUMNS, FUNCTIONS or PROCESSLIST, found DATABASES at line 1, column 11",
        ),
        ("SHOW TABLES LIKE x", "expected pattern in quotes, found x at line 1, column 18"),
        ("SHOW TABLES d", "expected end of statement, found d at line 1, column 13"),
        (
            "SHOW PROC '/jobs'",
            "this path is not supported: there are /colocation_group, /frontends and /backends at line 1, column 11",
        ),
        (
            "SHOW TABLES FROM hive.d",
            "catalog hive is not supported: all databases are in default_catalog at line 1, column 24",
        ),
    ] {
        assert_eq!(error(text), message);
    }
}
