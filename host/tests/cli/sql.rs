//! `cairn sql`: what it reads, what it prints, how it ends.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::json;

use crate::expect::Expect;
use crate::place::{CAIRN, Place};
use crate::running::Running;

/// Runs statements of the command line on the directory `data`.
fn sql(place: &Place, options: &[&str], statements: &str) -> Expect {
    place.cairn(&[&["sql", "--data", "data"], options, &["-e", statements]].concat())
}

/// A place whose warehouse has a table of three rows.
fn shop() -> Place {
    let place = Place::new();
    let statements =
        "CREATE DATABASE shop; USE shop; CREATE TABLE orders (k BIGINT, v VARCHAR(20));
        INSERT INTO orders VALUES (1, 'one'), (2, 'tab\\there'), (3, NULL)";
    sql(&place, &[], statements).stdout("").stderr("").run();
    place
}

const ROWS: &str = "SELECT k, v FROM orders ORDER BY k";

#[test]
fn statements_come_from_everywhere_and_rows_stand_between_tabs() {
    let place = shop();
    let rows = "k\tv\n1\tone\n2\ttab\\there\n3\tNULL\n";
    sql(&place, &["-D", "shop"], ROWS).stdout(rows).stderr("").run();
    place.write("script.sql", format!("-- a script\nUSE shop;\n{ROWS};\n").as_bytes());
    place.cairn(&["sql", "--data", "data", "script.sql"]).stdout(rows).stderr("").run();

    let mut command = place.command(&["sql", "--data", "data", "-N"]);
    let script = fs::File::open(place.path("script.sql")).unwrap();
    let output = command.stdin(script).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), rows.replacen("k\tv\n", "", 1));
}

#[test]
fn boxes_and_lines_are_those_of_mysql() {
    let place = shop();
    let boxed = "\
+---+-------------+
| k | v           |
+---+-------------+
| 1 | one         |
| 2 | tab    here |
| 3 | NULL        |
+---+-------------+
";
    sql(&place, &["-D", "shop", "-t"], ROWS).stdout(boxed).run();
    let stars = "*".repeat(27);
    let line = format!("{stars} 1. row {stars}\nk: 1\nv: one\n");
    let first = "SELECT k, v FROM orders WHERE k = 1";
    sql(&place, &["-D", "shop", "-E"], first).stdout(&line).run();
    sql(&place, &["-D", "shop"], &format!("{first}\\G")).stdout(&line).run();
}

#[test]
fn the_first_error_ends_a_script_unless_it_is_forced() {
    let place = shop();
    let script = "SELECT 1;\n\nSELEC 2;\nSELECT 3;\nSELECT * FROM none.t";
    let syntax =
        "ERROR 1064 (42000) at line 3: expected a statement, found SELEC at line 1, column 1\n";
    sql(&place, &["-N"], script).status(2).stdout("1\n").stderr(syntax).run();
    let both = format!("{syntax}ERROR 1049 (42000) at line 5: Unknown database 'none'\n");
    sql(&place, &["-N", "--force"], script).status(2).stdout("1\n3\n").stderr(&both).run();
    sql(&place, &["-D", "none"], "SELECT 1").status(2).stdout("").run();
    place.cairn(&["sql", "--data", "fresh", "none.sql"]).status(2).stdout("").run();
    assert!(!place.has("fresh"), "a script that is not there leaves no trace");
    place.write("latin1.sql", b"SELECT '\xe9'");
    place.cairn(&["sql", "--data", "data", "latin1.sql"]).status(2).stdout("").run();
}

#[test]
fn machines_get_one_document_without_secrets() {
    let place = shop();
    let statements = format!("{ROWS}; CREATE USER u IDENTIFIED BY 'hidden'; USE none");
    let document = sql(&place, &["-D", "shop"], &statements).status(2).json();
    let results = &document["results"];
    assert_eq!(results[0]["columns"], json!(["k", "v"]));
    assert_eq!(results[0]["rows"], json!([[1, "one"], [2, "tab\there"], [3, null]]));
    assert_eq!(results[2]["error"]["code"], 1049);
    assert_eq!(document["exit_code"], 2);
    assert!(!document.to_string().contains("hidden"), "{document}");
}

