use std::sync::Arc;

use datafusion::sql::sqlparser::dialect::MySqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::*;
use crate::catalog::Catalog;

fn parse(sql: &str) -> Query {
    let parser = Parser::new(&MySqlDialect {}).try_with_sql(sql);
    *parser.and_then(|mut parser| parser.parse_query()).expect("the test spells a query")
}

fn session() -> QuerySession {
    let variables = [("version", "8.0.33"), ("autocommit", "1")];
    QuerySession {
        database: Some("shop".to_owned()),
        user: "'root'@'%'".to_owned(),
        connection_id: 7,
        variables: Arc::new(
            variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        ),
        now_micros: crate::civil::parse_datetime("2024-05-06 07:08:09").expect("a time") + 5,
        ..QuerySession::internal(Arc::new(Catalog::default()), "shop", 0)
    }
}

fn rewritten(sql: &str) -> String {
    let mut query = parse(sql);
    rewrite(&mut query, &session()).expect("the query is fine");
    query.to_string()
}

fn special(sql: &str) -> (String, Vec<SpecialRelation>) {
    let mut query = parse(sql);
    let special = rewrite(&mut query, &session()).expect("the query is fine");
    (query.to_string(), special)
}

#[test]
fn names_of_columns_lose_their_case_and_names_of_tables_keep_it() {
    assert_eq!(
        rewritten("SELECT T.Id AS Nr, `Name` FROM T JOIN U USING (Id) WHERE Id > 1 ORDER BY Nr"),
        "SELECT T.id AS nr, `name` FROM T JOIN U USING(id) WHERE id > 1 ORDER BY nr"
    );
    assert_eq!(
        rewritten("WITH C (A) AS (SELECT 1) SELECT x.A FROM (SELECT A FROM C) x (A)"),
        "WITH C (a) AS (SELECT 1) SELECT x.a FROM (SELECT a FROM C) x (a)"
    );
    assert_eq!(
        rewritten("SELECT default_catalog.d.t.C FROM default_catalog.d.t"),
        "SELECT d.t.c FROM d.t"
    );
}

#[test]
fn the_session_answers_with_literals() {
    assert_eq!(
        rewritten(
            "SELECT DATABASE(), USER(), CONNECTION_ID(), VERSION(), @@autocommit, @@session.version"
        ),
        "SELECT 'shop', '''root''@''%''', 7, '8.0.33', 1, '8.0.33'"
    );
    assert_eq!(
        rewritten("SELECT NOW(), CURDATE(), CURRENT_TIMESTAMP, @mine FROM dual"),
        "SELECT cast_datetime('2024-05-06 07:08:09'), cast_date('2024-05-06'), \
         cast_datetime('2024-05-06 07:08:09'), NULL"
    );
    let unknown = rewrite(&mut parse("SELECT @@nope"), &session()).expect_err("no such variable");
    assert_eq!(unknown.to_string(), "Unknown system variable 'nope'");
}

#[test]
fn what_mysql_spells_its_own_way_is_spelled_for_the_planner() {
    for (sql, expected) in [
        ("IF(a > 1, 'x', \"y\")", "CASE WHEN a > 1 THEN 'x' ELSE \"y\" END"),
        ("a <=> b", "a IS NOT DISTINCT FROM b"),
        ("a RLIKE 'x.*'", "regexp_like(a, 'x.*')"),
        ("a NOT REGEXP 'x.*'", "NOT (regexp_like(a, 'x.*'))"),
        ("D + INTERVAL 1 DAY", "date_shift(d, 1, 'day')"),
        ("d - INTERVAL '2' MONTH", "date_shift(d, -(2), 'month')"),
        ("DATE_ADD(d, INTERVAL n HOUR)", "date_shift(d, n, 'hour')"),
        ("DATE_SUB(d, INTERVAL 3 WEEK)", "date_shift(d, -(3), 'week')"),
        ("days_add(d, 3)", "date_shift(d, 3, 'day')"),
        ("TIMESTAMPDIFF(MONTH, a, b)", "date_difference(a, b, 'month')"),
        ("CAST(a AS CHAR)", "cast_text(a)"),
        ("CAST(a AS SIGNED)", "TRY_CAST(a AS SIGNED)"),
        ("LENGTH(a)", "octet_length(a)"),
        ("MOD(a, 2)", "a % 2"),
        ("LOCATE('x', a)", "strpos(a, 'x')"),
        ("GROUP_CONCAT(a SEPARATOR ';')", "string_agg(cast_text(a), ';')"),
        ("SUBSTR(a, 2)", "mysql_substring(a, 2)"),
        ("_utf8mb4'x' COLLATE utf8mb4_bin", "'x'"),
        ("a || b", "a OR b"),
    ] {
        assert_eq!(rewritten(&format!("SELECT {sql} FROM t")), format!("SELECT {expected} FROM t"));
    }
}

#[test]
fn files_and_partitions_become_relations_of_the_query() {
    let (query, found) = special(
        "SELECT * FROM FILES(\"path\" = \"/a/*.csv\", \"format\" = \"csv\", \"csv.skip_header\" = 1) f",
    );
    assert_eq!(query, "SELECT * FROM `<query>`.`0` f");
    let option = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        found,
        [SpecialRelation::Files(vec![
            option("path", "/a/*.csv"),
            option("format", "csv"),
            option("csv.skip_header", "1"),
        ])]
    );
    let (query, found) = special("SELECT t.A FROM d.t PARTITION (p1, P2)");
    assert_eq!(query, "SELECT t.a FROM `<query>`.`0` AS `t`");
    assert_eq!(
        found,
        [SpecialRelation::Partitions {
            database: Some("d".to_owned()),
            table: "t".to_owned(),
            partitions: vec!["p1".to_owned(), "P2".to_owned()],
        }]
    );
    let error = rewrite(&mut parse("SELECT * FROM other(1)"), &session()).expect_err("unknown");
    assert!(error.to_string().contains("Unknown table function"));
}

#[test]
fn seconds_since_1970_are_counted_in_utc() {
    let time = session().now_micros;
    let in_zone = |hours: i64, sql: &str| {
        let zone_micros = hours * 3600 * crate::civil::MICROS_PER_SECOND;
        let session = QuerySession { now_micros: time + zone_micros, zone_micros, ..session() };
        let mut query = parse(sql);
        rewrite(&mut query, &session).expect("the query is fine");
        query.to_string()
    };
    for hours in [-3, 0, 8] {
        assert_eq!(in_zone(hours, "SELECT UNIX_TIMESTAMP()"), "SELECT 1714979289");
    }
    assert_eq!(
        in_zone(8, "SELECT UNIX_TIMESTAMP(a), FROM_UNIXTIME(b, 'x')"),
        "SELECT (unix_timestamp(a) - 28800), from_unixtime((b + 28800), 'x')"
    );
    assert_eq!(
        in_zone(-3, "SELECT UNIX_TIMESTAMP(a), FROM_UNIXTIME(b)"),
        "SELECT (unix_timestamp(a) + 10800), from_unixtime((b - 10800))"
    );
}
