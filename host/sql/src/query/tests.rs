use std::time::{Duration, Instant};

use super::*;
use crate::statement::Statement;
use crate::testing::{error, one};

fn parsed(text: &str) -> Box<ast::Query> {
    match one(text) {
        Statement::Query(query) => query,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn reads(text: &str, as_text: &str) {
    assert_eq!(parsed(text).to_string(), as_text);
}

#[test]
fn queries_of_drivers() {
    reads("SELECT @@version_comment LIMIT 1", "SELECT @@version_comment LIMIT 1");
    reads("select @@session.tx_isolation", "SELECT @@session.tx_isolation");
    reads("SELECT DATABASE(), USER()", "SELECT DATABASE(), USER()");
    reads(
        "/* mysql-connector-j-8.0.33 (Revision: 7d6b) */SELECT  @@session.auto_increment_increment AS auto_increment_increment",
        "SELECT @@session.auto_increment_increment AS auto_increment_increment",
    );
    reads("SELECT {d '2024-01-01'}", "SELECT {d '2024-01-01'}");
}

#[test]
fn queries_of_people() {
    for text in [
        "WITH x AS (SELECT a FROM t) SELECT * FROM x ORDER BY a DESC LIMIT 5 OFFSET 10",
        "SELECT a, count(DISTINCT b) FROM d.t WHERE c BETWEEN 1 AND 2 GROUP BY a HAVING count(*) > 1",
        "SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c USING(x) WHERE EXISTS (SELECT 1)",
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "VALUES (1, 'a')",
        "SELECT date_add(a, INTERVAL 1 DAY), CAST(b AS LARGEINT), CASE WHEN a THEN 1 ELSE 2 END FROM t",
        "SELECT a <=> b, a DIV b, a REGEXP 'x', NOT a AND b XOR c FROM `t`",
        "SELECT a FROM t GROUP BY ROLLUP (a, b)",
        "SELECT a FROM t GROUP BY GROUPING SETS ((a), (a, b))",
        "SELECT * EXCEPT (a) FROM t",
        "SELECT 2023_x FROM t",
        "SELECT if(a = 1, 'x', 'y') FROM t",
    ] {
        parsed(text);
    }
}

#[test]
fn strings_are_single_quoted_whatever_was_typed() {
    reads(r#"SELECT "a", 'b', "it's", `c` AS "d""#, "SELECT 'a', 'b', 'it''s', `c` AS 'd'");
    reads(r#"SELECT 'a\nb', 'c\_d'"#, "SELECT 'a\nb', 'c\\_d'");
}

#[test]
fn files_is_a_table_function_with_named_arguments() {
    let query = parsed(
        r#"SELECT * FROM FILES ("path" = "s3://b/*.parquet", 'format' = 'parquet') AS f JOIN files("path" = "x") WHERE a = (1)"#,
    );
    let ast::SetExpr::Select(select) = *query.body else { panic!() };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        files_properties(&select.from[0].relation).unwrap(),
        [pair("path", "s3://b/*.parquet"), pair("format", "parquet")]
    );
    assert_eq!(files_properties(&select.from[0].joins[0].relation).unwrap(), [pair("path", "x")]);
    assert_eq!(select.selection.unwrap().to_string(), "a = (1)");
}

#[test]
fn only_files_has_properties() {
    for text in [
        "SELECT * FROM t",
        "SELECT * FROM numbers(a => 'b')",
        "SELECT * FROM files(1)",
        "SELECT * FROM files('a' = 1)",
    ] {
        let ast::SetExpr::Select(select) = *parsed(text).body else { panic!() };
        assert_eq!(files_properties(&select.from[0].relation), None, "{text}");
    }
}

#[test]
fn errors_have_places() {
    for (text, message) in [
        ("SELECT", "expected an expression, found end of statement at line 1, column 7"),
        ("SELECT 1 FROM", "expected identifier, found end of statement at line 1, column 14"),
        ("SELECT a\nFROM t\nWHERE b = )", "expected an expression, found ) at line 3, column 11"),
        ("SELECT 1; SELECT 2", "expected end of statement, found ; at line 1, column 9"),
    ] {
        assert_eq!(error(text), message);
    }
}

/// What may lead deeper, behind SELECT and behind FROM.
const IN_SELECT: &str = "(|((|[|{|f(|NOT (|- |NOT |~ |CASE WHEN |CASE |CAST(|EXISTS (SELECT |(SELECT |1 IN (|INTERVAL |\
    BINARY |DATE |ARRAY[|f(x, |EXTRACT(|SUBSTRING(|TRIM(|CAST(1 AS ARRAY<|1 + (|1 = |a.|@|1 BETWEEN |x -> |POSITION(|\
    CONVERT(|IF(|MATCH (a) AGAINST (|STRUCT(|PRIOR |ANY (|1 + ALL(|TRY_CAST(|OVERLAY(|CEIL(|FLOOR(|ROW(|MAP(|DATE (|\
    GROUPING(|LISTAGG(|CAST(CASE WHEN |CURRENT_DATE(|REPLACE(|LEFT(|1 IN (SELECT |BINARY (|CASE (|INTERVAL (|ARRAY(";
const IN_FROM: &str = "(|(SELECT * FROM |((SELECT * FROM |LATERAL (|TABLE(|t JOIN |t JOIN (|(a JOIN (|JSON_TABLE(|t PIVOT(|\
    ((SELECT 1) JOIN |((SELECT * FROM a) JOIN (SELECT * FROM ";

fn openings() -> impl Iterator<Item = (&'static str, &'static str)> {
    let select = IN_SELECT.split('|').map(|open| ("SELECT ", open));
    select.chain(IN_FROM.split('|').map(|open| ("SELECT * FROM ", open)))
}

/// The limits hold where the stack is small: threads of tests and of tokio have 2 MiB.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn depth_is_limited_on_every_way_down() {
    on_a_small_stack(|| {
        for (head, open) in openings() {
            for n in [3, 4, 5, 7, 12, 15, 40, 100, 5_000] {
                // Whether it parses or not, it comes back.
                drop(crate::parse_one(&format!("{head}{}", open.repeat(n))));
                drop(crate::parse_one(&format!("{head}{}%%", open.repeat(n))));
            }
        }
        let nested = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
        assert!(crate::parse_one(&nested(45)).is_ok());
        assert!(crate::parse_one(&nested(51)).is_err());
        let message = error(&nested(100_000));
        assert!(message.starts_with("nested deeper than 50 levels"), "{message}");
    });
}

#[test]
fn types_within_types_are_limited_too() {
    on_a_small_stack(|| {
        for (open, close) in [
            ("ARRAY<", ">"),
            ("MAP<INT, ", ">"),
            ("STRUCT<a ", ">"),
            ("DECIMAL(", ")"),
            ("x(", ")"),
        ] {
            for n in [20, 45, 5_000] {
                let text = format!("SELECT CAST(1 AS {}INT{})", open.repeat(n), close.repeat(n));
                let parsed = crate::parse_one(&text);
                assert!(n < 5_000 || parsed.is_err(), "{open}");
            }
        }
    });
}

#[test]
fn chains_are_limited_where_they_are_trees() {
    let links = " + 1| AND 1| IS NULL| OR a = 1|::INT| UNION SELECT 1| UNION SELECT 1, 2|[1]| COLLATE x|\
         BETWEEN 1 AND 2| IN (1, 2)| LIKE 'x'| INTERSECT SELECT 1, 2|.a| = ANY(1, 2)";
    on_a_small_stack(move || {
        for link in links.split('|') {
            for n in [900, 4_990, 20_000] {
                let parsed = crate::parse_one(&format!("SELECT 1{}", link.repeat(n)));
                assert!(n < 20_000 || parsed.is_err(), "{link} {n}");
            }
        }
    });
}

/// Each of these took the parser twice or three times as long for each level.
#[test]
fn no_text_takes_time_that_doubles() {
    for open in ["CAST(", "SUBSTRING(", "POSITION(", "CEIL(", "INTERVAL (", "CURRENT_DATE("] {
        #[expect(clippy::disallowed_methods, reason = "the test is about time")]
        let begin = Instant::now();
        assert!(crate::parse_one(&format!("SELECT {}%%", open.repeat(45))).is_err());
        assert!(begin.elapsed() < Duration::from_secs(30), "{open}");
    }
    assert_eq!(
        error(&format!("SELECT {}%%", "POSITION(".repeat(45))),
        "an error deep inside of functions at line 1, column 1"
    );
}

#[test]
fn deep_but_sane_queries_parse() {
    let nested = format!("SELECT {}a{} FROM t", "(".repeat(40), " AND b)".repeat(40));
    parsed(&nested);
    let queries = format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(12), ") x".repeat(12));
    parsed(&queries);
    let list = (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    parsed(&format!("SELECT * FROM t WHERE a IN ({list})"));
    parsed(&format!("SELECT * FROM t WHERE a = 0{}", " OR a = 1".repeat(2_000)));
    parsed(&format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(500)));
}

#[test]
fn what_stands_behind_a_table_is_made_plain() {
    let same = |text: &str, plain: &str| {
        assert_eq!(parsed(text).to_string(), parsed(plain).to_string(), "{text}");
    };
    let plain = "SELECT a FROM t PARTITION (p)";
    for text in [
        "SELECT a FROM t PARTITION p",
        "SELECT a FROM t PARTITIONS (p)",
        "SELECT a FROM t [_SYNC_MV_] partitions p",
    ] {
        same(text, plain);
    }
    assert!(parsed(plain).to_string().ends_with("PARTITION (p)"));
    reads("SELECT a FROM `t`[_SYNC_MV_] WHERE b", "SELECT a FROM `t` WHERE b");
    let window = "SELECT sum(a) OVER (PARTITION BY b) FROM t PARTITION (p, q) AS x";
    same("SELECT sum(a) OVER (PARTITION BY b) FROM t PARTITIONS (p, q) AS x", window);
    reads("SELECT partition, partitions FROM t", "SELECT partition, partitions FROM t");
    assert_eq!(
        error("SELECT a FROM t TEMPORARY PARTITIONS (p)"),
        "TEMPORARY PARTITION is not supported: a table has no temporary partitions here at line 1, column 17"
    );
}