#[test]
fn jobs_are_waited_for_and_their_failure_is_told() {
    let place = shop();
    let location = place.path("backups").display().to_string();
    let repository = format!("CREATE REPOSITORY r WITH BROKER ON LOCATION \"{location}\"");
    sql(&place, &[], &repository).run();
    sql(&place, &[], "BACKUP SNAPSHOT shop.nightly TO r")
        .stderr("waiting for BACKUP of shop.nightly ([..]); Ctrl-C leaves it[..]\n")
        .run();
    let listed = sql(&place, &["-N"], "SHOW SNAPSHOT ON r").run();
    assert!(listed.starts_with("nightly\t"), "{listed}");

    let packs = place.path("backups/__cairn_repository_r/packs");
    fs::remove_dir_all(&packs).unwrap();
    fs::write(&packs, "no directory").unwrap();
    let statements = "INSERT INTO orders VALUES (4, 'four'); BACKUP SNAPSHOT shop.second TO r";
    sql(&place, &["-D", "shop"], statements)
        .status(1)
        .stderr("...\nBACKUP of shop.second CANCELLED: [..]\n")
        .run();
}

#[test]
fn a_second_process_is_told_what_to_do() {
    let place = shop();
    let serve =
        ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"];
    let mut running = Running::start(place.command(&[&serve[..], &["--json"]].concat()));
    running.wait_for("serving_sql");
    let document = sql(&place, &[], "SELECT 1").status(5).json();
    let message = document["error"]["message"].as_str().unwrap();
    assert!(message.contains("another process has data open"), "{document}");
    assert!(message.contains("mysql -h 127.0.0.1 -P 9030 -u root"), "{document}");
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, 0);
    sql(&place, &["-N"], "SELECT 1").stdout("1\n").run();
}

#[test]
fn ctrl_c_ends_a_statement_and_with_it_the_script() {
    let place = shop();
    let many = "INSERT INTO orders SELECT a.k * 1000 + b.k, 'x' FROM orders a, orders b";
    let fill = [many; 3].join(";");
    sql(&place, &["-D", "shop"], &fill).run();
    // More rows than any machine counts in the time of a test.
    let endless = "SELECT COUNT(*) FROM orders a, orders b, orders c, orders d, orders e WHERE a.k + b.k < c.k + d.k + e.k";
    let mut command = place.command(&["sql", "--data", "data", "-D", "shop", "-e", endless]);
    command.env("CAIRN_LOG", "cairn_frontend=debug");
    let mut running = Running::start(command);
    running.wait_for("SELECT COUNT(*)");
    running.signal(Signal::INT);
    let (status, stdout) = running.end();
    assert_eq!((status, stdout.as_str()), (130, ""));
}

#[test]
fn a_terminal_has_boxes_and_a_history_without_secrets() {
    let place = shop();
    let program = format!("{CAIRN} sql --data data");
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &program, "/dev/null"])
        .current_dir(place.path("."))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("SHELL", "/bin/sh")
        .env("XDG_STATE_HOME", place.path("state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let mut shown = String::new();
    // What is typed before the prompt is there is lost, as on every terminal that edits lines.
    let mut wait = |parts: &[&str]| {
        let mut from = shown.len();
        for part in parts {
            while !shown[from..].contains(part) {
                let mut byte = [0];
                stdout.read_exact(&mut byte).unwrap_or_else(|_| panic!("no {part:?} in {shown}"));
                shown.push(char::from(byte[0]));
            }
            from += shown[from..].find(part).unwrap() + part.len();
        }
    };
    wait(&["cairn> "]);
    for (typed, answer) in [
        ("use shop", "Query OK"),
        ("SELECT k, v\rFROM orders WHERE k = 1;", "1 row in set"),
        ("SELEC;", "ERROR 1064"),
        ("CREATE USER u IDENTIFIED BY 'hidden';", "Query OK"),
        ("SELECT v FROM shop.or\t WHERE k = 2\\G", "1. row"),
    ] {
        stdin.write_all(format!("{typed}\r").as_bytes()).unwrap();
        wait(&[answer, "cairn [shop]> "]);
    }
    stdin.write_all(b"exit\r").unwrap();
    let status = terminal.wait().unwrap();
    let shown = shown.replace('\r', "");
    assert!(status.success(), "{shown}");
    for part in [
        "cairn [shop]> ",
        "+---+-----+\n| k | v   |\n+---+-----+\n| 1 | one |\n+---+-----+\n1 row in set (",
        "ERROR 1064 (42000): expected a statement, found SELEC",
        "1. row",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    let history = fs::read_to_string(place.path("state/cairn/sql_history")).unwrap();
    assert!(history.contains("FROM orders WHERE k = 1;"), "{history}");
    assert!(!history.contains("hidden"), "{history}");
}
