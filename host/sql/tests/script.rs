//! Scripts: several statements, and places that count from the begin of the script.

use cairn_sql::statement::Statement;
use cairn_sql::{parse_one, parse_script};

#[test]
fn each_statement_comes_with_its_text() {
    let script = "-- nightly\nUSE d;\n\n BACKUP SNAPSHOT l TO r ; /* end */ ;";
    let parsed = parse_script(script).unwrap();
    let texts: Vec<_> = parsed.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["-- nightly\nUSE d", "BACKUP SNAPSHOT l TO r"]);
    assert_eq!(parsed[0].1, Statement::Use { database: "d".into() });
    assert_eq!(parse_script(" ;; -- nothing").unwrap(), []);
}

#[test]
fn places_count_from_the_begin_of_the_script() {
    let error = parse_script("USE d;\n  USE 'x';").unwrap_err();
    assert_eq!(error.to_string(), "expected a database name, found 'x' at line 2, column 7");
    assert_eq!(error.caret(), "USE 'x'\n    ^");
    let error = parse_script("USE d; USE\n  5").unwrap_err();
    assert_eq!((error.line, error.column), (2, 3));
    let error = parse_script("USE é; SELECT FROM").unwrap_err();
    assert_eq!((error.line, error.column), (1, 19));
}

#[test]
fn one_is_one() {
    let error = parse_one("USE a; USE b").unwrap_err();
    assert_eq!(error.to_string(), "expected end of statement, found ; at line 1, column 6");
    let error = parse_one(" -- nothing\n").unwrap_err();
    assert!(error.to_string().starts_with("expected a statement, found end of statement"));
    assert!(parse_one("USE a;;").is_ok());
}

#[test]
fn unknown_and_foreign_statements_are_told_apart() {
    let error = parse_one("FROBNICATE x").unwrap_err();
    assert_eq!(error.to_string(), "expected a statement, found FROBNICATE at line 1, column 1");
    for text in [
        "RECOVER DATABASE d",
        "RECOVER TABLE t",
        "RECOVER PARTITION p FROM t",
        "UPDATE t SET a = 1",
        "LOAD LABEL l (DATA INFILE('x') INTO TABLE t)",
        "EXPORT TABLE t TO 'x'",
        "ANALYZE TABLE t",
        "SUBMIT TASK AS SELECT 1",
    ] {
        let message = parse_one(text).unwrap_err().to_string();
        let word = text.split(' ').next().unwrap();
        assert!(message.starts_with(&format!("{word} is not supported: ")), "{message}");
    }
}
