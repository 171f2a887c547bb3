//! kill -9 at random instants of backups, restores and loads, on a local disk. What was acknowledged is there, what is
//! there is whole, and every job comes to its end.
//!
//! An instant is a part of what the same work took before, so that most kills fall into it. The seed is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::time::Instant;

use crate::client::{self, Client};
use crate::kill::assert_no_leftovers;
use crate::member;
use crate::place::{Place, noise};
use crate::server::{self, Server};

const KILLS: u32 = 20;
const REPOSITORY: &str = "repo/__cairn_repository_r";
const SHOW_BACKUP: &str = "SHOW BACKUP FROM sr_hub";
const SHOW_RESTORE: &str = "SHOW RESTORE FROM sr_hub";

/// Instants that a seed gives, and what the kills then fell into.
struct Instants {
    what: &'static str,
    seed: u64,
    given: u8,
    /// The latest.
    most: Duration,
    hits: BTreeMap<&'static str, u32>,
}

impl Instants {
    /// Kills may come until the work is done, and a little later: it is done once to see how long that is.
    fn of(what: &'static str, seed: u64, work: impl FnOnce()) -> Self {
        let begun = Instant::now();
        work();
        Self { what, seed, given: 0, most: begun.elapsed().mul_f64(1.1), hits: BTreeMap::new() }
    }

    /// The next one.
    fn next(&mut self) -> Duration {
        let bytes = noise(&format!("{} {}", self.what, self.seed), self.given, 4);
        self.given += 1;
        let part = u32::from_le_bytes(bytes.try_into().unwrap());
        self.most.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }

    fn hit(&mut self, what: &'static str) {
        *self.hits.entry(what).or_default() += 1;
    }
}

impl Drop for Instants {
    fn drop(&mut self) {
        let Self { what, seed, most, hits, .. } = self;
        // Past the test runner, which keeps the output of what passes to itself.
        let _ = writeln!(
            std::io::stderr(),
            "kills during {what}, seed {seed}, within {most:?}: {hits:?}"
        );
    }
}

/// Kills the server at an instant of some work, or when the work is done; what the work came to.
fn kill_during<T: Send>(
    server: Server,
    instant: Duration,
    work: impl FnOnce(&Client) -> T + Send,
) -> T {
    let client = Client::clone(&server);
    std::thread::scope(|scope| {
        // One message: the end.
        let (done, is_done) = sync_channel(1);
        let working = scope.spawn(move || {
            let outcome = work(&client);
            // Nobody may wait any more.
            let _ = done.send(());
            outcome
        });
        let waited = is_done.recv_timeout(instant);
        assert_ne!(waited, Err(RecvTimeoutError::Disconnected), "the work panicked");
        server.kill();
        working.join().unwrap()
    })
}

/// Types a statement that submits a job, and looks at the job until it has ended or the server is gone: whether
/// the statement was acknowledged.
fn submit(client: &Client, statement: &str, show: &str) -> bool {
    if client.attempt(statement).is_err() {
        return false;
    }
    let is_over = |shown: &str| shown.contains("FINISHED") || shown.contains("CANCELLED");
    // The newest job is the first line.
    while client.attempt(show).is_ok_and(|shown| !is_over(shown.lines().next().unwrap_or_default()))
    {
    }
    true
}

fn server_with_backup(place: &Place) -> Server {
    let server = Server::start(place, "data");
    member::create(&server);
    server.run(&member::load(700..1300));
    member::repository(place, &server, "r");
    server.run("BACKUP SNAPSHOT sr_hub.first TO r ON (sr_member)");
    server.finished(SHOW_BACKUP);
    server
}

