//! What an embedder's own subscriber hears of a job: whatever thread tells it, the line says whose it is.
//!
//! One test in a process of its own: `tracing` decides once whether anybody wants an event, so jobs beside it that nobody hears would
//! decide for these.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod place;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use cairn_pipeline::JOB_EVENTS;
use cairn_testkit::Fault;
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::with_default;

use place::rig::Rig;

/// Lines of JSON that a subscriber wrote.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Runs `work` under a subscriber that writes everything here.
    fn hear<T>(&self, work: impl FnOnce() -> T) -> T {
        let lines = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(move || lines.clone())
            .finish();
        with_default(subscriber, work)
    }

    fn of(&self, target: &str) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        let lines = String::from_utf8(bytes).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"].as_str().unwrap().starts_with(target)).collect()
    }
}

/// The job that a line stands in.
fn job_of(line: &Value) -> &Value {
    let spans = line["spans"].as_array().unwrap();
    spans.iter().find(|span| span["name"] == "job").unwrap_or_else(|| panic!("whose? {line}"))
}

#[test]
fn every_line_says_whose_it_is_and_what_needs_somebody_is_an_error() {
    every_line_says_whose_it_is();
    what_needs_somebody_is_an_error_with_its_code();
}

fn every_line_says_whose_it_is() {
    let (ours, theirs) = (Lines::default(), Lines::default());
    let rig = ours.hear(|| {
        let rig = Rig::new();
        rig.backup("a").unwrap();
        rig
    });
    theirs.hear(|| rig.restored("a"));

    let life = ours.of(JOB_EVENTS);
    let words: Vec<_> = life.iter().map(|line| line["fields"]["message"].clone()).collect();
    assert_eq!(words, ["began", "finished"]);
    assert_eq!(life[1]["fields"]["read_bytes"], rig.source.bytes_read());
    // The planner tells of each object from a thread of its own.
    let of_stages = ours.of("cairn_actors");
    assert!(!of_stages.is_empty());
    for line in life.iter().chain(&of_stages) {
        let job = job_of(line);
        assert_eq!((&job["kind"], &job["label"]), (&"backup".into(), &"a".into()), "{line}");
        assert_eq!(job["id"], job_of(&life[0])["id"]);
    }
    // The other job was started under another subscriber: neither hears of the other.
    let life = theirs.of(JOB_EVENTS);
    assert_eq!(life.len(), 2);
    assert!(life.iter().all(|line| job_of(line)["kind"] == "restore"), "{life:?}");
}

fn what_needs_somebody_is_an_error_with_its_code() {
    let lines = Lines::default();
    let error = lines.hear(|| {
        let (rig, faults) = Rig::with_faults();
        faults.plan(Fault::no_space().at(|path| path.as_str().starts_with("packs")).always());
        rig.backup("a").unwrap_err()
    });
    let life = lines.of(JOB_EVENTS);
    let last = life.last().unwrap();
    assert_eq!((&last["level"], &last["fields"]["message"]), (&"ERROR".into(), &"failed".into()));
    assert_eq!(last["fields"]["code"], error.code());
    assert!(last["fields"]["error"].as_str().unwrap().contains("packs/"), "{last}");
}
