//! Secrets: typed once, and afterwards in no log, no list, no message and no file in clear.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use cairn_testkit::{S3Server, wait_until};
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::place::Place;
use crate::server::{PATIENCE, serve, serve_logging};

/// In every secret of these tests.
const HIDDEN: &str = "hunter2";
const ACCESS_KEY: &str = "AKvisible";
const SECRET_KEY: &str = "SKhunter2";

#[track_caller]
fn is_clean(what: &str, text: &str) {
    if let Some(at) = text.find(HIDDEN) {
        let (from, to) = (at.saturating_sub(200), (at + 100).min(text.len()));
        panic!("{what}: {}", String::from_utf8_lossy(&text.as_bytes()[from..to]));
    }
}

fn bucket(endpoint: &str, name: &str) -> String {
    format!(
        r#"CREATE REPOSITORY {name} WITH BROKER ON LOCATION "s3a://bucket/x" PROPERTIES (
            "aws.s3.access_key" = "{ACCESS_KEY}", "aws.s3.secret_key" = "{SECRET_KEY}",
            "aws.s3.endpoint" = "{endpoint}", "aws.s3.enable_path_style_access" = "true")"#
    )
}

/// Every file of a directory in which a secret stands.
fn files_with_secret(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with_secret(&path));
        } else if fs::read(&path).unwrap().windows(HIDDEN.len()).any(|it| it == HIDDEN.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Statements with secrets, good and bad ones; each must not come back in what is said of it.
fn statements() -> Vec<String> {
    let say = |text: &str| text.replace("HIDDEN", HIDDEN);
    [
        "CREATE USER ann IDENTIFIED BY 'HIDDEN'",
        "CREATE USER ann IDENTIFIED BY 'HIDDEN'",
        "CREATE USER eve IDENTIFIED BY 'HIDDEN' nonsense",
        "CREATE USER eve IDENTIFIED BY HIDDEN",
        "CREATE USER eve IDENTIFIED BY 'HIDDEN",
        "ALTER USER ann IDENTIFIED BY \"HIDDEN\"",
        "SET PASSWORD FOR ann = PASSWORD('HIDDEN')",
        "SET PASSWORD FOR ann = 'HIDDEN'",
        "SELECT 1; CREATE USER eve IDENTIFIED BY 'HIDDEN'",
        r#"CREATE REPOSITORY x WITH BROKER ON LOCATION "s3://b/x" PROPERTIES ("aws.s3.secret_key" = "HIDDEN")"#,
        r#"CREATE REPOSITORY x WITH BROKER ON LOCATION "s3://b/x" PROPERTIES ("fs.s3a.secret.key" "HIDDEN")"#,
        r#"CREATE REPOSITORY x WITH BROKER ON LOCATION "s3://key:HIDDEN@b/x""#,
        r#"CREATE REPOSITORY x WITH BROKER ON LOCATION "hdfs://key:HIDDEN@host:1/x""#,
        r#"CREATE REPOSITORY x WITH BROKER ON LOCATION "hdfs://127.0.0.1:1/x" PROPERTIES ("username" = "u", "password" = "HIDDEN")"#,
        r#"BACKUP SNAPSHOT d.s TO r PROPERTIES ("secret_key" = "HIDDEN")"#,
        r#"SELECT * FROM FILES("path" = "s3://b/x", "format" = "csv", "aws.s3.secret_key" = "HIDDEN")"#,
    ]
    .map(say)
    .to_vec()
}

#[test]
fn secrets_are_in_no_log_list_message_or_file() {
    let place = Place::new();
    let runtime = Runtime::new().unwrap();
    let s3 = runtime.block_on(S3Server::start(ACCESS_KEY, SECRET_KEY, &["bucket"])).unwrap();
    let server = serve_logging(&place, "trace", &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT)");
    root.done("INSERT INTO d.t VALUES (1)");
    root.done(&bucket(s3.endpoint(), "r"));
    let time = root.back_up("d", "s", "r");
    root.restore("e", "s", "r", &time);
    for sql in statements() {
        if let Err(refused) = root.run(&sql) {
            is_clean(&sql, &refused.text);
        }
    }
    for sql in [
        "SHOW REPOSITORIES",
        "SHOW SNAPSHOT ON r",
        "SHOW BACKUP FROM d",
        "SHOW RESTORE FROM e",
        "SHOW PROCESSLIST",
        "SHOW GRANTS",
        "SHOW GRANTS FOR ann",
        "SHOW CREATE TABLE d.t",
        "SHOW VARIABLES",
        "ADMIN SHOW FRONTEND CONFIG",
        "SELECT * FROM information_schema.tables",
    ] {
        let rows = root.rows(sql);
        is_clean(sql, &format!("{rows:?}"));
    }
    // A job that fails tells of the storage, not of its keys.
    drop(s3);
    drop(runtime);
    let log = server.log();
    assert!(log.contains("statement"), "the log is one of statements");
    is_clean("the log", &log);
    server.stop();
    assert_eq!(files_with_secret(&place.path("data")), Vec::<String>::new());
}

#[test]
fn a_statement_that_runs_is_shown_without_its_secrets() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    // It takes the connection and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut stuck = server.root();
    // So long that only its begin is kept, which ends inside of the secret.
    let padding = " ".repeat(4096 - bucket(&endpoint, "r").find(SECRET_KEY).unwrap() - 7);
    stuck.raw.count_from(0);
    stuck.raw.send(&[b"\x03", padding.as_bytes(), bucket(&endpoint, "r").as_bytes()].concat());
    let shown = |root: &mut Client| {
        let rows = root.rows("SHOW PROCESSLIST");
        let info = rows.into_iter().filter_map(|row| row[8].clone());
        info.filter(|info| info.contains("CREATE REPOSITORY")).collect::<String>()
    };
    wait_until("it runs", PATIENCE, || !shown(&mut root).is_empty());
    let shown = shown(&mut root);
    assert!(shown.contains("***"), "{shown}");
    for part in [HIDDEN, ACCESS_KEY, "SKhun", "SKhunte"] {
        assert!(!shown.contains(part), "{shown}");
    }
    let id = stuck_id(&mut root);
    root.done(&format!("KILL {id}"));
    assert_eq!(root.value("SELECT 1"), "1");
}

fn stuck_id(root: &mut Client) -> String {
    let rows = root.rows("SHOW PROCESSLIST");
    let is_it = |row: &&Vec<Option<String>>| {
        row[8].as_ref().is_some_and(|info| info.contains("CREATE REPOSITORY"))
    };
    rows.iter().find(is_it).and_then(|row| row[0].clone()).unwrap()
}
