//! Whatever the text: it parses or is refused with a place in it, in time and without a panic, and no secret leaks.

use cairn_sql::{mask, parse_one, parse_script, placeholders, split};
use proptest::prelude::*;

/// What statements are made of, so that soups get far into the grammar.
const WORDS: &[&str] = &[
    "CREATE",
    "DROP",
    "ALTER",
    "SHOW",
    "SET",
    "GRANT",
    "REVOKE",
    "INSERT INTO",
    "DELETE FROM",
    "BACKUP",
    "RESTORE",
    "CANCEL",
    "REFRESH",
    "ADMIN",
    "EXPLAIN",
    "SELECT",
    "WITH",
    "VALUES",
    "TRUNCATE TABLE",
    "USE",
    "KILL",
    "BEGIN",
    "READ ONLY",
    "REPOSITORY",
    "DATABASE",
    "TABLE",
    "MATERIALIZED VIEW",
    "VIEW",
    "FUNCTION",
    "RESOURCE GROUP",
    "USER",
    "ROLE",
    "SNAPSHOT",
    "SYSTEM",
    "CATALOG",
    "ALL",
    "TABLES",
    "IN",
    "EXTERNAL",
    "IF NOT EXISTS",
    "IF EXISTS",
    "OR REPLACE",
    "WITH BROKER",
    "ON",
    "LOCATION",
    "PROPERTIES",
    "TO",
    "FROM",
    "AS",
    "WHERE",
    "LIKE",
    "AND",
    "OR",
    "NOT",
    "NULL",
    "BY",
    "PARTITION",
    "PARTITION BY",
    "RANGE",
    "LIST",
    "LESS THAN",
    "MAXVALUE",
    "START",
    "END",
    "EVERY",
    "INTERVAL",
    "DAY",
    "DISTRIBUTED BY HASH",
    "RANDOM",
    "BUCKETS",
    "PRIMARY KEY",
    "DUPLICATE KEY",
    "ORDER BY",
    "ENGINE",
    "COMMENT",
    "DEFAULT",
    "CURRENT_TIMESTAMP",
    "AUTO_INCREMENT",
    "INT",
    "VARCHAR",
    "DECIMAL",
    "ARRAY",
    "date_trunc",
    "REFRESH ASYNC",
    "MANUAL",
    "DEFERRED",
    "ADD COLUMN",
    "RENAME",
    "IDENTIFIED BY",
    "IDENTIFIED WITH",
    "PASSWORD",
    "FOR",
    "CURRENT_USER",
    "NAMES",
    "TRANSACTION",
    "FILES",
    "CASE",
    "WHEN",
    "THEN",
    "CAST",
    "EXISTS",
    "JOIN",
    "UNION",
    "LIMIT",
    "GROUP BY",
    "HAVING",
    "OVER",
    "LATERAL",
    "PIVOT",
    "BETWEEN",
    "IS",
    "TIMESTAMP",
    "FORCE",
    "RETURNS",
    "CONFIG",
    "FRONTEND",
    "FULL",
    "COLUMNS",
    "VARIABLES",
    "CREATE TABLE",
    "GRANTS",
    "SESSION",
    "GLOBAL",
    "d",
    "t",
    "`b``q`",
    "1",
    "2.5",
    "0x1F",
    "1e5",
    "'s'",
    "\"k\"",
    "\"password\"",
    "b'1'",
    "x'00'",
    "n's'",
    "@x",
    "@@y",
    "@",
    "d.t",
    "*",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "=",
    "<=",
    ">>",
    "=>",
    ":=",
    "::",
    ",",
    ",",
    ".",
    ";",
    "+",
    "-",
    "/",
    "%",
    "?",
    ":",
    "--",
    "-- c\n",
    "#c\n",
    "/* c */",
    "/*!40101",
    "*/",
    "/*",
    "'",
    "\"",
    "`",
    "\\",
    "é",
    "\u{3000}",
    "\0",
    "\n",
    "$$",
];

fn soup() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS);
    let glue = prop::sample::select(&[" ", " ", " ", "", "\n"][..]);
    prop::collection::vec((word, glue), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, glue)| [word, glue]).collect())
}

