//! Statements that make no sense, are too long or too deep: an error that says where, and the server goes on.

use crate::client::Client;
use crate::place::Place;
use crate::server::serve;

#[track_caller]
fn expect(root: &mut Client, sql: &str, code: u16, words: &[&str]) {
    let refused = root.refusal(sql);
    let shown = &sql[..sql.floor_char_boundary(200)];
    assert_eq!(refused.code, code, "{shown}: {}", refused.text);
    for word in words {
        assert!(refused.text.contains(word), "{shown}: {}", refused.text);
    }
}

#[test]
fn what_is_no_statement_is_told_with_its_place() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    for (sql, words) in [
        ("SELEC 1", &["expected a statement, found SELEC", "line 1, column 1"][..]),
        ("SELECT *\nFROM\n  t WHERE", &["line 3"]),
        ("BACKUP SNAPSHOT s INTO r", &["expected TO, found INTO", "line 1, column 19"]),
        ("CREATE TABLE t (k INTT)", &["INTT", "line 1, column 19"]),
        ("RESTORE SNAPSHOT d.s FROM r PROPERTIES (\"a\" \"b\")", &["line 1, column 45"]),
        ("SELECT 'open", &["line 1"]),
        ("SELECT 1; SELECT 2", &["expected end of statement", "line 1"]),
        ("EXPORT TABLE t TO 's3://x'", &["EXPORT is not supported: use BACKUP"]),
    ] {
        expect(&mut root, sql, 1064, words);
    }
}

#[test]
fn wrong_values_and_properties_are_named() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("USE d");
    root.done("CREATE TABLE t (k INT NOT NULL, n TINYINT, v VARCHAR(3), d DATE)");
    for (sql, code, words) in [
        ("INSERT INTO t VALUES ('x', 1, 'a', NULL)", 1064, &["'x'", "'k'"][..]),
        ("INSERT INTO t VALUES (1, 300, 'a', NULL)", 1064, &["300", "'n'", "TINYINT"]),
        ("INSERT INTO t VALUES (1, 1, 'long', NULL)", 1064, &["'long'", "'v'", "VARCHAR(3)"]),
        ("INSERT INTO t VALUES (1, 1, 'a', '2024-02-30')", 1064, &["2024-02-30", "'d'"]),
        ("INSERT INTO t VALUES (NULL, 1, 'a', NULL)", 1064, &["NULL", "'k'"]),
        ("INSERT INTO t VALUES (1, 2)", 1064, &["t"]),
        ("INSERT INTO t (k, x) VALUES (1, 2)", 1054, &["'x'"]),
        ("SELECT x FROM t", 1054, &["Unknown column 'x'"]),
        ("SELECT k FROM t WHERE y = 1", 1054, &["Unknown column 'y'"]),
        ("SELECT nope(k) FROM t", 1064, &["FUNCTION nope"]),
        ("SELECT sum(k) FROM t GROUP BY missing", 1054, &["'missing'"]),
        ("SELECT * FROM d.nope", 5502, &["nope"]),
        ("SELECT * FROM nope.t", 1049, &["nope"]),
        ("SELECT CAST('x' AS NOTATYPE)", 1235, &["NOTATYPE"]),
        ("CREATE TABLE u (k INT) PROPERTIES (\"colour\" = \"red\")", 1064, &["colour"]),
        ("CREATE TABLE u (k INT) PROPERTIES (\"replication_num\" = \"many\")", 1064, &["many"]),
        ("SET PASSWORD = 'x'", 1064, &["41-digit"]),
        ("KILL 4000000000", 1094, &["Unknown thread id: 4000000000"]),
        ("USE nope", 1049, &["Unknown database 'nope'"]),
    ] {
        expect(&mut root, sql, code, words);
    }
    assert_eq!(root.value("SELECT count(*) FROM t"), "0", "nothing of a refused load is there");
}

