//! Signals to the real process, at points that it announces.

use rustix::process::Signal;
use serde_json::Value;

use crate::place::Place;
use crate::running::Running;

/// A backup that works for many seconds: 48 MiB of words at the highest level.
pub(crate) fn slow_backup(place: &Place, more: &[&str]) -> Running {
    let mut words = Vec::new();
    let mut number = 1_u64;
    while words.len() < 48 << 20 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        words.extend_from_slice(format!("word-{} ", number >> 50).as_bytes());
    }
    place.write("wh/shop/words/p1/t1/segment.dat", &words);
    let verb = ["backup", "--repo", "repo", "--label", "slow", "--compression", "19"];
    Running::start(place.command(&[&verb[..], more, &["wh"]].concat()))
}

#[test]
fn ctrl_c_leaves_nothing_visible_and_the_next_backup_works() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new();
        let mut running = slow_backup(&place, &["--json"]);
        running.wait_for("\"state\":\"uploading\"");
        running.signal(signal);
        let (status, stdout) = running.end();
        assert_eq!(status, 130, "{stdout}");
        let document: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(document["exit_code"], 130);
        assert_eq!(document["error"]["code"], "CAIRN-P003");

        let listed = place.cairn(&["snapshots", "--repo", "repo"]).json();
        assert_eq!(listed["snapshots"].as_array().unwrap().len(), 0);
        assert!(!place.has("wh/.cairn"), "pins are left");
        let leftovers = place.tree("repo/.staging~");
        assert!(leftovers.is_empty(), "staging files are left: {:?}", leftovers.keys());

        place.write("wh/shop/words/p1/t1/segment.dat", b"few words");
        place.back_up("slow");
        place.cairn(&["check", "--repo", "repo", "--read-data"]).run();
        place.cairn(&["restore", "--repo", "repo", "--latest", "out"]).run();
        assert_eq!(place.tree("out"), place.tree("wh"));
    }
}

#[test]
fn the_second_ctrl_c_kills() {
    let place = Place::new();
    let mut running = slow_backup(&place, &[]);
    running.wait_for("backup slow: uploading");
    running.signal(Signal::INT);
    running.wait_for("cancelling; once more kills");
    running.signal(Signal::INT);
    let (status, _) = running.end();
    // The first may have done it before the second came.
    assert!(status == -2 || status == 130, "{status}");
    place.write("wh/shop/words/p1/t1/segment.dat", b"few words");
    place.back_up("slow");
    assert!(!place.has("wh/.cairn"), "pins of the dead are left");
}

#[test]
fn two_backups_at_once_both_succeed() {
    let place = Place::new();
    let start = |label| {
        let arguments = ["backup", "--repo", "repo", "--label", label, "wh"];
        Running::start(place.command(&arguments))
    };
    let running = ["a", "b", "c"].map(start);
    for running in running {
        assert_eq!(running.end().0, 0);
    }
    let listed = place.cairn(&["snapshots", "--repo", "repo"]).json();
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 3);
    place.cairn(&["check", "--repo", "repo", "--read-data"]).run();
}

#[test]
fn of_two_backups_of_one_label_one_succeeds() {
    let place = Place::new();
    let arguments = ["backup", "--repo", "repo", "--label", "same", "wh"];
    let running = [(); 2].map(|()| Running::start(place.command(&arguments)));
    let mut statuses = running.map(|running| running.end().0);
    statuses.sort_unstable();
    assert_eq!(statuses, [0, 2]);
    place.cairn(&["check", "--repo", "repo", "--read-data"]).run();
}
