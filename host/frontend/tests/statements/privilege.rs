//! Who may do what: privileges are asked before anything else is told.

use cairn_warehouse::catalog::model::GrantScope;

use crate::rig::Rig;

const DENIED: u16 = 5203;

fn on_table(table: &str) -> GrantScope {
    GrantScope::Table(Some("d".to_owned()), Some(table.to_owned()))
}

fn on_view(view: &str) -> GrantScope {
    GrantScope::View(Some("d".to_owned()), Some(view.to_owned()))
}

fn on_materialized_view(view: &str) -> GrantScope {
    GrantScope::MaterializedView(Some("d".to_owned()), Some(view.to_owned()))
}

fn on_database() -> GrantScope {
    GrantScope::Database(Some("d".to_owned()))
}

/// Tables `open` and `secret`, a view and a materialized view of `secret`, a rollup of it.
async fn rig() -> Rig {
    let mut rig = Rig::new().await;
    for sql in [
        "CREATE TABLE open (k INT)",
        "CREATE TABLE secret (k INT)",
        "INSERT INTO open VALUES (1)",
        "INSERT INTO secret VALUES (42)",
        "CREATE VIEW v AS SELECT k FROM secret",
        "CREATE MATERIALIZED VIEW m REFRESH MANUAL AS SELECT k FROM secret",
        "CREATE MATERIALIZED VIEW r AS SELECT k FROM secret",
    ] {
        rig.root.done(sql).await;
    }
    rig.frontend.refreshed().await;
    rig
}

