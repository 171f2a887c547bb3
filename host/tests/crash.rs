//! The crash matrix: the real program dies at each failpoint, and the same command then succeeds.
//!
//! Only with `--features failpoints`. A failpoint that is never reached fails the test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod place;

use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use cairn_pipeline::failpoint::Failpoint;
use place::Place;

/// What abort(3) raises.
const SIGABRT: i32 = 6;

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
