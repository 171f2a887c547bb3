//! kill -9 in every state of a job: the next server on the same data says what is so, and brings the job to its end.
//!
//! The storage is an S3 server behind a line that is slow while a job is to be caught, so that every state that asks the
//! storage lasts many looks. What only this process does, the switch of a restore, is caught by `random_kill`.

use std::time::Duration;

use cairn_testkit::{Direction, Line, S3Server, TcpProxy, wait_until};
use tokio::runtime::Runtime;

use crate::client;
use crate::member;
use crate::place::Place;
use crate::server::{self, Server};

const KEYS: (&str, &str) = ("AKTEST", "secret");
const REPOSITORY: &str = "s3://bucket/backups/__cairn_repository_r";
const SHOW_BACKUP: &str = "SHOW BACKUP FROM sr_hub";
const SHOW_RESTORE: &str = "SHOW RESTORE FROM sr_hub";
/// Each request then takes twice as long: several looks of the server at its job.
const SLOW: Duration = Duration::from_millis(150);
/// An answer that is this late is one that a killed server does not hear.
const VERY_SLOW: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// A place, a storage, and the line between them.
struct Rig {
    place: Place,
    proxy: TcpProxy,
    storage: S3Server,
    // The last to go: the others live on it.
    _runtime: Runtime,
}

impl Rig {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let storage = runtime.block_on(S3Server::start(KEYS.0, KEYS.1, &["bucket"]));
        let storage = storage.unwrap();
        let address = storage.endpoint().trim_start_matches("http://").parse().unwrap();
        let proxy = runtime.block_on(TcpProxy::start(address, 1)).unwrap();
        let place = Place::new();
        let settings = format!(
            "[properties]\naws.s3.endpoint = \"{}\"\naws.s3.access_key = \"{}\"\naws.s3.secret_key = \"{}\"\n",
            storage.endpoint(),
            KEYS.0,
            KEYS.1
        );
        place.write("cairn.toml", settings.as_bytes());
        Self { place, proxy, storage, _runtime: runtime }
    }

    /// A server with the table of the guide, a repository `r` behind the line, and a backup `first`.
    fn server(&self) -> Server {
        let server = Server::start(&self.place, "data");
        member::create(&server);
        server.run(&member::load(700..1300));
        self.create_repository(&server, &format!("http://{}", self.proxy.address()));
        server.run("BACKUP SNAPSHOT sr_hub.first TO r ON (sr_member)");
        server.finished(SHOW_BACKUP);
        server
    }

    fn create_repository(&self, server: &Server, endpoint: &str) {
        server.run(&format!(
            "CREATE REPOSITORY r WITH BROKER ON LOCATION 's3a://bucket/backups' \
             PROPERTIES ('aws.s3.endpoint' = '{endpoint}')"
        ));
    }

    fn set_latency(&self, up: Duration, down: Duration) {
        for (direction, latency) in [(Direction::Up, up), (Direction::Down, down)] {
            self.proxy.set_line(direction, Line { latency, ..Line::default() });
        }
    }

    fn make_slow(&self) {
        self.set_latency(SLOW, SLOW);
    }

    fn make_fast(&self) {
        self.set_latency(Duration::ZERO, Duration::ZERO);
    }

    fn restart(&self, server: Server) -> Server {
        server.kill();
        self.make_fast();
        Server::start(&self.place, "data")
    }
}

#[test]
fn a_backup_survives_a_kill_in_every_state() {
    if !client::is_there() {
        return;
    }
    let rig = Rig::new();
    let mut server = rig.server();
    let mut labels = vec!["first".to_owned()];
    for (number, state) in (2000..).zip(["PENDING", "SNAPSHOTING", "UPLOADING", "SAVE_META"]) {
        server.run(&member::load(number..number + 1));
        server.run(&member::load(number - 1600..number - 1500));
        let label = state.to_lowercase();
        let rows = member::rows(&server, "sr_hub.sr_member");
        rig.make_slow();
        server.run(&format!("BACKUP SNAPSHOT sr_hub.{label} TO r ON (sr_member)"));
        server.reaches(SHOW_BACKUP, state);
        let id = server.table(SHOW_BACKUP).get("JobId");
        server = rig.restart(server);
        let shown = server.table(SHOW_BACKUP);
        assert_eq!((shown.get("JobId"), shown.get("SnapshotName")), (id.clone(), label.clone()));
        assert_eq!(shown.get("Status"), "[OK]", "the job is not over and has not failed");
        let shown = server.finished(SHOW_BACKUP);
        assert_eq!(shown.get("JobId"), id);
        labels.push(label.clone());
        expect_whole(&rig, &server, &label, &rows, &labels);
    }

    // An end is an end for the next server too.
    let ended = server.table(SHOW_BACKUP);
    server = rig.restart(server);
    assert_eq!(server.table(SHOW_BACKUP), ended);
    server.terminate();
}