#[tokio::test]
async fn who_was_granted_nothing_learns_nothing() {
    let rig = rig().await;
    let mut nobody = rig.user("nobody", &[]);
    for sql in [
        "CREATE DATABASE e",
        "CREATE DATABASE IF NOT EXISTS d",
        "DROP DATABASE d",
        "DROP DATABASE IF EXISTS nowhere",
        "CREATE TABLE d.open (k INT)",
        "CREATE TABLE IF NOT EXISTS d.x AS SELECT 1",
        "CREATE TABLE d.x LIKE d.secret",
        "DROP TABLE d.secret",
        "DROP TABLE IF EXISTS d.nope",
        "TRUNCATE TABLE d.secret",
        "ALTER TABLE d.secret RENAME public",
        "CREATE VIEW d.w AS SELECT 1",
        "DROP VIEW d.v",
        "CREATE MATERIALIZED VIEW d.w AS SELECT k FROM d.secret",
        "DROP MATERIALIZED VIEW d.m",
        "DROP MATERIALIZED VIEW d.r",
        "ALTER MATERIALIZED VIEW d.m INACTIVE",
        "REFRESH MATERIALIZED VIEW d.m",
        "CREATE FUNCTION d.f(INT) RETURNS INT PROPERTIES ('symbol' = 'F')",
        "DROP FUNCTION d.f(INT)",
        "CREATE RESOURCE GROUP g WITH ('mem_limit' = '20%')",
        "DROP RESOURCE GROUP g",
        "INSERT INTO d.secret VALUES (1)",
        "INSERT INTO d.nope VALUES (1)",
        "DELETE FROM d.secret WHERE k = 1",
        "SELECT * FROM d.secret",
        "SELECT * FROM d.nope",
        "SELECT * FROM nowhere.t",
        "SELECT * FROM d.v",
        "SELECT * FROM d.m",
        "SELECT * FROM d.r",
        "EXPLAIN SELECT * FROM d.secret",
    ] {
        assert_eq!(nobody.code(sql).await, DENIED, "{sql}");
    }
    assert_eq!(nobody.rows("SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn every_table_that_a_query_reads_is_asked_for() {
    let mut rig = rig().await;
    rig.root.done("CREATE TABLE mine (k INT)").await;
    let grants = [
        ("SELECT", on_table("open")),
        ("SELECT", on_table("mine")),
        ("INSERT", on_table("mine")),
        ("DELETE", on_table("mine")),
        ("CREATE TABLE", on_database()),
        ("CREATE VIEW", on_database()),
        ("CREATE MATERIALIZED VIEW", on_database()),
    ];
    let mut user = rig.user("u", &grants);
    user.done("USE d").await;
    assert_eq!(user.rows("SELECT * FROM open").await, ["1"]);
    for sql in [
        "SELECT * FROM open, secret",
        "SELECT * FROM open WHERE k IN (SELECT k FROM secret)",
        "SELECT (SELECT MAX(k) FROM secret) FROM open",
        "SELECT k FROM open UNION ALL SELECT k FROM secret",
        "WITH c AS (SELECT * FROM secret) SELECT * FROM c",
        // Names of parts of the query do not hide what is read.
        "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret",
        "SELECT (WITH secret AS (SELECT 1 AS k) SELECT k FROM secret), k FROM secret",
        "SELECT * FROM (WITH secret AS (SELECT 1 AS k) SELECT * FROM secret) x, secret",
        "SELECT * FROM default_catalog.d.secret",
        "SELECT * FROM secret PARTITION (secret)",
        "EXPLAIN SELECT * FROM secret",
        "INSERT INTO mine SELECT * FROM secret",
        "INSERT INTO mine VALUES ((SELECT MAX(k) FROM secret))",
        "DELETE FROM mine WHERE k IN (SELECT k FROM secret)",
        "CREATE TABLE copy AS SELECT * FROM secret",
        "CREATE TABLE copy LIKE secret",
        "CREATE VIEW w AS SELECT * FROM secret",
        "CREATE MATERIALIZED VIEW w REFRESH MANUAL AS SELECT k FROM secret",
        "CREATE MATERIALIZED VIEW w AS SELECT k FROM secret",
    ] {
        let error = user.refusal(sql).await;
        assert_eq!(error.code, DENIED, "{sql}: {error}");
        assert!(error.message.contains("SELECT privilege(s) on TABLE secret"), "{sql}: {error}");
    }
    user.done("INSERT INTO mine SELECT * FROM open").await;
    user.done("DELETE FROM mine WHERE k IN (SELECT k FROM open)").await;
    user.done("CREATE TABLE copy AS SELECT * FROM open").await;
    user.done("CREATE VIEW w AS SELECT * FROM open").await;
}

#[tokio::test]
async fn the_privilege_of_a_view_suffices_to_read_it() {
    let rig = rig().await;
    let mut reader = rig.user("reader", &[("SELECT", on_view("v"))]);
    assert_eq!(reader.rows("SELECT * FROM d.v").await, ["42"]);
    assert_eq!(reader.code("SELECT * FROM d.m").await, DENIED);
    let mut reader = rig.user("other", &[("SELECT", on_materialized_view("m"))]);
    assert_eq!(reader.rows("SELECT * FROM d.m").await, ["42"]);
    assert_eq!(reader.code("SELECT * FROM d.v").await, DENIED);
    // A rollup is its table's.
    let mut reader = rig.user("third", &[("SELECT", on_table("secret"))]);
    assert_eq!(reader.rows("SELECT * FROM d.r").await, ["42"]);
    assert_eq!(reader.code("SELECT * FROM d.v").await, DENIED);
}

#[tokio::test]
async fn each_privilege_is_for_its_own() {
    let rig = rig().await;
    let anywhere = GrantScope::Table(Some("d".to_owned()), None);
    let mut keeper = rig.user(
        "keeper",
        &[
            ("ALTER", on_table("open")),
            ("DELETE", on_table("open")),
            ("REFRESH", on_materialized_view("m")),
            ("SELECT", anywhere),
            ("DROP", on_table("renamed")),
        ],
    );
    keeper.done("USE d").await;
    keeper.done("TRUNCATE TABLE open").await;
    assert_eq!(keeper.code("INSERT INTO open VALUES (1)").await, DENIED);
    keeper.done("ALTER TABLE open RENAME renamed").await;
    assert_eq!(keeper.code("DROP TABLE secret").await, DENIED);
    keeper.done("DROP TABLE renamed").await;
    keeper.done("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(keeper.code("ALTER MATERIALIZED VIEW m INACTIVE").await, DENIED);
    // Who may read all tables learns that one is missing.
    assert_eq!(keeper.code("SELECT * FROM nope").await, 5502);

    let mut maker = rig.user(
        "maker",
        &[
            ("CREATE DATABASE", GrantScope::Catalog("default_catalog".to_owned())),
            ("CREATE RESOURCE GROUP", GrantScope::System),
            ("CREATE FUNCTION", on_database()),
            ("CREATE VIEW", on_database()),
            ("DROP", on_view("v")),
        ],
    );
    maker.done("CREATE DATABASE e").await;
    maker.done("CREATE RESOURCE GROUP g WITH ('mem_limit' = '20%')").await;
    maker.done("CREATE FUNCTION d.f(INT) RETURNS INT PROPERTIES ('symbol' = 'F')").await;
    maker.done("CREATE VIEW d.w AS SELECT 1 AS one").await;
    assert_eq!(maker.code("CREATE OR REPLACE VIEW d.v AS SELECT 1 AS k").await, DENIED);
    maker.done("DROP VIEW d.v").await;
    assert_eq!(maker.code("DROP VIEW d.w").await, DENIED);
}

#[tokio::test]
async fn information_schema_shows_what_the_user_may_see() {
    let mut rig = rig().await;
    rig.root.done("CREATE DATABASE hidden").await;
    rig.root
        .done("CREATE VIEW everything AS SELECT table_name FROM information_schema.tables")
        .await;
    let tables =
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'd' ORDER BY 1";
    let all = rig.root.rows(tables).await;
    assert_eq!(all, ["everything", "m", "open", "secret", "v"]);
    let mut user =
        rig.user("u", &[("SELECT", on_table("open")), ("SELECT", on_view("everything"))]);
    assert_eq!(user.rows(tables).await, ["everything", "open"]);
    let columns =
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = 'd'
                   AND table_name <> 'everything'";
    assert_eq!(user.rows(columns).await, ["open"]);
    // A view does not show more of it than its reader may see.
    let own = user.rows("SELECT table_name FROM d.everything ORDER BY 1").await;
    assert!(!own.contains(&"secret".to_owned()), "{own:?}");
    let schemas =
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name IN ('d', 'hidden')";
    assert_eq!(user.rows(schemas).await, ["d"]);
    let mut nobody = rig.user("nobody", &[]);
    assert!(nobody.rows(tables).await.is_empty());
}
