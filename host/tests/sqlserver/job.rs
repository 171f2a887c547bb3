//! Jobs that run out of time, or out of their repository.

use std::fs;

use cairn_testkit::{NetFault, S3Server, TcpProxy, wait_until};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::client::Row;
use crate::place::Place;
use crate::server::{PATIENCE, Server, serve};

/// A server that moves 64 KiB in a second, a table of a megabyte that does not compress, and a repository `r`.
pub(crate) fn slow(place: &Place) -> Server<'_> {
    let server = serve(place, &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT, v VARCHAR(1048576))");
    root.done(&format!("INSERT INTO d.t VALUES (1, '{}')", noise()));
    let location = place.path("backups").display().to_string();
    root.done(&format!(r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "file://{location}""#));
    root.back_up("d", "whole", "r");
    for (name, value) in [
        ("max_upload_speed_kbps", "64"),
        ("max_download_speed_kbps", "64"),
        ("backup_job_default_timeout_ms", "1000"),
    ] {
        root.done(&format!(r#"ADMIN SET FRONTEND CONFIG ("{name}" = "{value}")"#));
    }
    server
}

/// Text that does not compress well.
fn noise() -> String {
    (0..40_000).map(|k: u64| format!("{:016x}", k.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

fn shows(job: &Row, words: &[&str]) {
    let text = job.iter().flatten().map(String::as_str).collect::<Vec<_>>().join("|");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn a_job_that_takes_too_long_is_given_up() {
    let place = Place::new();
    let server = slow(&place);
    let mut root = server.root();
    root.done("CREATE TABLE d.u (k INT, v VARCHAR(1048576))");
    root.done("INSERT INTO d.u SELECT k + 1, reverse(v) FROM d.t");
    root.done("BACKUP SNAPSHOT d.late TO r ON (u)");
    let job = root.ended("SHOW BACKUP FROM d");
    shows(&job, &["late", "CANCELLED", "[TIMEOUT, msg: ", "timeout."]);
    let listed = root.rows("SHOW SNAPSHOT ON r");
    assert_eq!(listed.len(), 1, "half a backup is no snapshot: {listed:?}");

    let time = listed[0][1].clone().unwrap();
    let properties = format!(r#"PROPERTIES ("backup_timestamp" = "{time}")"#);
    root.done(&format!("RESTORE SNAPSHOT e.whole FROM r {properties}"));
    let job = root.ended("SHOW RESTORE FROM e");
    shows(&job, &["whole", "CANCELLED", "[TIMEOUT, msg: restore job with label: whole  timeout.]"]);
    assert_eq!(root.refusal("SELECT * FROM e.t").code, 1049, "half a restore is nothing");

    // A statement gives more time, and ten minutes at least.
    let timeout = |seconds: u32| {
        format!(r#"BACKUP SNAPSHOT d.late TO r ON (u) PROPERTIES ("timeout" = "{seconds}")"#)
    };
    let refused = root.refusal(&timeout(599));
    assert!(refused.text.contains("timeout must be at least 10 min"), "{}", refused.text);
    root.done(r#"ADMIN SET FRONTEND CONFIG ("max_upload_speed_kbps" = "0")"#);
    root.done(&timeout(600));
    shows(&root.ended("SHOW BACKUP FROM d"), &["late", "FINISHED", "[OK]", "600"]);
}

/// The lines of JSON in the log that are about a job which had this end.
fn ended_with(server: &Server<'_>, word: &str) -> Vec<Value> {
    let log = server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == word).collect()
}

#[test]
fn the_log_names_a_job_as_show_does_and_as_the_engine_does() {
    let place = Place::new();
    place.write("cairn.toml", b"[log]\nformat = \"json\"\n");
    let server = serve(&place, &["--config", "cairn.toml"]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT)");
    root.done("INSERT INTO d.t VALUES (1)");
    let location = place.path("backups").display().to_string();
    root.done(&format!(r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "file://{location}""#));
    root.back_up("d", "good", "r");
    let shown = root.rows("SHOW BACKUP FROM d")[0][0].clone().unwrap();
    let [line] = ended_with(&server, "finished").try_into().unwrap();
    let spans = &line["spans"];
    assert_eq!((&spans[0]["name"], &spans[0]["database"]), (&"sql_job".into(), &"d".into()));
    assert_eq!(spans[0]["id"].to_string(), shown, "{line}");
    assert_eq!((&spans[1]["name"], &spans[1]["label"]), (&"job".into(), &"good".into()), "{line}");

    // Its repository is gone: one line, and it calls for somebody.
    fs::remove_dir_all(place.path("backups")).unwrap();
    root.done("INSERT INTO d.t VALUES (2)");
    root.done("BACKUP SNAPSHOT d.bad TO r");
    shows(&root.ended("SHOW BACKUP FROM d"), &["bad", "CANCELLED"]);
    let [line] = ended_with(&server, "failed").try_into().unwrap();
    assert_eq!((&line["level"], &line["spans"][0]["name"]), (&"ERROR".into(), &"sql_job".into()));
}

/// A bucket behind a line that can be disturbed.
fn bucket(runtime: &Runtime) -> (S3Server, TcpProxy) {
    let s3 = runtime.block_on(S3Server::start("AK", "SK", &["bucket"])).unwrap();
    let at = s3.endpoint().strip_prefix("http://").unwrap().parse().unwrap();
    let proxy = runtime.block_on(TcpProxy::start(at, 1)).unwrap();
    (s3, proxy)
}

/// A server that is killed in the midst of a restore into `e` of what it has backed up into the bucket behind `proxy`.
fn killed_while_it_restores(place: &Place, proxy: &TcpProxy) {
    let server = serve(place, &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT, v VARCHAR(1048576))");
    root.done(&format!("INSERT INTO d.t VALUES (1, '{}')", noise()));
    root.done(&format!(
        r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "s3a://bucket/x" PROPERTIES (
            "aws.s3.access_key" = "AK", "aws.s3.secret_key" = "SK",
            "aws.s3.endpoint" = "http://{}", "aws.s3.enable_path_style_access" = "true")"#,
        proxy.address()
    ));
    let time = root.back_up("d", "s", "r");
    root.done(r#"ADMIN SET FRONTEND CONFIG ("max_download_speed_kbps" = "64") WITH PERSISTENT"#);
    root.done(&format!(
        r#"RESTORE SNAPSHOT e.s FROM r PROPERTIES ("backup_timestamp" = "{time}", "timeout" = "600")"#
    ));
}

#[test]
fn a_job_waits_after_a_restart_until_its_repository_answers() {
    let (place, runtime) = (Place::new(), Runtime::new().unwrap());
    let (_s3, proxy) = bucket(&runtime);
    killed_while_it_restores(&place, &proxy);
    runtime.block_on(proxy.refuse(true));
    let server = serve(&place, &[]);
    let mut root = server.root();
    wait_until("it has been asked twice", PATIENCE, || {
        server.log().matches("waits for its repository").count() > 1
    });
    shows(&root.rows("SHOW RESTORE FROM e")[0], &["PENDING"]);
    root.done(r#"ADMIN SET FRONTEND CONFIG ("max_download_speed_kbps" = "0")"#);
    runtime.block_on(proxy.refuse(false));
    shows(&root.ended("SHOW RESTORE FROM e"), &["FINISHED", "[OK]"]);
    assert_eq!(root.rows("SELECT count(*) FROM e.t")[0][0].as_deref(), Some("1"));
}

#[test]
fn a_job_that_waits_for_a_silent_repository_ends_when_it_is_told() {
    let (place, runtime) = (Place::new(), Runtime::new().unwrap());
    let (_s3, proxy) = bucket(&runtime);
    killed_while_it_restores(&place, &proxy);

    // The next server goes on with the job, and its repository takes connections and does not answer any more.
    proxy.plan(NetFault::stall().times(1000));
    let server = serve(&place, &[]);
    let mut root = server.root();
    let job = root.rows("SHOW RESTORE FROM e").remove(0);
    shows(&job, &["PENDING"]);
    root.done("CANCEL RESTORE FROM e");
    let job = root.ended("SHOW RESTORE FROM e");
    shows(&job, &["CANCELLED", "[COMMON_ERROR, msg: user cancelled, current state: PENDING]"]);
    let refused = root.refusal("BACKUP SNAPSHOT d.u TO r");
    assert!(refused.text.contains("Repository r cannot be opened"), "{}", refused.text);
    assert!(refused.text.contains("was silent"), "{}", refused.text);
}

#[test]
fn a_job_that_is_cancelled_says_so_and_a_label_is_free_again() {
    let place = Place::new();
    let server = slow(&place);
    let mut root = server.root();
    root.done("INSERT INTO d.t SELECT k + 1, reverse(v) FROM d.t");
    let backup = r#"BACKUP SNAPSHOT d.s TO r PROPERTIES ("timeout" = "600")"#;
    root.done(backup);
    let refused = root.refusal(backup);
    assert_eq!(refused.text, "Can only run one backup or restore job of a database at same time");
    let refused = root.refusal("DROP REPOSITORY r");
    assert!(refused.text.starts_with("Backup or restore job is running"), "{}", refused.text);
    assert_eq!(root.refusal("CANCEL RESTORE FROM d").text, "No restore is currently running");
    root.done("CANCEL BACKUP FROM d");
    let job = root.ended("SHOW BACKUP FROM d");
    shows(&job, &["CANCELLED", "[COMMON_ERROR, msg: user cancelled]"]);
    assert_eq!(
        root.refusal("CANCEL BACKUP FROM d").text,
        "Failed to cancel job: Job with label s can not be cancelled. state: CANCELLED"
    );
    root.done(r#"ADMIN SET FRONTEND CONFIG ("max_upload_speed_kbps" = "0")"#);
    root.done(backup);
    shows(&root.ended("SHOW BACKUP FROM d"), &["FINISHED"]);
}

#[test]
fn a_repository_that_is_gone_is_named_and_may_be_made_again() {
    let place = Place::new();
    let server = slow(&place);
    let mut root = server.root();
    fs::remove_dir_all(place.path("backups")).unwrap();
    root.done(r#"ADMIN SET FRONTEND CONFIG ("max_upload_speed_kbps" = "0")"#);
    root.done(r#"ADMIN SET FRONTEND CONFIG ("backup_job_default_timeout_ms" = "600000")"#);
    match root.run("BACKUP SNAPSHOT d.s TO r") {
        Err(refused) => assert!(refused.text.contains("repository"), "{}", refused.text),
        Ok(_) => {
            shows(&root.ended("SHOW BACKUP FROM d"), &["CANCELLED", "repository r at file://"])
        }
    }
    root.done("DROP REPOSITORY r");
    let location = place.path("backups").display().to_string();
    root.done(&format!(r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "file://{location}""#));
    root.back_up("d", "s", "r");
}
