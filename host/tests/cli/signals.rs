//! Signals to the real process, at points that it announces.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::place::Place;

/// The program running.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

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
    Running::start(place, &[&verb[..], more, &["wh"]].concat())
}

impl Running {
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// Waits until stderr has a line with this text, and answers it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let length = self.stderr.read_line(&mut line).unwrap();
            assert!(length > 0, "no {text:?} before the end of\n{seen}");
            if line.contains(text) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end: the exit code or else minus the signal, and stdout.
    pub(crate) fn end(self) -> (i32, String) {
        let Self { child, stderr } = self;
        // What nobody reads any more may fill the pipe.
        let drain = std::thread::spawn(move || stderr.lines().for_each(drop));
        let output = child.wait_with_output().unwrap();
        drain.join().unwrap();
        let status = output.status.code().or(output.status.signal().map(|signal| -signal));
        (status.unwrap(), String::from_utf8(output.stdout).unwrap())
    }
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
        Running::start(&place, &arguments)
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
    let running = [(); 2].map(|()| Running::start(&place, &arguments));
    let mut statuses = running.map(|running| running.end().0);
    statuses.sort_unstable();
    assert_eq!(statuses, [0, 2]);
    place.cairn(&["check", "--repo", "repo", "--read-data"]).run();
}
