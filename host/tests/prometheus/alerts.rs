//! Each alert fires when its cause really happens, and none before.
//!
//! Times are shortened here, in a copy of the rules: an alert fires at once, five minutes are ten seconds and a day is
//! twenty. That an alert waits as long as it should is for the unit tests of the rules.

use std::fs;
use std::path::PathBuf;

use cairn_testkit::{Direction, NetFault, S3Server, TcpProxy, wait_until};
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::place::noise;
use crate::process::Prometheus;
use crate::server::{PATIENCE, Server};

const ACCESS_KEY: &str = "AKTEST";
const SECRET_KEY: &str = "hidden-secret-key";

fn shortened(rules: String) -> String {
    let short = [("[5m]", "[10s]"), ("[1d]", "[20s]"), ("offset 1d", "offset 20s"), ("1e9", "1")];
    let rules = short.into_iter().fold(rules, |rules, (long, short)| rules.replace(long, short));
    let waits = |line: &&str| !line.trim().starts_with("for:");
    rules.lines().filter(waits).map(|line| format!("{line}\n")).collect()
}

fn start(config: &str) -> Option<(Server, Prometheus, Client)> {
    let server = Server::start(config);
    let prometheus = Prometheus::scraping(server.http, shortened)?;
    let root = server.filled();
    // Rules have been evaluated on what was scraped before anything happens.
    prometheus.wait_for("cairn_jobs_total{kind=\"backup\", outcome=\"failed\"}", |it| it == 0.0);
    prometheus.wait_for("cairn_repository_damages{repository=\"r\"}", |count| count == 0.0);
    Some((server, prometheus, root))
}

impl Prometheus {
    #[track_caller]
    fn waits_until_fires(&self, alert: &str) {
        wait_until(alert, PATIENCE, || self.firing().iter().any(|name| name == alert));
    }

    #[track_caller]
    fn is_silent_about(&self, alert: &str) {
        assert!(!self.firing().iter().any(|name| name == alert), "{alert} fires too soon");
    }
}

/// The files below a directory.
fn files(directory: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let nested = entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] });
    nested.collect()
}

fn cut_short(path: &PathBuf) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