#[test]
fn ten_megabytes_are_a_statement() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT, v VARCHAR(1048576))");
    let rows: Vec<String> = (0..20).map(|k| format!("({k}, '{}')", "x".repeat(500_000))).collect();
    let insert = format!("INSERT INTO d.t VALUES {}", rows.join(", "));
    assert!(insert.len() > 10_000_000);
    root.done(&insert);
    assert_eq!(root.value("SELECT sum(length(v)) FROM d.t"), "10000000");
    // Its text is nobody's memory afterwards, and nobody sees more of it than its begin.
    expect(&mut root, &format!("SELEC {insert}"), 1064, &["column 1"]);
}

#[test]
fn a_statement_is_utf8() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    let refused = root.raw.command(3, b"SELECT '\xff\xfe'").unwrap_err();
    assert_eq!(refused.code, 1300, "{}", refused.text);
    assert_eq!(root.value("SELECT 'gr\u{fc}n \u{1f511}'"), "gr\u{fc}n \u{1f511}");
}

/// Each of these is a tree as deep as it is long, for one of the many that walk it.
#[test]
fn deep_statements_are_answered_or_refused_and_overflow_nothing() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("USE d");
    root.done("CREATE TABLE t (k INT)");
    let nested = |open: &str, close: &str, times: usize| {
        format!("SELECT {}1{}", open.repeat(times), close.repeat(times))
    };
    let chain = |part: &str, times: usize| format!("SELECT 1{}", part.repeat(times));
    expect(&mut root, &nested("(", ")", 10_000), 1064, &["nested deeper than 50", "line 1"]);
    expect(&mut root, &chain(" UNION ALL SELECT 1", 5000), 1064, &["more than 1000"]);
    expect(&mut root, &chain(", 1", 5000), 1117, &["Too many columns"]);
    expect(&mut root, &chain(" + 1", 4900), 1235, &["more than 500 operators"]);
    expect(&mut root, &chain(" IS NULL", 3000), 1235, &["more than 500 operators"]);
    for sql in [
        nested("(", ")", 48),
        nested("(SELECT ", ")", 48),
        nested("abs(", ")", 48),
        nested("CASE WHEN 1 = 1 THEN ", " END", 500),
        nested("NOT ", "", 5000),
        nested("- ", "", 5000),
        nested("~ ", "", 5000),
        chain(" + 1", 4900),
        chain(" - k", 4900) + " FROM t",
        chain(" AND 1", 4900),
        chain(" OR k = 1", 2400) + " FROM t",
        chain(" = 1", 4900),
        chain(" BETWEEN 1 AND 2", 2000),
        chain(" IS NULL", 3000),
        chain(" || 'x'", 4900),
        chain(" UNION ALL SELECT 1", 100),
        chain(" EXCEPT SELECT 2", 100),
        format!("SELECT count(*) FROM t{}", " JOIN t USING (k)".repeat(300)),
        format!("SELECT count(*) FROM t{}", ", t".repeat(500)),
        format!("SELECT k FROM t WHERE k IN (1{})", ", 2".repeat(1000)),
        format!("SELECT concat('a'{})", ", 'b'".repeat(500)),
        format!("SELECT 1{}", ", 1".repeat(300)),
    ] {
        // Whether it is answered is not what this is about.
        let _ = root.run(&sql);
        let shown = &sql[..60.min(sql.len())];
        let alive = Client::login(server.address(), "root", "");
        assert!(alive.is_ok_and(|mut root| root.value("SELECT 1") == "1"), "after {shown}");
    }
}

#[test]
fn views_in_views_end_somewhere() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("USE d");
    root.done("CREATE TABLE v0 (k INT)");
    let mut deepest = 0;
    for level in 1..200 {
        let sql = format!("CREATE VIEW v{level} AS SELECT k FROM v{}", level - 1);
        if let Err(refused) = root.run(&sql) {
            assert!(refused.text.contains("is nested too deeply"), "{}", refused.text);
            break;
        }
        deepest = level;
    }
    assert!(deepest > 10, "{deepest}");
    let _ = root.run(&format!("SELECT * FROM v{deepest}"));
    assert_eq!(server.root().value("SELECT 1"), "1");
}
