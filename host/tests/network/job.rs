//! A warehouse, and jobs of the program between it and a repository elsewhere.

use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::Instant;

use crate::place::{Place, noise};

/// Longer than any attempt that is given up and every budget of retries.
const PATIENCE: Duration = Duration::from_secs(200);

/// The keys of the S3 servers of these tests.
pub(crate) const ACCESS_KEY: &str = "AKTEST";
pub(crate) const SECRET_KEY: &str = "secret";

/// The properties of a bucket that is reached there, as the end of a configuration.
pub(crate) fn bucket_properties(address: SocketAddr) -> String {
    format!(
        "[properties]\naws.s3.endpoint = \"http://{address}\"\naws.s3.access_key = \"{ACCESS_KEY}\"\n\
         aws.s3.secret_key = \"{SECRET_KEY}\"\naws.s3.enable_path_style_access = true\n"
    )
}

/// A warehouse and the configuration with which the program reaches a repository.
pub(crate) struct Client {
    pub(crate) place: Place,
    repo: String,
}

impl Client {
    /// `settings` is the configuration, `repo` the repository.
    pub(crate) fn new(repo: &str, settings: &str) -> Self {
        let place = Place::new();
        place.write("cairn.toml", settings.as_bytes());
        Self { place, repo: repo.to_owned() }
    }

    /// Makes a table of segments of 1 MiB that do not compress and of which other content has nothing.
    pub(crate) fn fill(&self, table: &str, content: &str, segments: u8) {
        for segment in 0..segments {
            let name = format!("wh/shop/{table}/p1/t1/{segment}.dat");
            self.place.write(&name, &noise(content, segment, 1 << 20));
        }
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Job {
        self.spawn(arguments, Stdio::null())
    }

    fn spawn(&self, arguments: &[&str], stdout: Stdio) -> Job {
        let mut command = self.place.command(arguments);
        command.args(["--repo", &self.repo]).env("CAIRN_CONFIG", "cairn.toml");
        command.stdout(stdout).stderr(Stdio::piped());
        Job { child: command.spawn().unwrap() }
    }

    pub(crate) fn backup(&self, label: &str) -> Job {
        self.start(&["backup", "--label", label, "wh"])
    }

    pub(crate) fn restore(&self, label: &str, target: &str) -> Job {
        self.start(&["restore", "--label", label, target])
    }

    /// The labels of all snapshots, by name.
    pub(crate) fn labels(&self) -> Vec<String> {
        // Not a pipe, which would be too short for many snapshots.
        let listed = self.place.path("listed.json");
        let file = File::create(&listed).unwrap();
        self.spawn(&["snapshots", "--json"], file.into()).succeed();
        let listed: Value = serde_json::from_slice(&fs::read(listed).unwrap()).unwrap();
        let snapshots = listed["snapshots"].as_array().unwrap().iter();
        let mut labels: Vec<String> =
            snapshots.map(|snapshot| snapshot["label"].as_str().unwrap().to_owned()).collect();
        labels.sort_unstable();
        labels
    }

    /// The repository has no fault, and what it has under this label is the warehouse.
    pub(crate) fn prove(&self, label: &str) {
        assert!(!self.place.has("proof"), "the proof of another time");
        self.start(&["check", "--read-data"]).succeed();
        self.restore(label, "proof").succeed();
        assert_eq!(self.place.tree("proof"), self.place.tree("wh"));
    }
}

/// A run of the program. It ends with its value.
pub(crate) struct Job {
    child: Child,
}

impl Job {
    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    #[track_caller]
    pub(crate) fn succeed(self) {
        let (status, told) = self.end();
        assert!(status.success(), "{status}: {told}");
    }

    /// Kills it (SIGKILL) after this time, unless it has succeeded before; whether it was killed.
    #[track_caller]
    pub(crate) fn killed_after(mut self, time: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < time && self.is_running() {
            thread::park_timeout(Duration::from_millis(1));
        }
        // Who has ended by now cannot be killed, which is no error.
        self.child.kill().unwrap();
        let (status, told) = self.end();
        let is_killed = status.signal() == Some(Signal::KILL.as_raw());
        assert!(is_killed || status.success(), "{status}: {told}");
        is_killed
    }

    /// It must fail with this status and an error of this code.
    #[track_caller]
    pub(crate) fn fail(self, status: i32, code: &str) {
        let (ended, told) = self.end();
        assert_eq!(ended.code(), Some(status), "{told}");
        assert!(told.contains(code), "{told}");
    }

    /// Whether it succeeded; an error must have a code and the status of a failure.
    #[track_caller]
    pub(crate) fn succeeds_or_says_why(self) -> bool {
        let (status, told) = self.end();
        if status.success() {
            return true;
        }
        // 4: the storage cannot be used now.
        assert_eq!(status.code(), Some(4), "{told}");
        assert!(told.contains("(CAIRN-"), "{told}");
        false
    }

    /// How it ended, and what it said of it.
    fn end(mut self) -> (ExitStatus, String) {
        let mut told = String::new();
        wait_until("the job ends", || !self.is_running());
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap(), told)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Waits until the job has done this, which it must not end before.
pub(crate) fn wait_for_the_middle(job: &mut Job, is_there: impl Fn() -> bool) {
    wait_until("the job comes to its middle", || {
        assert!(job.is_running(), "the job ended before its middle");
        is_there()
    });
}

/// Waits for something that another process does.
#[track_caller]
pub(crate) fn wait_until(what: &str, is_met: impl FnMut() -> bool) {
    cairn_testkit::wait_until(what, PATIENCE, is_met);
}

/// The bytes of all files below a directory, which may change meanwhile.
pub(crate) fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let lengths = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    lengths.sum()
}