#[test]
fn backups_are_whole() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let mut server = server_with_backup(&place);
    let mut taken = vec![("first".to_owned(), member::rows(&server, "sr_hub.sr_member"))];
    let mut instants = Instants::of("backups", 1, || {
        server.run(&member::load(1250..1300));
        assert!(submit(&server, "BACKUP SNAPSHOT sr_hub.m TO r ON (sr_member)", SHOW_BACKUP));
    });
    taken.push(("m".to_owned(), member::rows(&server, "sr_hub.sr_member")));
    for number in 0..KILLS {
        server.run(&member::load(1300 + number * 50..1350 + number * 50));
        let rows = member::rows(&server, "sr_hub.sr_member");
        let label = format!("n{number:02}");
        let instant = instants.next();
        let statement = format!("BACKUP SNAPSHOT sr_hub.{label} TO r ON (sr_member)");
        let is_acknowledged =
            kill_during(server, instant, |client| submit(client, &statement, SHOW_BACKUP));
        server = Server::start(&place, "data");
        let shown = server.table(SHOW_BACKUP);
        let is_known = shown.get("SnapshotName") == label;
        instants.hit(if is_known { "of a job" } else { "before it was written down" });
        assert!(is_known || !is_acknowledged, "{label} was acknowledged and is gone: {shown:?}");
        if is_known {
            server.finished(SHOW_BACKUP);
            taken.push((label, rows));
        }
        let labels: Vec<String> = taken.iter().map(|(label, _)| label.clone()).collect();
        assert_eq!(server.table("SHOW SNAPSHOT ON r").column("Snapshot"), labels);
    }
    server::check(&place, REPOSITORY);
    for (label, rows) in taken.iter().rev().step_by(4) {
        server.run(&member::restore_statement(&server, "r", label, &format!("AS {label}_again")));
        server.finished(SHOW_RESTORE);
        assert_eq!(member::rows(&server, &format!("sr_hub.{label}_again")), *rows);
    }
}

#[test]
fn restores_are_all_or_nothing() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let mut server = server_with_backup(&place);
    let backed_up = member::rows(&server, "sr_hub.sr_member");
    let mut instants = Instants::of("restores", 1, || {
        let statement = member::restore_statement(&server, "r", "first", "");
        assert!(submit(&server, &statement, SHOW_RESTORE));
    });
    for number in 0..KILLS {
        server.run("DELETE FROM sr_hub.sr_member WHERE id < 800");
        server.run(&member::load(2000 + number..2010 + number));
        let before = member::rows(&server, "sr_hub.sr_member");
        let last = server.table(SHOW_RESTORE);
        let statement = member::restore_statement(&server, "r", "first", "");
        let instant = instants.next();
        let is_acknowledged =
            kill_during(server, instant, |client| submit(client, &statement, SHOW_RESTORE));
        server = Server::start(&place, "data");
        let seen = member::rows(&server, "sr_hub.sr_member");
        assert!(seen == before || seen == backed_up, "kill {number}: a mixture");
        instants.hit(if seen == before { "before the switch" } else { "after the switch" });
        let is_known = server.table(SHOW_RESTORE).rows.len() > last.rows.len();
        assert!(is_known || !is_acknowledged, "a restore was acknowledged and is gone");
        let expected = if is_known {
            server.finished(SHOW_RESTORE);
            &backed_up
        } else {
            &before
        };
        assert_eq!(member::rows(&server, "sr_hub.sr_member"), *expected);
        assert_no_leftovers(&place);
    }
    server::check(&place, REPOSITORY);
}

#[test]
fn loads_are_all_or_nothing() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let mut server = server_with_backup(&place);
    let load = |number: u32| {
        // Into every partition.
        let (one, many) = (900 + number, 1990 + number * 40);
        member::load(one..one + 1) + &member::load(many..many + 40).replace(INSERT, ", ")
    };
    let mut instants = Instants::of("loads", 1, || drop(server.run(&load(KILLS))));
    let mut rows = member::rows(&server, "sr_hub.sr_member");
    for number in 0..KILLS {
        let (load, instant) = (load(number), instants.next());
        let outcome = kill_during(server, instant, |client| client.attempt(&load));
        server = Server::start(&place, "data");
        let seen = member::rows(&server, "sr_hub.sr_member");
        let added = seen.lines().count() - rows.lines().count();
        assert!(added == 41 || (added == 0 && outcome.is_err()), "{added} rows: {outcome:?}");
        let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
            (rows.lines().collect(), seen.lines().collect());
        assert!(old.is_subset(&new), "rows of before are gone");
        instants.hit(if added == 0 { "before the commit" } else { "after the commit" });
        rows = seen;
        assert_no_leftovers(&place);
    }
    // What the kills left is backed up and restored like everything else.
    server.run("BACKUP SNAPSHOT sr_hub.last TO r ON (sr_member)");
    server.finished(SHOW_BACKUP);
    server.run(&member::restore_statement(&server, "r", "last", "AS again"));
    server.finished(SHOW_RESTORE);
    assert_eq!(member::rows(&server, "sr_hub.again"), rows);
}

const INSERT: &str = "INSERT INTO sr_hub.sr_member VALUES ";
