//! The crash matrix: the real program dies at each failpoint, and the same command then succeeds; a job of SQL goes on by itself.
//!
//! Only with `--features failpoints`. A failpoint that is never reached fails the test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod place;

use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::time::Duration;

use cairn_pipeline::failpoint::Failpoint;
use place::Place;

/// What abort(3) raises.
const SIGABRT: i32 = 6;

/// Longer than any job of a few rows.
const PATIENCE: Duration = Duration::from_secs(60);

const BACKUP: &[&str] = &["backup", "--repo", "repo", "--label", "one", "wh"];
const RESTORE: &[&str] = &["restore", "--repo", "repo", "--label", "one", "target"];

#[test]
fn after_a_crash_anywhere_the_same_command_succeeds() {
    let mut failures = Vec::new();
    for point in Failpoint::ALL {
        let outcome = die_and_recover(point);
        println!("{:28} {}", point.name(), outcome.as_deref().unwrap_or_else(|error| error));
        if let Err(error) = outcome {
            failures.push(format!("{}: {error}", point.name()));
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

/// Dies at a point and does the same again; says what the crash left, or what went wrong.
fn die_and_recover(point: Failpoint) -> Result<String, String> {
    let place = Place::new();
    let is_restore = is_of_restore(point);
    let command = if is_restore { RESTORE } else { BACKUP };
    // The old data of a restore: it or the new must be there, never a mixture.
    place.write("target/shop/orders/p1/t1/old.dat", b"old");
    place.write("target/shop/items/p1/t1/old.dat", b"old");
    let old = place.tree("target");
    if is_restore {
        succeed(&place, BACKUP)?;
    }

    let output = run(&place, &[&["--failpoint", point.name()], command].concat());
    if output.status.signal() != Some(SIGABRT) {
        return Err(format!("was not hit: {}", told(&output)));
    }
    let left = match is_restore {
        true => {
            let mut target = place.tree("target");
            target.retain(|path, _| !path.starts_with(".cairn"));
            match (target == old, target == place.tree("wh")) {
                (true, _) => "old data",
                (_, true) => "new data",
                _ => return Err(format!("left a mixture: {:?}", target.keys())),
            }
        }
        false if place.has("repo/snapshots/one") => "a snapshot",
        false => "no snapshot",
    };

    let again = run(&place, command);
    // Whoever died after the commit has his snapshot: a second one of its label is refused.
    let is_committed = left == "a snapshot";
    match again.status.code() {
        Some(0) if !is_committed => {}
        Some(2) if is_committed && told(&again).contains("CAIRN-R004") => {}
        _ => return Err(format!("again: {}", told(&again))),
    }
    succeed(&place, &["check", "--repo", "repo", "--read-data"])?;
    succeed(&place, &["restore", "--repo", "repo", "--label", "one", "out"])?;
    let restored = if is_restore { &["target", "out"][..] } else { &["out"] };
    for name in restored {
        if place.tree(name) != place.tree("wh") {
            return Err(format!("{name} is not the same: {:?}", place.tree(name).keys()));
        }
    }
    Ok(format!("aborted, left {left}; again: recovered, clean, same"))
}

#[test]
fn after_a_crash_anywhere_a_job_of_sql_goes_on() {
    let mut failures = Vec::new();
    for point in Failpoint::ALL {
        let outcome = die_and_go_on(point);
        println!("{:28} sql: {}", point.name(), outcome.as_ref().map_or("went on, same", |it| it));
        failures.extend(outcome.map(|error| format!("{}: {error}", point.name())));
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

const ROWS: &str = "SELECT k, v FROM d.t ORDER BY k";

/// Dies in a job at a point, and opens the warehouse again until the job has ended; what went wrong.
fn die_and_go_on(point: Failpoint) -> Option<String> {
    let place = Place::new();
    let repository = place.path("repo");
    sql(
        &place,
        &format!(
            "CREATE DATABASE d; CREATE TABLE d.t (k INT, v VARCHAR(20)); INSERT INTO d.t VALUES (1, 'one'), (2, 'two'); \
         CREATE REPOSITORY r WITH BROKER ON LOCATION 'file://{}'",
            repository.display()
        ),
    );
    let rows = sql(&place, ROWS);
    let is_restore = is_of_restore(point);
    let mut killed = "BACKUP SNAPSHOT d.one TO r ON (t)".to_owned();
    if is_restore {
        sql(&place, &killed);
        killed = restore(&place);
        sql(&place, "DELETE FROM d.t WHERE k = 1");
    }
    let output =
        run(&place, &["--failpoint", point.name(), "sql", "--data", "data", "-e", &killed]);
    if output.status.signal() != Some(SIGABRT) {
        return Some(format!("was not hit: {}", told(&output)));
    }
    let show = if is_restore { "SHOW RESTORE FROM d" } else { "SHOW BACKUP FROM d" };
    let has_ended = || ["FINISHED", "CANCELLED"].contains(&cell(&place, show, "State").as_str());
    cairn_testkit::wait_until("the job ends", PATIENCE, has_ended);
    let state = cell(&place, show, "State");
    if !is_restore {
        // What was backed up is what comes back.
        sql(&place, "DROP TABLE d.t");
        sql(&place, &restore(&place));
    }
    let seen = sql(&place, ROWS);
    (state != "FINISHED" || seen != rows).then(|| format!("{state}, and then {seen:?}"))
}

fn restore(place: &Place) -> String {
    let timestamp = cell(place, "SHOW SNAPSHOT ON r", "Timestamp");
    format!("RESTORE SNAPSHOT d.one FROM r ON (t) PROPERTIES ('backup_timestamp' = '{timestamp}')")
}

/// What a run of statements prints, which waits for the jobs that it submits.
fn sql(place: &Place, text: &str) -> String {
    let output = run(place, &["sql", "--data", "data", "-e", text]);
    assert!(output.status.success(), "{text}: {}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The value of a column in the last row that a statement shows.
fn cell(place: &Place, show: &str, column: &str) -> String {
    let shown = sql(place, show);
    let mut lines = shown.lines().map(|line| line.split('\t'));
    let at = lines.next().unwrap().position(|name| name == column).unwrap();
    lines.next_back().unwrap().nth(at).unwrap().to_owned()
}

fn is_of_restore(point: Failpoint) -> bool {
    ["fetcher-", "installer-"].iter().any(|prefix| point.name().starts_with(prefix))
}

fn run(place: &Place, arguments: &[&str]) -> Output {
    place.command(arguments).output().unwrap()
}

fn succeed(place: &Place, arguments: &[&str]) -> Result<(), String> {
    let output = run(place, arguments);
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{arguments:?}: {}", told(&output))),
    }
}

fn told(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{}, {}", output.status, stderr.trim().replace('\n', "; "))
}