/// A sane statement with a few of its words replaced, doubled or taken away.
fn broken() -> impl Strategy<Value = String> {
    let sane = prop::sample::select(
        &[
            r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "s3a://b/x" PROPERTIES ( "password" = "p" , "a" = "b" )"#,
            r#"RESTORE SNAPSHOT d.l FROM r DATABASE d AS e ON ( t PARTITION ( p , q ) AS u , ALL VIEWS ) PROPERTIES ( "a" = "b" )"#,
            r#"CREATE TABLE d.t ( a INT NOT NULL DEFAULT "0" , b DECIMAL ( 5 , 2 ) ) PRIMARY KEY ( a ) PARTITION BY RANGE ( a ) ( PARTITION p VALUES [ ( "1" ) , ( "2" ) ) ) DISTRIBUTED BY HASH ( a ) BUCKETS 3"#,
            "GRANT SELECT , INSERT ON ALL TABLES IN DATABASE d TO USER 'u' @ '%'",
            "CREATE MATERIALIZED VIEW v REFRESH ASYNC START ( 't' ) EVERY ( INTERVAL 1 DAY ) AS SELECT a , sum ( b ) FROM t GROUP BY a",
            "SET autocommit = 1 , @@session.x = 'y' , NAMES = ON",
            r#"INSERT INTO t ( a , b ) SELECT * FROM FILES ( "path" = "x" , "format" = "parquet" ) WHERE a IN ( 1 , 2 )"#,
            "SHOW SNAPSHOT ON r WHERE SNAPSHOT IN ( 'a' , 'b' ) AND TIMESTAMP <= 't'",
            "ALTER SNAPSHOT l ON r ADD HOLD h COMMENT 'why'",
        ][..],
    );
    let change = (any::<prop::sample::Index>(), 0..3_u8, prop::sample::select(WORDS));
    (sane, prop::collection::vec(change, 1..4)).prop_map(|(sane, changes)| {
        let mut words: Vec<&str> = sane.split(' ').collect();
        for (index, kind, word) in changes {
            let at = index.index(words.len());
            match kind {
                0 => words[at] = word,
                1 => words.insert(at, word),
                _ if words.len() > 1 => drop(words.remove(at)),
                _ => {}
            }
        }
        words.join(" ")
    })
}

/// The end of a text that a place may name, one line and one column behind the last character.
fn holds(text: &str, line: u64, column: u64) -> bool {
    let lines: Vec<&str> = text.split('\n').collect();
    line >= 1
        && column >= 1
        && usize::try_from(line - 1)
            .ok()
            .and_then(|line| lines.get(line))
            .is_some_and(|line| column <= line.chars().count() as u64 + 1)
}

fn survives(text: &str) -> Result<(), TestCaseError> {
    for parsed in [parse_one(text).map(drop), parse_script(text).map(drop)] {
        if let Err(error) = parsed {
            prop_assert!(holds(text, error.line, error.column), "{error}");
            prop_assert_eq!(error.to_string().lines().count(), 1);
            prop_assert_eq!(error.caret().lines().count(), 2);
        }
    }
    let masked = mask(text);
    prop_assert!(masked == text || masked.contains("***"));
    let mut rest = text;
    for fragment in split(text) {
        let at = rest.find(fragment.text);
        prop_assert!(at.is_some());
        rest = &rest[at.unwrap_or_default() + fragment.text.len()..];
    }
    prop_assert!(placeholders(text).iter().all(|at| text[*at..].starts_with('?')));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn soups(text in soup()) {
        survives(&text)?;
    }

    #[test]
    fn broken_statements(text in broken()) {
        survives(&text)?;
    }

    #[test]
    fn any_text(text in ".{0,60}") {
        survives(&text)?;
    }

    /// A secret in its place is in no message, no line with a caret and no masked text, whatever is around it.
    #[test]
    fn secrets_do_not_leak(
        before in prop::collection::vec(prop::sample::select(&["a", "(", ",", "= 1", "'x'", "-- c\n", "`q`"][..]), 0..6),
        place in prop::sample::select(&["'aws.s3.secret_key' = ", "\"password\"=", "IDENTIFIED BY ", "SET PASSWORD = PASSWORD ("][..]),
        after in soup(),
        quote in prop::sample::select(&["'", "\""][..]),
    ) {
        let before = before.join(" ");
        let text = format!("CREATE {before} {place}{quote}hunter2{quote} {after}");
        prop_assert!(!mask(&text).contains("hunter2"));
        if let Err(error) = parse_one(&text) {
            prop_assert!(!error.to_string().contains("hunter2"));
            prop_assert!(!error.caret().contains("hunter2"));
        }
    }
}
