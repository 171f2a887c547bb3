//! [`Server`]: `cairn serve --data`, a process of its own, until it is told to end or is killed.

use std::ops::Deref;

use rustix::process::Signal;
use serde_json::Value;

use crate::client::Client;
use crate::place::Place;
use crate::running::Running;

/// Storages that do not answer are given up at once.
const IMPATIENT: &str = "[engine.storage.retry]\nbudget = \"0s\"\n";

/// A running server; statements are typed into it.
#[derive(Debug)]
pub(crate) struct Server {
    running: Option<Running>,
    root: Client,
}

impl Server {
    /// Serves a data directory of this place, whose configuration is `cairn.toml` there.
    pub(crate) fn start(place: &Place, data: &str) -> Self {
        Self::start_with(place, data, &[])
    }

    /// The same with variables of the environment.
    pub(crate) fn start_with(place: &Place, data: &str, environment: &[(&str, &str)]) -> Self {
        let listen = ["--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"];
        let verb = ["--json", "serve", "--data", data];
        let mut command = place.command(&[&verb[..], &listen].concat());
        if !place.has("cairn.toml") {
            place.write("cairn.toml", IMPATIENT.as_bytes());
        }
        command.env("CAIRN_CONFIG", "cairn.toml").envs(environment.iter().copied());
        let mut running = Running::start(command);
        let event = running.wait_for("\"event\":\"serving_sql\"");
        let event: Value = serde_json::from_str(&event).unwrap();
        let (_, port) = event["address"].as_str().unwrap().rsplit_once(':').unwrap();
        Self { running: Some(running), root: Client::new(port, "root") }
    }

    /// SIGKILL, which no process sees coming.
    pub(crate) fn kill(mut self) {
        let running = self.running.take().unwrap();
        running.signal(Signal::KILL);
        assert_eq!(running.end().0, -9);
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn terminate(mut self) {
        let running = self.running.take().unwrap();
        running.signal(Signal::TERM);
        let (status, said) = running.end();
        assert_eq!(status, 0, "{said}");
    }
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.root
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::KILL);
            running.end();
        }
    }
}

/// Every byte of a repository in this place is what it must be.
#[track_caller]
pub(crate) fn check(place: &Place, repository: &str) {
    let mut command = place.command(&["check", "--read-data", "--repo", repository]);
    let output = command.env("CAIRN_CONFIG", "cairn.toml").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
