//! [`Server`]: `cairn serve` with a small database, a repository, and a watch that looks once a second.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::place::Place;

/// Longer than anything takes on a machine that others use, too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A server that runs until its value is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) http: SocketAddr,
    sql: SocketAddr,
    pub(crate) place: Place,
}

impl Server {
    /// Starts it, with this configuration besides.
    pub(crate) fn start(config: &str) -> Self {
        let place = Place::new();
        let config = format!(
            "{config}\n[watch]\ninterval = \"1s\"\nsize_interval = \"1s\"\ncheck_interval = \"1s\"\n\
             targets = [{{ name = \"nightly\", repository = \"r\", database = \"d\", max_age = \"1h\" }}, \
             {{ name = \"impatient\", max_age = \"1s\" }}]\n"
        );
        place.write("cairn.toml", config.as_bytes());
        let mut command = place.command(&["--json", "--config", "cairn.toml", "serve"]);
        command.args(["--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0", "--data", "data"]);
        let log = File::create(place.path("serve.log")).unwrap();
        command.stdin(Stdio::null()).stdout(log).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut address = |event: &str| {
            let line = lines.find(|line| line.contains(&format!("\"event\":\"{event}\"")));
            let line: Value = serde_json::from_str(&line.expect("it starts")).unwrap();
            line["address"].as_str().unwrap().parse().unwrap()
        };
        let (http, sql) = (address("serving"), address("serving_sql"));
        // What it says later must find a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, http, sql, place }
    }

    /// A connection of root, with the database `d`, its table `t` and the repository `r`, which holds nothing yet.
    pub(crate) fn filled(&self) -> Client {
        let mut root = Client::login(self.sql, "root", "").unwrap();
        root.done("CREATE DATABASE d");
        root.done(
            "CREATE TABLE d.t (k INT, v VARCHAR(65533)) DUPLICATE KEY (k) DISTRIBUTED BY HASH (k)",
        );
        root.done("INSERT INTO d.t VALUES (1, 'one')");
        let at = self.place.path("backups");
        let location = format!("file://{}", at.display());
        root.done(&format!("CREATE REPOSITORY r WITH BROKER ON LOCATION '{location}'"));
        root
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