/// The snapshot is there once, all of it.
fn expect_whole(rig: &Rig, server: &Server, label: &str, rows: &str, labels: &[String]) {
    let mut labels = labels.to_vec();
    labels.sort();
    assert_eq!(server.table("SHOW SNAPSHOT ON r").column("Snapshot"), labels);
    let restore = member::restore_statement(server, "r", label, &format!("AS copy_{label}"));
    server.run(&restore);
    server.finished(SHOW_RESTORE);
    assert_eq!(member::rows(server, &format!("sr_hub.copy_{label}")), rows);
    server::check(&rig.place, REPOSITORY);
}

/// The record is there, and the server is killed before it hears so.
#[test]
fn a_backup_that_was_committed_unheard_is_finished() {
    if !client::is_there() {
        return;
    }
    let rig = Rig::new();
    let mut server = rig.server();
    let witness = Server::start(&rig.place, "witness");
    rig.create_repository(&witness, rig.storage.endpoint());
    server.run(&member::load(1500..1600));
    let rows = member::rows(&server, "sr_hub.sr_member");
    rig.make_slow();
    server.run("BACKUP SNAPSHOT sr_hub.unheard TO r ON (sr_member)");
    server.reaches(SHOW_BACKUP, "SAVE_META");
    let see = |label: &str| {
        witness.table("SHOW SNAPSHOT ON r").column("Snapshot").contains(&label.to_owned())
    };
    // Every further answer is late, also that to the put of the record.
    let mut is_late = false;
    wait_until("the record is there", PATIENCE, || {
        // Later requests are sent as long as earlier ones are answered.
        let is_there = see("unheard");
        if !is_late && !is_there {
            rig.set_latency(Duration::ZERO, SLOW * 4);
            is_late = true;
        }
        is_there
    });
    rig.set_latency(VERY_SLOW, VERY_SLOW);
    let shown = server.table(SHOW_BACKUP);
    assert_eq!(shown.get("State"), "SAVE_META", "the answer came before the kill");
    server = rig.restart(server);
    let ended = server.finished(SHOW_BACKUP);
    assert_eq!(ended.get("JobId"), shown.get("JobId"));
    let labels = ["first".to_owned(), "unheard".to_owned()];
    expect_whole(&rig, &server, "unheard", &rows, &labels);
}

#[test]
fn a_restore_survives_a_kill_in_every_state() {
    if !client::is_there() {
        return;
    }
    let rig = Rig::new();
    let mut server = rig.server();
    let backed_up = member::rows(&server, "sr_hub.sr_member");
    for state in ["PENDING", "SNAPSHOTING", "DOWNLOADING"] {
        server.run("DELETE FROM sr_hub.sr_member WHERE id < 1000");
        server.run(&member::load(100..110));
        let before = member::rows(&server, "sr_hub.sr_member");
        let restore = member::restore_statement(&server, "r", "first", "");
        rig.make_slow();
        server.run(&restore);
        server.reaches(SHOW_RESTORE, state);
        let id = server.table(SHOW_RESTORE).get("JobId");
        server = rig.restart(server);
        let seen = member::rows(&server, "sr_hub.sr_member");
        assert!(seen == before || seen == backed_up, "neither the old data nor the new");
        let shown = server.finished(SHOW_RESTORE);
        assert_eq!((shown.get("JobId"), shown.get("Label")), (id, "first".to_owned()));
        assert_eq!(member::rows(&server, "sr_hub.sr_member"), backed_up);
        assert_no_leftovers(&rig.place);
    }
    let ended = server.table(SHOW_RESTORE);
    server = rig.restart(server);
    assert_eq!(server.table(SHOW_RESTORE), ended);
    assert_eq!(member::rows(&server, "sr_hub.sr_member"), backed_up);
    server.run(&member::load(1..2));
    server.terminate();
    server::check(&rig.place, REPOSITORY);
}

/// A server that is told to end in the middle of a job ends cleanly, and the next one goes on.
#[test]
fn a_server_ends_cleanly_in_the_middle_of_a_job() {
    if !client::is_there() {
        return;
    }
    let rig = Rig::new();
    let server = rig.server();
    server.run(&member::load(1500..1600));
    rig.make_slow();
    server.run("BACKUP SNAPSHOT sr_hub.interrupted TO r ON (sr_member)");
    server.reaches(SHOW_BACKUP, "UPLOADING");
    server.terminate();
    rig.make_fast();
    let server = Server::start(&rig.place, "data");
    server.finished(SHOW_BACKUP);
    let rows = member::rows(&server, "sr_hub.sr_member");
    let labels = ["first".to_owned(), "interrupted".to_owned()];
    expect_whole(&rig, &server, "interrupted", &rows, &labels);
}

/// No file in the data directory is one that was being written.
#[track_caller]
pub(crate) fn assert_no_leftovers(place: &Place) {
    let mut tree = place.tree("data");
    tree.retain(|path, _| path.extension().is_some_and(|extension| extension == "part"));
    assert!(tree.is_empty(), "{:?}", tree.keys());
}