/// Rows of 60 KB that hardly compress.
fn insert_noise(root: &mut Client, content: &str, rows: u8) {
    let row = |number| {
        let noise = noise(content, number, 30_000);
        let hex = noise.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        format!("({number}, '{hex}')")
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    root.done(&format!("INSERT INTO d.t VALUES {}", rows.join(", ")));
}

#[test]
fn failures_ages_damage_and_absence_are_told() {
    let Some((server, prometheus, mut root)) = start("") else {
        return;
    };
    root.back_up("d", "good", "r");
    for alert in ["CairnBackupFailed", "CairnDamageFound", "CairnRepositoryUnreachable"] {
        prometheus.is_silent_about(alert);
    }
    // Only the target that nobody can meet is missed; before the first backup both were.
    wait_until("one target is missed", PATIENCE, || {
        let late = prometheus.query("ALERTS{alertname=\"CairnBackupTooOld\"}");
        late.len() == 1 && late[0].0["target"] == "impatient"
    });

    // A pack loses its end.
    prometheus.is_silent_about("CairnDamageFound");
    let pack = files(server.place.path("backups/__cairn_repository_r/packs"));
    cut_short(pack.first().unwrap());
    prometheus.waits_until_fires("CairnDamageFound");

    // A segment of the source rots: its backup does not finish.
    root.done("INSERT INTO d.t VALUES (2, 'two')");
    prometheus.is_silent_about("CairnBackupFailed");
    let segments = files(server.place.path("data/tablets"));
    segments.iter().for_each(cut_short);
    root.done("BACKUP SNAPSHOT d.bad TO r");
    let job = root.ended("SHOW BACKUP FROM d");
    assert!(job.contains(&Some("CANCELLED".to_owned())), "{job:?}");
    prometheus.waits_until_fires("CairnBackupFailed");

    // What makes it a repository is gone, as where another disk is mounted.
    prometheus.is_silent_about("CairnRepositoryUnreachable");
    let config = server.place.path("backups/__cairn_repository_r/cairn.json");
    let away = server.place.path("away.json");
    fs::rename(&config, &away).unwrap();
    prometheus.waits_until_fires("CairnRepositoryUnreachable");
    fs::rename(&away, &config).unwrap();
    prometheus.wait_for("cairn_repository_reachable{repository=\"r\"}", |is| is == 1.0);

    // The server is killed, and its series end.
    prometheus.is_silent_about("CairnServerDown");
    drop(server);
    prometheus.waits_until_fires("CairnServerDown");
}

#[test]
fn dedupe_that_collapses_is_told() {
    let Some((_server, prometheus, mut root)) = start("") else {
        return;
    };
    let mut number = 0;
    let mut back_up = |root: &mut Client| {
        number += 1;
        root.back_up("d", &format!("backup_{number}"), "r");
    };
    let fill = |root: &mut Client, seed: u32| {
        root.done("TRUNCATE TABLE d.t");
        insert_noise(root, &format!("seed {seed}"), 10);
    };
    fill(&mut root, 0);
    // Two days of backups of what has not changed.
    wait_until("two quiet days", PATIENCE, || {
        back_up(&mut root);
        let quiet = |age| prometheus.value(&format!("cairn:backup_new:ratio1d {age} < 0.1"));
        quiet("").is_some() && quiet("offset 20s").is_some()
    });
    prometheus.is_silent_about("CairnDedupeCollapsed");
    let mut seed = 0;
    wait_until("CairnDedupeCollapsed", PATIENCE, || {
        seed += 1;
        fill(&mut root, seed);
        back_up(&mut root);
        prometheus.firing().iter().any(|name| name == "CairnDedupeCollapsed")
    });
}

#[test]
fn an_upload_that_stalls_is_told() {
    let runtime = Runtime::new().unwrap();
    let bucket = runtime.block_on(S3Server::start(ACCESS_KEY, SECRET_KEY, &["bucket"])).unwrap();
    let address = bucket.endpoint().trim_start_matches("http://").parse().unwrap();
    let proxy = runtime.block_on(TcpProxy::start(address, 1)).unwrap();
    let Some((_server, prometheus, mut root)) = start("") else {
        return;
    };
    // More than a request needs that carries no data, less than the pack has.
    let stalls = proxy.plan(NetFault::black_hole().on(Direction::Up).after(512 << 10).times(64));
    root.done(&format!(
        "CREATE REPOSITORY far WITH BROKER ON LOCATION 's3://bucket/backups' PROPERTIES (\
         \"aws.s3.endpoint\" = \"http://{}\", \"aws.s3.access_key\" = \"{ACCESS_KEY}\", \
         \"aws.s3.secret_key\" = \"{SECRET_KEY}\", \"aws.s3.enable_path_style_access\" = \"true\")",
        proxy.address()
    ));
    insert_noise(&mut root, "much", 100);
    // Stages have been seen to move, or they would seem to stall from the start.
    root.back_up("d", "near", "r");
    prometheus.wait_for("cairn_stage_items_total{stage=\"uploader\"}", |items| items > 0.0);
    // Without the time that it must last, one that has only begun counts as one that stands still.
    wait_until("nothing is told where nothing runs", PATIENCE, || {
        !prometheus.firing().iter().any(|name| name == "CairnUploadStalled")
    });
    root.done("BACKUP SNAPSHOT d.far TO far");
    prometheus.waits_until_fires("CairnUploadStalled");
    assert!(stalls.hits() > 0);
    root.done("CANCEL BACKUP FROM d");
    wait_until("the alert ends", PATIENCE, || {
        !prometheus.firing().iter().any(|name| name == "CairnUploadStalled")
    });
}
